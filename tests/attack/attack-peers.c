/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * On whoever is asked: peers that send what no peer would, show the strangest certificates, may not come in, or ask
 * more than anybody can answer. What is measured is what they get, and what they cost.
 */

#include <gnutls/crypto.h>
#include <malloc.h>
#include <stdio.h>

#include "tests/attack/hands.h"
#include "tests/support/auth-host.h"
#include "tests/unit/auth/corpus.h"

#define MESSAGE_MUTATIONS 8U

static Hands hands;

/* -- OAP-1: what cannot be parsed, or is another's -- */

static void mutate(Attack *attack, HandsMessage *m) {
        for (unsigned i = 1 + (unsigned) (attack_random(attack) % MESSAGE_MUTATIONS); i > 0 && m->size > 0; i--) {
                size_t at = attack_random(attack) % m->size, n = attack_random(attack) % 16;

                switch (attack_random(attack) % 5) {
                case 0:
                        m->bytes[at] = (uint8_t) attack_random(attack);
                        break;
                case 1:                                 /* lengths, flags, numbers of algorithms */
                        m->bytes[24 + attack_random(attack) % 12] ^= (uint8_t) (1U << attack_random(attack) % 8);
                        break;
                case 2:                                 /* cut */
                        m->size = at;
                        break;
                case 3:                                 /* grow */
                        n = MIN(n, sizeof(m->bytes) - m->size);
                        attack_random_bytes(attack, m->bytes + m->size, n);
                        m->size += n;
                        break;
                case 4:                                 /* double a piece of it */
                        n = MIN(n, m->size - at);
                        memmove(m->bytes + attack_random(attack) % (m->size - n + 1), m->bytes + at, n);
                        break;
                }
        }
}

static bool attack_nonsense(Attack *attack) {
        unsigned n = attack_rounds(attack, 4000, 40000), n_accepted = 0;

        for (unsigned i = 0; i < n; i++) {
                HandsMode mode = (HandsMode) (i % _HANDS_MODE_MAX);
                _cleanup_(test_side_done) TestSide client = {};
                _cleanup_(test_side_done) TestSide server = {};
                HandsMessage request, mutated, response;

                if (!hands_ask(&hands, &client, mode, i, &request))
                        return attack_broken(attack, "no request");
                mutated = request;
                mutate(attack, &mutated);
                if (hands_answer(&hands, &server, mode, i + 1, &mutated, &response) < 0)
                        continue;

                /* Where the server could take it, the client must not, unless nothing changed. */
                hands_repair(&response, hands_hash_size(&mutated), &request);
                if (i % 2)
                        mutate(attack, &response);
                if (test_side_check_response(&client, response.bytes, response.size) >= 0 &&
                    (mutated.size != request.size || memcmp(mutated.bytes, request.bytes, request.size) != 0))
                        n_accepted++;
        }

        attack_figure(attack, "%u requests and answers mutated: %u accepted, no crash", n, n_accepted);
        return n_accepted == 0;
}

/* -- R-13, OAP-5: certificates -- */

static int add_words(ConfStrings *to, const char *words) {
        _cleanup_free_ char *copy = strdup(strempty(words));
        char *state = NULL;

        for (char *word = copy ? strtok_r(copy, " ", &state) : NULL; word; word = strtok_r(NULL, " ", &state))
                if (conf_strings_add(to, word) < 0)
                        return -ENOMEM;

        return copy ? 0 : -ENOMEM;
}

static int add_pin(SecurityPolicy *policy, const CorpusRow *row) {
        _cleanup_(blob_done) Blob spki = {};
        char text[STRLEN("sha256:") + 65] = "sha256:";
        uint8_t digest[32];

        if (!row->pin)
                return 0;
        if (!streq(row->pin, "this"))
                return conf_strings_add(&policy->pins, row->pin);

        corpus_public_key(&row->made, &spki);
        if (gnutls_hash_fast(GNUTLS_DIG_SHA256, spki.data, spki.size, digest) < 0)
                return -EIO;
        hex_encode(text + STRLEN("sha256:"), digest, sizeof(digest));
        return conf_strings_add(&policy->pins, text);
}

/* Whether this certificate is accepted, as whom. */
static bool is_accepted(const Corpus *corpus, const CorpusRow *row, char identity[AUTH_IDENTITY_BYTES_MAX]) {
        _cleanup_(security_policy_done) SecurityPolicy policy = { .common_name = row->common_name };
        _cleanup_(certificate_freep) Certificate *certificate = NULL;
        _cleanup_(blob_done) Blob der = {};
        char text[AUTH_TEXT_BYTES_MAX];
        const Expectation expected = {
                .name = row->anybody ? NULL : row->called ? row->called : CORPUS_NAME,
                .policy = &policy,
                .server = !row->client,
                .now_realtime_nsec = (uint64_t) (MAKER_NOW + row->now) * NSEC_PER_SEC,
        };

        corpus_make(row, &der);
        return add_pin(&policy, row) >= 0 && add_words(&policy.allow, row->allow) >= 0 &&
               add_words(&policy.deny, row->deny) >= 0 && certificate_parse(der.data, der.size, &certificate) >= 0 &&
               trust_verify(row->without_trust ? NULL : corpus->trust, certificate, &expected, identity, text) >= 0;
}

static bool attack_certificates(Attack *attack) {
        static const CorpusRow *(*const tables[])(size_t *) = {
                corpus_names, corpus_policies, corpus_chains, corpus_forms,
        };
        unsigned n = 0, n_good = 0, n_wrong = 0;
        static Corpus corpus;

        corpus_init(&corpus);
        for (size_t i = 0; i < ELEMENTSOF(tables); i++) {
                size_t n_rows;
                const CorpusRow *rows = tables[i](&n_rows);

                for (size_t k = 0; k < n_rows; k++) {
                        char identity[AUTH_IDENTITY_BYTES_MAX] = "";
                        bool accepted = is_accepted(&corpus, rows + k, identity);
                        const char *wanted = rows[k].identity ? rows[k].identity : "o7s:name:" CORPUS_NAME;

                        n++;
                        n_good += accepted;
                        if (accepted != (rows[k].verdict == GOOD) || (accepted && !streq(identity, wanted))) {
                                n_wrong++;
                                (void) attack_broken(attack, "%s: %s", rows[k].name, accepted ? "accepted" : "refused");
                        }
                }
        }
        corpus.trust = trust_free(corpus.trust);

        attack_figure(attack, "%u certificates, right, wrong and odd: the %u right ones accepted, %u verdicts wrong", n,
                      n_good, n_wrong);
        return n >= 200 && n_wrong == 0;
}

/* -- who may call, against a model -- */

static bool model_matches(const char *pattern, const char *identity) {
        size_t n = strlen(pattern);

        if (n > 0 && pattern[n - 1] == '*')
                return strncmp(pattern, identity, n - 1) == 0;
        return streq(pattern, identity);
}

static bool model_allows(const SecurityPolicy *policy, const char *identity) {
        bool allowed = policy->allow.n == 0;

        for (size_t i = 0; i < policy->deny.n; i++)
                if (model_matches(policy->deny.items[i], identity))
                        return false;
        for (size_t i = 0; i < policy->allow.n; i++)
                allowed = allowed || model_matches(policy->allow.items[i], identity);

        return allowed;
}

static bool attack_access(Attack *attack) {
        static const char *const patterns[] = {
                "*",
                "o7s:*",
                "o7s:name:client",
                "o7s:name:cli*",
                "o7s:name:client*",
                "o7s:name:clien",
                "o7s:name:client.example",
                "client",
                "O7S:name:client",
                "o7s:name:mallory",
                "o7s:name:m*",
        };
        const TestIdentity *const who[] = { &hands.client, &hands.mallory, &hands.server, NULL };
        static const char *const names[] = { "o7s:name:client", "o7s:name:mallory", ("o7s:name:" HANDS_NAME), "" };
        unsigned n = attack_rounds(attack, 600, 10000), n_let_in = 0;

        for (unsigned i = 0; i < n; i++) {
                _cleanup_(test_side_done) TestSide client = {};
                _cleanup_(test_side_done) TestSide server = {};
                uint8_t random[HANDSHAKE_RANDOM_BYTES];
                unsigned caller = (unsigned) (attack_random(attack) % ELEMENTSOF(who));
                bool let_in, expired = attack_random(attack) % 8 == 0;
                uint8_t request[HANDS_MESSAGE_BYTES];
                ssize_t size;

                if (!hands_side(&hands, &server, true, HANDS_MUTUAL, i) ||
                    test_side_init(&client, false, HANDS_NAME, who[caller], hands.trust, NULL) < 0)
                        return attack_broken(attack, "no handshake");
                for (unsigned k = (unsigned) (attack_random(attack) % 3); k > 0; k--)
                        (void) conf_strings_add(&server.policy.allow,
                                                patterns[attack_random(attack) % ELEMENTSOF(patterns)]);
                for (unsigned k = (unsigned) (attack_random(attack) % 3); k > 0; k--)
                        (void) conf_strings_add(&server.policy.deny,
                                                patterns[attack_random(attack) % ELEMENTSOF(patterns)]);
                if (expired)
                        client.now = server.now = TEST_NOW_NSEC + 31 * 86400 * (uint64_t) NSEC_PER_SEC;
                memcpy(client.binding, server.seen, sizeof(client.binding));
                client.binding_size = server.seen_size;

                attack_random_bytes(attack, random, sizeof(random));
                if (test_side_start(&client, random, NULL) < 0 || test_side_start(&server, random, NULL) < 0)
                        return attack_broken(attack, "no handshake: %s%s", client.text, server.text);
                size = test_side_request(&client, request, sizeof(request));
                let_in = size > 0 && test_side_check_request(&server, request, (size_t) size) >= 0;
                if (let_in != (who[caller] && !expired && model_allows(&server.policy, names[caller])))
                        return attack_broken(attack, "round %u: %s is %s", i, names[caller],
                                             let_in ? "let in" : "refused");
                n_let_in += let_in;
        }

        attack_figure(
                attack,
                "%u callers, allowed, denied, expired or nameless, and random lists: %u let in, each as the lists say",
                n, n_let_in);
        return n_let_in > 0 && n_let_in < n;
}

/* -- OAP-6: what is remembered of requests -- */

static bool attack_replay_cache(Attack *attack) {
        static const uint8_t key[SIPHASH_KEY_BYTES] = "cache";
        _cleanup_(oap_replay_freep) OapReplay *replay = NULL;
        unsigned n = attack_rounds(attack, 1000000, 20000000), n_kept = 0, n_full = 0;
        OapHeader proven = { .id = "proven", .timestamp = TEST_NOW_NSEC };
        size_t before, after;

        if (oap_replay_new(key, &replay) < 0)
                return attack_broken(attack, "no replay cache");

        before = mallinfo2().uordblks;
        for (unsigned i = 0; i < n; i++) {
                OapHeader header = { .timestamp = TEST_NOW_NSEC };
                int r;

                attack_random_bytes(attack, header.id, sizeof(header.id));
                r = oap_replay_check(replay, &header, false, TEST_NOW_NSEC + i);
                n_kept += r == 0;
                n_full += r == -EBUSY;
        }
        after = mallinfo2().uordblks;

        attack_figure(attack,
                      "%u requests within a moment: %u remembered, %u refused, %zu bytes more memory; who proves "
                      "himself is let in",
                      n, n_kept, n_full, after > before ? after - before : 0);
        return n_kept <= OAP_REPLAY_UNPROVEN_MAX && n_kept + n_full == n && after <= before &&
               oap_replay_check(replay, &proven, true, TEST_NOW_NSEC + n) == 0;
}

/* -- OAP-7: what a refused certificate leaves behind -- */

static bool attack_leak(Attack *attack) {
        unsigned n = attack_rounds(attack, 500, 5000);
        size_t before = 0, after;

        for (unsigned i = 0; i < n + 50; i++) {
                _cleanup_(test_side_done) TestSide client = {};
                _cleanup_(test_side_done) TestSide mallory = {};
                HandsMessage request, response;
                uint8_t random[HANDSHAKE_RANDOM_BYTES] = { (uint8_t) i };
                ssize_t size;

                if (i == 50)
                        before = mallinfo2().uordblks;  /* libraries have by now what they keep */
                if (!hands_ask(&hands, &client, HANDS_SERVER, i, &request) ||
                    test_side_init(&mallory, true, HANDS_NAME, &hands.mallory, NULL, NULL) < 0)
                        return attack_broken(attack, "no handshake");
                memset(mallory.seen, 'q', mallory.seen_size = client.binding_size);
                memset(mallory.binding, 'r', mallory.binding_size = client.seen_size);
                if (test_side_start(&mallory, random, NULL) < 0 ||
                    test_side_check_request(&mallory, request.bytes, request.size) < 0)
                        return attack_broken(attack, "no handshake: %s", mallory.text);
                size = test_side_response(&mallory, response.bytes, sizeof(response.bytes));
                if (size < 0 || test_side_check_response(&client, response.bytes, (size_t) size) != -EKEYREJECTED)
                        return attack_broken(attack, "a certificate of another name is not refused");
        }
        after = mallinfo2().uordblks;

        attack_figure(attack, "%u certificates refused: %zu bytes more memory", n, after > before ? after - before : 0);
        return after <= before + 4096;
}

/* -- OAP-9: what comes back for what was sent -- */

/* A certificate and a signature, against a request with neither. */
#define AMPLIFICATION_MAX 4.0

static bool attack_amplification(Attack *attack) {
        double most = 0;

        for (HandsMode mode = 0; mode < _HANDS_MODE_MAX; mode++) {
                _cleanup_(test_side_done) TestSide client = {};
                _cleanup_(test_side_done) TestSide server = {};
                HandsMessage request, response;

                if (!hands_ask(&hands, &client, mode, 1, &request) ||
                    hands_answer(&hands, &server, mode, 2, &request, &response) < 0)
                        return attack_broken(attack, "no handshake");
                most = MAX(most, (double) response.size / (double) request.size);
        }

        attack_figure(attack,
                      "answers of at most %.1f times the bytes of a request that was accepted; 0 bytes for any other",
                      most);
        return most <= AMPLIFICATION_MAX;
}

/* -- OAP-10: what anybody may make us work -- */

static bool attack_budget(Attack *attack) {
        unsigned n = attack_rounds(attack, 10000, 200000), n_looked_at = 0;
        const uint8_t garbage[64] = { 1 };
        TestHost host;

        if (test_host_init(&host, HANDS_NAME, &hands.authority, &hands.server, NULL) < 0)
                return attack_broken(attack, "no service");

        for (unsigned i = 0; i < n; i++) {
                _cleanup_(auth_message_done) AuthMessage answer = {};
                char name[32];

                (void) snprintf(name, sizeof(name), "n%u.example", i % 100);
                n_looked_at += test_host_check_request(&host, name, NULL, garbage, sizeof(garbage), &answer) != -EBUSY;
        }
        test_host_done(&host);

        attack_figure(attack, "%u handshakes within a moment: %u looked at, the others put off", n, n_looked_at);
        return n_looked_at == SERVICE_ASKED_BURST;
}

static Attack attacks[] = {
        { .id = "R-13", .run = attack_certificates },  { .id = "R-14", .run = attack_access },
        { .id = "R-14", .run = attack_certificates },  { .id = "OAP-1", .run = attack_nonsense },
        { .id = "OAP-5", .run = attack_certificates }, { .id = "OAP-6", .run = attack_replay_cache },
        { .id = "OAP-7", .run = attack_leak },         { .id = "OAP-9", .run = attack_amplification },
        { .id = "OAP-10", .run = attack_budget },
};

int main(int argc, char *argv[]) {
        int r = EXIT_FAILURE;

        if (hands_init(&hands))
                r = attack_main(argc, argv, attacks, ELEMENTSOF(attacks));
        hands_done(&hands);
        return r;
}
