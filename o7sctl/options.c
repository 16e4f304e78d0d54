/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The options of o7sctl, from one table. */

#include <getopt.h>
#include <stdio.h>

#include "basic/string.h"
#include "o7sctl/options.h"

#define COUNT_MAX 20U           /* probes that a layer sends at each member on the way */
#define DAYS_MAX 36500U         /* of a certificate */

typedef struct OptionRow OptionRow;
struct OptionRow {
        const char *name;       /* without dashes; NULL: short only */
        const char *value;      /* what it takes; NULL: nothing */
        char letter;            /* 0: none */
        const char *help;       /* NULL: the help of its verb says it */
        int (*take)(Options *o, const OptionRow *row, const char *value);
        size_t offset;          /* of what "take" sets */
        const char *key;        /* of a security policy */
};

static int invalid(const OptionRow *row, const char *value, const char *expected) {
        (void) fprintf(stderr, "'%s' is no value for --%s: %s.\n", value, row->name, expected);
        return -EINVAL;
}

static void *field_of(Options *o, const OptionRow *row) {
        return (char *) o + row->offset;
}

static int take_true(Options *o, const OptionRow *row, const char *value) {
        *(bool *) field_of(o, row) = true;
        return 0;
}

static int take_false(Options *o, const OptionRow *row, const char *value) {
        *(bool *) field_of(o, row) = false;
        return 0;
}

static int take_string(Options *o, const OptionRow *row, const char *value) {
        *(const char **) field_of(o, row) = value;
        return 0;
}

static int take_number(Options *o, const OptionRow *row, const char *value, uint64_t max, const char *expected) {
        uint64_t number;

        if (parse_u64(value, max, &number) < 0 || number == 0)
                return invalid(row, value, expected);

        *(uint32_t *) field_of(o, row) = (uint32_t) number;
        return 0;
}

static int take_pid(Options *o, const OptionRow *row, const char *value) {
        return take_number(o, row, value, INT32_MAX, "the number of a process");
}

static int take_count(Options *o, const OptionRow *row, const char *value) {
        return take_number(o, row, value, COUNT_MAX, "a number from 1 to 20");
}

static int take_days(Options *o, const OptionRow *row, const char *value) {
        return take_number(o, row, value, DAYS_MAX, "a number of days from 1 to 36500");
}

static int take_j(Options *o, const OptionRow *row, const char *value) {
        o->json = isatty(STDOUT_FILENO) ? JSON_PRETTY : JSON_SHORT;
        return 0;
}

static int take_json(Options *o, const OptionRow *row, const char *value) {
        static const char *const modes[] = {
                [JSON_OFF] = "off", [JSON_SHORT] = "short", [JSON_PRETTY] = "pretty"
        };

        for (size_t i = 0; i < ELEMENTSOF(modes); i++)
                if (streq(modes[i], value)) {
                        o->json = (JsonMode) i;
                        return 0;
                }

        return invalid(row, value, "pretty, short or off");
}

static int take_timeout(Options *o, const OptionRow *row, const char *value) {
        if (usec_parse(value, &o->timeout) < 0 || o->timeout == 0)
                return invalid(row, value, "a time such as 500ms, 30s or infinity");
        return 0;
}

static int take_layer(Options *o, const OptionRow *row, const char *value) {
        if (!layer_name_is_valid(value))
                return invalid(row, value, "letters, digits, '.', '_' and '-', at most 63");
        if (o->n_layers >= ELEMENTSOF(o->layers))
                return invalid(row, value, "there are too many already");

        o->layers[o->n_layers++] = value;
        return 0;
}

static int take_over(Options *o, const OptionRow *row, const char *value) {
        if (!layer_name_is_valid(value))
                return invalid(row, value, "letters, digits, '.', '_' and '-', at most 63");
        if (o->n_over >= ELEMENTSOF(o->over))
                return invalid(row, value, "there are too many already");

        o->over[o->n_over++] = value;
        return 0;
}

static int take_via(Options *o, const OptionRow *row, const char *value) {
        if (!flow_name_is_valid_on_wire(value))
                return invalid(row, value, "the name of a member, or of the layer");
        if (o->n_via >= ELEMENTSOF(o->via))
                return invalid(row, value, "there are too many already");

        o->via[o->n_via++] = value;
        return 0;
}

static int take_path(Options *o, const OptionRow *row, const char *value) {
        if (value[0] != '/')
                return invalid(row, value, "a full path");
        return take_string(o, row, value);
}

static int take_side(Options *o, const OptionRow *row, const char *value) {
        if (!streq(value, "server") && !streq(value, "client"))
                return invalid(row, value, "server, where the name is served, or client, where it is called");
        return take_string(o, row, value);
}

/* Whether the value makes sense, whoever reads policies knows. */
static int take_setting(Options *o, const OptionRow *row, const char *value) {
        if (strpbrk(value, "\n\r"))
                return invalid(row, value, "one line");
        if (o->n_settings >= ELEMENTSOF(o->settings))
                return invalid(row, value, "there are too many already");

        o->settings[o->n_settings++] = (Setting) { .key = row->key, .value = value };
        return 0;
}

#define TRUE(field) take_true, offsetof(Options, field), NULL
#define FALSE(field) take_false, offsetof(Options, field), NULL
#define STRING(field) take_string, offsetof(Options, field), NULL
#define VALUE(function, field) function, offsetof(Options, field), NULL
#define SETTING(key) take_setting, 0, key

static const OptionRow option_table[_OPTION_MAX] = {
        [OPTION_HELP] = { "help", NULL, 'h', "Show this help; after a command, its own", TRUE(help) },
        [OPTION_VERSION] = { "version", NULL, 0, "Show the version", TRUE(version) },
        [OPTION_NO_PAGER] = { "no-pager", NULL, 0, "Do not pipe output into a pager", FALSE(pager) },
        [OPTION_NO_LEGEND] = { "no-legend", NULL, 0, "No headings and no summary lines", FALSE(legend) },
        [OPTION_FULL] = { "full", NULL, 'l', "Do not shorten columns", TRUE(full) },
        [OPTION_J] = { NULL, NULL, 'j', "Same as --json=pretty on a terminal, else short", VALUE(take_j, json) },
        [OPTION_JSON] = { "json", "MODE", 0, "JSON output: pretty, short or off", VALUE(take_json, json) },
        [OPTION_HOST] = { "host", "[USER@]HOST", 'H', "Work on another host, over ssh", STRING(host) },
        [OPTION_MACHINE] = { "machine", "CONTAINER", 'M', "Work in a local container", STRING(machine) },
        [OPTION_NO_ASK_PASSWORD] = { "no-ask-password", NULL, 0, "Do not ask for passwords", FALSE(ask_password) },
        [OPTION_NO_BLOCK] = { "no-block", NULL, 0, "Do not wait until it is done", FALSE(block) },
        [OPTION_TIMEOUT] = { "timeout", "TIME", 0, "Wait no longer than this (default: 30s)",
                             VALUE(take_timeout, timeout) },
        [OPTION_QUIET] = { "quiet", NULL, 'q', "Say only what failed", TRUE(quiet) },
        [OPTION_LAYER] = { "layer", "LAYER", 0, NULL, VALUE(take_layer, layers) },
        [OPTION_NAME] = { "name", "NAME", 0, NULL, STRING(name) },
        [OPTION_MINE] = { "mine", NULL, 0, NULL, TRUE(mine) },
        [OPTION_UNIT] = { "unit", "UNIT", 0, NULL, STRING(unit) },
        [OPTION_USER] = { "user", "USER", 0, NULL, STRING(user) },
        [OPTION_PID] = { "pid", "PID", 0, NULL, VALUE(take_pid, pid) },
        [OPTION_PROGRAM] = { "program", "PATH", 0, NULL, VALUE(take_path, program) },
        [OPTION_BALANCE] = { "balance", "HOW", 0, NULL, STRING(balance) },
        [OPTION_ETH] = { "eth", "INTERFACE", 0, NULL, STRING(eth) },
        [OPTION_FRAMING] = { "framing", "dix|llc", 0, NULL, STRING(framing) },
        [OPTION_ETHERTYPE] = { "ethertype", "NUMBER", 0, NULL, STRING(ethertype) },
        [OPTION_OVER] = { "over", "LAYER", 0, NULL, VALUE(take_over, over) },
        [OPTION_VIA] = { "via", "MEMBER", 0, NULL, VALUE(take_via, via) },
        [OPTION_BOOTSTRAP] = { "bootstrap", NULL, 0, NULL, TRUE(bootstrap) },
        [OPTION_COUNT] = { "count", "NUMBER", 'c', NULL, VALUE(take_count, count) },
        [OPTION_NOW] = { "now", NULL, 0, NULL, TRUE(now) },
        [OPTION_SAVE] = { "save", NULL, 0, NULL, TRUE(save) },
        [OPTION_WRITE] = { "write", "FILE", 'w', NULL, STRING(write) },
        [OPTION_ROOT] = { "root", "DIRECTORY", 0, NULL, VALUE(take_path, root) },
        [OPTION_CLIENT] = { "client", NULL, 0, NULL, TRUE(client) },
        [OPTION_DAYS] = { "days", "NUMBER", 0, NULL, VALUE(take_days, days) },
        [OPTION_KEY_TYPE] = { "key-type", "TYPE", 0, NULL, STRING(key_type) },
        [OPTION_OUT] = { "out", "DIRECTORY", 0, NULL, STRING(out) },
        [OPTION_REFERENCE] = { "reference", NULL, 0, NULL, TRUE(reference) },
        [OPTION_SIDE] = { "side", "server|client", 0, NULL, VALUE(take_side, side) },
        [OPTION_RUNTIME] = { "runtime", NULL, 0, NULL, TRUE(runtime) },
        [OPTION_CERTIFICATE] = { "cert", "FILE", 0, NULL, SETTING("Certificate") },
        [OPTION_PRIVATE_KEY] = { "key", "KEY", 0, NULL, SETTING("PrivateKey") },
        [OPTION_AUTHENTICATION] = { "authentication", "HOW", 0, NULL, SETTING("Authentication") },
        [OPTION_ENCRYPTION] = { "encryption", "HOW", 0, NULL, SETTING("Encryption") },
        [OPTION_PEER] = { "peer", "any|o7s", 0, NULL, SETTING("Peer") },
        [OPTION_ALLOW] = { "allow", "PATTERN", 0, NULL, SETTING("AllowPeer") },
        [OPTION_DENY] = { "deny", "PATTERN", 0, NULL, SETTING("DenyPeer") },
        [OPTION_TRUST] = { "trust", "FILE", 0, NULL, SETTING("TrustAnchor") },
        [OPTION_REVOCATIONS] = { "revocations", "FILE", 0, NULL, SETTING("RevocationList") },
        [OPTION_PIN] = { "pin", "sha256:HEX", 0, NULL, SETTING("Pin") },
        [OPTION_KEY_EXCHANGE] = { "key-exchange", "LIST", 0, NULL, SETTING("KeyExchange") },
        [OPTION_CIPHER] = { "cipher", "LIST", 0, NULL, SETTING("Cipher") },
        [OPTION_KEY_DERIVATION] = { "key-derivation", "LIST", 0, NULL, SETTING("KeyDerivation") },
        [OPTION_DIGEST] = { "digest", "LIST", 0, NULL, SETTING("Digest") },
        [OPTION_COMMON_NAME] = { "common-name", "BOOLEAN", 0, NULL, SETTING("CommonName") },
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
                o->given |= OPTION_BIT(option);
                if (option_table[option].take(o, &option_table[option], optarg) < 0)
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
