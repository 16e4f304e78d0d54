/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What must hold whenever an end accepts:
 *
 *   both ends    an o7s flow, or one whose peer is verified, has another end that answered, with the very same
 *                request, response, bindings, keys and policy in force; what is not verified may be Mallory's, and
 *                if it is the reference's packets, nobody's: her doing, and her loss
 *   policy       of either end: who wants certificates has one of the right name, never Mallory's; who requires
 *                encryption has it; who wants o7s has that; who takes one cipher or key exchange only has no other
 *   requests     what was asked of one host on one way is taken by no other, and on no other; by its host once, but for
 *                one that nobody has signed and a host that has started again since: anybody could make another
 */

#include "basic/string.h"
#include "tests/sim/handshake-world.h"

#define SCHEME "o7s:name:"

static bool same_bytes(const HandshakeMessage *a, const HandshakeMessage *b) {
        return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

static bool same_way(const HandshakeWay *a, const HandshakeWay *b) {
        return memcmp(a, b, sizeof(*a)) == 0;
}

static bool keys_mirror(const TestSide *client, const TestSide *server) {
        ControlKeys cc, cs;
        SealKeys c, s;

        if (handshake_keys(client->h, &c, &cc) < 0 || handshake_keys(server->h, &s, &cs) < 0)
                return false;

        return c.suite == s.suite && c.cipher == s.cipher && c.mac_only == s.mac_only &&
               memcmp(c.send, s.receive, sizeof(c.send)) == 0 && memcmp(c.receive, s.send, sizeof(c.send)) == 0 &&
               memcmp(c.agreement, s.agreement, sizeof(c.agreement)) == 0 &&
               memcmp(c.label, s.label, sizeof(c.label)) == 0 && cc.present == cs.present &&
               memcmp(cc.send, cs.receive, sizeof(cc.send)) == 0 && memcmp(cc.receive, cs.send, sizeof(cc.send)) == 0;
}

static bool identity_is(const AuthPeer *peer, uint8_t node) {
        return startswith(peer->identity, SCHEME) && streq(peer->identity + STRLEN(SCHEME), handshake_world_name(node));
}

static void require(HandshakeWorld *w, bool condition, const char *what, uint8_t node) {
        verdict_checked(w->verdict);
        if (!condition)
                verdict_fail(w->verdict, w->step, "%s: %s", handshake_world_name(node), what);
}

/* The other end of a call, whose every byte is the same. NULL: there is none. */
static const HandshakeAnswer *find_answer(const HandshakeWorld *w, const HandshakeCall *call,
                                          const HandshakeMessage *response) {
        for (unsigned i = 0; i < w->n_answers; i++) {
                const HandshakeAnswer *a = w->answers + i;

                if (same_bytes(&a->request, &call->request) && same_way(&a->request.way, &call->request.way) &&
                    same_bytes(&a->response, response) && same_way(&a->response.way, &response->way))
                        return a;
        }

        return NULL;
}

static void check_policy(HandshakeWorld *w, uint8_t node, const AuthPeer *peer, const SealKeys *keys) {
        const HandshakeProfile *profile = w->profiles[node];
        bool has_keys = keys->suite != SEAL_NONE;

        if (profile->required)
                require(w, has_keys && !keys->mac_only, "requires encryption, and has none", node);
        if (profile->only_o7s)
                require(w, peer->o7s, "wants o7s, and has another", node);
        if (profile->protection && has_keys && !keys->mac_only)
                require(w, streq(peer->protection, profile->protection), "has a cipher that it does not take", node);
        if (profile->key_exchange && has_keys)
                require(w, streq(peer->key_exchange, profile->key_exchange), "has a key exchange that it does not take",
                        node);
}

void handshake_check_call(HandshakeWorld *w, const HandshakeCall *call, const HandshakeMessage *response) {
        const HandshakeAnswer *answer = find_answer(w, call, response);
        AuthPeer peer, other;
        ControlKeys control;
        SealKeys keys;

        if (call->from == HANDSHAKE_MALLORY)
                return;

        handshake_peer(call->side.h, &peer);
        require(w, handshake_keys(call->side.h, &keys, &control) == 0, "accepts, and has no keys", call->from);
        if (w->profiles[call->from]->certified)
                require(w, peer.verified && identity_is(&peer, call->to), "called somebody, and takes another's word",
                        call->from);
        check_policy(w, call->from, &peer, &keys);

        if (!answer) {
                require(w, keys.suite != SEAL_O7S && !peer.verified, "accepts what nobody said", call->from);
                w->n_unproven++;
                return;
        }

        require(w, !peer.verified || !answer->mallory, "was proven something by Mallory", call->from);
        require(w, !peer.verified || answer->at == call->to, "was proven something by another host", call->from);
        require(w, keys_mirror(&call->side, &answer->side), "has other keys than the other end", call->from);
        handshake_peer(answer->side.h, &other);
        require(w, streq(peer.protection, other.protection) && streq(peer.key_exchange, other.key_exchange),
                "thinks of the flow otherwise than the other end", call->from);
        if (other.verified)
                require(w, identity_is(&other, call->from), "is taken for somebody else", call->from);
        w->n_agreed++;
}

static const HandshakeCall *find_call(const HandshakeWorld *w, const HandshakeMessage *request) {
        for (unsigned i = 0; i < w->n_calls; i++)
                if (same_bytes(&w->calls[i].request, request))
                        return w->calls + i;

        return NULL;
}

/* Whether its host took the same bytes before, and should know. */
static bool taken_before(const HandshakeWorld *w, const HandshakeAnswer *answer, bool verified) {
        for (unsigned i = 0; i < w->n_answers; i++) {
                const HandshakeAnswer *a = w->answers + i;

                if (a != answer && !a->mallory && a->at == answer->at && same_bytes(&a->request, &answer->request) &&
                    (verified || a->n_starts == answer->n_starts))
                        return true;
        }

        return false;
}

void handshake_check_answer(HandshakeWorld *w, const HandshakeAnswer *answer) {
        const HandshakeCall *call = find_call(w, &answer->request);
        const HandshakeProfile *profile;
        ControlKeys control;
        AuthPeer peer;
        SealKeys keys;

        if (answer->mallory)
                return;

        profile = w->profiles[answer->at];
        handshake_peer(answer->side.h, &peer);
        require(w, handshake_keys(answer->side.h, &keys, &control) == 0, "answers, and has no keys", answer->at);
        require(w, !taken_before(w, answer, peer.verified), "takes a request twice", answer->at);
        check_policy(w, answer->at, &peer, &keys);
        if (profile->mutual)
                require(w, peer.verified, "wants to know who calls, and does not", answer->at);
        if (peer.verified) {
                require(w, call != NULL, "was proven what nobody said", answer->at);
                require(w, !call || identity_is(&peer, call->from), "takes one for another", answer->at);
        }
        if (call) {
                require(w, call->to == answer->at, "was not asked", answer->at);
                require(w, same_way(&call->request.way, &answer->request.way), "was asked on another way", answer->at);
        }
}
