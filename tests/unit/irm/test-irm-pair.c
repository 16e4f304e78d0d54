/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A flow between two hosts, all of whose services are real, is there at both ends, with keys that fit, or at
 * neither. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/irm/pair-flow.h"

static HostPrograms arg_programs;

static void check_keys(const FlowOutcome *o, bool mac_only) {
        const SealKeys *asking = &o->asking.keys, *asked = &o->asked.keys;

        assert_int_equal(asking->suite, SEAL_O7S);
        assert_int_equal(asked->suite, SEAL_O7S);
        assert_true(asking->client);
        assert_false(asked->client);
        assert_int_equal(asking->mac_only, mac_only);
        assert_int_equal(asked->mac_only, mac_only);
        assert_memory_equal(asking->send, asked->receive, SEAL_SECRET_BYTES);
        assert_memory_equal(asking->receive, asked->send, SEAL_SECRET_BYTES);
        assert_memory_equal(asking->agreement, asked->agreement, SEAL_SECRET_BYTES);
        assert_memory_equal(asking->label, asked->label, SEAL_LABEL_BYTES);
        assert_memory_not_equal(asking->send, asking->receive, SEAL_SECRET_BYTES);

        assert_true(o->asking_control.present);
        assert_true(o->asked_control.present);
        assert_memory_equal(o->asking_control.send, o->asked_control.receive, LAYER_CONTROL_KEY_BYTES);
        assert_memory_equal(o->asking_control.receive, o->asked_control.send, LAYER_CONTROL_KEY_BYTES);
        assert_memory_not_equal(o->asking_control.send, asking->send, LAYER_CONTROL_KEY_BYTES);
}

/* Nothing is configured: encrypted, with nobody's name on it. */
static void test_opportunistic(void **state) {
        FlowOutcome first, second;
        HostPair pair;

        host_pair_start(&pair, &arg_programs, &(HostSetup) { .policy = "" }, &(HostSetup) { .policy = "" });
        pair_flow_run(&pair, HONEST, &first);
        assert_int_equal(first.result, 0);
        check_keys(&first, false);
        assert_string_equal(first.asking.info.protection, "aes-128-gcm");
        assert_string_equal(first.asked.info.protection, "aes-128-gcm");
        assert_string_equal(first.asking.info.key_exchange, "X25519");
        assert_false(first.asking.info.verified);
        assert_memory_equal(first.reset, "how to end it", 13);

        pair_flow_run(&pair, HONEST, &second);
        assert_int_equal(second.result, 0);
        assert_memory_not_equal(first.asking.keys.send, second.asking.keys.send, SEAL_SECRET_BYTES);
        host_pair_stop(&pair);
}

static void test_policies(void **state) {
        static const struct {
                const char *name;
                const char *client;
                const char *server;
                bool offered;
                int result;
                const char *protection;
        } cases[] = {
                { "plain for who is asked",   "", "Encryption=no\nAuthentication=none\n", true, 0, "aes-128-gcm" },
                { "encryption is wanted",     "Encryption=required\n", "Encryption=required\n", true, 0,
                  "aes-128-gcm" },
                { "another cipher",           "Cipher=aes-256-gcm\n", "", true, 0, "aes-256-gcm" },
                { "nobody can prove himself", "", "Authentication=mutual\n", false, -ETIMEDOUT, NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                FlowOutcome outcome;
                HostPair pair;

                print_message("%s\n", cases[i].name);
                host_pair_start(&pair, &arg_programs, &(HostSetup) { .policy = cases[i].client },
                                &(HostSetup) { .policy = cases[i].server });
                pair_flow_run(&pair, HONEST, &outcome);
                assert_int_equal(outcome.offered, cases[i].offered);
                assert_int_equal(outcome.result, cases[i].result);
                if (cases[i].protection) {
                        assert_string_equal(outcome.asking.info.protection, cases[i].protection);
                        assert_string_equal(outcome.asked.info.protection, cases[i].protection);
                        check_keys(&outcome, false);
                }
                host_pair_stop(&pair);
        }
}

/* Whatever is changed on the way, nobody takes for his peer's. */
static void test_tampered(void **state) {
        static const struct {
                const char *name;
                Tamper tamper;
                bool offered;
                unsigned n_attempts;
        } cases[] = {
                { "what the layer says of the request", REQUEST_BINDING, false, 1 },
                { "what the layer says of the reply",   REPLY_BINDING,   true,  3 },
                { "the last byte of the reply",         REPLY_BYTE,      true,  3 },
                { "all that is ours in the request",    STRIP_REQUEST,   true,  3 },
        };
        HostPair pair;

        host_pair_start(&pair, &arg_programs, &(HostSetup) { .policy = "Encryption=required\n" },
                        &(HostSetup) { .policy = "" });
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                FlowOutcome outcome;

                print_message("%s\n", cases[i].name);
                pair_flow_run(&pair, cases[i].tamper, &outcome);
                assert_int_equal(outcome.offered, cases[i].offered);
                assert_int_equal(outcome.n_attempts, cases[i].n_attempts);
                assert_true(outcome.result < 0);
                assert_int_equal(outcome.asking.keys.suite, SEAL_NONE);
                layer_drain(pair.asking.layer);
                layer_drain(pair.asked.layer);
        }
        host_pair_stop(&pair);
}

/* -- with certificates -- */

typedef enum Who {
        NOBODY,
        CA,
        OTHER_CA,
        WEB,
        OTHER_WEB,
        IMPOSTOR,
        ALICE,
        _WHO_MAX,
} Who;

static int make_identities(void **state) {
        TestIdentity *all = calloc(_WHO_MAX, sizeof(*all));

        assert_non_null(all);
        host_pair_issue(&all[CA], "the authority", NULL);
        host_pair_issue(&all[OTHER_CA], "another authority", NULL);
        host_pair_issue(&all[WEB], "o7s:name:web.example", &all[CA]);
        host_pair_issue(&all[OTHER_WEB], "o7s:name:mail.example", &all[CA]);
        host_pair_issue(&all[IMPOSTOR], "o7s:name:web.example", &all[OTHER_CA]);
        host_pair_issue(&all[ALICE], "o7s:name:alice", &all[CA]);
        *state = all;
        return 0;
}

static int drop_identities(void **state) {
        TestIdentity *all = *state;

        for (Who who = CA; who < _WHO_MAX; who++)
                test_identity_done(&all[who]);
        free(all);
        return 0;
}

static HostSetup setup_of(const TestIdentity *all, const char *policy, Who shows, Who trusts) {
        return (HostSetup) {
                .policy = policy,
                .shows = shows == NOBODY ? NULL : &all[shows],
                .trusts = trusts == NOBODY ? NULL : &all[trusts],
        };
}

static void test_identities(void **state) {
        static const struct {
                const char *name;
                struct {
                        const char *policy;
                        Who shows;
                        Who trusts;
                } client, server;
                Tamper tamper;
                bool offered;
                int refusal;
                int result;
                const char *server_is;          /* as the asking side has proof of; NULL: none */
                const char *client_is;          /* as the listener has */
        } cases[] = {
                { "a server that is trusted", { "", NOBODY, CA }, { "", WEB, NOBODY }, HONEST, true, 0, 0,
                  "o7s:name:web.example", NULL },
                { "no proof, and none wanted", { "", NOBODY, NOBODY }, { "", WEB, NOBODY }, HONEST, true, 0, 0, NULL,
                  NULL },
                { "a server that shows nothing", { "", NOBODY, CA }, { "", NOBODY, NOBODY }, HONEST, true, 0,
                  -EKEYREJECTED, NULL, NULL },
                { "of another name", { "", NOBODY, CA }, { "", OTHER_WEB, NOBODY }, HONEST, true, 0, -EKEYREJECTED,
                  NULL, NULL },
                { "of another authority", { "", NOBODY, CA }, { "", IMPOSTOR, NOBODY }, HONEST, true, 0, -EKEYREJECTED,
                  NULL, NULL },
                { "both prove themselves", { "", ALICE, CA },
                  { "Authentication=mutual\nAllowPeer=o7s:name:alice\n", WEB, CA }, HONEST, true, 0,
                  0, "o7s:name:web.example", "o7s:name:alice" },
                { "a client that is not allowed", { "", ALICE, CA },
                  { "Authentication=mutual\nAllowPeer=o7s:name:bob\n", WEB, CA }, HONEST, false,
                  -1009, -EKEYREJECTED, NULL, NULL },
                { "a client that shows nothing", { "", NOBODY, CA }, { "Authentication=mutual\n", WEB, CA }, HONEST,
                  false, 0, -ETIMEDOUT, NULL, NULL },
                { "a request that was altered", { "", ALICE, CA }, { "Authentication=mutual\n", WEB, CA }, REQUEST_BYTE,
                  false, 0, -ETIMEDOUT, NULL,
                  NULL },
                { "a reply that was altered", { "", NOBODY, CA }, { "", WEB, NOBODY }, REPLY_BYTE, true, 0,
                  -EKEYREJECTED, NULL, NULL },
                { "not encrypted, all the same proven", { "Encryption=no\n", NOBODY, CA },
                  { "Encryption=no\n", WEB, NOBODY }, HONEST, true, 0, 0,
                  "o7s:name:web.example", NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                HostSetup client = setup_of(*state, cases[i].client.policy, cases[i].client.shows,
                                            cases[i].client.trusts);
                HostSetup server = setup_of(*state, cases[i].server.policy, cases[i].server.shows,
                                            cases[i].server.trusts);
                FlowOutcome outcome;
                HostPair pair;

                print_message("%s\n", cases[i].name);
                host_pair_start(&pair, &arg_programs, &client, &server);
                pair_flow_run(&pair, cases[i].tamper, &outcome);
                assert_int_equal(outcome.offered, cases[i].offered);
                assert_int_equal(outcome.refusal, cases[i].refusal);
                assert_int_equal(outcome.result, cases[i].result);
                if (outcome.offered && cases[i].client_is)
                        assert_string_equal(outcome.asked.info.peer, cases[i].client_is);
                if (outcome.offered)
                        assert_int_equal(outcome.asked.info.verified, cases[i].client_is != NULL);
                if (outcome.result == 0) {
                        check_keys(&outcome, streq(outcome.asking.info.protection, "mac"));
                        assert_int_equal(outcome.asking.info.verified, cases[i].server_is != NULL);
                        if (cases[i].server_is)
                                assert_string_equal(outcome.asking.info.peer, cases[i].server_is);
                }
                host_pair_stop(&pair);
        }
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_opportunistic),
                cmocka_unit_test(test_policies),
                cmocka_unit_test(test_tampered),
                cmocka_unit_test_setup_teardown(test_identities, make_identities, drop_identities),
        };

        if (argc < 4)
                return 2;
        if (argc > 4)
                cmocka_set_test_filter(argv[4]);

        arg_programs = (HostPrograms) { .irm = argv[1], .auth = argv[2], .keyd = argv[3] };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
