/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Methods of the manager about names: unpack, look up, authorise, act, reply. */

#include <fcntl.h>
#include <sys/syscall.h>

#include "libo7s/bus-names.h"
#include "services/common/bus.h"
#include "services/irm/announce.h"
#include "services/irm/bus-call.h"
#include "services/irm/manager-bus.h"
#include "services/irm/resolve.h"

static size_t list_length(const List *list) {
        size_t n = 0;

        for (const ListNode *node = list->next; node != list; node = node->next)
                n++;

        return n;
}

int method_list_names(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Manager *m = userdata;
        size_t position;
        Name *n;
        int r;

        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ssuuuo)");
        if (r < 0)
                return r;

        map_for_each(n, m->names, position) {
                _cleanup_free_ char *path = NULL;

                r = name_path(n, &path);
                if (r < 0)
                        return r;

                r = sd_bus_message_append(reply, "(ssuuuo)", n->name, load_balance_to_string(n->balance),
                                          (uint32_t) list_length(&n->bindings),
                                          (uint32_t) list_length(&n->registrations), n->n_flows, path);
                if (r < 0)
                        return r;
        }

        r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int reply_with_name(sd_bus_message *message, const Name *n) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = name_path(n, &path);
        return r < 0 ? r : sd_bus_reply_method_return(message, "o", path);
}

int method_get_name(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const char *name;
        Name *n;
        int r;

        r = sd_bus_message_read(message, "s", &name);
        if (r < 0)
                return r;

        r = bus_find_name(userdata, name, &n, error);
        return r < 0 ? r : reply_with_name(message, n);
}

/* -- making and removing -- */

typedef struct NameOptions {
        LoadBalance balance;
        int local;
} NameOptions;

static int read_name_option(sd_bus_message *message, const char *key, void *target, sd_bus_error *error) {
        NameOptions *options = target;
        const char *text;
        int r;

        if (streq(key, "LoadBalance")) {
                r = sd_bus_message_read(message, "v", "s", &text);
                if (r < 0)
                        return bus_error_set(error, -EINVAL, "LoadBalance is a string");

                options->balance = load_balance_from_string(text);
                if (options->balance < 0)
                        return bus_error_set(error, -EINVAL,
                                             "LoadBalance is round-robin, spill or least-flows, not '%s'", text);
                return 0;
        }
        if (streq(key, "Local")) {
                r = sd_bus_message_read(message, "v", "b", &options->local);
                return r < 0 ? bus_error_set(error, -EINVAL, "Local is a boolean") : 0;
        }

        return bus_error_set(error, -EINVAL, "CreateName knows no option '%s'", key);
}

/* A user may serve what he made; root may serve everything anyway. */
static int create_name(Manager *m, const char *name, uid_t uid, const NameOptions *options, Name **ret,
                       sd_bus_error *error) {
        char text[QUOTA_TEXT_MAX] = "", id[16];
        Binding *b;
        Name *n;
        int r;

        r = name_new(m, name, uid, false, text, &n);
        if (r == -E2BIG)
                return bus_error_set(error, -EDQUOT, "This host has as many names as it may: %u", NAMES_MAX);
        if (r < 0)
                return bus_error_set(error, r, "Cannot create the name '%s'%s%s", name, text[0] ? ": " : "", text);

        n->local = options->local;
        name_set_balance(n, options->balance);
        if (uid != 0) {
                (void) snprintf(id, sizeof(id), "%u", uid);
                r = binding_new(n, BINDING_USER, id, -1, false, &b);
                if (r < 0) {
                        name_free(n);
                        return bus_error_set(error, r, "Cannot bind the name '%s' to its owner", name);
                }
        }

        *ret = n;
        return 0;
}

int method_create_name(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        NameOptions options = { .balance = BALANCE_ROUND_ROBIN, .local = true };
        Manager *m = userdata;
        const char *name;
        uint64_t flags;
        uid_t uid;
        Name *n;
        int r;

        r = sd_bus_message_read(message, "s", &name);
        if (r >= 0)
                r = bus_read_options(message, read_name_option, &options, error);
        if (r >= 0)
                r = bus_read_flags(message, 0, &flags, error);
        if (r >= 0)
                r = bus_caller_uid(message, &uid, error);
        if (r < 0)
                return r;
        if (!flow_name_is_valid(name))
                return bus_error_set(error, -EINVAL,
                                     "A name is UTF-8 without control characters and '/', of 1 to %u bytes",
                                     FLOW_NAME_BYTES_MAX);

        r = bus_authorize(m, message, POLKIT_CREATE_NAME, name, NULL, "create", error);
        if (r <= 0)
                return r < 0 ? r : 1;

        n = name_find(m, name);
        if (n)
                return bus_error_set_named(error, "NameExists", "There is a name '%s' already; it belongs to user %u",
                                           name, n->owner);

        r = create_name(m, name, uid, &options, &n, error);
        if (r < 0)
                return r;

        announce_name_new(n);
        manager_changed(m);
        return reply_with_name(message, n);
}

int method_remove_name(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Manager *m = userdata;
        const char *name;
        uint64_t flags;
        Name *n;
        int r;

        r = sd_bus_message_read(message, "s", &name);
        if (r >= 0)
                r = bus_read_flags(message, 0, &flags, error);
        if (r >= 0)
                r = bus_find_name_to_change(m, name, &n, error);
        if (r < 0)
                return r;

        r = bus_authorize(m, message, POLKIT_CREATE_NAME, name, NULL, "remove", error);
        if (r <= 0)
                return r < 0 ? r : 1;
        if (n->from_file)
                return bus_error_set_named(error, "WrongState",
                                           "The name '%s' is that of a file; remove %s" NAME_FILE_SUFFIX " and reload",
                                           name, name);

        announce_name_removed(n);
        name_free(n);
        manager_changed(m);
        return sd_bus_reply_method_return(message, NULL);
}

/* -- binding -- */

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

int method_bind_unit(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const char *name, *unit;
        uint64_t flags;
        int r;

        r = sd_bus_message_read(message, "ss", &name, &unit);
        if (r >= 0)
                r = bus_read_no_options(message, error);
        if (r >= 0)
                r = bus_read_flags(message, 0, &flags, error);
        if (r < 0)
                return r;

        return bind_name(userdata, message, name, BINDING_UNIT, unit, -1, error);
}

int method_bind_user(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const char *name, *user;
        uint64_t flags;
        int r;

        r = sd_bus_message_read(message, "ss", &name, &user);
        if (r >= 0)
                r = bus_read_flags(message, 0, &flags, error);
        if (r < 0)
                return r;

        return bind_name(userdata, message, name, BINDING_USER, user, -1, error);
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

/* -- registering -- */

int method_register(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const char *name, *layer;
        Registration *registration;
        Manager *m = userdata;
        uint64_t flags;
        Name *n;
        int r;

        r = sd_bus_message_read(message, "ss", &name, &layer);
        if (r >= 0)
                r = bus_read_no_options(message, error);
        if (r >= 0)
                r = bus_read_flags(message, 0, &flags, error);
        if (r >= 0)
                r = bus_find_name_to_change(m, name, &n, error);
        if (r < 0)
                return r;
        if (!layer_name_is_valid(layer))
                return bus_error_set(error, -EINVAL, "'%s' cannot be the name of a layer", layer);

        r = bus_authorize(m, message, POLKIT_REGISTER, name, layer, "register", error);
        if (r <= 0)
                return r < 0 ? r : 1;

        r = registration_new(n, layer, false, &registration);
        if (r < 0 && r != -EEXIST)
                return bus_error_set(error, r, "Cannot register '%s' in layer %s: %s", name, layer, strerror(-r));

        announce_name_changed(n, "RegisteredIn");
        return sd_bus_reply_method_return(message, NULL);
}

int method_unregister(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const char *name, *layer;
        Registration *registration;
        Manager *m = userdata;
        uint64_t flags;
        Name *n;
        int r;

        r = sd_bus_message_read(message, "ss", &name, &layer);
        if (r >= 0)
                r = bus_read_flags(message, 0, &flags, error);
        if (r >= 0)
                r = bus_find_name_to_change(m, name, &n, error);
        if (r < 0)
                return r;

        r = bus_authorize(m, message, POLKIT_REGISTER, name, layer, "unregister", error);
        if (r <= 0)
                return r < 0 ? r : 1;

        registration = registration_find(n, layer);
        if (!registration)
                return bus_error_set_named(error, "NotRegistered", "The name '%s' is not registered in layer %s", name,
                                           layer);

        registration_free(registration);
        announce_name_changed(n, "RegisteredIn");
        return sd_bus_reply_method_return(message, NULL);
}

/* -- where a name is -- */

/* Changes nothing; what it makes other hosts do is bounded, see resolve.h. Columns: layer ("local": this host), state
 * (found, waiting, not-found, no-answer, skipped), RTT in microseconds (-1: none), Type, Hash and Reason. */
int method_resolve(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const char *name;
        uid_t uid;
        int r;

        r = sd_bus_message_read(message, "s", &name);
        if (r >= 0)
                r = bus_read_no_options(message, error);
        if (r < 0)
                return r;
        if (!flow_name_is_valid(name))
                return bus_error_set(error, -EINVAL,
                                     "A name is UTF-8 without control characters and '/', of 1 to %u bytes",
                                     FLOW_NAME_BYTES_MAX);

        r = bus_caller_uid(message, &uid, error);
        if (r < 0)
                return r;

        r = resolve_start(userdata, message, name, uid);
        if (r == -EDQUOT)
                return bus_error_set(error, r,
                                     "A user may have %u questions open, all together %u; wait for their answers",
                                     RESOLVES_PER_USER_MAX, RESOLVES_MAX);
        if (r < 0)
                return bus_error_set(error, r, "Cannot ask for '%s': %s", name, strerror(-r));

        return 1;                       /* answered, or it will be */
}
