/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* "doctor": what could keep flows from being made or trusted, and how to mend it. */

#include <stdio.h>

#include "basic/string.h"
#include "o7sctl/doctor.h"
#include "o7sctl/table.h"
#include "o7sctl/terminal.h"

enum { RESULT, SUBJECT, TEXT, MEND, EXPIRES };

static const Column finding_columns[] = {
        [RESULT] = { "RESULT", "result", 0 },
        [SUBJECT] = { "SUBJECT", "subject", 0 },
        [TEXT] = { "TEXT", "text", 0 },
        [MEND] = { "MEND", "mend", 0 },
        [EXPIRES] = { "EXPIRES", "expires_sec", 0 },
};

static void print_finding(const Finding *finding) {
        static const Glyph glyphs[] = {
                [FINDING_GOOD] = GLYPH_DONE, [FINDING_NOTE] = GLYPH_DASH, [FINDING_PROBLEM] = GLYPH_MISSING,
        };
        static const Color colors[] = {
                [FINDING_GOOD] = COLOR_GREEN, [FINDING_NOTE] = COLOR_YELLOW, [FINDING_PROBLEM] = COLOR_RED,
        };
        size_t length = strlen(finding->text);

        (void) printf("%s%s%s %s: %s%s\n", terminal_sequence(colors[finding->kind]),
                      terminal_glyph(glyphs[finding->kind]), terminal_sequence(COLOR_NORMAL),
                      strempty(finding->subject), finding->text,
                      length > 0 && strchr(".!?", finding->text[length - 1]) ? "" : ".");
        if (finding->mend)
                (void) printf("    try: %s\n", finding->mend);
}

static int print_json(const Doctor *d) {
        static const char *const results[] = {
                [FINDING_GOOD] = "good", [FINDING_NOTE] = "note", [FINDING_PROBLEM] = "problem",
        };
        _cleanup_(table_freep) Table *table = NULL;
        int r;

        r = table_new(finding_columns, ELEMENTSOF(finding_columns), &table);
        for (size_t i = 0; r >= 0 && i < d->n; i++) {
                const Finding *finding = &d->findings[i];

                table_row(table);
                table_set_string(table, RESULT, results[finding->kind]);
                table_set_string(table, SUBJECT, strempty(finding->subject));
                table_set_string(table, TEXT, finding->text);
                if (finding->mend)
                        table_set_string(table, MEND, finding->mend);
                if (finding->expiry_sec > 0)
                        table_set_u64(table, EXPIRES, finding->expiry_sec);
        }

        return r < 0 ? r : table_print(table, &d->ctl->options);
}

static size_t count(const Doctor *d, FindingKind kind) {
        size_t n = 0;

        for (size_t i = 0; i < d->n; i++)
                n += d->findings[i].kind == kind;

        return n;
}

static void print_all(const Doctor *d) {
        const Options *o = &d->ctl->options;
        size_t n_problems = count(d, FINDING_PROBLEM), n_notes = count(d, FINDING_NOTE);

        for (size_t i = 0; i < d->n; i++)
                if (!o->quiet || d->findings[i].kind == FINDING_PROBLEM)
                        print_finding(&d->findings[i]);

        if (o->legend && !o->quiet)
                (void) printf("%zu problem%s, %zu note%s.\n", n_problems, n_problems == 1 ? "" : "s", n_notes,
                              n_notes == 1 ? "" : "s");
}

/* Files of another host cannot be seen over the bus; with --root= there is nobody to ask. */
int verb_doctor(Ctl *ctl, int argc, char *argv[]) {
        const Options *o = &ctl->options;
        _cleanup_(doctor_done) Doctor d = {
                .ctl = ctl, .what = argc > 1 ? argv[1] : NULL, .now_sec = time_realtime_nsec() / NSEC_PER_SEC,
        };
        bool local = !o->host && !o->machine, live = o->root[0] == '\0';
        int r;

        if (live) {
                r = bus_open(ctl);
                if (r > 0)
                        return r;
                doctor_check_services(&d);
                doctor_check_clock(&d);
        }
        if (local) {
                doctor_check_configuration(&d);
                doctor_check_files(&d);
        }
        if (live) {
                doctor_check_layers(&d);
                doctor_check_refusals(&d);
                doctor_check_names(&d);
        }

        if (o->json == JSON_OFF)
                print_all(&d);
        else if (print_json(&d) < 0)
                return bus_complain_message(-ENOMEM);

        return count(&d, FINDING_PROBLEM) > 0 ? EXIT_FAILED : EXIT_FINE;
}
