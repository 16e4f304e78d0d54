/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Colour, glyphs and the pager. */

#include <fcntl.h>
#include <langinfo.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <signal.h>

#include "basic/string.h"
#include "o7sctl/terminal.h"

static const char *const color_sequences[_COLOR_MAX] = {
        [COLOR_NORMAL] = "\033[0m",
        [COLOR_GREEN] = "\033[32m",
        [COLOR_YELLOW] = "\033[33m",
        [COLOR_RED] = "\033[31m",
        [COLOR_GREY] = "\033[90m",
        [COLOR_BOLD] = "\033[1m",
};

static const char *const color_names[_COLOR_MAX] = {
        [COLOR_GREEN] = "green",
        [COLOR_YELLOW] = "yellow",
        [COLOR_RED] = "red",
        [COLOR_GREY] = "darkgray",
        [COLOR_BOLD] = "bold",
};

static const struct {
        const char *unicode;
        const char *ascii;
} glyphs[_GLYPH_MAX] = {
        [GLYPH_ACTIVE] = { "●", "*" },
        [GLYPH_INACTIVE] = { "○", "o" },
        [GLYPH_FAILED] = { "×", "x" },
        [GLYPH_CHANGING] = { "↻", "~" },
        [GLYPH_DONE] = { "✓", "+" },
        [GLYPH_MISSING] = { "✗", "x" },
        [GLYPH_ARROW] = { "→", "->" },
        [GLYPH_UP] = { "↑", "^" },
        [GLYPH_DOWN] = { "↓", "v" },
        [GLYPH_DASH] = { "–", "-" },
};

static const struct {
        const char *state;
        Color color;
        Glyph glyph;
} state_looks[] = {
        { "online", COLOR_GREEN, GLYPH_ACTIVE },
        { "degraded", COLOR_YELLOW, GLYPH_ACTIVE },
        { "starting", COLOR_YELLOW, GLYPH_CHANGING },
        { "bootstrapping", COLOR_YELLOW, GLYPH_CHANGING },
        { "enrolling", COLOR_YELLOW, GLYPH_CHANGING },
        { "stopping", COLOR_YELLOW, GLYPH_CHANGING },
        { "failed", COLOR_RED, GLYPH_FAILED },
        { "established", COLOR_GREEN, GLYPH_ACTIVE },   /* of a flow */
};

bool terminal_color(void) {
        static const char *const variables[] = { "O7S_COLORS", "SYSTEMD_COLORS" };
        const char *term = getenv("TERM");

        for (size_t i = 0; i < ELEMENTSOF(variables); i++) {
                const char *value = getenv(variables[i]);
                int r = value ? parse_bool(value) : -EINVAL;

                if (r >= 0)
                        return r > 0;
        }

        return !getenv("NO_COLOR") && isatty(STDOUT_FILENO) && !(term && streq(term, "dumb"));
}

bool terminal_unicode(void) {
        return streq(nl_langinfo(CODESET), "UTF-8");
}

const char *terminal_sequence(Color color) {
        return terminal_color() ? color_sequences[color] : "";
}

const char *terminal_color_name(Color color) {
        return color_names[color];
}

const char *terminal_glyph(Glyph glyph) {
        return terminal_unicode() ? glyphs[glyph].unicode : glyphs[glyph].ascii;
}

Color state_color(const char *state) {
        for (size_t i = 0; i < ELEMENTSOF(state_looks); i++)
                if (streq(state_looks[i].state, state))
                        return state_looks[i].color;

        return COLOR_GREY;
}

Glyph state_glyph(const char *state) {
        for (size_t i = 0; i < ELEMENTSOF(state_looks); i++)
                if (streq(state_looks[i].state, state))
                        return state_looks[i].glyph;

        return GLYPH_INACTIVE;
}

static const char *pager_command(void) {
        const char *command = getenv("O7S_PAGER") ?: getenv("PAGER");

        return command ?: "less";
}

static void pager_run(int input) {
        (void) prctl(PR_SET_PDEATHSIG, SIGTERM);
        (void) setenv("LESS", "FRSXMK", 0);
        (void) setenv("LESSCHARSET", terminal_unicode() ? "utf-8" : "ascii", 0);

        if (dup2(input, STDIN_FILENO) < 0)
                _exit(127);

        (void) execl("/bin/sh", "sh", "-c", pager_command(), (char *) NULL);
        _exit(127);
}

void terminal_page(Ctl *ctl) {
        _cleanup_close_ int input = -1, output = -1;
        int ends[2];
        pid_t pid;

        if (!ctl->options.pager || ctl->pager > 0 || !isatty(STDOUT_FILENO) || isempty(pager_command()) ||
            streq(pager_command(), "cat"))
                return;

        /* Whether there is colour is decided by the terminal, not by the pipe to the pager. */
        (void) setenv("O7S_COLORS", terminal_color() ? "1" : "0", 0);

        (void) fflush(stdout);
        if (pipe2(ends, O_CLOEXEC) < 0)
                return;
        input = ends[0];
        output = ends[1];

        pid = fork();
        if (pid < 0)
                return;
        if (pid == 0)
                pager_run(input);

        ctl->pager = pid;
        (void) dup2(output, STDOUT_FILENO);
}

void terminal_page_end(Ctl *ctl) {
        if (ctl->pager <= 0)
                return;

        /* Its input must come to an end before it can. */
        (void) fflush(stdout);
        (void) close(STDOUT_FILENO);
        (void) waitpid(ctl->pager, NULL, 0);
        ctl->pager = 0;
}
