/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Security policies of names. A file is written by o7sctl as its caller: o7s-irm has no business in /etc. What a
 * package or o7s-irm has put elsewhere stays as it is, and gets a drop-in.
 */

#include <limits.h>
#include <stdio.h>

#include "basic/string.h"
#include "o7sctl/ca.h"
#include "o7sctl/conf-edit.h"
#include "o7sctl/file.h"
#include "o7sctl/name-security.h"
#include "o7sctl/security-bus.h"
#include "o7sctl/table.h"
#include "o7sctl/terminal.h"
#include "services/common/name-file.h"

#define NAMES_DIRECTORY "/etc/o7s/" NAME_FILE_DIRECTORY
#define DROP_IN "50-security.conf"

/* -- the settings of the command line -- */

typedef struct Settings {
        Setting items[SETTINGS_MAX];
        size_t n;
        ConfStrings made;               /* owned: values that are not as they were given */
} Settings;

static void settings_done(Settings *settings) {
        conf_strings_done(&settings->made);
}

static bool is_path(const Setting *setting) {
        static const char *const keys[] = { "Certificate", "PrivateKey", "TrustAnchor", "RevocationList" };

        if (isempty(setting->value) || setting->value[0] == '/' || startswith(setting->value, "credential:") ||
            startswith(setting->value, "pkcs11:"))
                return false;

        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                if (streq(keys[i], setting->key))
                        return true;

        return false;
}

/* In the place of what was given: a copy. Returns: 0; the exit status. */
static int replace(Settings *settings, Setting *setting, const char *value) {
        if (conf_strings_add(&settings->made, value) < 0)
                return bus_complain_message(-ENOMEM);

        setting->value = settings->made.items[settings->made.n - 1];
        return 0;
}

/* Daemons have another working directory. Returns: 0; the exit status. */
static int make_absolute(Settings *settings, Setting *setting) {
        char path[PATH_MAX];

        if (!realpath(setting->value, path)) {
                (void) fprintf(stderr, "Cannot find %s: %s.\n", setting->value, strerror(errno));
                return EXIT_FAILED;
        }

        return replace(settings, setting, path);
}

/* Each of these options is one entry, where files split at blanks. Returns: 0; the exit status. */
static int quote(Settings *settings, Setting *setting) {
        static const char *const keys[] = { "AllowPeer", "DenyPeer", "TrustAnchor", "RevocationList" };
        const char *mark = strchr(setting->value, '"') ? "'" : "\"";
        _cleanup_free_ char *quoted = NULL;
        bool entry = false;

        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                entry |= streq(keys[i], setting->key);
        if (!entry || !strpbrk(setting->value, " \t\"'"))
                return 0;

        if (format_string(&quoted, "%s%s%s", mark, setting->value, mark) < 0)
                return bus_complain_message(-ENOMEM);
        return replace(settings, setting, quoted);
}

/* A certificate and a key that do not belong together would fail every flow of the name. */
static int check_pair(const Settings *settings) {
        _cleanup_(ca_pair_done) CaPair pair = {};
        const char *certificate = NULL, *key = NULL;
        int r;

        for (size_t i = 0; i < settings->n; i++) {
                if (streq(settings->items[i].key, "Certificate"))
                        certificate = settings->items[i].value;
                if (streq(settings->items[i].key, "PrivateKey"))
                        key = settings->items[i].value;
        }
        if (isempty(certificate) || isempty(key) || key[0] != '/')
                return 0;

        r = file_read(certificate, CA_PEM_BYTES_MAX, &pair.certificate, NULL);
        if (r >= 0)
                r = file_read(key, CA_PEM_BYTES_MAX, &pair.key, NULL);
        if (r == -EACCES)               /* then o7s-keyd will see */
                return 0;
        if (r >= 0)
                r = ca_check_pair(&pair);
        if (r >= 0)
                return 0;

        (void) fprintf(stderr, "%s and %s cannot be used: %s.\n", certificate, key,
                       r == -EKEYREJECTED ? "the key is that of another certificate"
                       : r == -ENOKEY     ? "the key cannot be read; one with a password is of no use to a service"
                       : r == -EBADMSG    ? "the certificate cannot be read"
                                          : strerror(-r));
        return EXIT_CONFIG;
}

static int read_settings(const Options *o, Settings *ret) {
        int r;

        for (size_t i = 0; i < o->n_settings; i++) {
                ret->items[ret->n] = o->settings[i];
                if (is_path(&ret->items[ret->n])) {
                        r = make_absolute(ret, &ret->items[ret->n]);
                        if (r > 0)
                                return r;
                }
                r = quote(ret, &ret->items[ret->n]);
                if (r > 0)
                        return r;
                ret->n++;
        }

        return check_pair(ret);
}

/* -- files -- */

/* Whether a root that is not ours to write has the name. */
static bool is_elsewhere(const char *root, const char *name) {
        static const char *const others[] = { "/run/o7s", "/usr/lib/o7s" };

        for (size_t i = 0; i < ELEMENTSOF(others); i++) {
                _cleanup_free_ char *path = NULL;

                if (format_string(&path, "%s%s/" NAME_FILE_DIRECTORY "/%s" NAME_FILE_SUFFIX, root, others[i], name) < 0)
                        return false;
                if (access(path, F_OK) == 0)
                        return true;
        }

        return false;
}

/* The file to write, and what is in it now. */
static int open_name_file(const char *root, const char *name, char **ret_path, char **ret_text) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = format_string(&path, "%s" NAMES_DIRECTORY "/%s" NAME_FILE_SUFFIX, root, name);
        if (r < 0)
                return r;

        r = file_read(path, FILE_BYTES_MAX, ret_text, NULL);
        if (r == -ENOENT && is_elsewhere(root, name)) {
                path = mfree(path);
                r = format_string(&path, "%s" NAMES_DIRECTORY "/%s" NAME_FILE_SUFFIX ".d/" DROP_IN, root, name);
                if (r >= 0)
                        r = file_read(path, FILE_BYTES_MAX, ret_text, NULL);
        }
        if (r == -ENOENT)
                r = format_string(ret_text, "# Written by o7sctl name.\n");

        *ret_path = TAKE_PTR(path);
        return r;
}

static int write_name_file(const char *path, const char *text) {
        _cleanup_free_ char *directory = strdup(path);
        int r;

        if (!directory)
                return -ENOMEM;

        *strrchr(directory, '/') = '\0';
        r = directory_make(directory);
        return r < 0 ? r : file_write(path, text, &FILE_TERMS(0644));
}

int name_save_settings(Ctl *ctl, const char *name, bool client, const Setting *settings, size_t n) {
        _cleanup_free_ char *path = NULL, *before = NULL, *after = NULL;
        _cleanup_(name_file_freep) NameFile *file = NULL;
        int r;

        r = open_name_file(ctl->options.root, name, &path, &before);
        if (r >= 0)
                r = conf_edit(before, client ? "Client" : "Server", settings, n, &after);
        if (r >= 0) {           /* refuses what the daemons would refuse, before anything is changed */
                r = name_file_parse(name, path, after, strlen(after), &file);
                if (file)
                        conf_print_messages(file->conf, stderr);
        }
        if (r == -EBADMSG) {
                (void) fprintf(stderr, "%s stays as it is: see above.\n", path);
                return EXIT_CONFIG;
        }
        if (r >= 0)
                r = write_name_file(path, after);
        if (r < 0) {
                (void) fprintf(stderr, "Cannot write %s: %s.%s\n", strempty(path), strerror(-r),
                               r == -EACCES || r == -EPERM ? " Run the command with sudo, or with --runtime." : "");
                return r == -EACCES || r == -EPERM ? EXIT_DENIED : EXIT_FAILED;
        }

        if (!ctl->options.quiet)
                (void) printf("Wrote the policy of '%s' (%s) to %s.\n", name, client ? "client" : "server", path);
        return security_reload(ctl, true);
}

int name_set_security(Ctl *ctl, const char *name) {
        _cleanup_(settings_done) Settings settings = {};
        Options *o = &ctl->options;
        bool client = o->side && streq(o->side, "client");
        int r;

        r = read_settings(o, &settings);
        if (r > 0)
                return r;
        if (!o->runtime)
                return name_save_settings(ctl, name, client, settings.items, settings.n);

        memcpy(o->settings, settings.items, sizeof(o->settings));       /* with their full paths */
        r = security_set(ctl, name, client ? "client" : "server");
        if (r == 0 && !o->quiet)
                (void) printf("Changed the policy of '%s' (%s), as long as the name is there.\n", name,
                              client ? "client" : "server");
        return r;
}

/* -- show -- */

static int add_setting(void *userdata, const char *key, const char *value) {
        json_object *text = json_object_new_string(value);

        if (!text || json_object_object_add(userdata, key, text) < 0) {
                (void) json_object_put(text);
                return -ENOMEM;
        }

        return 0;
}

/* Of a name that o7s-irm does not have, what its files say: for one that is only called, that is all there is. */
static int read_policy_file(Ctl *ctl, const char *name, bool client, json_object **ret) {
        _cleanup_(name_file_freep) NameFile *file = NULL;
        _cleanup_json_ json_object *policy = json_object_new_object();
        int r;

        if (!policy)
                return bus_complain_message(-ENOMEM);

        r = name_file_load(ctl->options.root, name, &file);
        if (r >= 0)
                r = security_policy_describe(client ? &file->client : &file->server, add_setting, policy);
        if (r < 0 && r != -ENOENT) {
                if (file)
                        conf_print_messages(file->conf, stderr);
                (void) fprintf(stderr, "Cannot read the file of '%s': %s.\n", name,
                               r == -EBADMSG ? "see above" : strerror(-r));
                return r == -EBADMSG ? EXIT_CONFIG : EXIT_FAILED;
        }

        *ret = TAKE_PTR(policy);
        return 0;
}

static void print_policy(const char *side, json_object *policy) {
        (void) printf("%s%s%s\n", terminal_sequence(COLOR_BOLD),
                      streq(side, "client") ? "Where it is called (client):" : "Where it is served (server):",
                      terminal_sequence(COLOR_NORMAL));

        if (json_object_object_length(policy) == 0)
                (void) printf("  the defaults: encryption opportunistic, authentication server as soon as an authority "
                              "is trusted\n");
        json_object_object_foreach(policy, key, value)
                (void) printf("  %-15s %s\n", key, json_object_get_string(value));
}

int name_show_security(Ctl *ctl, const char *name) {
        static const char *const sides[] = { "server", "client" };
        _cleanup_json_ json_object *all = json_object_new_object();
        const Options *o = &ctl->options;
        int r;

        for (size_t i = 0; i < ELEMENTSOF(sides); i++) {
                _cleanup_json_ json_object *policy = NULL;

                if (o->side && !streq(o->side, sides[i]))
                        continue;

                r = o->root[0] == '\0' ? security_get(ctl, name, sides[i], &policy) : 0;
                if (r == 0 && !policy)
                        r = read_policy_file(ctl, name, i == 1, &policy);
                if (r > 0)
                        return r;

                if (o->json == JSON_OFF)
                        print_policy(sides[i], policy);
                else if (all)
                        (void) json_object_object_add(all, sides[i], TAKE_PTR(policy));
        }

        if (o->json != JSON_OFF && all)
                json_print(all, o->json);
        return EXIT_FINE;
}
