/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Coming back, see restore.h. Names of files are not in the state: they are read from their files again. */

#include "basic/log.h"
#include "services/common/message-id.h"
#include "services/irm/flow.h"
#include "services/irm/restore.h"

#define STAMP_AHEAD_NSEC (120ULL * 1000 * 1000 * 1000)

/* One that is far ahead was written while the clock was wrong: it would keep everybody out until then. */
static void restore_stamp(Manager *m) {
        StateStamp record;

        if (state_get(m->state, STATE_STAMP, 0, &record) == 0)
                return;

        m->stamp_slot = 0;
        if (record.nsec > time_realtime_nsec() + STAMP_AHEAD_NSEC) {
                log_with(LOG_WARNING, LOG_FIELDS(MESSAGE_CLOCK_SET_BACK),
                         "The clock was set back by minutes: requests of before cannot be told from new ones");
                return;
        }

        m->stamp_of_before = m->newest_stamp = record.nsec;
}

int restore_open(Manager *m) {
        int fd, r;

        fd = daemon_take_fd(m->daemon, "state");
        if (fd >= 0) {
                r = state_open(fd, &m->state);
                if (r == 0) {
                        restore_stamp(m);
                        return 0;
                }

                (void) log_with_errno(LOG_WARNING, r, LOG_FIELDS(MESSAGE_STATE_LOST),
                                      "The state of before cannot be used, starting anew: %m");
                (void) daemon_forget_fd(m->daemon, "state");
        }

        r = state_new(&m->state);
        if (r < 0)
                return log_error_errno(r, "Failed to make the state: %m");

        return daemon_store_fd(m->daemon, "state", state_fd(m->state));
}

static void restore_name(Manager *m, const StateName *record, uint32_t slot) {
        char text[QUOTA_TEXT_MAX];
        Name *n;
        int r;

        /* Its own record is written anew. */
        state_remove(m->state, STATE_NAME, slot);

        r = name_new(m, record->name, record->owner, false, text, &n);
        if (r < 0) {
                log_warning_errno(r, "Cannot take over the name '%s': %m", record->name);
                return;
        }

        n->local = record->local;
        if (record->balance < _BALANCE_MAX)
                name_set_balance(n, (LoadBalance) record->balance);
}

static void restore_binding(Manager *m, const StateBinding *record, uint32_t slot) {
        char stored[32];
        Binding *b;
        int pidfd, r;
        Name *n;

        (void) snprintf(stored, sizeof(stored), "binding-%" PRIu32, slot);
        pidfd = daemon_take_fd(m->daemon, stored);
        if (pidfd >= 0)
                (void) daemon_forget_fd(m->daemon, stored);
        state_remove(m->state, STATE_BINDING, slot);

        n = name_find(m, record->name);
        if (!n || record->kind >= _BINDING_KIND_MAX) {
                (void) safe_close(pidfd);
                return;
        }

        r = binding_new(n, (BindingKind) record->kind, record->id, pidfd, false, &b);
        if (r < 0)
                log_debug_errno(r, "Cannot take over a binding of '%s': %m", record->name);
}

static void restore_setting(Manager *m, const StateSetting *record, uint32_t slot) {
        Name *n = name_find(m, record->name);

        state_remove(m->state, STATE_SETTING, slot);
        if (n)
                name_security_restore(n, record);
}

/* A record that is written anew gets the slot that was just freed, so none is met twice. */
void restore_names(Manager *m) {
        for (uint32_t slot = 0; slot < state_capacity(STATE_NAME); slot++) {
                StateName record;

                if (state_get(m->state, STATE_NAME, slot, &record) > 0)
                        restore_name(m, &record, slot);
        }

        for (uint32_t slot = 0; slot < state_capacity(STATE_BINDING); slot++) {
                StateBinding record;

                if (state_get(m->state, STATE_BINDING, slot, &record) > 0)
                        restore_binding(m, &record, slot);
        }

        for (uint32_t slot = 0; slot < state_capacity(STATE_REGISTRATION); slot++) {
                StateRegistration record;
                Registration *registration;
                Name *n;

                if (state_get(m->state, STATE_REGISTRATION, slot, &record) == 0)
                        continue;

                state_remove(m->state, STATE_REGISTRATION, slot);
                n = name_find(m, record.name);
                if (n)
                        (void) registration_new(n, record.layer, false, &registration);
        }

        for (uint32_t slot = 0; slot < state_capacity(STATE_SETTING); slot++) {
                StateSetting record;

                if (state_get(m->state, STATE_SETTING, slot, &record) > 0)
                        restore_setting(m, &record, slot);
        }
}

static void restore_client(Manager *m, const StateClient *record, uint32_t slot) {
        char stored[32];
        Client *c;
        int fd, r;

        (void) snprintf(stored, sizeof(stored), "client-%" PRIu32, slot);
        fd = daemon_take_fd(m->daemon, stored);
        r = fd >= 0 ? client_restore(m, fd, slot, &c) : -ENOENT;
        if (r < 0) {
                log_debug_errno(r, "A connection of before is gone: %m");
                (void) daemon_forget_fd(m->daemon, stored);
                state_remove(m->state, STATE_CLIENT, slot);
                return;
        }

        if (!record->listening)
                return;

        r = client_resume_listening(c, record);
        if (r < 0)
                client_punish(c, "what it listened on is gone");
}

void restore_clients(Manager *m) {
        for (uint32_t slot = 0; slot < state_capacity(STATE_CLIENT); slot++) {
                StateClient record;

                if (state_get(m->state, STATE_CLIENT, slot, &record) > 0)
                        restore_client(m, &record, slot);
        }
}

void restore_flows(Manager *m) {
        unsigned n = 0;

        for (uint32_t slot = 0; slot < state_capacity(STATE_FLOW); slot++) {
                StateFlow record;
                Flow *f;
                int r;

                if (state_get(m->state, STATE_FLOW, slot, &record) == 0)
                        continue;

                r = flow_restore(m, &record, slot, &f);
                if (r < 0) {
                        log_debug_errno(r, "Flow %" PRIu64 " of before is gone: %m", record.id);
                        state_remove(m->state, STATE_FLOW, slot);
                        continue;
                }
                n++;
        }

        if (n > 0)
                log_with(LOG_INFO, LOG_FIELDS(MESSAGE_FLOWS_KEPT), "Took over %u flows of before", n);
}
