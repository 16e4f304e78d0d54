/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From a request of another host to a flow, see admission.h. */

#include <stdio.h>

#include "basic/log.h"
#include "basic/random.h"
#include "libo7s/qos.h"
#include "services/irm/admission.h"
#include "services/irm/audit.h"
#include "services/irm/flow.h"
#include "services/irm/layer-names.h"
#include "services/irm/policy.h"

/* While the service has it. */
typedef struct Admission {
        Layer *layer;                   /* not owned */
        Name *name;                     /* not owned */
        uint64_t question;
        uint64_t policy;                /* digest of the one that it is checked by */
        IncomingRequest request;        /* points into what follows */
        char peer[FLOW_NAME_WIRE_BYTES_MAX + 1];
        uint8_t *oap;                   /* owned */
        ListNode by_layer;              /* Layer.admissions */
        ListNode by_name;               /* Name.admissions */
} Admission;

/* A request that is good, and what it comes to. */
typedef struct Asked {
        OapHeader header;               /* id and time stamp */
        OapExtension extension;
        Terms terms;
        uint32_t grants;
        uint64_t policy;
        AuthSession session;            /* with the service; else the request is a plain one */
        const AuthPeer *peer;           /* likewise */
} Asked;

/* -- refusing -- */

static void refuse(Layer *l, Name *n, const IncomingRequest *request, int error, const char *text, int wire_error) {
        LayerMessage answer = { .type = LAYER_REFUSE, .reference = request->reference, .result = wire_error };

        log_debug_errno(error, "Layer %s: a request for '%s' from %s is refused: %s: %m", l->name, n->name,
                        request->peer, text);
        audit_refused(l->manager->audit, &(AuditEvent) {
                .kind = audit_kind_of(error),
                .error = error,
                .text = text,
                .name = n->name,
                .layer = l->name,
                .peer = request->peer,
                .uid = n->owner,
        }, time_now());
        n->refused_total++;
        layer_send(l, &answer, NULL, 0);
}

/* -- copies -- */

static void remember_stamp(Manager *m, uint64_t stamp) {
        const StateStamp record = { .nsec = stamp };

        if (stamp <= m->newest_stamp)
                return;

        m->newest_stamp = stamp;
        if (m->stamp_slot == STATE_NO_SLOT)
                m->stamp_slot = state_put(m->state, STATE_STAMP, &record);
        else
                state_update(m->state, STATE_STAMP, m->stamp_slot, &record);
}

/* One that was seen before is a copy made by the network, or by somebody else: the first has the answer. What an IRM
 * before this one has seen is forgotten, but for the newest stamp of anybody who had proven himself: what is not newer
 * may be a copy. One who proves nothing needs no copy to say the same. */
static int check_replay(Manager *m, const OapHeader *header, bool proven) {
        int r;

        if (proven && header->timestamp <= m->stamp_of_before)
                return -EEXIST;

        r = oap_replay_check(m->replay, header, proven, time_realtime_nsec());
        if (r >= 0 && proven)
                remember_stamp(m, header->timestamp);

        return r;
}

/* Who has proven himself, which is when there is an identity beside a refusal, may know that he is the one who is
 * not wanted; but once, since whoever has seen his request can send it again. */
static int wire_error_for(Layer *l, const IncomingRequest *request, int error, const AuthPeer *peer) {
        OapHeader header;

        if (isempty(peer->identity) || (error != -EKEYREJECTED && error != -EOPNOTSUPP))
                return 0;
        if (oap_header_parse(request->oap, request->oap_size, 0, &header) < 0 ||
            check_replay(l->manager, &header, true) < 0)
                return 0;

        return error == -EOPNOTSUPP ? OAP_WIRE_ERROR_CRYPTO : OAP_WIRE_ERROR_AUTHENTICATION;
}

/* -- a good request becomes a flow -- */

/* By a member of a layer, that is: what comes for it is not bounded by any user's quota. */
static bool is_served_by_layer(const Name *n) {
        const Acceptor *a;

        list_for_each(a, &n->acceptors, by_name)
                if (layer_of_process(a->client->process))
                        return true;

        return false;
}

/* Returns: 0: good; < 0: it is refused. */
static int check_asked(Layer *l, const Name *n, const IncomingRequest *request, Asked *asked) {
        int r;

        r = check_replay(l->manager, &asked->header, asked->peer && asked->peer->verified);
        if (r < 0)
                return r;

        asked->terms = terms_of_request(&request->qos, &asked->extension, &asked->grants);
        if ((asked->terms.qos.in_order || asked->terms.qos.ber == 0) && is_served_by_layer(n))
                return -ERANGE;         /* layers stack on raw flows; a stranger has no say in what an IPCP buffers */

        return qos_check(&asked->terms.qos);
}

/* How far the flow is authenticated, and what the listener sees of it, is the same: nobody takes over the place of
 * somebody else. */
static bool peer_is_equal(const Flow *f, const AuthPeer *peer) {
        if (!peer || !f->handshake)
                return !peer && !f->handshake;

        return peer->verified == f->verified && (!f->verified || streq(peer->identity, f->peer));
}

/* The same flow, asked for again: whoever has the offer keeps it, only the layer's side is new. It is asked for by the
 * same name, or another name's policy would have let it in. Returns: whether the predecessor has given way. */
static bool succeed(Flow *f, Layer *l, const Name *n, Incoming *successor, const Asked *asked) {
        Manager *m = f->manager;

        if (f->served != n)
                return false;
        if (f->state != FLOW_QUEUED && f->state != FLOW_PROPOSED)
                return false;           /* the answer to the first is under way, and good */
        if (asked->terms.transfer != f->transfer || !qos_is_equal(&asked->terms.qos, &f->qos) ||
            !peer_is_equal(f, asked->peer))
                return false;           /* it is not: the listener was offered another one */

        accept_refuse_in_silence(l, f->incoming_request->key.reference);
        incoming_free(&m->incoming, f->incoming_request);
        f->incoming_request = successor;
        successor->flow = f;

        if (f->handshake) {
                auth_link_forget(m->auth, &f->handshake->session);
                f->handshake->session = asked->session;
        }
        (void) flow_set_timer(f, successor->expires, accept_elapsed);
        return true;
}

/* What a flow that is authenticated has beyond others. */
static int give_handshake(Flow *f, const Asked *asked) {
        int r;

        if (!asked->peer) {
                (void) copy_string(f->protection, sizeof(f->protection), "none");
                return 0;
        }

        r = handshake_new(f, &f->handshake);
        if (r < 0)
                return r;

        handshake_take_peer(f, asked->peer);
        f->handshake->session = asked->session;
        return 0;
}

static int queue_flow(Layer *l, Name *n, const IncomingRequest *request, const Asked *asked, Incoming *in) {
        Manager *m = l->manager;
        Flow *f;
        int r;

        r = flow_new(m, manager_next_flow_id(m), true, n->name, &asked->terms.qos, &f);
        if (r < 0)
                return r;

        flow_set_terms(f, &asked->terms);
        (void) copy_string(f->peer, sizeof(f->peer), request->peer);
        r = flow_set_timer(f, in->expires, accept_elapsed);
        if (r >= 0)
                r = give_handshake(f, asked);
        if (r < 0) {
                flow_free(f);
                return r;
        }

        f->incoming_request = in;
        in->flow = f;
        f->served = n;
        flow_set_layer(f, l);
        flow_wait(f);
        name_dispatch(n);
        return 0;
}

/* Returns: 0; < 0: it is not kept, and the session is the caller's. */
static int keep_request(Layer *l, Name *n, const IncomingRequest *request, const Asked *asked) {
        Manager *m = l->manager;
        uint8_t token[OAP_TOKEN_BYTES];
        Incoming *in, *before;
        int r;

        r = random_bytes(token, sizeof(token));
        if (r < 0)
                return r;

        r = incoming_new(&m->incoming, l->key, &l->n_incoming, request, &asked->header, &asked->extension, token,
                         time_now(), &in);
        if (r < 0)
                return r;
        in->grants = asked->grants;
        in->policy = asked->policy;

        before = incoming_predecessor(&m->incoming, l->key, &asked->extension);
        if (before && before != in)
                r = succeed(before->flow, l, n, in, asked) ? 0 : -EALREADY;
        else
                r = queue_flow(l, n, request, asked, in);

        if (r < 0)
                incoming_free(&m->incoming, in);
        return r;
}

/* Checks what is left to be checked, whoever has checked the rest. */
static int admit(Layer *l, Name *n, const IncomingRequest *request, Asked *asked) {
        int r;

        /* Before it takes a place among the requests that were seen: those are few, and there for all names. */
        if (n->n_waiting >= INCOMING_PER_NAME_MAX || l->n_incoming >= INCOMING_PER_LAYER_MAX)
                return -EDQUOT;

        r = check_asked(l, n, request, asked);
        return r < 0 ? r : keep_request(l, n, request, asked);
}

/* -- at the authentication service -- */

static Admission *admission_free(Admission *a) {
        Manager *m;

        if (!a)
                return NULL;

        m = a->layer->manager;
        list_unlink(&a->by_layer);
        list_unlink(&a->by_name);
        a->layer->n_admissions--;
        a->name->n_admissions--;
        m->n_admissions--;
        auth_link_cancel(m->auth, &a->question);
        free(a->oap);
        return mfree(a);
}
DEFINE_CLEANUP(Admission, admission_free);

static void request_checked(void *userdata, AuthSession session, AuthMessage *answer) {
        _cleanup_(admission_freep) Admission *a = userdata;
        AuthLink *link = a->layer->manager->auth;
        Asked asked = {
                .header.timestamp = answer->stamp,
                .extension = handshake_extension_of(answer),
                .policy = a->policy,
                .session = session,
                .peer = &answer->peer,
        };
        int r = answer->result, wire_error = 0;

        a->question = 0;
        memcpy(asked.header.id, answer->oap_id, sizeof(asked.header.id));
        if (r < 0)
                wire_error = wire_error_for(a->layer, &a->request, r, &answer->peer);
        else
                r = admit(a->layer, a->name, &a->request, &asked);
        if (r >= 0)
                return;

        auth_link_forget(link, &session);
        if (wire_error == OAP_WIRE_ERROR_AUTHENTICATION)
                r = -EACCES;            /* proven, and not allowed */
        refuse(a->layer, a->name, &a->request, r, answer->text, wire_error);
}

static int admission_new(Layer *l, Name *n, const IncomingRequest *request, Admission **ret) {
        _cleanup_(admission_freep) Admission *a = NULL;

        if (l->manager->n_admissions >= ADMISSIONS_MAX || l->n_admissions >= ADMISSIONS_PER_LAYER_MAX ||
            n->n_admissions >= ADMISSIONS_PER_NAME_MAX || n->n_waiting + n->n_admissions >= INCOMING_PER_NAME_MAX ||
            l->n_incoming + l->n_admissions >= INCOMING_PER_LAYER_MAX)
                return -EDQUOT;

        a = calloc(1, sizeof(*a));
        if (!a)
                return -ENOMEM;

        *a = (Admission) { .layer = l, .name = n };
        list_init(&a->by_layer);
        list_init(&a->by_name);
        list_append(&l->admissions, &a->by_layer);
        list_append(&n->admissions, &a->by_name);
        l->n_admissions++;
        n->n_admissions++;
        l->manager->n_admissions++;

        (void) copy_string(a->peer, sizeof(a->peer), request->peer);
        a->oap = malloc(MAX(request->oap_size, (size_t) 1));
        if (!a->oap)
                return -ENOMEM;

        memcpy(a->oap, request->oap, request->oap_size);
        a->request = *request;
        a->request.peer = a->peer;
        a->request.oap = a->oap;
        *ret = TAKE_PTR(a);
        return 0;
}

static int ask(Layer *l, Name *n, const LayerMessage *message, const IncomingRequest *request,
               const SecurityPolicy *policy) {
        _cleanup_(admission_freep) Admission *a = NULL;
        AuthMessage question;
        int r;

        r = admission_new(l, n, request, &a);
        if (r >= 0)
                r = security_policy_digest(policy, &a->policy);
        if (r >= 0)
                r = handshake_question(AUTH_CHECK_REQUEST, n->name, policy, message, &question);
        if (r < 0)
                return r;

        (void) snprintf(question.source, sizeof(question.source), "%s: %s", l->name, request->peer);
        r = handshake_add_oap(&question, message->oap, message->oap_size);
        if (r < 0) {
                auth_message_done(&question);
                return r;
        }

        r = auth_link_ask(l->manager->auth, &question, NULL, request_checked, a, &a->question);
        if (r < 0)
                return r;

        TAKE_PTR(a);
        return 0;
}

/* -- without it -- */

/* Returns: 0: it was, and is admitted; -ENOKEY: it needs the service; < 0. */
static int admit_plain(Layer *l, Name *n, const IncomingRequest *request, const SecurityPolicy *policy) {
        Asked asked = {};
        int r;

        r = oap_request_parse(request->oap, request->oap_size, time_realtime_nsec(), &asked.header, &asked.extension);
        if (r == -EOPNOTSUPP)
                return -ENOKEY;
        if (r < 0)
                return r;
        if (policy->peer == PEER_O7S && !asked.extension.present)
                return -EACCES;

        r = security_policy_digest(policy, &asked.policy);
        return r < 0 ? r : admit(l, n, request, &asked);
}

/* -- what layers say -- */

static Name *registered_name(Layer *l, const LayerMessage *message) {
        Name *n = name_find_by_hash(l->manager, l->hash, message->hash, message->hash_size);

        return n && (registration_find(n, l->name) || layer_lists_name(l, n->name)) ? n : NULL;
}

static Admission *find_admission(Layer *l, uint64_t reference) {
        Admission *a;

        list_for_each(a, &l->admissions, by_layer)
                if (a->request.reference == reference)
                        return a;

        return NULL;
}

void admission_incoming(Layer *l, const LayerMessage *message) {
        _cleanup_(security_policy_done) SecurityPolicy policy = {};
        const IncomingRequest request = {
                .reference = message->reference,
                .qos = message->qos,
                .peer = message->peer,
                .oap = message->oap,
                .oap_size = message->oap_size,
        };
        char text[IRM_TEXT_BYTES_MAX] = "";
        Name *n;
        int r;

        n = registered_name(l, message);
        if (!n) {
                accept_refuse_in_silence(l, message->reference);
                return;
        }
        if (find_admission(l, message->reference)) {
                layer_link_punish(l->link, "it numbered two requests alike");
                return;
        }

        r = policy_of_service(n, &policy, text);
        if (r >= 0)
                r = security_policy_is_plain(&policy) ? admit_plain(l, n, &request, &policy) : -ENOKEY;
        if (r == -ENOKEY)
                r = ask(l, n, message, &request, &policy);
        if (r < 0)
                refuse(l, n, &request, r, text, 0);
}

void admission_gone(Layer *l, uint64_t reference) {
        Incoming *in = incoming_by_reference(&l->manager->incoming, l->key, reference);
        Flow *f;

        if (!in) {
                admission_free(find_admission(l, reference));
                return;
        }

        f = in->flow;
        f->ended_by_layer = true;
        f->error = -ECANCELED;
        (void) flow_handle(f, FLOW_EVENT_GIVE_UP);
}

void admissions_drop_layer(Layer *l) {
        while (!list_is_empty(&l->admissions))
                admission_free(list_first(&l->admissions, Admission, by_layer));
}

void admissions_drop_name(Name *n) {
        while (!list_is_empty(&n->admissions)) {
                Admission *a = list_first(&n->admissions, Admission, by_name);

                accept_refuse_in_silence(a->layer, a->request.reference);
                admission_free(a);
        }
}
