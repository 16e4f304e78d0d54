/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Starting and stopping layers. o7s-irm does the work as an operation; here its progress is drawn until every
 * layer has come to rest. All layers are asked for first and then waited for together.
 */

#include <stdio.h>
#include <time.h>

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "o7sctl/bus.h"
#include "o7sctl/bus-json.h"
#include "o7sctl/terminal.h"

#define LOOK_EVERY_USEC (100 * USEC_PER_MSEC)
#define LAYERS_AT_ONCE_MAX 64

typedef struct Work {
        const char *layer;
        char *operation;        /* its path; owned */
        usec_t begun;
        char *shown; /* the last progress line without a terminal, so that each is printed once; owned */
        bool finished;
        int status;             /* the exit status of this layer */
} Work;

static int work_start(Ctl *ctl, const char *member, Work *work) {
        BUS_REPLY_FREE sd_bus_message *call = NULL, *reply = NULL;
        bool start = streq(member, "StartLayer");
        const char *path;
        int r;

        r = bus_prepare(ctl, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, member, &call);
        if (r > 0)
                return r;

        r = sd_bus_message_append(call, "st", work->layer,
                                  (uint64_t) (ctl->options.block ? 0 : BUS_FLAG_NO_WAIT));
        if (r < 0)
                return bus_complain_message(r);

        r = bus_send(ctl, call, &reply, "Cannot %s layer '%s'", start ? "start" : "stop", work->layer);
        if (r > 0)
                return r;

        r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return bus_complain_message(r);

        work->operation = strdup(path);
        return work->operation ? 0 : bus_complain_message(-ENOMEM);
}

/* One line per layer; on a terminal it is drawn over until it is final. */
static void work_show(const Ctl *ctl, Work *work, Color color, Glyph glyph, const char *state, const char *text,
                      bool last) {
        _cleanup_free_ char *line = NULL;

        if (ctl->options.quiet || ctl->options.json != JSON_OFF)
                return;
        if (format_string(&line, "%s%s%s", state, isempty(text) ? "" : ": ", strempty(text)) < 0)
                return;

        if (!isatty(STDOUT_FILENO) && work->shown && streq(work->shown, line) && !last)
                return;

        (void) printf("%s %s%s%s %-12s %s", isatty(STDOUT_FILENO) ? "\r\033[K" : "", terminal_sequence(color),
                      terminal_glyph(glyph), terminal_sequence(COLOR_NORMAL), work->layer, line);
        if (last)
                (void) printf("   %.1f s", (double) usec_sub(time_now(), work->begun) / (double) USEC_PER_SEC);
        if (last || !isatty(STDOUT_FILENO))
                (void) printf("\n");
        (void) fflush(stdout);

        free(work->shown);
        work->shown = TAKE_PTR(line);
}

/* The properties of the operation; *ret NULL: it has been forgotten, so it ended long ago. */
static int work_look(Ctl *ctl, const Work *work, json_object **ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        BUS_REPLY_FREE sd_bus_message *call = NULL, *reply = NULL;
        int r;

        r = bus_prepare(ctl, work->operation, "org.freedesktop.DBus.Properties", "GetAll", &call);
        if (r > 0)
                return r;

        r = sd_bus_message_append(call, "s", BUS_INTERFACE_OPERATION);
        if (r < 0)
                return bus_complain_message(r);

        *ret = NULL;
        r = bus_try(ctl, call, &error, &reply);
        if (r < 0 && (sd_bus_error_has_name(&error, SD_BUS_ERROR_UNKNOWN_OBJECT) ||
                      sd_bus_error_has_name(&error, SD_BUS_ERROR_UNKNOWN_INTERFACE)))
                return 0;
        if (r < 0)
                return bus_complain(ctl, &error, r, "Lost sight of layer '%s'", work->layer);

        r = bus_json_read(reply, ret);
        return r <= 0 ? bus_complain_message(r ?: -ENODATA) : 0;
}

/* How the layer is now, for the line that stays. */
static void work_describe_layer(Ctl *ctl, const Work *work, char **ret_state, char **ret_reason) {
        _cleanup_free_ char *path = NULL;
        _cleanup_json_ json_object *layer = NULL;

        if (bus_path_of(BUS_PATH_LAYER, work->layer, &path) < 0 ||
            bus_properties(ctl, path, BUS_INTERFACE_LAYER, &layer) > 0)
                return;

        (void) format_string(ret_state, "%s", member_string(layer, "State"));
        (void) format_string(ret_reason, "%s", member_string(layer, "StateReason"));
}

static void work_failed(const Ctl *ctl, Work *work, json_object *operation) {
        json_object *error = member_array(operation, "Error");
        const char *name = "", *text = member_string(operation, "Message");

        if (error && json_object_array_length(error) == 2) {
                const char *said = json_object_get_string(json_object_array_get_idx(error, 1));

                name = json_object_get_string(json_object_array_get_idx(error, 0));
                text = isempty(said) ? text : said;
        }

        work_show(ctl, work, COLOR_RED, GLYPH_FAILED, "failed", NULL, true);
        (void) fprintf(stderr,
                       "Layer '%s' failed: %s\n  See: o7sctl status %s; journalctl -u " O7S_UNIT_PREFIX "%s\n",
                       work->layer, text, work->layer, work->layer);
        work->status = bus_exit_status(name);
        work->finished = true;
}

static void work_done(Ctl *ctl, Work *work, bool start) {
        _cleanup_free_ char *state = NULL, *reason = NULL;

        work->finished = true;
        if (!start) {
                work_show(ctl, work, COLOR_GREEN, GLYPH_DONE, "stopped", NULL, true);
                return;
        }

        work_describe_layer(ctl, work, &state, &reason);
        if (state && !streq(state, "online")) {
                work_show(ctl, work, state_color(state), state_glyph(state), state, reason, true);
                work->status = streq(state, "degraded") ? EXIT_FINE : EXIT_NOT_ACTIVE;
                return;
        }

        work_show(ctl, work, COLOR_GREEN, GLYPH_DONE, "online", NULL, true);
}

/* Looks once. Returns: 0; the exit status where looking itself failed. */
static int work_step(Ctl *ctl, Work *work, bool start) {
        _cleanup_json_ json_object *operation = NULL;
        const char *state;
        int r;

        r = work_look(ctl, work, &operation);
        if (r > 0)
                return r;

        state = operation ? member_string(operation, "State") : "done";
        if (streq(state, "failed") || streq(state, "cancelled"))
                work_failed(ctl, work, operation);
        else if (streq(state, "done"))
                work_done(ctl, work, start);
        else
                work_show(ctl, work, COLOR_YELLOW, GLYPH_CHANGING, start ? "starting" : "stopping",
                          member_string(operation, "Message"), false);

        return 0;
}

/* Until all are finished or the time is over; the time-out is for all of them. Returns the exit status. */
static int work_wait(Ctl *ctl, Work *works, size_t n, bool start) {
        const struct timespec pause = { .tv_nsec = (long) (LOOK_EVERY_USEC * NSEC_PER_USEC) };
        usec_t deadline = usec_add(time_now(), ctl->options.timeout);
        int status = EXIT_FINE;

        for (size_t i = 0; i < n; i++) {
                Work *work = &works[i];

                while (work->operation && !work->finished) {
                        int r = work_step(ctl, work, start);

                        if (r > 0)
                                return r;
                        if (work->finished)
                                break;
                        if (time_now() >= deadline) {
                                _cleanup_free_ char *state = NULL, *reason = NULL;

                                work_describe_layer(ctl, work, &state, &reason);
                                work_show(ctl, work, COLOR_YELLOW, GLYPH_CHANGING, state ?: "unfinished",
                                          reason, true);
                                (void) fprintf(
                                        stderr,
                                        "Layer '%s' is still %s, and goes on. Watch it with: o7sctl status %s\n",
                                        work->layer, start ? "starting" : "stopping", work->layer);
                                work->status = EXIT_TIMEOUT;
                                break;
                        }
                        (void) nanosleep(&pause, NULL);
                }

                status = status ?: work->status;
        }

        return status;
}

static int start_or_stop(Ctl *ctl, int argc, char *argv[], bool start) {
        Work works[LAYERS_AT_ONCE_MAX] = {};
        size_t n = (size_t) argc - 1;
        int status = EXIT_FINE, r;

        if (n > ELEMENTSOF(works)) {
                (void) fprintf(stderr, "At most %zu layers at once.\n", ELEMENTSOF(works));
                return EXIT_USAGE;
        }

        agent_open(ctl);
        for (size_t i = 0; i < n; i++) {
                works[i] = (Work) { .layer = argv[i + 1], .begun = time_now() };
                r = work_start(ctl, start ? "StartLayer" : "StopLayer", &works[i]);
                status = status ?: r;
        }

        if (ctl->options.block) {
                r = work_wait(ctl, works, n, start);
                status = status ?: r;
        }

        for (size_t i = 0; i < n; i++) {
                free(works[i].operation);
                free(works[i].shown);
        }

        return status;
}

int verb_up(Ctl *ctl, int argc, char *argv[]) {
        return start_or_stop(ctl, argc, argv, true);
}

int verb_down(Ctl *ctl, int argc, char *argv[]) {
        return start_or_stop(ctl, argc, argv, false);
}
