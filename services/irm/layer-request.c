/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What an IPCP says on its connection: one function per message of layer-message.h. */

#include "basic/log.h"
#include "services/common/bus.h"
#include "services/irm/admission.h"
#include "services/irm/announce.h"
#include "services/irm/neighbour.h"
#include "services/irm/layer-names.h"
#include "services/irm/reattach.h"
#include "services/irm/resolve.h"

/* -- HELLO: which layer is it? -- */

/* An IPCP serves the layer of its unit. Root and our own user need none: they could be anybody anyway. */
static int link_may_serve(const LayerLink *link, const char *layer) {
        _cleanup_free_ char *of_unit = NULL;
        const Process *p = link->process;

        if (p->unit && bus_layer_from_unit(p->unit, &of_unit) >= 0)
                return streq(of_unit, layer) ? 0 : -EACCES;

        return p->key.uid == 0 || p->key.uid == geteuid() ? 0 : -EACCES;
}

static void send_registrations(Layer *l) {
        size_t position;
        Name *n;

        map_for_each(n, l->manager->names, position)
                if (registration_find(n, l->name) || layer_lists_name(l, n->name))
                        layer_send_registration(l, LAYER_REGISTER, n);
}

/* Flows of an earlier process wait for this one to return them; its own are confirmed by RESUME. */
static void layer_set_process(Layer *l, Process *p) {
        Flow *f;

        if (l->process && l->process != p)
                reattach_layer_lost(l);
        list_for_each(f, &l->flows, by_layer)
                f->confirmed = false;

        if (l->process == p)
                return;

        p->n_layers++;
        if (l->process) {
                l->process->n_layers--;
                process_settle(l->process);
        }
        l->process = p;
        announce_layer_changed(l, "MainPID");
}

static void link_attach(LayerLink *link, Layer *l, const LayerMessage *hello) {
        LayerMessage welcome = { .type = LAYER_WELCOME, .version = LAYER_PROTOCOL_VERSION };

        layer_set_process(l, link->process);
        link->layer = l;
        l->link = link;
        l->key = ++l->manager->next_layer_key;
        l->type = hello->layer_type;
        l->hash = (HashAlgorithm) hello->hash_algorithm;
        l->mtu = hello->mtu;
        l->oap_max = hello->oap_max;
        l->resuming = true;
        neighbours_forget(l, NULL);     /* it tells all of them, under keys of its own */
        layer_set_state(l, LAYER_STARTING, "Its process is connected");

        layer_send(l, &welcome, NULL, 0);
        send_registrations(l);
        layer_names_attach(l);
}

static void link_decide(LayerLink *link, const LayerMessage *hello) {
        Layer *l;
        int r;

        if (hello->version != LAYER_PROTOCOL_VERSION) {
                layer_link_punish(link, "it speaks another version of our protocol");
                return;
        }
        if (hello->hash_algorithm >= _HASH_DIRECTORY_MAX || hash_size((HashAlgorithm) hello->hash_algorithm) == 0) {
                layer_link_punish(link, "its directory hash is not one that we know");
                return;
        }
        if (link_may_serve(link, hello->layer) < 0) {
                layer_link_punish(link, "its unit is not that of the layer it says it is");
                return;
        }

        r = layer_get(link->manager, hello->layer, &l);
        if (r < 0) {
                layer_link_punish(link, strerror(-r));
                return;
        }
        if (l->link && l->link->process != link->process && process_is_alive(l->link->process)) {
                layer_link_punish(link, "another process serves this layer");
                return;
        }

        layer_link_free(l->link);
        if (!l->file)
                layer_reload_file(l);
        link_attach(link, l, hello);
}

void layer_hello(LayerLink *link, const LayerMessage *message) {
        if (link->layer || link->hello) {
                layer_link_punish(link, "it said HELLO twice");
                return;
        }
        if (process_ask_unit(link->process) > 0) {
                link_decide(link, message);
                return;
        }

        link->hello = malloc(sizeof(*link->hello));
        if (!link->hello) {
                layer_link_punish(link, "no memory");
                return;
        }
        *link->hello = *message;

        /* What it says next waits in the socket until we know who it is. */
        (void) sd_event_source_set_enabled(link->io, SD_EVENT_OFF);
}

void layer_link_unit_known(LayerLink *link) {
        _cleanup_free_ LayerMessage *hello = TAKE_PTR(link->hello);

        if (!hello)
                return;

        (void) sd_event_source_set_enabled(link->io, SD_EVENT_ON);
        link_decide(link, hello);
}

/* -- the rest -- */

/* It has named all its flows before its first STATE: what it has not named, it has not. */
static void end_unconfirmed_flows(Layer *l) {
        Flow *f, *following;

        list_for_each_safe(f, following, &l->flows, by_layer)
                if (!flow_state_is_pending(f->state) && !f->confirmed) {
                        f->ended_by_layer = true;
                        flow_end(f, CLOSE_LAYER_DOWN, -ENETDOWN, "The layer came back without this flow");
                }
}

static void ask_for_waiting_flows(Layer *l) {
        size_t position;
        Flow *f;

        map_for_each(f, l->manager->flows, position)
                if (!f->incoming && flow_state_is_pending(f->state))
                        connect_layer_up(f, l);
}

static void layer_reports_state(Layer *l, const LayerMessage *message) {
        bool usable = layer_is_usable(l);

        if (l->resuming) {
                l->resuming = false;
                end_unconfirmed_flows(l);
        }
        if (message->mtu > 0 && message->mtu != l->mtu) {
                l->mtu = message->mtu;
                announce_layer_changed(l, "MaxPacketSize");
        }

        layer_set_address(l, message->address);
        layer_set_id(l, message->have_layer_id ? message->layer_id : NULL);
        layer_set_state(l, message->state, "%s", message->text);
        if (!usable && layer_is_usable(l))
                ask_for_waiting_flows(l);
}

static void layer_reports_query(Layer *l, const LayerMessage *message) {
        Flow *f = flow_find(l->manager, message->query_id);

        if (f && !f->incoming)
                connect_query_done(f, l, message->result);
        else if (!f)
                resolve_answered(l, message->query_id, message->result);
}

static void layer_reports_reply(Layer *l, const LayerMessage *message, int fds[LAYER_FDS_MAX]) {
        Flow *f = flow_find(l->manager, message->flow_id);

        if (f && f->incoming && f->layer == l)
                accept_reply(f, message, TAKE_FD(fds[0]));
        else if (f && !f->incoming)
                connect_reply(f, l, message, TAKE_FD(fds[0]));
        else if (!f)
                connect_abort_stray(l, message);
}

static void layer_reports_prepared(Layer *l, const LayerMessage *message) {
        Flow *f = flow_find(l->manager, message->flow_id);

        if (f && f->incoming && f->layer == l)
                accept_prepared(f, message);
        else if (f && !f->incoming)
                connect_prepared(f, l, message);
}

static void layer_reports_down(Layer *l, const LayerMessage *message) {
        Flow *f = flow_find(l->manager, message->flow_id);

        if (!f || f->layer != l)
                return;

        f->ended_by_layer = true;
        flow_end(f, message->close_reason < _CLOSE_REASON_MAX ? (CloseReason) message->close_reason : CLOSE_NORMAL,
                 -ECONNREFUSED, "The other host closed the flow");
}

/* A flow of before our restart. One that our state does not have is taken over all the same: it exists. */
static void layer_reports_flow(Layer *l, const LayerMessage *message) {
        Flow *f = flow_find(l->manager, message->flow_id);
        StateFlow record = { .id = message->flow_id, .lane_class = LANE_NORMAL, .name = "?" };

        if (!l->resuming) {
                layer_link_punish(l->link, "it names flows of before after its first STATE");
                return;
        }
        if (!f && l->n_flows >= l->manager->quota.limits.flows) {
                layer_link_punish(l->link, "it names more flows than this host may have");
                return;
        }
        if (!f) {
                (void) copy_string(record.layer, sizeof(record.layer), l->name);
                if (flow_restore(l->manager, &record, STATE_NO_SLOT, &f) < 0)
                        return;
        }
        if (f->layer == l) {
                f->confirmed = true;
                f->layer_uid = message->uid;
        }
}

/* A flow of a process before it. */
static void layer_reports_return(Layer *l, const LayerMessage *message, int lane_fd) {
        if (l->resuming)
                return reattach_layer_returned(l, message, lane_fd);

        (void) safe_close(lane_fd);
        layer_link_punish(l->link, "it returns flows of before after its first STATE");
}

static void layer_reports_neighbour(Layer *l, const LayerMessage *message) {
        if (neighbour_reported(l, message) == -E2BIG)
                layer_link_punish(l->link, "it has more neighbours than a member may have");
}

void layer_request(LayerLink *link, LayerMessage *message, int fds[LAYER_FDS_MAX]) {
        Layer *l = link->layer;

        if (!l && message->type != LAYER_HELLO) {
                layer_link_punish(link, "its first message was not HELLO");
                return;
        }

        switch (message->type) {
        case LAYER_HELLO:
                layer_hello(link, message);
                return;
        case LAYER_STATE:
                layer_reports_state(l, message);
                return;
        case LAYER_QUERY_DONE:
                layer_reports_query(l, message);
                return;
        case LAYER_REPLY:
                layer_reports_reply(l, message, fds);
                return;
        case LAYER_INCOMING:
                admission_incoming(l, message);
                return;
        case LAYER_INCOMING_GONE:
                admission_gone(l, message->reference);
                return;
        case LAYER_DOWN:
                layer_reports_down(l, message);
                return;
        case LAYER_RESUME:
                layer_reports_flow(l, message);
                return;
        case LAYER_ORDER_DONE:
                operation_order_done(l, message);
                return;
        case LAYER_NEIGHBOUR:
                layer_reports_neighbour(l, message);
                return;
        case LAYER_REATTACH:
                layer_reports_return(l, message, TAKE_FD(fds[0]));
                return;
        case LAYER_PREPARED:
                layer_reports_prepared(l, message);
                return;
        case LAYER_WELCOME:
        case LAYER_PREPARE:
        case LAYER_REGISTER:
        case LAYER_UNREGISTER:
        case LAYER_QUERY:
        case LAYER_REQUEST:
        case LAYER_ABORT:
        case LAYER_ACCEPT:
        case LAYER_REFUSE:
        case LAYER_ESTABLISHED:
        case LAYER_CLOSE:
        case LAYER_ORDER:
        case LAYER_LOWER:
        case _LAYER_MESSAGE_TYPE_MAX:
        case _LAYER_MESSAGE_TYPE_INVALID:
                break;
        }

        layer_link_punish(link, "it sent a message that only the IRM sends");
}
