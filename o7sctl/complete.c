/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Candidates for the shells: "o7sctl __complete WORD..." gets the words behind "o7sctl" up to and including the one
 * under the cursor (which may be empty), and prints one candidate per line. Whether they fit what has been typed is
 * the shell's to say. Silent when there is nothing to offer, or nobody to ask.
 */

#include <stdio.h>

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "o7sctl/bus.h"
#include "o7sctl/verb.h"

#define ASK_USEC (500 * USEC_PER_MSEC)  /* a prompt that hangs is worse than no candidates */

static void print_verbs(void) {
        for (const Verb *verb = verb_table; verb->name; verb++)
                if (verb->help)
                        (void) printf("%s\n", verb->name);
}

static void print_options_for(const Verb *verb) {
        for (int i = 0; i < _OPTION_MAX; i++) {
                bool applies = i < _OPTION_GLOBAL_MAX || (verb && (verb->options & OPTION_BIT(i)));

                if (applies && option_name((Option) i))
                        (void) printf("--%s%s\n", option_name((Option) i),
                                      option_takes_value((Option) i) ? "=" : "");
        }
}

/* The first string of each element of the list that a method returns. */
static void print_listed(Ctl *ctl, const char *member, const char *element) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        BUS_REPLY_FREE sd_bus_message *call = NULL, *reply = NULL;
        const char *name;
        char contents[16];

        if (!ctl->bus && sd_bus_open_system(&ctl->bus) < 0)
                return;
        if (sd_bus_message_new_method_call(ctl->bus, &call, BUS_NAME_IRM, BUS_PATH_IRM, BUS_INTERFACE_MANAGER,
                                           member) < 0)
                return;
        (void) sd_bus_message_set_auto_start(call, false);
        if (sd_bus_call(ctl->bus, call, ASK_USEC, &error, &reply) < 0)
                return;

        (void) snprintf(contents, sizeof(contents), "(%s)", element);
        if (sd_bus_message_enter_container(reply, 'a', contents) < 0)
                return;

        while (sd_bus_message_enter_container(reply, 'r', element) > 0) {
                if (sd_bus_message_read(reply, "s", &name) < 0)
                        return;

                (void) printf("%s\n", name);
                if (sd_bus_message_skip(reply, element + 1) < 0 || sd_bus_message_exit_container(reply) < 0)
                        return;
        }
}

/* "init", "issue", ...; what follows some of them is a name. */
static void print_actions(Ctl *ctl, const char *before) {
        static const char *const actions[] = { "init", "issue", "trust", "revoke", "crl", "list" };

        if (streq(before, "issue") || streq(before, "revoke"))
                print_listed(ctl, "ListNames", "ssuuuo");
        for (size_t i = 0; streq(before, "ca") && i < ELEMENTSOF(actions); i++)
                (void) printf("%s\n", actions[i]);
}

static void print_arguments(Ctl *ctl, VerbArguments kind, const char *before) {
        if (kind == ARGUMENTS_CA)
                print_actions(ctl, before);
        if (kind == ARGUMENTS_VERBS)
                print_verbs();
        if (kind == ARGUMENTS_LAYERS || kind == ARGUMENTS_LAYERS_AND_NAMES || kind == ARGUMENTS_LAYERS_AND_FILES)
                print_listed(ctl, "ListLayers", "ssssso");
        if (kind == ARGUMENTS_NAMES || kind == ARGUMENTS_LAYERS_AND_NAMES)
                print_listed(ctl, "ListNames", "ssuuuo");
}

/* Values of an option, written out in full as the shells compare whole words. Returns whether it is one. */
static bool print_values(const char *word) {
        static const struct {
                const char *option;
                const char *values[7];
        } values[] = {
                { "--json=", { "pretty", "short", "off" } },
                { "--framing=", { "dix", "llc" } },
                { "--balance=", { "round-robin", "spill", "least-flows" } },
                { "--side=", { "server", "client" } },
                { "--authentication=", { "none", "server", "mutual" } },
                { "--encryption=", { "no", "opportunistic", "required" } },
                { "--peer=", { "any", "o7s" } },
                { "--common-name=", { "yes", "no" } },
                { "--key-type=", { "p256", "p384", "p521", "ed25519", "ed448", "rsa" } },
        };

        for (size_t i = 0; i < ELEMENTSOF(values); i++) {
                if (!startswith(word, values[i].option))
                        continue;

                for (size_t k = 0; values[i].values[k]; k++)
                        (void) printf("%s%s\n", values[i].option, values[i].values[k]);
                return true;
        }

        return false;
}

int verb_complete(Ctl *ctl, int argc, char *argv[]) {
        const char *word = argc > 1 ? argv[argc - 1] : "";
        const Verb *verb = NULL;

        for (int i = 1; i < argc - 1 && !verb; i++)
                if (argv[i][0] != '-')
                        verb = verb_find(argv[i]);

        if (print_values(word))
                return EXIT_FINE;
        if (word[0] == '-')
                print_options_for(verb);
        else if (!verb)
                print_verbs();
        else
                print_arguments(ctl, verb->arguments, argv[argc - 2]);

        return EXIT_FINE;
}
