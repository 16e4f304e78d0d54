/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who may serve a name, see binding.h. */

#include <poll.h>
#include <pwd.h>
#include <sys/epoll.h>

#include "basic/log.h"
#include "services/irm/name.h"

static const char *const binding_kind_table[_BINDING_KIND_MAX] = {
        [BINDING_UNIT] = "unit",
        [BINDING_USER] = "user",
        [BINDING_PROCESS] = "process",
        [BINDING_PROGRAM] = "program",
};

DEFINE_ENUM_NAMES(binding_kind, BindingKind);

int user_from_string(const char *text, uid_t *ret) {
        const struct passwd *pw;
        uint64_t number;

        if (parse_u64(text, UINT32_MAX - 1, &number) == 0) {
                *ret = (uid_t) number;
                return 0;
        }

        pw = getpwnam(text);
        if (!pw)
                return -ESRCH;

        *ret = pw->pw_uid;
        return 0;
}

static void binding_store_name(char *ret, size_t size, uint32_t slot) {
        (void) snprintf(ret, size, "binding-%" PRIu32, slot);
}

Binding *binding_free(Binding *b) {
        Manager *m;

        if (!b)
                return NULL;

        m = b->name->manager;
        list_unlink(&b->by_name);

        if (b->state_slot != STATE_NO_SLOT) {
                if (b->kind == BINDING_PROCESS && !m->stopping) {
                        char name[32];

                        binding_store_name(name, sizeof(name), b->state_slot);
                        (void) daemon_forget_fd(m->daemon, name);
                }
                state_remove(m->state, STATE_BINDING, b->state_slot);
        }

        sd_event_source_disable_unref(b->exit_source);
        b->pidfd = safe_close(b->pidfd);
        free(b->id);
        return mfree(b);
}
DEFINE_CLEANUP(Binding, binding_free);

static int binding_process_exited(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Binding *b = userdata;
        Name *n = b->name;

        log_debug("Name '%s' is no longer bound to process %s, which has ended", n->name, b->id);
        binding_free(b);
        name_bindings_changed(n);
        return 0;
}

/* The id in the form that it is compared in. */
static int binding_set_id(Binding *b, const char *id) {
        uint64_t number;
        int r;

        switch (b->kind) {
        case BINDING_USER:
                r = user_from_string(id, &b->uid);
                if (r < 0)
                        return r;
                return format_string(&b->id, "%u", b->uid);
        case BINDING_PROCESS:
                r = parse_u64(id, INT32_MAX, &number);
                if (r < 0 || number == 0 || b->pidfd < 0)
                        return -EINVAL;
                b->pid = (pid_t) number;
                return format_string(&b->id, "%d", (int) b->pid);
        case BINDING_PROGRAM:
                if (id[0] != '/')
                        return -EINVAL;
                break;
        case BINDING_UNIT:
                if (!strchr(id, '.') || strchr(id, '/'))
                        return -EINVAL;
                break;
        case _BINDING_KIND_MAX:
        case _BINDING_KIND_INVALID:
                return -EINVAL;
        }

        if (strlen(id) > STATE_ID_BYTES_MAX)
                return -EINVAL;

        b->id = strdup(id);
        return b->id ? 0 : -ENOMEM;
}

static int binding_watch(Binding *b) {
        struct pollfd pfd = { .fd = b->pidfd, .events = POLLIN };

        if (poll(&pfd, 1, 0) != 0)
                return -ESRCH;

        return sd_event_add_io(b->name->manager->event, &b->exit_source, b->pidfd, EPOLLIN, binding_process_exited, b);
}

static void binding_remember(Binding *b) {
        Manager *m = b->name->manager;
        StateBinding record = { .kind = (uint32_t) b->kind, .pid = b->pid };
        char name[32];

        (void) copy_string(record.name, sizeof(record.name), b->name->name);
        (void) copy_string(record.id, sizeof(record.id), b->id);

        b->state_slot = state_put(m->state, STATE_BINDING, &record);
        if (b->state_slot == STATE_NO_SLOT || b->kind != BINDING_PROCESS)
                return;

        binding_store_name(name, sizeof(name), b->state_slot);
        (void) daemon_store_fd(m->daemon, name, b->pidfd);
}

static size_t count_bindings(const Name *n) {
        const Binding *b;
        size_t count = 0;

        list_for_each(b, &n->bindings, by_name)
                count++;

        return count;
}

int binding_new(Name *name, BindingKind kind, const char *id, int pidfd, bool from_file, Binding **ret) {
        _cleanup_close_ int owned = pidfd;
        _cleanup_(binding_freep) Binding *b = NULL;
        int r;

        if (count_bindings(name) >= BINDINGS_PER_NAME_MAX)
                return -E2BIG;

        b = malloc(sizeof(*b));
        if (!b)
                return -ENOMEM;

        *b = (Binding) {
                .name = name,
                .kind = kind,
                .pidfd = TAKE_FD(owned),
                .from_file = from_file,
                .state_slot = STATE_NO_SLOT,
        };
        list_init(&b->by_name);

        r = binding_set_id(b, id);
        if (r < 0)
                return r;
        if (binding_find(name, kind, b->id))
                return -EEXIST;
        if (kind == BINDING_PROCESS) {
                r = binding_watch(b);
                if (r < 0)
                        return r;
        }

        list_append(&name->bindings, &b->by_name);
        if (!from_file)
                binding_remember(b);

        *ret = TAKE_PTR(b);
        return 0;
}

Binding *binding_find(const Name *name, BindingKind kind, const char *id) {
        Binding *b;

        list_for_each(b, &name->bindings, by_name)
                if (b->kind == kind && streq(b->id, id))
                        return b;

        return NULL;
}

bool binding_authorises(const Binding *b, const Process *p) {
        switch (b->kind) {
        case BINDING_UNIT:
                return p->unit && streq(b->id, p->unit);
        case BINDING_USER:
                return b->uid == p->key.uid;
        case BINDING_PROCESS:
                return b->pid == p->key.pid;    /* both are alive, so the number is one process's */
        case BINDING_PROGRAM:
        case _BINDING_KIND_MAX:
        case _BINDING_KIND_INVALID:
                break;
        }

        return false;
}
