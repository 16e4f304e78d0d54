/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Layers: listing them, making new ones. */

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "o7sctl/bus.h"
#include "o7sctl/bus-json.h"
#include "o7sctl/table.h"
#include "o7sctl/terminal.h"
#include "services/common/layer-file.h"

#define LAYER_SAVE_DIRECTORY "/etc/o7s/" LAYER_FILE_DIRECTORY

enum { LAYER, TYPE, STATE, FLOWS, OVER, RECEIVED, SENT, UNIT, REASON };

static const Column layer_columns[] = {
        [LAYER] = { "LAYER", "layer", 0 },
        [TYPE] = { "TYPE", "type", 0 },
        [STATE] = { "STATE", "state", 0 },
        [FLOWS] = { "FLOWS", "flows", COLUMN_RIGHT },
        [OVER] = { "OVER", "over", 0 },
        [RECEIVED] = { "RX", "rx_bytes", COLUMN_RIGHT },
        [SENT] = { "TX", "tx_bytes", COLUMN_RIGHT },
        [UNIT] = { "UNIT", "unit", COLUMN_SHORTEN },
        [REASON] = { "REASON", "reason", COLUMN_JSON_ONLY },
};

/* A layer that is well needs no explanation; for the others it is what one looks for. */
static void note_reason(ConfStrings *notes, const char *name, const char *state, const char *reason) {
        _cleanup_free_ char *note = NULL;

        if (streq(state, "online") || isempty(reason))
                return;

        /* "created" is a word of the state machine; to people the layer is there and does not run. */
        if (format_string(&note, "%s%s%s %s is %s: %s", terminal_sequence(state_color(state)),
                          terminal_glyph(state_glyph(state)), terminal_sequence(COLOR_NORMAL), name,
                          streq(state, "created") ? "not running" : state, reason) >= 0)
                (void) conf_strings_add(notes, note);
}

/* name type state unit bus-name path; what the list does not say is read from the layer's own object. */
static int add_layer(Ctl *ctl, Table *table, ConfStrings *notes, json_object *row) {
        const char *name = item_string(row, 0), *state = item_string(row, 2), *path = item_string(row, 5);
        _cleanup_json_ json_object *properties = NULL, *counters = NULL;
        int r;

        r = bus_properties(ctl, path, BUS_INTERFACE_LAYER, &properties);
        if (r > 0)
                return r;

        table_row(table);
        table_set_string(table, LAYER, name);
        table_set_string(table, TYPE, item_string(row, 1));
        table_set_state(table, STATE, state);
        table_set_u64(table, FLOWS, member_u64(properties, "NFlows"));
        table_set_strings(table, OVER, member_array(properties, "Over"));
        if (bus_try_counters(ctl, item_string(row, 4), &counters) >= 0) {
                table_set_bytes(table, RECEIVED, member_u64(counters, "frames-rx-bytes"));
                table_set_bytes(table, SENT, member_u64(counters, "frames-tx-bytes"));
        }
        table_set_string(table, UNIT, item_string(row, 3));
        table_set_string(table, REASON, member_string(properties, "StateReason"));

        note_reason(notes, name, state, member_string(properties, "StateReason"));
        return 0;
}

static void print_count(const Ctl *ctl, const Table *table, const ConfStrings *notes) {
        size_t n = table_rows(table);

        if (ctl->options.json != JSON_OFF || !ctl->options.legend || ctl->options.quiet)
                return;

        if (n == 0)
                (void) printf("No layers. Make one with: o7sctl new NAME --eth=INTERFACE --now\n");
        else
                (void) printf("%zu layer%s.\n", n, n == 1 ? "" : "s");

        for (size_t i = 0; i < notes->n; i++)
                (void) printf("%s\n", notes->items[i]);
}

int verb_layers(Ctl *ctl, int argc, char *argv[]) {
        BUS_REPLY_FREE sd_bus_message *call = NULL, *reply = NULL;
        _cleanup_(conf_strings_done) ConfStrings notes = {};
        _cleanup_json_ json_object *rows = NULL;
        _cleanup_(table_freep) Table *table = NULL;
        int r;

        r = bus_prepare(ctl, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "ListLayers", &call);
        if (r > 0)
                return r;

        r = bus_send(ctl, call, &reply, "Cannot list layers");
        if (r > 0)
                return r;

        r = bus_json_read_rows(reply, &rows);
        if (r >= 0)
                r = table_new(layer_columns, ELEMENTSOF(layer_columns), &table);
        if (r < 0)
                return bus_complain_message(r);

        for (size_t i = 0; i < json_object_array_length(rows); i++) {
                r = add_layer(ctl, table, &notes, json_object_array_get_idx(rows, i));
                if (r > 0)
                        return r;
        }

        terminal_page(ctl);
        r = table_print(table, &ctl->options);
        if (r < 0)
                return bus_complain_message(r);

        print_count(ctl, table, &notes);
        return EXIT_FINE;
}

/* -- new -- */

/* The file that the options describe. */
static int layer_text(const Options *o, char **ret) {
        return format_string(ret, "# Written by o7sctl new.\n"
                                  "[Layer]\nType=eth\n\n"
                                  "[Ethernet]\nInterface=%s\n%s%s%s%s%s%s",
                             o->eth,
                             o->framing ? "Framing=" : "", strempty(o->framing), o->framing ? "\n" : "",
                             o->ethertype ? "EtherType=" : "", strempty(o->ethertype), o->ethertype ? "\n" : "");
}

/* Refuses what the daemons would refuse, before anything is changed. Returns the exit status. */
static int check_text(const char *name, const char *text) {
        _cleanup_(layer_file_freep) LayerFile *file = NULL;
        int r;

        r = layer_file_parse(name, "the new layer", text, strlen(text), &file);
        if (r >= 0)
                return EXIT_FINE;

        if (file)
                conf_print_messages(file->conf, stderr);
        (void) fprintf(stderr, "Cannot make layer '%s': %s.\n", name, r == -EBADMSG ? "see above" : strerror(-r));
        return r == -EBADMSG ? EXIT_CONFIG : EXIT_FAILED;
}

static int write_all(int fd, const char *text) {
        size_t left = strlen(text);

        while (left > 0) {
                ssize_t n = write(fd, text, left);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;

                text += n;
                left -= (size_t) n;
        }

        return fsync(fd) < 0 ? -errno : 0;
}

/* Appears complete or not at all, and never over a file that is there. Returns: 0; -EEXIST and other errors of files. */
static int save_file(const char *path, const char *text) {
        _cleanup_free_ char *temporary = NULL;
        _cleanup_close_ int fd = -1;
        int r;

        if (mkdir("/etc/o7s", 0755) < 0 && errno != EEXIST)
                return -errno;
        if (mkdir(LAYER_SAVE_DIRECTORY, 0755) < 0 && errno != EEXIST)
                return -errno;

        r = format_string(&temporary, "%s.XXXXXX", path);
        if (r < 0)
                return r;

        fd = mkostemp(temporary, O_CLOEXEC);
        if (fd < 0)
                return -errno;

        r = write_all(fd, text);
        if (r >= 0 && (fchmod(fd, 0644) < 0 || link(temporary, path) < 0))
                r = -errno;

        (void) unlink(temporary);
        return r;
}

/* With --save the file is ours to write: o7s-irm has no business in /etc. */
static int new_save(const char *name, const char *text) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = format_string(&path, LAYER_SAVE_DIRECTORY "/%s" LAYER_FILE_SUFFIX, name);
        if (r >= 0)
                r = save_file(path, text);
        if (r >= 0)
                return EXIT_FINE;

        (void) fprintf(stderr, "Cannot write %s: %s.%s\n", strempty(path), strerror(-r),
                       r == -EEXIST                  ? " Edit it, or remove it first."
                       : r == -EACCES || r == -EPERM ? " Run the command with sudo, or without --save."
                                                     : "");
        return r == -EACCES || r == -EPERM ? EXIT_DENIED : EXIT_FAILED;
}

/* CreateLayer takes "Section.Key" and a string for each assignment. */
static int new_create(Ctl *ctl, const char *name) {
        const Options *o = &ctl->options;
        BUS_REPLY_FREE sd_bus_message *call = NULL;
        int r;

        r = bus_prepare(ctl, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "CreateLayer", &call);
        if (r > 0)
                return r;

        r = sd_bus_message_append(call, "s", name);
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(call, "{sv}{sv}", "Layer.Type", "s", "eth", "Ethernet.Interface", "s",
                                          o->eth);
        if (r >= 0 && o->framing)
                r = sd_bus_message_append(call, "{sv}", "Ethernet.Framing", "s", o->framing);
        if (r >= 0 && o->ethertype)
                r = sd_bus_message_append(call, "{sv}", "Ethernet.EtherType", "s", o->ethertype);
        if (r >= 0)
                r = sd_bus_message_close_container(call);
        if (r >= 0)
                r = sd_bus_message_append(call, "t", (uint64_t) 0);
        if (r < 0)
                return bus_complain_message(r);

        agent_open(ctl);
        return bus_send(ctl, call, NULL, "Cannot make layer '%s'", name);
}

int verb_new(Ctl *ctl, int argc, char *argv[]) {
        _cleanup_free_ char *text = NULL;
        char *name = argv[1];
        int r;

        if (!layer_name_is_valid(name)) {
                (void) fprintf(
                        stderr,
                        "'%s' cannot be the name of a layer: use letters, digits, '.', '_' and '-', at most 63.\n",
                        name);
                return EXIT_USAGE;
        }
        if (!ctl->options.eth) {
                (void) fprintf(stderr,
                               "What kind of layer? Name its interface: o7sctl new %s --eth=INTERFACE\n", name);
                return EXIT_USAGE;
        }

        r = layer_text(&ctl->options, &text);
        if (r < 0)
                return bus_complain_message(r);

        r = check_text(name, text);
        if (r == EXIT_FINE)
                r = ctl->options.save ? new_save(name, text) : new_create(ctl, name);
        if (r > 0)
                return r;

        if (ctl->options.now) {
                char *up[] = { argv[0], name, NULL };

                return verb_up(ctl, 2, up);
        }

        if (!ctl->options.quiet)
                (void) printf("Made layer '%s'. Start it with: o7sctl up %s\n", name, name);
        return EXIT_FINE;
}
