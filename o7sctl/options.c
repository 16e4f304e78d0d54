/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The options of o7sctl, from one table. */

#include <getopt.h>
#include <stdio.h>

#include "basic/string.h"
#include "o7sctl/options.h"

#define COUNT_MAX 20U           /* probes that a layer sends at each member on the way */

typedef struct OptionRow {
        const char *name;       /* without dashes; NULL: short only */
        const char *value;      /* what it takes; NULL: nothing */
        char letter;            /* 0: none */
        const char *help;
} OptionRow;

static const OptionRow option_table[_OPTION_MAX] = {
        [OPTION_HELP] = { "help", NULL, 'h', "Show this help; after a command, its own" },
        [OPTION_VERSION] = { "version", NULL, 0, "Show the version" },
        [OPTION_NO_PAGER] = { "no-pager", NULL, 0, "Do not pipe output into a pager" },
        [OPTION_NO_LEGEND] = { "no-legend", NULL, 0, "No headings and no summary lines" },
        [OPTION_FULL] = { "full", NULL, 'l', "Do not shorten columns" },
        [OPTION_J] = { NULL, NULL, 'j', "Same as --json=pretty on a terminal, else short" },
        [OPTION_JSON] = { "json", "MODE", 0, "JSON output: pretty, short or off" },
        [OPTION_HOST] = { "host", "[USER@]HOST", 'H', "Work on another host, over ssh" },
        [OPTION_MACHINE] = { "machine", "CONTAINER", 'M', "Work in a local container" },
        [OPTION_NO_ASK_PASSWORD] = { "no-ask-password", NULL, 0, "Do not ask for passwords" },
        [OPTION_NO_BLOCK] = { "no-block", NULL, 0, "Do not wait until it is done" },
        [OPTION_TIMEOUT] = { "timeout", "TIME", 0, "Wait no longer than this (default: 30s)" },
        [OPTION_QUIET] = { "quiet", NULL, 'q', "Say only what failed" },
        [OPTION_LAYER] = { "layer", "LAYER", 0, NULL },
        [OPTION_NAME] = { "name", "NAME", 0, NULL },
        [OPTION_MINE] = { "mine", NULL, 0, NULL },
        [OPTION_UNIT] = { "unit", "UNIT", 0, NULL },
        [OPTION_USER] = { "user", "USER", 0, NULL },
        [OPTION_PID] = { "pid", "PID", 0, NULL },
        [OPTION_PROGRAM] = { "program", "PATH", 0, NULL },
        [OPTION_BALANCE] = { "balance", "HOW", 0, NULL },
        [OPTION_ETH] = { "eth", "INTERFACE", 0, NULL },
        [OPTION_FRAMING] = { "framing", "dix|llc", 0, NULL },
        [OPTION_ETHERTYPE] = { "ethertype", "NUMBER", 0, NULL },
        [OPTION_OVER] = { "over", "LAYER", 0, NULL },
        [OPTION_VIA] = { "via", "MEMBER", 0, NULL },
        [OPTION_BOOTSTRAP] = { "bootstrap", NULL, 0, NULL },
        [OPTION_COUNT] = { "count", "NUMBER", 'c', NULL },
        [OPTION_NOW] = { "now", NULL, 0, NULL },
        [OPTION_SAVE] = { "save", NULL, 0, NULL },
        [OPTION_WRITE] = { "write", "FILE", 'w', NULL },
};

char *option_usage(Option option, char *buffer, size_t size) {
        const OptionRow *row = &option_table[option];
        char letter[] = { '-', row->letter, ' ', '\0' };

        (void) snprintf(buffer, size, "%s%s%s%s%s", row->letter ? letter : "   ", row->name ? "--" : "",
                        strempty(row->name), row->value ? "=" : "", strempty(row->value));
        return buffer;
}

bool option_takes_value(Option option) {
        return option >= 0 && option < _OPTION_MAX && option_table[option].value;
}

const char *option_name(Option option) {
        return option >= 0 && option < _OPTION_MAX ? option_table[option].name : NULL;
}

const char *option_help(Option option) {
        return option >= 0 && option < _OPTION_MAX ? option_table[option].help : NULL;
}

static int invalid(const char *option, const char *value, const char *expected) {
        (void) fprintf(stderr, "'%s' is no value for --%s: %s.\n", value, option, expected);
        return -EINVAL;
}

static int take_json(Options *o, const char *value) {
        static const char *const modes[] = {
                [JSON_OFF] = "off", [JSON_SHORT] = "short", [JSON_PRETTY] = "pretty"
        };

        for (size_t i = 0; i < ELEMENTSOF(modes); i++)
                if (streq(modes[i], value)) {
                        o->json = (JsonMode) i;
                        return 0;
                }

        return invalid("json", value, "pretty, short or off");
}

static int take_layer(Options *o, const char *value) {
        if (!layer_name_is_valid(value))
                return invalid("layer", value, "letters, digits, '.', '_' and '-', at most 63");
        if (o->n_layers >= ELEMENTSOF(o->layers))
                return invalid("layer", value, "there are too many already");

        o->layers[o->n_layers++] = value;
        return 0;
}

static int take_over(Options *o, const char *value) {
        if (!layer_name_is_valid(value))
                return invalid("over", value, "letters, digits, '.', '_' and '-', at most 63");
        if (o->n_over >= ELEMENTSOF(o->over))
                return invalid("over", value, "there are too many already");

        o->over[o->n_over++] = value;
        return 0;
}

static int take_via(Options *o, const char *value) {
        if (!flow_name_is_valid_on_wire(value))
                return invalid("via", value, "the name of a member, or of the layer");
        if (o->n_via >= ELEMENTSOF(o->via))
                return invalid("via", value, "there are too many already");

        o->via[o->n_via++] = value;
        return 0;
}

static int take(Options *o, Option option, const char *value) {
        uint64_t number;

        o->given |= OPTION_BIT(option);

        switch (option) {
        case OPTION_HELP:
                o->help = true;
                return 0;
        case OPTION_VERSION:
                o->version = true;
                return 0;
        case OPTION_NO_PAGER:
                o->pager = false;
                return 0;
        case OPTION_NO_LEGEND:
                o->legend = false;
                return 0;
        case OPTION_FULL:
                o->full = true;
                return 0;
        case OPTION_J:
                o->json = isatty(STDOUT_FILENO) ? JSON_PRETTY : JSON_SHORT;
                return 0;
        case OPTION_JSON:
                return take_json(o, value);
        case OPTION_HOST:
                o->host = value;
                return 0;
        case OPTION_MACHINE:
                o->machine = value;
                return 0;
        case OPTION_NO_ASK_PASSWORD:
                o->ask_password = false;
                return 0;
        case OPTION_NO_BLOCK:
                o->block = false;
                return 0;
        case OPTION_TIMEOUT:
                if (usec_parse(value, &o->timeout) < 0 || o->timeout == 0)
                        return invalid("timeout", value, "a time such as 500ms, 30s or infinity");
                return 0;
        case OPTION_QUIET:
                o->quiet = true;
                return 0;
        case OPTION_LAYER:
                return take_layer(o, value);
        case OPTION_NAME:
                o->name = value;
                return 0;
        case OPTION_MINE:
                o->mine = true;
                return 0;
        case OPTION_UNIT:
                o->unit = value;
                return 0;
        case OPTION_USER:
                o->user = value;
                return 0;
        case OPTION_PID:
                if (parse_u64(value, INT32_MAX, &number) < 0 || number == 0)
                        return invalid("pid", value, "the number of a process");
                o->pid = (uint32_t) number;
                return 0;
        case OPTION_PROGRAM:
                if (value[0] != '/')
                        return invalid("program", value, "a full path");
                o->program = value;
                return 0;
        case OPTION_BALANCE:
                o->balance = value;
                return 0;
        case OPTION_ETH:
                o->eth = value;
                return 0;
        case OPTION_FRAMING:
                o->framing = value;
                return 0;
        case OPTION_ETHERTYPE:
                o->ethertype = value;
                return 0;
        case OPTION_OVER:
                return take_over(o, value);
        case OPTION_VIA:
                return take_via(o, value);
        case OPTION_BOOTSTRAP:
                o->bootstrap = true;
                return 0;
        case OPTION_COUNT:
                if (parse_u64(value, COUNT_MAX, &number) < 0 || number == 0)
                        return invalid("count", value, "a number from 1 to 20");
                o->count = (uint32_t) number;
                return 0;
        case OPTION_NOW:
                o->now = true;
                return 0;
        case OPTION_SAVE:
                o->save = true;
                return 0;
        case OPTION_WRITE:
                o->write = value;
                return 0;
        case _OPTION_MAX:
        case _OPTION_INVALID:
                break;
        }

        return -EINVAL;
}

/* The value that getopt_long() returns for an option without a letter. */
#define LONG_BASE 0x100

static Option option_from_code(int code) {
        if (code >= LONG_BASE)
                return (Option) (code - LONG_BASE);

        for (int i = 0; i < _OPTION_MAX; i++)
                if (option_table[i].letter != 0 && option_table[i].letter == code)
                        return (Option) i;

        return _OPTION_INVALID;
}

int options_parse(Options *o, int argc, char *argv[], bool to_verb) {
        struct option long_options[_OPTION_MAX + 1] = {};
        char letters[2 * _OPTION_MAX + 2], *p = letters;
        size_t n = 0;
        int c;

        if (to_verb)
                *p++ = '+';
        for (int i = 0; i < _OPTION_MAX; i++) {
                const OptionRow *row = &option_table[i];

                if (row->letter != 0)
                        *p++ = row->letter;
                if (row->letter != 0 && row->value)
                        *p++ = ':';
                if (row->name)
                        long_options[n++] = (struct option) {
                                row->name, row->value ? required_argument : no_argument, NULL, LONG_BASE + i,
                        };
        }
        *p = '\0';

        optind = 0;             /* getopt keeps state between calls: begin anew */
        while ((c = getopt_long(argc, argv, letters, long_options, NULL)) >= 0) {
                Option option = option_from_code(c);

                if (option < 0) {       /* getopt_long() has said why */
                        (void) fprintf(stderr, "See 'o7sctl --help'.\n");
                        return -EINVAL;
                }
                if (take(o, option, optarg) < 0)
                        return -EINVAL;
        }

        return optind;
}

int options_check(const Options *o, uint64_t allowed, const char *verb) {
        for (int i = _OPTION_GLOBAL_MAX; i < _OPTION_MAX; i++) {
                if (!(o->given & OPTION_BIT(i)) || (allowed & OPTION_BIT(i)))
                        continue;

                (void) fprintf(stderr, "'%s' takes no --%s.\nSee 'o7sctl %s --help'.\n", verb,
                               option_table[i].name, verb);
                return -EINVAL;
        }

        return 0;
}
