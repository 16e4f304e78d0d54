/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * On a host from outside, through one of its layers: o7s-irm itself, as a process that is killed and started again,
 * between a layer and an authentication service that are doubles. What must not happen shows at the program that
 * listens: it is offered nothing.
 */

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "basic/time.h"
#include "services/common/hash.h"
#include "tests/attack/attack.h"
#include "tests/unit/irm/auth-fixture.h"

#define NAME "here"
#define IDENTITY "o7s:name:alice"
#define RECORDED_MAX 64U                /* fewer than may wait for one name */

typedef struct Host {
        IrmFixture irm;
        AuthFixture auth;
        int layer;
        int listener;
        uint64_t last_reference;
} Host;

/* A request as somebody on the way has recorded it. */
typedef struct Recorded {
        uint64_t stamp;
        uint8_t id[OAP_ID_BYTES];
} Recorded;

/* -- the host -- */

static void connect_all(Host *h) {
        IrmMessage message = { .type = IRM_LISTEN, .version = IRM_PROTOCOL_VERSION, .info.name = NAME };
        LayerMessage registered;

        fixture_run(&h->irm);
        auth_greet(&h->auth);
        h->layer = fixture_connect_layer(&h->irm);
        layer_come_online(h->layer, "lan");
        layer_hear(h->layer, LAYER_REGISTER, &registered, NULL);
        h->listener = fixture_connect_client();
        assert_int_equal(irm_message_send(h->listener, &message, NULL, 0), 0);
        fixture_client_hear(h->listener, IRM_REPLY, &message, NULL);
        assert_int_equal(message.result, 0);
}

static void disconnect_all(Host *h) {
        (void) close(h->listener);
        (void) close(h->layer);
}

static void host_init(Host *h) {
        char text[256];

        *h = (Host) {};
        fixture_start(&h->irm, ATTACK_IRM);
        auth_start(&h->auth, &h->irm);
        (void) snprintf(text, sizeof(text), "[Name]\nLayer=lan\n[Bind]\nUser=%u\n[Server]\nAuthentication=mutual\n",
                        geteuid());
        fixture_write(&h->irm, "names/" NAME ".name", text);
        connect_all(h);
}

static void host_done(Host *h) {
        disconnect_all(h);
        auth_stop(&h->auth);
        fixture_stop(&h->irm);
}

static void host_restart(Host *h) {
        fixture_kill(&h->irm);
        disconnect_all(h);
        connect_all(h);
}

/* -- what comes in -- */

static Recorded record(Attack *attack) {
        Recorded request = { .stamp = time_realtime_nsec() - OAP_BACKDATE_NSEC };

        attack_random_bytes(attack, request.id, sizeof(request.id));
        return request;
}

static void arrive(Host *h, const Recorded *request) {
        OapHeader header = { .timestamp = request->stamp, .key_exchange = (const uint8_t *) "a key",
                             .key_exchange_size = 5 };
        LayerMessage incoming = {
                .type = LAYER_INCOMING,
                .reference = ++h->last_reference,
                .qos = O7S_QOS_RAW,
                .peer = "02:00:00:00:00:07",
                .binding = "the same way",
                .binding_size = 12,
        };
        ssize_t n;

        memcpy(header.id, request->id, sizeof(header.id));
        n = oap_header_pack(&header, incoming.oap, sizeof(incoming.oap));
        assert_true(n > 0);
        incoming.oap_size = (size_t) n;
        incoming.hash_size = (size_t) hash_compute(HASH_SHA3_256, NAME, strlen(NAME), incoming.hash);
        layer_say(h->layer, &incoming, NULL, 0);
}

/* The service's word on it. result 0: proven to be somebody who may. */
static uint64_t judge(Host *h, const Recorded *request, int result, const char *identity) {
        AuthMessage question, answer = {
                .type = AUTH_REQUEST_CHECKED,
                .result = result,
                .stamp = request->stamp,
                .session = result == 0 ? 1000 + h->last_reference : 0,
                .capabilities = OAP_CAPABILITY_CLOSE | OAP_CAPABILITY_FRCT,
                .have_token = true,
                .peer = { .o7s = true, .verified = result == 0 },
        };

        auth_hear(&h->auth, AUTH_CHECK_REQUEST, &question);
        answer.id = question.id;
        (void) snprintf(answer.peer.identity, sizeof(answer.peer.identity), "%s", identity);
        memcpy(answer.oap_id, request->id, sizeof(answer.oap_id));
        auth_say(&h->auth, &answer);
        auth_message_done(&question);
        return answer.session;
}

/* Returns: what the other host hears of it. */
static int32_t hear_refusal(Host *h) {
        LayerMessage message;

        layer_hear(h->layer, LAYER_REFUSE, &message, NULL);
        assert_int_equal(message.reference, h->last_reference);
        assert_int_equal(message.oap_size, 0);
        return message.result;
}

static bool listener_heard(const Host *h) {
        struct pollfd p = { .fd = h->listener, .events = POLLIN };

        return poll(&p, 1, 0) > 0;
}

/* -- R-21 -- */

static bool attack_restarts(Attack *attack) {
        unsigned n_restarts = attack_rounds(attack, 2, 20), n = attack_rounds(attack, 40, 2000), n_replays = 0;
        Recorded recorded[RECORDED_MAX], sentinel;
        IrmMessage offer;
        Host h;

        host_init(&h);
        for (unsigned restart = 0; restart < n_restarts; restart++) {
                /* What was good before it, and is so after it: the stamps are still timely. */
                for (unsigned i = 0; i < RECORDED_MAX; i++) {
                        recorded[i] = record(attack);
                        arrive(&h, recorded + i);
                        (void) judge(&h, recorded + i, 0, IDENTITY);
                }
                fixture_client_hear(h.listener, IRM_OFFER, &offer, NULL);
                sentinel = record(attack);              /* behind all of them: they have been taken by then */
                arrive(&h, &sentinel);
                (void) judge(&h, &sentinel, -EKEYREJECTED, "");
                (void) hear_refusal(&h);
                host_restart(&h);

                for (unsigned i = 0; i < n; i++, n_replays++) {
                        const Recorded *again = recorded + attack_random(attack) % RECORDED_MAX;
                        uint64_t session;

                        arrive(&h, again);
                        session = judge(&h, again, 0, IDENTITY);
                        if (hear_refusal(&h) != 0)
                                return attack_broken(attack, "a replay is answered");
                        auth_hear_forget(&h.auth, session);
                        if (listener_heard(&h))
                                return attack_broken(attack, "after restart %u a replay is offered", restart);
                }
        }
        host_done(&h);

        attack_figure(attack, "%u replays after %u restarts of o7s-irm: 0 accepted, new requests are", n_replays,
                      n_restarts);
        return true;
}

/* -- FA-7 -- */

static bool attack_wakeups(Attack *attack) {
        static const struct {
                int result;
                const char *identity;
        } verdicts[] = {
                { -EKEYREJECTED, "" }, { -EBADMSG, "" }, { -ETIME, "" }, { -EPROTO, "" }, { -EOPNOTSUPP, "" },
                { -EKEYREJECTED, "o7s:name:bob" }, { -EBUSY, "" }, { -ENOKEY, "" },
        };
        unsigned n = attack_rounds(attack, 500, 50000), n_answers = 0;
        IrmMessage offer;
        Recorded good;
        Host h;

        host_init(&h);
        for (unsigned i = 0; i < n; i++) {
                Recorded request = record(attack);
                unsigned which = (unsigned) (attack_random(attack) % ELEMENTSOF(verdicts));

                arrive(&h, &request);
                (void) judge(&h, &request, verdicts[which].result, verdicts[which].identity);
                n_answers += hear_refusal(&h) != 0 && verdicts[which].identity[0] == '\0';
                if (listener_heard(&h))
                        return attack_broken(attack, "a program hears of a request that is refused: %s",
                                             strerror(-verdicts[which].result));
        }

        /* And the one that is good does wake it. */
        good = record(attack);
        arrive(&h, &good);
        (void) judge(&h, &good, 0, IDENTITY);
        fixture_client_hear(h.listener, IRM_OFFER, &offer, NULL);
        host_done(&h);

        attack_figure(attack, "%u requests refused, for 8 reasons: 0 programs woken, %u strangers answered", n,
                      n_answers);
        return n_answers == 0;
}

static Attack attacks[] = {
        { .id = "R-21", .run = attack_restarts },
        { .id = "FA-7", .run = attack_wakeups },
};

int main(int argc, char *argv[]) {
        return attack_main(argc, argv, attacks, ELEMENTSOF(attacks));
}
