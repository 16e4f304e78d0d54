/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Files of layers that were made on the bus, see layer-create.h. */

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "libo7s/bus-names.h"
#include "services/irm/layer-create.h"

#define CONFIG_BYTES_MAX (64U * 1024U)

/* Text grows by whole lines; a value must not be able to begin one of its own. */
static int append_assignment(char **text, const char *name, const char *value, sd_bus_error *error) {
        const char *dot = strchr(name, '.');
        char *longer;
        int r;

        if (!dot || dot == name || dot[1] == '\0' || strpbrk(name, "[]=\n\r"))
                return bus_error_set(error, -EINVAL, "'%s' is not Section.Key", name);
        if (strpbrk(value, "\n\r") || endswith(value, "\\"))
                return bus_error_set(error, -EINVAL, "The value of %s has a line break in it", name);

        r = format_string(&longer, "%s[%.*s]\n%s=%s\n", strempty(*text), (int) (dot - name), name, dot + 1, value);
        if (r < 0)
                return r;
        if (strlen(longer) > CONFIG_BYTES_MAX) {
                free(longer);
                return bus_error_set(error, -E2BIG, "This is too much for the file of a layer");
        }

        free(*text);
        *text = longer;
        return 0;
}

static int read_strings(sd_bus_message *message, char **text, const char *name, sd_bus_error *error) {
        const char *value;
        int r;

        r = sd_bus_message_enter_container(message, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read(message, "s", &value)) > 0) {
                r = append_assignment(text, name, value, error);
                if (r < 0)
                        return r;
        }

        return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int read_value(sd_bus_message *message, char **text, const char *name, sd_bus_error *error) {
        const char *contents, *value;
        uint64_t number;
        char digits[32];
        int flag, r;

        r = sd_bus_message_peek_type(message, NULL, &contents);
        if (r < 0)
                return r;

        if (streq(contents, "s")) {
                r = sd_bus_message_read(message, "v", "s", &value);
                return r < 0 ? r : append_assignment(text, name, value, error);
        }
        if (streq(contents, "b")) {
                r = sd_bus_message_read(message, "v", "b", &flag);
                return r < 0 ? r : append_assignment(text, name, flag ? "yes" : "no", error);
        }
        if (streq(contents, "t")) {
                r = sd_bus_message_read(message, "v", "t", &number);
                (void) snprintf(digits, sizeof(digits), "%" PRIu64, number);
                return r < 0 ? r : append_assignment(text, name, digits, error);
        }
        if (streq(contents, "as")) {
                r = sd_bus_message_enter_container(message, 'v', "as");
                if (r >= 0)
                        r = read_strings(message, text, name, error);
                return r < 0 ? r : sd_bus_message_exit_container(message);
        }

        return bus_error_set(error, -EINVAL,
                             "The value of %s is a string, boolean, number (t) or list of strings, not '%s'", name,
                             contents);
}

int layer_config_read(sd_bus_message *message, char **ret, sd_bus_error *error) {
        _cleanup_free_ char *text = NULL;
        const char *name;
        int r;

        r = format_string(&text, "# Made on the bus with CreateLayer.\n");
        if (r >= 0)
                r = sd_bus_message_enter_container(message, 'a', "{sv}");
        if (r < 0)
                return r;

        while ((r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
                r = sd_bus_message_read(message, "s", &name);
                if (r >= 0)
                        r = read_value(message, &text, name, error);
                if (r >= 0)
                        r = sd_bus_message_exit_container(message);
                if (r < 0)
                        return r;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(message);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(text);
        return 0;
}

/* The first thing that is wrong; an unknown key is wrong here, though it is only a warning in a file. */
static const char *first_complaint(const LayerFile *file) {
        size_t n = 0;
        const ConfMessage *messages = file ? conf_messages(file->conf, &n) : NULL;

        return n > 0 ? messages[0].text : NULL;
}

int layer_create_check(const char *name, const char *text, sd_bus_error *error) {
        _cleanup_(layer_file_freep) LayerFile *file = NULL;
        const char *complaint;
        int r;

        r = layer_file_parse(name, "CreateLayer", text, strlen(text), &file);
        complaint = first_complaint(file);
        if (complaint)
                return bus_error_set_named(error, "ConfigInvalid", "%s", complaint);
        if (r < 0)
                return bus_error_set(error, r, "This is no layer: %s", strerror(-r));

        return 0;
}

static int config_path(const Manager *m, const char *name, char **ret) {
        return format_string(ret, "%s" O7S_RUN_DIRECTORY "/" LAYER_FILE_DIRECTORY "/%s" LAYER_FILE_SUFFIX,
                             m->config.root, name);
}

static int write_all(int fd, const char *text) {
        size_t left = strlen(text);

        while (left > 0) {
                ssize_t n = write(fd, text, left);
                if (n < 0)
                        return -errno;

                text += n;
                left -= (size_t) n;
        }

        return 0;
}

int layer_config_write(const Manager *m, const char *name, const char *text) {
        _cleanup_free_ char *path = NULL, *temporary = NULL, *directory = NULL;
        _cleanup_close_ int fd = -1;
        int r;

        r = config_path(m, name, &path);
        if (r >= 0)
                r = format_string(&temporary, "%s.new", path);
        if (r >= 0)
                r = format_string(&directory, "%s" O7S_RUN_DIRECTORY "/" LAYER_FILE_DIRECTORY, m->config.root);
        if (r < 0)
                return r;

        if (mkdir(directory, 0755) < 0 && errno != EEXIST)
                return -errno;

        fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd < 0)
                return -errno;

        /* Read by daemons of other users: the umask of a service is not theirs. */
        r = write_all(fd, text);
        if (r >= 0 && (fchmod(fd, 0644) < 0 || rename(temporary, path) < 0))
                r = -errno;
        if (r < 0)
                (void) unlink(temporary);

        return r;
}

int layer_config_remove(const Manager *m, const char *name) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = config_path(m, name, &path);
        if (r < 0)
                return r;

        return unlink(path) < 0 ? -errno : 0;
}
