/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What an application asks on its connection: one function per message of irm-message.h. */

#include "basic/log.h"
#include "libo7s/bus-names.h"
#include "services/irm/reattach.h"

static void client_reply(Client *c, int result, uint64_t flow_id, const char *format, ...) _printf_(4, 5);
static void client_reply(Client *c, int result, uint64_t flow_id, const char *format, ...) {
        IrmMessage reply = { .type = IRM_REPLY, .result = result, .flow_id = flow_id };
        va_list list;

        va_start(list, format);
        (void) vsnprintf(reply.text, sizeof(reply.text), format, list);
        va_end(list);

        client_send(c, &reply, NULL, 0);
}

/* A lane for a flow: of the client that asked, or of a listener that accepts. */
static void client_lane(Client *c, const IrmMessage *message, int fds[IRM_FDS_MAX]) {
        FlowAction action = FLOW_DO_NOTHING;
        Flow *f;

        f = flow_find(c->manager, message->flow_id);
        if (!f || fds[0] < 0)
                return;                         /* it was withdrawn while the lane was under way */

        if (reattach_wants_lane(f, c)) {
                f->caller_lane = TAKE_FD(fds[0]);
                (void) flow_handle(f, FLOW_EVENT_CALLER_LANE);
                return;
        }

        /* A program may call itself: what comes from the listener that has the offer is the listener's. */
        if (f->offered_to && f->offered_to->client == c && f->peer_lane < 0) {
                f->peer_lane = TAKE_FD(fds[0]);
                action = flow_handle(f, FLOW_EVENT_ACCEPTOR_LANE);
        } else if (f->caller == c->process && !f->incoming && f->caller_lane < 0) {
                f->caller_lane = TAKE_FD(fds[0]);
                action = flow_handle(f, FLOW_EVENT_CALLER_LANE);
        } else if (f->caller == c->process || f->acceptor == c->process)
                action = FLOW_DO_PUNISH;        /* a second one */

        if (action == FLOW_DO_PUNISH)
                client_punish(c, "it sent a lane that nobody asked for");
}

static void client_deallocate(Client *c, const IrmMessage *message) {
        CloseReason reason = message->close_reason < _CLOSE_REASON_MAX ? (CloseReason) message->close_reason
                                                                       : CLOSE_NORMAL;
        Flow *f;

        f = flow_find(c->manager, message->flow_id);
        if (!f || (f->caller != c->process && f->acceptor != c->process))
                return;                         /* over already */

        flow_end(f, reason, -ECANCELED, NULL);
}

/* Flows whose ends our state of before did not have: an id alone, which can be guessed, is no proof. */
static bool client_may_claim(const Client *c, const Flow *f) {
        return f->state == FLOW_ESTABLISHED && !f->caller && !f->acceptor && f->confirmed &&
               f->layer_uid == c->process->key.uid;
}

/* After a restart of ours. A flow that a layer reported before its owner came is claimed here, by a process of its
 * user. */
static void client_resume(Client *c, const IrmMessage *message) {
        Flow *f = flow_find(c->manager, message->flow_id);

        if (f && client_may_claim(c, f)) {
                flow_set_caller(f, c->process);
                (void) quota_adopt_flow(&c->manager->quota, c->process->key.uid, f->lane_class, &f->charge);
        }

        if (f && (f->caller == c->process || f->acceptor == c->process))
                client_reply(c, 0, message->flow_id, "%s", "");
        else
                client_reply(c, -ESTALE, message->flow_id,
                             "This flow is not known any more; it goes on as long as both ends do");
}

/* Serves a name, or every name that is bound to the process now (and later: name_bindings_changed()). */
static int client_serve(Client *c) {
        Acceptor *a;
        Name *n;
        size_t position;
        int r = 0;

        if (!isempty(c->listen_name)) {
                n = name_find(c->manager, c->listen_name);
                if (!n)
                        return -ENOENT;
                r = acceptor_new(n, c, &a);
        } else {
                if (!list_is_linked(&c->by_wildcard))
                        list_append(&c->manager->wildcard_listeners, &c->by_wildcard);
                map_for_each(n, c->manager->names, position)
                        if (name_authorises(n, c->process) && name_selects(n, c->program))
                                (void) acceptor_new(n, c, &a);
        }
        if (r < 0 && r != -EEXIST)
                return r;

        c->listening = true;
        client_remember(c);
        return 0;
}

/* The order matters: the reply first, then offers. */
static void client_listen_granted(Client *c) {
        Acceptor *a, *following;
        int r;

        c->listen_pending = false;

        r = client_serve(c);
        if (r < 0) {
                client_reply(c, r, 0, "Cannot listen on '%.150s': %s", c->listen_name, strerror(-r));
                return;
        }

        client_reply(c, 0, 0, "%s", "");
        list_for_each_safe(a, following, &c->acceptors, by_client)
                name_dispatch(a->name);
}

static void client_listen_refused(Client *c) {
        const Process *p = c->process;

        c->listen_pending = false;
        client_reply(c, -EACCES, 0,
                     "'%.150s' is not bound to user %u, to process %d or to its unit %s; "
                     "an administrator can bind it: o7sctl name %.150s --unit=...",
                     c->listen_name, p->key.uid, (int) p->key.pid, p->unit ? p->unit : "(none)", c->listen_name);
}

static void client_listen_answered(PolkitQuery *query, int answer, void *userdata) {
        Client *c = userdata;

        c->listen_query = NULL;
        if (answer > 0)
                client_listen_granted(c);
        else
                client_listen_refused(c);
}

/* Not bound: a rule of the administrator may still allow it. */
static void client_listen_ask_polkit(Client *c) {
        const char *details[] = { "name", c->listen_name, "kind", "listen", NULL };
        int r;

        if (!c->manager->polkit) {
                client_listen_refused(c);
                return;
        }

        r = polkit_check_process(c->manager->polkit, c->process->key.pid, c->process->key.uid, POLKIT_LISTEN, details,
                                 client_listen_answered, c, &c->listen_query);
        if (r < 0) {
                log_debug_errno(r, "Cannot ask polkit: %m");
                client_listen_refused(c);
        }
}

/* With the unit known, or not needed. */
static void client_listen_decide(Client *c) {
        const Name *n;

        if (isempty(c->listen_name)) {
                client_listen_granted(c);       /* of nothing, perhaps: what is bound to it is what it serves */
                return;
        }

        n = name_find(c->manager, c->listen_name);
        if (!n) {
                c->listen_pending = false;
                client_reply(c, -ENOENT, 0, "There is no name '%.150s' on this host; create it: o7sctl name %.150s",
                             c->listen_name, c->listen_name);
        } else if (name_authorises(n, c->process))
                client_listen_granted(c);
        else
                client_listen_ask_polkit(c);
}

static void client_listen(Client *c, const IrmMessage *message) {
        const Name *n;

        if (c->listening || c->listen_pending) {
                client_punish(c, "it asked to listen twice on one connection");
                return;
        }
        if (message->version != IRM_PROTOCOL_VERSION) {
                client_reply(c, -EPROTONOSUPPORT, 0, "The IRM speaks version %u of its protocol, this program %u",
                             IRM_PROTOCOL_VERSION, message->version);
                return;
        }

        c->role = CLIENT_LISTENER;
        c->flow_flags = (uint32_t) message->flags & (O7S_THIN | O7S_BULK);
        (void) copy_string(c->listen_name, sizeof(c->listen_name), message->info.name);
        (void) copy_string(c->program, sizeof(c->program), message->program);
        c->listen_pending = true;

        /* The unit is asked for only where it can make a difference. */
        n = isempty(c->listen_name) ? NULL : name_find(c->manager, c->listen_name);
        if (n && name_authorises(n, c->process))
                client_listen_granted(c);
        else if ((!n && !isempty(c->listen_name)) || process_ask_unit(c->process) > 0)
                client_listen_decide(c);
}

void client_unit_known(Client *c) {
        if (c->listen_pending && !c->listen_query)
                client_listen_decide(c);
        else if (c->listening && isempty(c->listen_name))
                (void) client_serve(c);         /* after a restart: names that are bound to its unit */
}

int client_resume_listening(Client *c, const StateClient *record) {
        c->role = CLIENT_LISTENER;
        c->flow_flags = record->flow_flags & (O7S_THIN | O7S_BULK);
        (void) copy_string(c->listen_name, sizeof(c->listen_name), record->name);
        (void) copy_string(c->program, sizeof(c->program), record->program);
        (void) process_ask_unit(c->process);    /* its binding, and with it what "everything" means, may be to the
                                                 * unit */
        return client_serve(c);
}

void client_request(Client *c, const IrmMessage *message, int fds[IRM_FDS_MAX]) {
        switch (message->type) {
        case IRM_ALLOCATE:
                allocate(c, message);
                return;
        case IRM_LANE:
                client_lane(c, message, fds);
                return;
        case IRM_LISTEN:
                client_listen(c, message);
                return;
        case IRM_DEALLOCATE:
                client_deallocate(c, message);
                return;
        case IRM_RESUME:
                client_resume(c, message);
                return;
        case IRM_REATTACH:
                reattach_asked(c, message);
                return;
        case IRM_REPLY:
        case IRM_OUTCOME:
        case IRM_OFFER:
        case IRM_ESTABLISHED:
        case IRM_WITHDRAWN:
        case _IRM_MESSAGE_TYPE_MAX:
        case _IRM_MESSAGE_TYPE_INVALID:
                break;
        }

        client_punish(c, "it sent a message that only the IRM sends");
}
