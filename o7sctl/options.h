/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Every option of o7sctl. Parsing knows them all; options_check() refuses those that the verb does not take. */

#include "basic/conf.h"
#include "basic/macro.h"
#include "basic/time.h"

typedef enum JsonMode {
        JSON_OFF,
        JSON_SHORT,             /* one line */
        JSON_PRETTY,
} JsonMode;

typedef enum Option {
        OPTION_HELP,
        OPTION_VERSION,
        OPTION_NO_PAGER,
        OPTION_NO_LEGEND,
        OPTION_FULL,
        OPTION_J,
        OPTION_JSON,
        OPTION_HOST,
        OPTION_MACHINE,
        OPTION_NO_ASK_PASSWORD,
        OPTION_NO_BLOCK,
        OPTION_TIMEOUT,
        OPTION_QUIET,
        _OPTION_GLOBAL_MAX,
        OPTION_LAYER = _OPTION_GLOBAL_MAX,      /* from here on only for some verbs */
        OPTION_NAME,
        OPTION_MINE,
        OPTION_UNIT,
        OPTION_USER,
        OPTION_PID,
        OPTION_PROGRAM,
        OPTION_BALANCE,
        OPTION_ETH,
        OPTION_FRAMING,
        OPTION_ETHERTYPE,
        OPTION_OVER,
        OPTION_VIA,
        OPTION_BOOTSTRAP,
        OPTION_COUNT,
        OPTION_NOW,
        OPTION_SAVE,
        OPTION_WRITE,
        OPTION_ROOT,                            /* of authorities and certificates */
        OPTION_CLIENT,
        OPTION_DAYS,
        OPTION_KEY_TYPE,
        OPTION_OUT,
        OPTION_REFERENCE,
        OPTION_SIDE,                            /* of security policies */
        OPTION_RUNTIME,
        OPTION_CERTIFICATE,
        _OPTION_SETTING_FIRST = OPTION_CERTIFICATE,     /* from here to the last, a key of a policy each */
        OPTION_PRIVATE_KEY,
        OPTION_AUTHENTICATION,
        OPTION_ENCRYPTION,
        OPTION_PEER,
        OPTION_ALLOW,
        OPTION_DENY,
        OPTION_TRUST,
        OPTION_REVOCATIONS,
        OPTION_PIN,
        OPTION_KEY_EXCHANGE,
        OPTION_CIPHER,
        OPTION_KEY_DERIVATION,
        OPTION_DIGEST,
        OPTION_COMMON_NAME,
        _OPTION_SETTING_LAST = OPTION_COMMON_NAME,
        _OPTION_MAX,
        _OPTION_INVALID = -EINVAL,
} Option;

#define OPTION_BIT(option) (1ULL << (option))
#define OPTIONS_SETTINGS (OPTION_BIT(_OPTION_SETTING_LAST + 1) - OPTION_BIT(_OPTION_SETTING_FIRST))

#define SETTINGS_MAX 128U

/* One assignment of a security policy. */
typedef struct Setting {
        const char *key;        /* as in files: "Encryption"; static */
        const char *value;      /* borrowed from argv; "": the default again */
} Setting;

typedef struct Options {
        uint64_t given;         /* OPTION_BIT() of each option seen */
        bool help;
        bool version;
        bool pager;
        bool legend;
        bool full;
        JsonMode json;
        const char *host;       /* borrowed from argv, as all strings here */
        const char *machine;
        bool ask_password;
        bool block;
        usec_t timeout;
        bool quiet;
        const char *layers[16]; /* of --layer= */
        size_t n_layers;
        const char *name;
        bool mine;
        const char *unit;
        const char *user;
        uint32_t pid;
        const char *program;
        const char *balance;
        const char *eth;
        const char *framing;
        const char *ethertype;
        const char *over[8];    /* of --over= */
        size_t n_over;
        const char *via[8];     /* of --via= */
        size_t n_via;
        bool bootstrap;
        uint32_t count;         /* 0: not given */
        bool now;
        bool save;
        const char *write;      /* a file; "-": standard output */
        const char *root;       /* in front of /etc; "" */
        bool client;
        uint32_t days;          /* 0: not given */
        const char *key_type;
        const char *out;        /* a directory */
        bool reference;
        const char *side;       /* "server", "client"; NULL: not given */
        bool runtime;
        Setting settings[SETTINGS_MAX];
        size_t n_settings;
} Options;

#define OPTIONS_INIT                                                                                           \
        (Options) {                                                                                            \
                .pager = true, .legend = true, .ask_password = true, .block = true,                            \
                .timeout = 30 * USEC_PER_SEC, .root = "",                                                      \
        }

#define OPTION_USAGE_CHARS_MAX 40U

/* How an option is written, such as "-q --quiet" or "   --timeout=TIME", aligned for a list; returns buffer. */
char *option_usage(Option option, char *buffer, size_t size);

/* "timeout"; NULL where it has a letter only, or out of range. */
const char *option_name(Option option);

bool option_takes_value(Option option);

/* What it does; NULL where the help of its verb says it. */
const char *option_help(Option option);

/* Parses options from argv, which is permuted so that they come first; up to the first other argument where "to_verb".
 * Complains by itself. Returns: the index of the first argument that is no option; -EINVAL. */
int options_parse(Options *options, int argc, char *argv[], bool to_verb);

/* Whether only options of the mask (and global ones) were given. Complains by itself. Returns: 0; -EINVAL. */
int options_check(const Options *options, uint64_t allowed, const char *verb);
