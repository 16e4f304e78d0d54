/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ALLOCATE: whether a request for a flow can be tried at all, and the flow with its doorbell. The search is
 * connect.c. */

#include <sys/epoll.h>

#include "libo7s/qos.h"
#include "services/irm/flow.h"
#include "services/irm/layer-names.h"

/* Nothing comes from the client's end while the flow is pending: anything at all is its end. */
static int doorbell_hangup(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Flow *f = userdata;

        f->error = -ECANCELED;
        (void) copy_string(f->text, sizeof(f->text), "The program that asked for the flow gave up");
        (void) flow_handle(f, FLOW_EVENT_GIVE_UP);
        return 0;
}

static void refuse_allocation(Client *c, int error, const char *format, ...) _printf_(3, 4);
static void refuse_allocation(Client *c, int error, const char *format, ...) {
        IrmMessage reply = { .type = IRM_REPLY, .result = error };
        va_list list;

        va_start(list, format);
        (void) vsnprintf(reply.text, sizeof(reply.text), format, list);
        va_end(list);

        c->manager->flows_failed_total++;
        client_send(c, &reply, NULL, 0);
}

/* Whether the one layer that is to carry the flow can be asked; else the refusal is on its way. */
static bool check_wanted(Client *c, const char *wanted) {
        const Layer *l = layer_find(c->manager, wanted);

        if (!l)
                refuse_allocation(c, -ENETDOWN, "There is no layer %s on this host", wanted);
        else if (!layer_may_be_asked(l, c->process, wanted))
                refuse_allocation(c, -EACCES, "Layer %s is not one that this one runs over (Over= of its file)",
                                  wanted);
        else if (!layer_is_usable(l))
                refuse_allocation(c, -ENETDOWN, "Layer %s is %s: %s", wanted, layer_state_to_string(l->state),
                                  l->reason);
        else
                return true;

        return false;
}

/* Returns: whether the request is one that we can try to fulfil; else it is answered already. */
static bool check_allocation(Client *c, const IrmMessage *message, const Name *served) {
        const o7s_qos *qos = &message->info.qos;

        if (message->version != IRM_PROTOCOL_VERSION) {
                refuse_allocation(c, -EPROTONOSUPPORT, "The IRM speaks version %u of its protocol, this program %u",
                                  IRM_PROTOCOL_VERSION, message->version);
                return false;
        }
        if (!flow_name_is_valid_on_wire(message->info.name)) {
                refuse_allocation(c, -EINVAL, "A name has 1 to %u bytes", FLOW_NAME_WIRE_BYTES_MAX);
                return false;
        }
        if (qos_check(qos) < 0) {
                refuse_allocation(c, -EINVAL,
                                  "The quality of service is out of range (in_order=%u, availability_nines=%u)",
                                  qos->in_order, qos->availability_nines);
                return false;
        }
        if ((message->flags & O7S_STREAM) && !qos_is_reliable(qos)) {
                refuse_allocation(c, -EINVAL,
                                  "A stream is ordered and without gaps: it needs in_order=1 and loss=0, not "
                                  "in_order=%u and loss=%u",
                                  qos->in_order, qos->loss);
                return false;
        }
        if (!isempty(message->info.layer) && !check_wanted(c, message->info.layer))
                return false;
        if (served && !name_allows_user(served, c->process->key.uid)) {
                refuse_allocation(c, -EACCES, "User %u may not open flows to '%.150s' (AllowUser= of its file)",
                                  c->process->key.uid, served->name);
                return false;
        }
        if (served && name_is_full(served)) {
                refuse_allocation(c, -EMFILE, "'%.150s' has %u flows, and may have %u (MaxFlows= of its file)",
                                  served->name, served->n_flows, served->max_flows);
                return false;
        }

        return true;
}

LaneClass wanted_lane_class(uint64_t flags, const o7s_qos *qos) {
        if (flags & O7S_THIN)
                return LANE_THIN;
        if ((flags & O7S_BULK) || qos->bandwidth_bps > 0)
                return LANE_BULK;

        return LANE_NORMAL;
}

/* The flow, its doorbell and its clock. */
static int prepare_flow(Client *c, const IrmMessage *message, Name *served, Flow **ret, int *ret_doorbell) {
        _cleanup_(flow_freep) Flow *f = NULL;
        Manager *m = c->manager;
        usec_t timeout = message->timeout_usec == O7S_FOREVER ? USEC_INFINITY : message->timeout_usec;
        int ends[2], r;

        r = flow_new(m, manager_next_flow_id(m), false, message->info.name, &message->info.qos, &f);
        if (r < 0)
                return r;

        f->served = served;
        f->stream = message->flags & O7S_STREAM;
        (void) copy_string(f->wanted, sizeof(f->wanted), message->info.layer);
        f->allocation = malloc(sizeof(*f->allocation));
        if (!f->allocation)
                return -ENOMEM;
        allocation_init(f->allocation, time_now(), timeout, served != NULL);

        r = doorbell_pair(ends);
        if (r < 0)
                return r;

        f->doorbell = ends[0];
        r = sd_event_add_io(m->event, &f->doorbell_source, f->doorbell, EPOLLIN, doorbell_hangup, f);
        if (r < 0) {
                (void) safe_close(ends[1]);
                return r;
        }

        flow_set_caller(f, c->process);
        *ret_doorbell = ends[1];
        *ret = TAKE_PTR(f);
        return 0;
}

/* How many a layer has pending, and how fast, is its own business: it asks for a handful per neighbour, all of them
 * at once when a layer below comes back. */
static int take_quota(Client *c, LaneClass class, bool is_layer, QuotaCharge *ret, char *text) {
        Quota *quota = &c->manager->quota;
        uid_t uid = c->process->key.uid;

        return is_layer ? quota_take_accepted_flow(quota, uid, class, ret, text)
                        : quota_take_flow(quota, uid, class, time_now(), ret, text);
}

void allocate(Client *c, const IrmMessage *message) {
        Manager *m = c->manager;
        _cleanup_close_ int doorbell = -1;
        IrmMessage reply = { .type = IRM_REPLY };
        char text[QUOTA_TEXT_MAX];
        QuotaCharge charge = {};
        LaneClass class;
        bool is_layer;
        Name *served;
        Flow *f;
        int r;

        /* An IPCP looks for others of its kind, elsewhere. */
        is_layer = layer_of_process(c->process);
        served = name_find(m, message->info.name);
        if (served && (!served->local || is_layer || !isempty(message->info.layer)))
                served = NULL;
        if (!check_allocation(c, message, served))
                return;

        class = quota_lane_class(&m->quota, c->process->key.uid, wanted_lane_class(message->flags, &message->info.qos));
        r = take_quota(c, class, is_layer, &charge, text);
        if (r < 0) {
                refuse_allocation(c, r, "%s", r == -EDQUOT ? text : strerror(-r));
                return;
        }

        r = prepare_flow(c, message, served, &f, &doorbell);
        if (r < 0) {
                quota_return_flow(&m->quota, &charge);
                refuse_allocation(c, r, "The IRM cannot prepare the flow: %s", strerror(-r));
                return;
        }
        f->charge = charge;
        f->lane_class = class;

        reply.flow_id = f->id;
        reply.lane_class = class;
        client_send(c, &reply, &doorbell, 1);

        permission_tell_flow(process_may_open_flows(c->process), f);
}
