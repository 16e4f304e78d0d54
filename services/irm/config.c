/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* irm.conf, see config.h and irm.conf(5). */

#include <dirent.h>

#include "basic/log.h"
#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "services/common/message-id.h"
#include "services/irm/config.h"

#define CONFIG_LIST_MAX 16384U

static const char *const conf_roots[] = { O7S_CONF_ROOTS };

static const ConfSection sections[] = {
        { .name = "Log" },
        { .name = "Quota" },
};

#define QUOTA_KEY(name, parser, field)                                                                            \
        { .section = "Quota", .key = name, .parse = parser, .offset = offsetof(Config, limits.field) }

static const ConfKey keys[] = {
        { .section = "Log", .key = "Level", .parse = conf_parse_string, .offset = offsetof(Config, log_level) },
        QUOTA_KEY("FlowsPerUser", conf_parse_u32, flows_per_user),
        QUOTA_KEY("LaneBytesPerUser", conf_parse_u64, lane_bytes_per_user),
        QUOTA_KEY("PendingPerUser", conf_parse_u32, pending_per_user),
        QUOTA_KEY("RatePerUser", conf_parse_u32, rate_per_user),
        QUOTA_KEY("BurstPerUser", conf_parse_u32, burst_per_user),
        QUOTA_KEY("NamesPerUser", conf_parse_u32, names_per_user),
        QUOTA_KEY("ConnectionsPerUser", conf_parse_u32, connections_per_user),
        QUOTA_KEY("Flows", conf_parse_u32, flows),
        QUOTA_KEY("LaneBytes", conf_parse_u64, lane_bytes),
};

static const ConfSchema schema = {
        .sections = sections,
        .n_sections = ELEMENTSOF(sections),
        .keys = keys,
        .n_keys = ELEMENTSOF(keys),
};

static void config_reset(Config *config) {
        config->log_level = mfree(config->log_level);
        config->limits = QUOTA_LIMITS_DEFAULT;
}

int config_init(Config *config, const char *root) {
        *config = (Config) { .limits = QUOTA_LIMITS_DEFAULT };

        config->root = strdup(strempty(root));
        return config->root ? 0 : -ENOMEM;
}

void config_done(Config *config) {
        config->root = mfree(config->root);
        config->log_level = mfree(config->log_level);
}

void config_log_messages(const ConfFile *file) {
        const ConfMessage *messages;
        size_t n;

        messages = conf_messages(file, &n);
        for (size_t i = 0; i < n; i++)
                log_with(messages[i].severity == CONF_ERROR ? LOG_ERR : LOG_WARNING,
                         LOG_FIELDS(MESSAGE_CONFIGURATION_BAD), "%s:%u:%u: %s", strempty(messages[i].place.path),
                         messages[i].place.line, messages[i].place.column, messages[i].text);
}

static int config_apply(Config *config, ConfFile *file) {
        config_reset(config);
        return conf_apply(file, &schema, config, NULL);
}

int config_parse(Config *config, const char *path, const char *text, size_t size) {
        _cleanup_(conf_freep) ConfFile *file = NULL;
        int r;

        r = conf_new(&file);
        if (r < 0)
                return r;

        r = conf_add_text(file, path, text, size);
        if (r < 0)
                return r;

        return config_apply(config, file);
}

/* Roots below the root directory; the last pointer is NULL. */
static int make_roots(const Config *config, char *roots[ELEMENTSOF(conf_roots) + 1]) {
        for (size_t i = 0; i < ELEMENTSOF(conf_roots); i++) {
                int r = format_string(&roots[i], "%s%s", config->root, conf_roots[i]);
                if (r < 0)
                        return r;
        }

        return 0;
}

static void free_roots(char *(*roots)[ELEMENTSOF(conf_roots) + 1]) {
        for (size_t i = 0; i < ELEMENTSOF(conf_roots); i++)
                free((*roots)[i]);
}

int config_load(Config *config) {
        _cleanup_(free_roots) char *roots[ELEMENTSOF(conf_roots) + 1] = {};
        _cleanup_(conf_freep) ConfFile *file = NULL;
        int r;

        r = make_roots(config, roots);
        if (r < 0)
                return r;

        r = conf_new(&file);
        if (r < 0)
                return r;

        r = conf_load(file, (const char *const *) roots, "", CONFIG_FILE);
        if (r == -ENOENT)
                r = conf_load_drop_ins(file, (const char *const *) roots, "", CONFIG_FILE);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                log_warning_errno(r, "Failed to read " CONFIG_FILE ", using the defaults: %m");

        r = config_apply(config, file);
        config_log_messages(file);
        return r == -ENOMEM ? r : 0;
}

static bool strings_contain(const ConfStrings *strings, const char *item) {
        for (size_t i = 0; i < strings->n; i++)
                if (streq(strings->items[i], item))
                        return true;

        return false;
}

static void close_directory(DIR **directory) {
        if (*directory)
                (void) closedir(*directory);
}

static int list_one(const char *path, const char *suffix, ConfStrings *names) {
        _cleanup_(close_directory) DIR *directory = NULL;
        const struct dirent *entry;

        directory = opendir(path);
        if (!directory)
                return errno == ENOENT ? 0 : -errno;

        while (names->n < CONFIG_LIST_MAX && (entry = readdir(directory))) {
                _cleanup_free_ char *name = NULL;
                int r;

                if (entry->d_name[0] == '.' || !endswith(entry->d_name, suffix) ||
                    strlen(entry->d_name) <= strlen(suffix))
                        continue;

                name = strndup(entry->d_name, strlen(entry->d_name) - strlen(suffix));
                if (!name)
                        return -ENOMEM;
                if (strings_contain(names, name))
                        continue;

                r = conf_strings_add(names, name);
                if (r < 0)
                        return r;
        }

        return 0;
}

int config_list(const Config *config, const char *directory, const char *suffix, ConfStrings *ret) {
        ConfStrings names = {};

        for (size_t i = 0; i < ELEMENTSOF(conf_roots); i++) {
                _cleanup_free_ char *path = NULL;
                int r;

                r = format_string(&path, "%s%s/%s", config->root, conf_roots[i], directory);
                if (r == 0)
                        r = list_one(path, suffix, &names);
                if (r == -ENOMEM) {
                        conf_strings_done(&names);
                        return r;
                }
                if (r < 0)
                        log_warning_errno(r, "Failed to list %s, ignoring: %m", path);
        }

        *ret = names;
        return 0;
}
