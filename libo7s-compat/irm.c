/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Names, bindings and registrations as programs for Ouroboros manage them, on the model of o7s: a binding to a
 * program selects among those who may serve a name anyway (its owner, root, bound units, users and processes), and
 * authorises nobody. Layers are in ipcp.c.
 */

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ouroboros/irm.h>

#include "libo7s-compat/compat.h"
#include "libo7s-compat/irm-bus.h"

static void freep(void *pointer) {
        free(*(void **) pointer);
}

static void irm_bus_closep(IrmBus **bus) {
        *bus = irm_bus_close(*bus);
}

static void rows_freep(Row **rows) {
        *rows = rows_free(*rows);
}

#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_bus_ _cleanup_(irm_bus_closep)
#define _cleanup_rows_ _cleanup_(rows_freep)

/* -- names -- */

static const char *const balances[] = {
        [LB_RR] = "round-robin",
        [LB_SPILL] = "spill",
};

static enum pol_balance balance_from_string(const char *text) {
        for (size_t i = 0; i < ELEMENTSOF(balances); i++)
                if (strcmp(balances[i], text) == 0)
                        return (enum pol_balance) i;

        return LB_INVALID;              /* one that this interface has no word for */
}

/* As it is asked for; one that exists stays as it is. */
static int ensure_name(IrmBus *bus, const char *name, enum pol_balance balance) {
        int r;

        r = irm_bus_create_name(bus, name, balances[balance]);
        return r == -EEXIST ? 0 : r;
}

/* What one side of a name shows. */
typedef struct Pair {
        char certificate[PATH_MAX];     /* "": nothing */
        char key[PATH_MAX];
} Pair;

/* In full, from text of the caller's that may have no end. Returns: 0; -ENOENT; -EPERM: no way to it; -EINVAL. */
static int full_path(const char *path, size_t size, char ret[PATH_MAX]) {
        if (memchr(path, '\0', size) == NULL)
                return -EINVAL;
        if (realpath(path, ret))
                return 0;

        return errno == EACCES ? -EPERM : errno == ENOMEM ? -ENOMEM : -ENOENT;
}

/* What would weaken if it were left out is refused. Half a pair is of no use, and an enc.conf says more than can be
 * set here: o7sctl imports those. */
static int read_pair(const struct name_sec_paths *paths, Pair *ret) {
        bool has_certificate = paths->crt[0] != '\0', has_key = paths->key[0] != '\0';
        int r;

        if (paths->enc[0] != '\0')
                return -ENOTSUP;
        if (has_certificate != has_key)
                return -EINVAL;
        if (!has_key)
                return 0;

        r = full_path(paths->crt, sizeof(paths->crt), ret->certificate);
        return r < 0 ? r : full_path(paths->key, sizeof(paths->key), ret->key);
}

static int set_security(IrmBus *bus, const char *name, const char *side, const Pair *pair) {
        return pair->key[0] == '\0' ? 0 : irm_bus_set_security(bus, name, side, pair->certificate, pair->key);
}

/* A name that could not be given what it is to show is none. */
static int create_secured(IrmBus *bus, const struct name_info *info, const Pair *server, const Pair *client) {
        int r;

        r = irm_bus_create_name(bus, info->name, balances[info->pol_lb]);
        if (r < 0)
                return r == -EEXIST ? 0 : r;

        r = set_security(bus, info->name, "server", server);
        if (r >= 0)
                r = set_security(bus, info->name, "client", client);
        if (r < 0)
                (void) irm_bus_remove_name(bus, info->name);

        return r;
}

_public_ int irm_create_name(struct name_info *info) {
        _cleanup_cancel_ int cancel_state = cancel_hold();
        _cleanup_bus_ IrmBus *bus = NULL;
        Pair server = {}, client = {};
        int r;

        if (!info || memchr(info->name, '\0', sizeof(info->name)) == NULL || info->name[0] == '\0')
                return -EINVAL;
        if (info->pol_lb != LB_RR && info->pol_lb != LB_SPILL)
                return -EINVAL;

        r = read_pair(&info->s, &server);
        if (r >= 0)
                r = read_pair(&info->c, &client);
        if (r >= 0)
                r = irm_bus_open(&bus);

        return r < 0 ? r : create_secured(bus, info, &server, &client);
}

_public_ int irm_destroy_name(const char *name) {
        _cleanup_cancel_ int cancel_state = cancel_hold();
        _cleanup_bus_ IrmBus *bus = NULL;
        int r;

        if (!name)
                return -EINVAL;

        r = irm_bus_open(&bus);
        return r < 0 ? r : irm_bus_remove_name(bus, name);
}

_public_ ssize_t irm_list_names(struct name_info **names) {
        _cleanup_cancel_ int cancel_state = cancel_hold();
        _cleanup_bus_ IrmBus *bus = NULL;
        _cleanup_rows_ Row *rows = NULL;
        struct name_info *infos;
        ssize_t n;
        int r;

        if (!names)
                return -EINVAL;

        r = irm_bus_open(&bus);
        if (r < 0)
                return r;

        n = irm_bus_list_names(bus, &rows);
        if (n <= 0) {
                if (n == 0)
                        *names = NULL;
                return n;
        }

        infos = calloc((size_t) n, sizeof(*infos));
        if (!infos)
                return -ENOMEM;

        for (ssize_t i = 0; i < n; i++) {
                (void) snprintf(infos[i].name, sizeof(infos[i].name), "%s", rows[i].first);
                infos[i].pol_lb = balance_from_string(rows[i].second);
        }

        *names = infos;
        return n;
}

/* -- programs -- */

static const char *last_part(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

/* The program in the directory. Links to the directory are followed, a link to the program is not: it is the name
 * under which the program runs that selects. Returns: 0; -ENOENT; -EPERM: nobody can execute that; -ENOMEM. */
static int program_in(const char *directory, const char *program, char **ret) {
        _cleanup_free_ char *full = NULL, *resolved = realpath(directory, NULL);
        struct stat st;

        if (!resolved)
                return errno == ENOMEM ? -ENOMEM : -ENOENT;
        if (asprintf(&full, "%s%s%s", resolved, strcmp(resolved, "/") == 0 ? "" : "/", program) < 0) {
                full = NULL;
                return -ENOMEM;
        }
        if (stat(full, &st) < 0)
                return -ENOENT;
        if (!S_ISREG(st.st_mode) || access(full, X_OK) < 0)
                return -EPERM;

        *ret = full;
        full = NULL;
        return 0;
}

/* The full path of a program: what has a slash is one already, the rest is looked for in PATH. */
static int program_find(const char *program, char **ret) {
        const char *path = getenv("PATH"), *end;
        int r = -ENOENT;

        if (strchr(program, '/')) {
                _cleanup_free_ char *directory = strndup(program, (size_t) (last_part(program) - program));

                return directory ? program_in(directory, last_part(program), ret) : -ENOMEM;
        }

        for (path = path ? path : "/usr/local/bin:/usr/bin:/bin"; path; path = *end ? end + 1 : NULL) {
                _cleanup_free_ char *directory = NULL;
                int found;

                end = strchrnul(path, ':');
                directory = end > path ? strndup(path, (size_t) (end - path)) : strdup(".");
                if (!directory)
                        return -ENOMEM;

                found = program_in(directory, program, ret);
                if (found == 0 || found == -ENOMEM)
                        return found;
                if (found == -EPERM)
                        r = -EPERM;     /* unless a directory further on has a better one */
        }

        return r;
}

_public_ int irm_bind_program(const char *prog, const char *name, uint16_t opts, int argc, char **argv) {
        _cleanup_cancel_ int cancel_state = cancel_hold();
        _cleanup_free_ char *path = NULL;
        _cleanup_bus_ IrmBus *bus = NULL;
        int r;

        (void) argc;                    /* arguments are those of a program that is started, see BIND_AUTO */
        (void) argv;
        if (!prog || !name || last_part(prog)[0] == '\0' || (opts & ~BIND_AUTO))
                return -EINVAL;
        if (opts & BIND_AUTO)
                return -ENOTSUP;

        r = program_find(prog, &path);
        if (r < 0)
                return r;

        r = irm_bus_open(&bus);
        if (r < 0)
                return r;

        r = irm_bus_bind_program(bus, name, path);
        if (r == -ENAME) {
                r = ensure_name(bus, name, LB_SPILL);
                if (r >= 0)
                        r = irm_bus_bind_program(bus, name, path);
        }

        return r;
}

/* -- taking bindings back -- */

typedef bool (*matches_t)(const char *id, const char *wanted);

/* A program without a slash is meant by its name, wherever it is. */
static bool program_matches(const char *id, const char *wanted) {
        return strcmp(strchr(wanted, '/') ? id : last_part(id), wanted) == 0;
}

static bool process_matches(const char *id, const char *wanted) {
        return strcmp(id, wanted) == 0;
}

/* Returns: > 0: something was unbound; 0. */
static int unbind_from(IrmBus *bus, const char *name, const char *kind, matches_t matches, const char *wanted) {
        _cleanup_rows_ Row *rows = NULL;
        ssize_t n;
        int done = 0;

        n = irm_bus_list_bindings(bus, name, &rows);
        if (n < 0)
                return (int) n;

        for (ssize_t i = 0; i < n; i++) {
                int r;

                if (strcmp(rows[i].first, kind) != 0 || !matches(rows[i].second, wanted))
                        continue;

                r = irm_bus_unbind(bus, name, kind, rows[i].second);
                if (r < 0 && r != -ENOENT)
                        return r;
                done = 1;
        }

        return done;
}

/* name NULL: from all. */
static int unbind(const char *name, const char *kind, matches_t matches, const char *wanted) {
        _cleanup_rows_ Row *names = NULL;
        _cleanup_bus_ IrmBus *bus = NULL;
        bool done = false;
        ssize_t n;
        int r;

        r = irm_bus_open(&bus);
        if (r < 0)
                return r;

        if (name) {
                r = unbind_from(bus, name, kind, matches, wanted);
                return r < 0 ? r : r == 0 ? -ENOENT : 0;
        }

        n = irm_bus_list_names(bus, &names);
        if (n < 0)
                return (int) n;

        for (ssize_t i = 0; i < n; i++) {
                r = unbind_from(bus, names[i].first, kind, matches, wanted);
                if (r < 0 && r != -ENAME)       /* it may have gone meanwhile */
                        return r;
                done = done || r > 0;
        }

        return done ? 0 : -ENOENT;
}

_public_ int irm_unbind_program(const char *prog, const char *name) {
        _cleanup_cancel_ int cancel_state = cancel_hold();
        _cleanup_free_ char *path = NULL;

        if (!prog || last_part(prog)[0] == '\0')
                return -EINVAL;

        /* It may have been removed since it was bound. */
        if (strchr(prog, '/') && program_find(prog, &path) == -ENOMEM)
                return -ENOMEM;

        return unbind(name, "program", program_matches, path ? path : prog);
}

_public_ int irm_bind_process(pid_t pid, const char *name) {
        _cleanup_cancel_ int cancel_state = cancel_hold();
        _cleanup_bus_ IrmBus *bus = NULL;
        int r;

        if (pid <= 0 || !name)
                return -EINVAL;
        if (kill(pid, 0) < 0 && errno == ESRCH)
                return -ESRCH;

        r = irm_bus_open(&bus);
        return r < 0 ? r : irm_bus_bind_process(bus, name, pid);
}

_public_ int irm_unbind_process(pid_t pid, const char *name) {
        _cleanup_cancel_ int cancel_state = cancel_hold();
        char id[16];

        if (pid <= 0)
                return -EINVAL;

        (void) snprintf(id, sizeof(id), "%d", (int) pid);
        return unbind(name, "process", process_matches, id);
}

/* -- registrations -- */

typedef int (*registration_call_t)(IrmBus *bus, const char *name, const char *layer);

static int register_with(registration_call_t call, const char *name, pid_t ipcp) {
        _cleanup_free_ char *layer = NULL;
        _cleanup_bus_ IrmBus *bus = NULL;
        int r;

        if (!name || ipcp <= 0)
                return -EINVAL;

        r = irm_bus_open(&bus);
        if (r < 0)
                return r;

        r = irm_bus_layer_of(bus, ipcp, &layer);
        return r < 0 ? r : call(bus, name, layer);
}

static int register_or_create(IrmBus *bus, const char *name, const char *layer) {
        int r;

        r = irm_bus_register(bus, name, layer);
        if (r == -ENAME) {
                r = ensure_name(bus, name, LB_SPILL);
                if (r >= 0)
                        r = irm_bus_register(bus, name, layer);
        }

        return r;
}

_public_ int irm_reg_name(const char *name, pid_t ipcp) {
        _cleanup_cancel_ int cancel_state = cancel_hold();

        return register_with(register_or_create, name, ipcp);
}

_public_ int irm_unreg_name(const char *name, pid_t ipcp) {
        _cleanup_cancel_ int cancel_state = cancel_hold();

        return register_with(irm_bus_unregister, name, ipcp);
}
