/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Methods of the manager about bindings, who may serve a name: unpack, look up, authorise, act, reply. */

#include <fcntl.h>
#include <sys/syscall.h>

#include "libo7s/bus-names.h"
#include "services/common/bus.h"
#include "services/irm/announce.h"
#include "services/irm/bus-call.h"
#include "services/irm/manager-bus.h"

/* The common end of all five: pidfd is taken. */
static int bind_name(Manager *m, sd_bus_message *message, const char *name, BindingKind kind, const char *id, int pidfd,
                     sd_bus_error *error) {
        _cleanup_close_ int owned = pidfd;
        Binding *b;
        Name *n;
        int r;

        r = bus_find_name_to_change(m, name, &n, error);
        if (r < 0)
                return r;

        r = bus_authorize(m, message, POLKIT_BIND, name, NULL, binding_kind_to_string(kind), error);
        if (r <= 0)
                return r < 0 ? r : 1;

        r = binding_new(n, kind, id, TAKE_FD(owned), false, &b);
        if (r < 0 && r != -EEXIST)
                return bus_error_set(error, r, "Cannot bind '%s' to %s '%s': %s", name, binding_kind_to_string(kind),
                                     id, r == -E2BIG ? "it has as many bindings as it may" : strerror(-r));

        if (r == 0) {
                announce_name_changed(n, "Bindings");
                name_bindings_changed(n);
        }

        return sd_bus_reply_method_return(message, NULL);
}

/* Both have the same arguments, but for options, of which there are none yet. */
static int bind_by_id(sd_bus_message *message, Manager *m, BindingKind kind, bool options, sd_bus_error *error) {
        const char *name, *id;
        uint64_t flags;
        int r;

        r = sd_bus_message_read(message, "ss", &name, &id);
        if (r >= 0 && options)
                r = bus_read_no_options(message, error);
        if (r >= 0)
                r = bus_read_flags(message, 0, &flags, error);
        if (r < 0)
                return r;

        return bind_name(m, message, name, kind, id, -1, error);
}

int method_bind_unit(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return bind_by_id(message, userdata, BINDING_UNIT, true, error);
}

int method_bind_user(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return bind_by_id(message, userdata, BINDING_USER, false, error);
}

int method_bind_program(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const char *name, *path;
        uint64_t flags;
        int r;

        r = sd_bus_message_read(message, "ss", &name, &path);
        if (r >= 0)
                r = sd_bus_message_enter_container(message, 'a', "s");
        if (r >= 0 && sd_bus_message_at_end(message, false) == 0)
                return bus_error_set(error, -EOPNOTSUPP, "A program is bound by its path; arguments are not looked at");
        if (r >= 0)
                r = sd_bus_message_exit_container(message);
        if (r >= 0)
                r = bus_read_no_options(message, error);
        if (r >= 0)
                r = bus_read_flags(message, 0, &flags, error);
        if (r < 0)
                return r;

        return bind_name(userdata, message, name, BINDING_PROGRAM, path, -1, error);
}

int method_bind_process(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_close_ int pidfd = -1;
        const char *name;
        uint64_t flags;
        char id[16];
        uint32_t pid;
        int r;

        r = sd_bus_message_read(message, "su", &name, &pid);
        if (r >= 0)
                r = bus_read_flags(message, 0, &flags, error);
        if (r < 0)
                return r;

        pidfd = (int) syscall(SYS_pidfd_open, (pid_t) pid, 0);
        if (pidfd < 0)
                return bus_error_set(error, -ESRCH, "There is no process %u", pid);

        (void) snprintf(id, sizeof(id), "%u", pid);
        return bind_name(userdata, message, name, BINDING_PROCESS, id, TAKE_FD(pidfd), error);
}

/* The number is in the kernel's notes on the descriptor; of this process alone, so nothing of others is read. */
static int pid_of_pidfd(int pidfd, char *ret, size_t size) {
        char path[64], text[512];
        _cleanup_close_ int fd = -1;
        const char *line;
        ssize_t n;
        int pid;

        (void) snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        n = read(fd, text, sizeof(text) - 1);
        if (n < 0)
                return -errno;
        text[n] = '\0';

        line = strstr(text, "\nPid:");
        if (!line || sscanf(line, "\nPid: %d", &pid) != 1 || pid <= 0)
                return -EINVAL;

        (void) snprintf(ret, size, "%d", pid);
        return 0;
}

int method_bind_pidfd(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const char *name;
        uint64_t flags;
        char id[16];
        int pidfd, copy, r;

        r = sd_bus_message_read(message, "sh", &name, &pidfd);
        if (r >= 0)
                r = bus_read_flags(message, 0, &flags, error);
        if (r < 0)
                return r;

        if (pid_of_pidfd(pidfd, id, sizeof(id)) < 0)
                return bus_error_set(error, -EINVAL, "This is no descriptor of a living process");

        copy = fcntl(pidfd, F_DUPFD_CLOEXEC, 3);
        if (copy < 0)
                return bus_error_set(error, -errno, "Cannot keep the descriptor: %s", strerror(errno));

        return bind_name(userdata, message, name, BINDING_PROCESS, id, copy, error);
}

int method_unbind(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const char *name, *kind_name, *id;
        Manager *m = userdata;
        BindingKind kind;
        uint64_t flags;
        Binding *b;
        Name *n;
        int r;

        r = sd_bus_message_read(message, "sss", &name, &kind_name, &id);
        if (r >= 0)
                r = bus_read_flags(message, 0, &flags, error);
        if (r >= 0)
                r = bus_find_name_to_change(m, name, &n, error);
        if (r < 0)
                return r;

        kind = binding_kind_from_string(kind_name);
        if (kind < 0)
                return bus_error_set(error, -EINVAL, "A binding is to a unit, user, process or program, not to a '%s'",
                                     kind_name);

        r = bus_authorize(m, message, POLKIT_BIND, name, NULL, kind_name, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        b = binding_find(n, kind, id);
        if (!b)
                return bus_error_set_named(error, "NotBound", "The name '%s' is not bound to %s '%s'", name, kind_name,
                                           id);

        binding_free(b);
        announce_name_changed(n, "Bindings");
        return sd_bus_reply_method_return(message, NULL);
}
