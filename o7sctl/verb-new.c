/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * New layers: "new" makes one on an interface or over other layers, "join" makes one that enrolls in a layer that
 * others have. What a layer is to be is a list of assignments, which is written as a file or handed to o7s-irm.
 */

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "o7sctl/bus.h"
#include "services/common/layer-file.h"

#define LAYER_SAVE_DIRECTORY "/etc/o7s/" LAYER_FILE_DIRECTORY
#define ASSIGNMENTS_MAX (8U + 2 * ELEMENTSOF(((Options *) NULL)->over))

typedef struct Assignment {
        const char *section;
        const char *key;
        const char *value;
} Assignment;

typedef struct Plan {
        Assignment items[ASSIGNMENTS_MAX];      /* those of a section stand together */
        size_t n;
} Plan;

static void plan_add(Plan *plan, const char *section, const char *key, const char *value) {
        if (!value)
                return;

        assert(plan->n < ELEMENTSOF(plan->items));
        plan->items[plan->n++] = (Assignment) { section, key, value };
}

static void plan_ethernet(Plan *plan, const Options *o) {
        plan_add(plan, "Layer", "Type", "eth");
        plan_add(plan, "Ethernet", "Interface", o->eth);
        plan_add(plan, "Ethernet", "Framing", o->framing);
        plan_add(plan, "Ethernet", "EtherType", o->ethertype);
}

static void plan_unicast(Plan *plan, const Options *o) {
        plan_add(plan, "Layer", "Type", "unicast");
        for (size_t i = 0; i < o->n_over; i++)
                plan_add(plan, "Layer", "Over", o->over[i]);

        if (o->bootstrap)
                plan_add(plan, "Bootstrap", "Bootstrap", "yes");
        for (size_t i = 0; i < o->n_via; i++)
                plan_add(plan, "Enroll", "Via", o->via[i]);
}

/* The file. */
static int plan_text(const Plan *plan, const char *verb, char **ret) {
        _cleanup_free_ char *text = NULL;
        const char *section = NULL;
        int r;

        r = format_string(&text, "# Written by o7sctl %s.\n", verb);
        for (size_t i = 0; r >= 0 && i < plan->n; i++) {
                _cleanup_free_ char *before = TAKE_PTR(text);
                const Assignment *a = &plan->items[i];
                bool same = section && streq(section, a->section);

                r = format_string(&text, "%s%s%s%s%s%s=%s\n", before, !section || same ? "" : "\n", same ? "" : "[",
                                  same ? "" : a->section, same ? "" : "]\n", a->key, a->value);
                section = a->section;
        }
        if (r < 0)
                return r;

        *ret = TAKE_PTR(text);
        return 0;
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

/* Appears complete or not at all, and never over a file that is there. Returns: 0; -EEXIST and other errors of
 * files. */
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

/* CreateLayer takes "Section.Key" with a string, or strings where a key is repeated. */
static int append_assignment(sd_bus_message *call, const Plan *plan, size_t *i) {
        const Assignment *a = &plan->items[*i];
        char key[64];
        size_t n = 1;
        int r;

        while (*i + n < plan->n && streq(plan->items[*i + n].key, a->key) &&
               streq(plan->items[*i + n].section, a->section))
                n++;

        (void) snprintf(key, sizeof(key), "%s.%s", a->section, a->key);
        *i += n;
        if (n == 1)
                return sd_bus_message_append(call, "{sv}", key, "s", a->value);

        r = sd_bus_message_open_container(call, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(call, "s", key);
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'a', "s");
        for (size_t k = 0; r >= 0 && k < n; k++)
                r = sd_bus_message_append(call, "s", a[k].value);
        for (unsigned k = 0; r >= 0 && k < 3; k++)
                r = sd_bus_message_close_container(call);

        return r;
}

static int new_create(Ctl *ctl, const char *name, const Plan *plan) {
        BUS_REPLY_FREE sd_bus_message *call = NULL;
        int r;

        r = bus_prepare(ctl, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "CreateLayer", &call);
        if (r > 0)
                return r;

        r = sd_bus_message_append(call, "s", name);
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'a', "{sv}");
        for (size_t i = 0; r >= 0 && i < plan->n;)
                r = append_assignment(call, plan, &i);
        if (r >= 0)
                r = sd_bus_message_close_container(call);
        if (r >= 0)
                r = sd_bus_message_append(call, "t", (uint64_t) 0);
        if (r < 0)
                return bus_complain_message(r);

        agent_open(ctl);
        return bus_send(ctl, call, NULL, "Cannot make layer '%s'", name);
}

static bool check_name(const char *name) {
        if (layer_name_is_valid(name))
                return true;

        (void) fprintf(stderr,
                       "'%s' cannot be the name of a layer: use letters, digits, '.', '_' and '-', at most 63.\n",
                       name);
        return false;
}

static int make(Ctl *ctl, char *verb, char *name, const Plan *plan, bool save) {
        _cleanup_free_ char *text = NULL;
        int r;

        r = plan_text(plan, verb, &text);
        if (r < 0)
                return bus_complain_message(r);

        r = check_text(name, text);
        if (r == EXIT_FINE)
                r = save ? new_save(name, text) : new_create(ctl, name, plan);
        if (r > 0)
                return r;

        if (ctl->options.now) {
                char *up[] = { verb, name, NULL };

                return verb_up(ctl, 2, up);
        }

        if (!ctl->options.quiet)
                (void) printf("Made layer '%s'. Start it with: o7sctl up %s\n", name, name);
        return EXIT_FINE;
}

int verb_new(Ctl *ctl, int argc, char *argv[]) {
        const Options *o = &ctl->options;
        Plan plan = {};

        if (!check_name(argv[1]))
                return EXIT_USAGE;
        if (!o->eth == (o->n_over == 0)) {
                (void) fprintf(
                        stderr,
                        o->eth ? "A layer lies on an interface or over other layers, not both.\n"
                               : "What kind of layer? Name its interface: o7sctl new %s --eth=INTERFACE\n"
                                 "  or the layer that it lies over:      o7sctl new %s --over=LAYER --bootstrap\n",
                        argv[1], argv[1]);
                return EXIT_USAGE;
        }
        if (o->eth && o->bootstrap) {
                (void) fprintf(stderr, "--bootstrap is for layers over others: an Ethernet has no first member.\n");
                return EXIT_USAGE;
        }

        if (o->eth)
                plan_ethernet(&plan, o);
        else
                plan_unicast(&plan, o);
        return make(ctl, argv[0], argv[1], &plan, o->save);
}

/* Always a file of the caller's, as a member is to be one after a reboot too. */
int verb_join(Ctl *ctl, int argc, char *argv[]) {
        const Options *o = &ctl->options;
        Plan plan = {};

        if (!check_name(argv[1]))
                return EXIT_USAGE;
        if (o->n_over == 0) {
                (void) fprintf(stderr, "Over which layer is '%s' reached? o7sctl join %s --over=LAYER\n"
                                       "See them with: o7sctl layers\n", argv[1], argv[1]);
                return EXIT_USAGE;
        }

        plan_unicast(&plan, o);
        return make(ctl, argv[0], argv[1], &plan, true);
}
