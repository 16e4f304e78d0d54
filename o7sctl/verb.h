/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The verb table: what main() calls, what --help prints and what the shells complete. */

#include <stdio.h>

#include "o7sctl/o7sctl.h"

#define HELP_COLUMNS_MAX 80U

typedef enum VerbArguments {
        ARGUMENTS_NONE,
        ARGUMENTS_LAYERS,
        ARGUMENTS_NAMES,
        ARGUMENTS_LAYERS_AND_NAMES,
        ARGUMENTS_LAYERS_AND_FILES,
        ARGUMENTS_VERBS,
        ARGUMENTS_CA,           /* its actions, then names */
        ARGUMENTS_OTHER,        /* nothing to suggest */
} VerbArguments;

typedef struct Verb {
        const char *name;
        const char *group;              /* heading in --help; NULL: the group of the one before */
        const char *usage;              /* what follows the name */
        const char *help;               /* one line */
        const char *details;            /* of "o7sctl VERB --help"; NULL: nothing to add */
        int min_arguments;
        int max_arguments;              /* -1: any number */
        uint64_t options;               /* OPTION_BIT() of those that are not global */
        VerbArguments arguments;
        bool raw;                       /* takes all that follows as it is */
        int (*run)(Ctl *ctl, int argc, char *argv[]);
} Verb;

/* Ends where name is NULL. Hidden verbs have no help. */
extern const Verb verb_table[];

const Verb *verb_find(const char *name);

void verb_print_help(FILE *stream);
void verb_print_help_of(FILE *stream, const Verb *verb);

/* Parses options and runs the verb that is named. Returns the exit status. */
int verb_dispatch(Ctl *ctl, int argc, char *argv[]);
