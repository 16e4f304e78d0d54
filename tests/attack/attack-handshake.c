/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * On handshakes: somebody on the path strips, alters, replays and answers in the place of others. Whatever he repairs
 * afterwards he may: ids and hashes are no secrets. A handshake is lost to him only where the client accepts what its
 * server did not say.
 */

#include "basic/time.h"
#include "tests/attack/hands.h"

static Hands hands;

/* The request arrives altered, the response is repaired. Returns: whether the client accepts. */
static bool accepts_after(HandsMode mode, const HandsMessage *altered) {
        _cleanup_(test_side_done) TestSide client = {};
        _cleanup_(test_side_done) TestSide server = {};
        HandsMessage request, response;

        if (!hands_ask(&hands, &client, mode, 1, &request) ||
            hands_answer(&hands, &server, mode, 2, altered, &response) < 0)
                return false;

        hands_repair(&response, hands_hash_size(altered), &request);
        return test_side_check_response(&client, response.bytes, response.size) >= 0;
}

static bool accepts_response(HandsMode mode, const HandsMessage *response) {
        _cleanup_(test_side_done) TestSide client = {};
        HandsMessage request;

        return hands_ask(&hands, &client, mode, 1, &request) &&
               test_side_check_response(&client, response->bytes, response->size) >= 0;
}

/* -- every byte of both messages, and of what the layers say of them -- */

static bool flip_mode(Attack *attack, HandsMode mode, unsigned *ret_flips) {
        _cleanup_(test_side_done) TestSide client = {};
        _cleanup_(test_side_done) TestSide server = {};
        HandsMessage request, response;

        if (!hands_ask(&hands, &client, mode, 1, &request) ||
            hands_answer(&hands, &server, mode, 2, &request, &response) < 0 ||
            test_side_check_response(&client, response.bytes, response.size) < 0)
                return attack_broken(attack, "mode %d: even the true handshake fails: %s%s", (int) mode, client.text,
                                     server.text);

        for (size_t at = 0; at < request.size + response.size; at++)
                for (unsigned bit = 0; bit < 8; bit++) {
                        HandsMessage altered = at < request.size ? request : response;
                        size_t byte = at < request.size ? at : at - request.size;

                        if (!attack->full && bit != at % 8)
                                continue;

                        ++*ret_flips;
                        altered.bytes[byte] ^= (uint8_t) (1U << bit);
                        if (at < request.size ? accepts_after(mode, &altered) : accepts_response(mode, &altered))
                                return attack_broken(attack, "mode %d: bit %u of byte %zu of the %s may be altered",
                                                     (int) mode, bit, byte, at < request.size ? "request" : "response");
                }

        return true;
}

static bool flip_bindings(Attack *attack, HandsMode mode, unsigned *ret_flips) {
        for (unsigned which = 0; which < 2; which++)
                for (unsigned byte = 0; byte < 24; byte++) {
                        _cleanup_(test_side_done) TestSide client = {};
                        _cleanup_(test_side_done) TestSide server = {};
                        HandsMessage request, response;
                        int r;

                        ++*ret_flips;
                        if (!hands_ask(&hands, &client, mode, 1, &request) ||
                            !hands_side(&hands, &server, true, mode, 2))
                                return attack_broken(attack, "no handshake");

                        if (which == 0)
                                server.seen[byte] ^= 1;
                        else
                                client.seen[byte] ^= 1;
                        r = test_side_check_request(&server, request.bytes, request.size);
                        if (r >= 0 && which == 1) {
                                ssize_t n = test_side_response(&server, response.bytes, sizeof(response.bytes));

                                r = n < 0 ? (int) n : test_side_check_response(&client, response.bytes, (size_t) n);
                        }
                        if (r >= 0)
                                return attack_broken(attack,
                                                     "mode %d: byte %u of what the layer says of the %s may be altered",
                                                     (int) mode, byte, which == 0 ? "request" : "response");
                }

        return true;
}

static bool attack_flips(Attack *attack) {
        unsigned n_flips = 0;

        for (HandsMode mode = 0; mode < _HANDS_MODE_MAX; mode++)
                if (!flip_mode(attack, mode, &n_flips) || !flip_bindings(attack, mode, &n_flips))
                        return false;

        attack_figure(attack,
                      "%u bits of requests, replies, addresses, endpoint ids and QoS altered in %d modes: 0 accepted",
                      n_flips, (int) _HANDS_MODE_MAX);
        return true;
}

static bool attack_bindings(Attack *attack) {
        unsigned n_flips = 0;

        for (HandsMode mode = 0; mode < _HANDS_MODE_MAX; mode++)
                if (!flip_bindings(attack, mode, &n_flips))
                        return false;

        attack_figure(attack, "each byte of what layers say of a request and a reply altered (%u): 0 accepted",
                      n_flips);
        return true;
}

/* -- OAP-3, OAP-4, R-12: nothing can be stripped -- */

/* modes: those where it counts. Returns: whether the client got what its policy asks for, or nothing. */
static bool strip_all(Attack *attack, HandsMode mode, unsigned *ret_tried) {
        for (unsigned of_request = 0; of_request <= HANDS_STRIP_ALL; of_request++)
                for (unsigned of_response = 0; of_response <= HANDS_STRIP_ALL; of_response++) {
                        _cleanup_(test_side_done) TestSide client = {};
                        _cleanup_(test_side_done) TestSide server = {};
                        HandsMessage request, altered, response;
                        ControlKeys control;
                        bool changed;
                        AuthPeer peer;
                        SealKeys keys;
                        size_t size;

                        if (!hands_ask(&hands, &client, mode, 1, &request))
                                return attack_broken(attack, "no request");
                        altered = request;
                        changed = hands_strip(&altered, 0, of_request);
                        size = hands_hash_size(&altered);
                        if (hands_answer(&hands, &server, mode, 2, &altered, &response) < 0) {
                                ++*ret_tried;
                                continue;
                        }
                        changed = hands_strip(&response, size, of_response) || changed;
                        if (changed)
                                hands_repair(&response, size, &request);
                        ++*ret_tried;

                        if (test_side_check_response(&client, response.bytes, response.size) < 0)
                                continue;
                        handshake_peer(client.h, &peer);
                        if (changed || !peer.verified || handshake_keys(client.h, &keys, &control) < 0 ||
                            keys.suite == SEAL_NONE)
                                return attack_broken(attack, "mode %d: stripped of %x and %x, and accepted", (int) mode,
                                                     of_request, of_response);
                        explicit_bzero(&keys, sizeof(keys));
                }

        return true;
}

static bool attack_stripping(Attack *attack) {
        static const HandsMode modes[] = { HANDS_SERVER, HANDS_MUTUAL, HANDS_MAC, HANDS_REQUIRED };
        unsigned n_tried = 0;

        for (size_t i = 0; i < ELEMENTSOF(modes); i++)
                if (!strip_all(attack, modes[i], &n_tried))
                        return false;

        attack_figure(attack,
                      "%u combinations of certificate, key exchange, extension and cipher stripped of both messages: 0 "
                      "accepted",
                      n_tried);
        return true;
}

/* -- who shows nothing, or the wrong thing, gets nothing -- */

static bool attack_impostor(Attack *attack) {
        const TestIdentity *shown[] = { NULL, &hands.mallory, &hands.client };
        static const HandsMode modes[] = { HANDS_SERVER, HANDS_MUTUAL, HANDS_MAC, HANDS_REQUIRED };
        unsigned n_tried = 0;

        for (size_t i = 0; i < ELEMENTSOF(modes); i++)
                for (size_t k = 0; k < ELEMENTSOF(shown); k++) {
                        _cleanup_(test_side_done) TestSide client = {};
                        _cleanup_(test_side_done) TestSide mallory = {};
                        uint8_t random[HANDSHAKE_RANDOM_BYTES];
                        HandsMessage request, response;
                        ssize_t n = -1;

                        if (!hands_ask(&hands, &client, modes[i], 1, &request) ||
                            test_side_init(&mallory, true, HANDS_NAME, shown[k], NULL, NULL) < 0)
                                return attack_broken(attack, "no handshake");
                        mallory.binding_size = mallory.seen_size = 24;
                        memset(mallory.binding, 'r', 24);
                        memset(mallory.seen, 'q', 24);
                        attack_random_bytes(attack, random, sizeof(random));
                        if (test_side_start(&mallory, random, NULL) >= 0 &&
                            test_side_check_request(&mallory, request.bytes, request.size) >= 0)
                                n = test_side_response(&mallory, response.bytes, sizeof(response.bytes));
                        n_tried++;
                        if (n > 0 && test_side_check_response(&client, response.bytes, (size_t) n) >= 0)
                                return attack_broken(attack, "mode %d: impostor %zu is believed", (int) modes[i], k);
                }

        attack_figure(
                attack,
                "%u answers in the place of the server, without a certificate or with one of another name: 0 accepted",
                n_tried);
        return true;
}

/* -- R-21, OAP-8: replays -- */

static bool replay_request(const HandsMessage *request, HandsMode mode, const char *name, char seen,
                           int64_t later_sec) {
        _cleanup_(test_side_done) TestSide server = {};
        uint8_t random[HANDSHAKE_RANDOM_BYTES] = { 7 };

        if (!hands_side(&hands, &server, true, mode, 3))
                return true;

        server.name = name;
        server.now = TEST_NOW_NSEC + (uint64_t) (later_sec * INT64_C(1000000000));
        memset(server.seen, seen, server.seen_size);
        return test_side_start(&server, random, NULL) < 0 ||
               test_side_check_request(&server, request->bytes, request->size) >= 0;
}

static bool attack_replays(Attack *attack) {
        static const uint8_t key[SIPHASH_KEY_BYTES] = "replay";
        _cleanup_(oap_replay_freep) OapReplay *replay = NULL;
        unsigned n_tried = 0;

        if (oap_replay_new(key, &replay) < 0)
                return attack_broken(attack, "no replay cache");

        for (HandsMode mode = 0; mode < _HANDS_MODE_MAX; mode++) {
                _cleanup_(test_side_done) TestSide client = {};
                _cleanup_(test_side_done) TestSide server = {};
                _cleanup_(test_side_done) TestSide later = {};
                HandsMessage request, response, again;
                OapHeader header;

                if (!hands_ask(&hands, &client, mode, 100 + (uint64_t) mode, &request) ||
                    hands_answer(&hands, &server, mode, 2, &request, &response) < 0 ||
                    oap_header_parse(request.bytes, request.size, 0, &header) < 0 ||
                    !hands_ask(&hands, &later, mode, 200, &again))
                        return attack_broken(attack, "mode %d: no handshake", (int) mode);

                /* The same name on the same host, as its IRM sees it. */
                if (oap_replay_check(replay, &header, true, TEST_NOW_NSEC) != 0 ||
                    oap_replay_check(replay, &header, true, TEST_NOW_NSEC) != -EEXIST)
                        return attack_broken(attack, "mode %d: the same request twice", (int) mode);
                n_tried++;

                /* Another name, another way (and so another host), too late, before its time. */
                if (replay_request(&request, mode, "mail.example", 'q', 0) ||
                    replay_request(&request, mode, HANDS_NAME, 'x', 0) ||
                    replay_request(&request, mode, HANDS_NAME, 'q', 60) ||
                    replay_request(&request, mode, HANDS_NAME, 'q', -60))
                        return attack_broken(attack, "mode %d: a request is good elsewhere, or at another time",
                                             (int) mode);
                n_tried += 4;

                /* An old answer to a new request; one's own request as the answer. */
                hands_repair(&response, hands_hash_size(&request), &again);
                if (test_side_check_response(&later, response.bytes, response.size) >= 0 ||
                    test_side_check_response(&client, request.bytes, request.size) >= 0)
                        return attack_broken(attack, "mode %d: an old answer, or a reflection, is believed",
                                             (int) mode);
                n_tried += 2;
        }

        attack_figure(attack,
                      "%u replays and reflections: same name, other name, other host, clock 60 s off, old answers: 0 "
                      "accepted",
                      n_tried);
        return true;
}

/* A clock that is ahead for a while, and then set right: by then the cache has forgotten what is timely again. */
static bool attack_clock(Attack *attack) {
        static const uint8_t key[SIPHASH_KEY_BYTES] = "clock";
        unsigned n = attack_rounds(attack, 200, 20000), n_replays = 0;

        for (unsigned i = 0; i < n / 100; i++) {
                uint64_t ahead = TEST_NOW_NSEC + (1 + attack_random(attack) % 3600) * NSEC_PER_SEC;
                _cleanup_(oap_replay_freep) OapReplay *replay = NULL;
                OapHeader seen[100] = {}, other = { .id = "other", .timestamp = ahead };

                if (oap_replay_new(key, &replay) < 0)
                        return attack_broken(attack, "no replay cache");
                for (size_t k = 0; k < ELEMENTSOF(seen); k++) {
                        attack_random_bytes(attack, seen[k].id, sizeof(seen[k].id));
                        seen[k].timestamp = TEST_NOW_NSEC - attack_random(attack) % (15 * NSEC_PER_SEC);
                        if (oap_replay_check(replay, seen + k, k % 2, TEST_NOW_NSEC) != 0)
                                return attack_broken(attack, "a new request is refused");
                }
                if (oap_replay_check(replay, &other, true, ahead) != 0)
                        return attack_broken(attack, "a new request is refused");
                for (size_t k = 0; k < ELEMENTSOF(seen); k++, n_replays++)
                        if (oap_replay_check(replay, seen + k, k % 2, TEST_NOW_NSEC + k * NSEC_PER_MSEC) == 0)
                                return attack_broken(attack,
                                                     "a replay is good after the clock was ahead by %" PRIu64 " s",
                                                     (ahead - TEST_NOW_NSEC) / NSEC_PER_SEC);
        }

        attack_figure(attack, "%u replays after a clock that was 1 to 3600 s ahead is set back: 0 accepted", n_replays);
        return true;
}

static bool attack_misdirection(Attack *attack) {
        unsigned n = attack_rounds(attack, 200, 20000);

        for (unsigned i = 0; i < n; i++) {
                HandsMode mode = (HandsMode) (i % _HANDS_MODE_MAX);
                _cleanup_(test_side_done) TestSide client = {};
                char name[] = HANDS_NAME;
                HandsMessage request;

                name[attack_random(attack) % STRLEN(HANDS_NAME)] = (char) ('A' + attack_random(attack) % 26);
                if (!hands_ask(&hands, &client, mode, i, &request))
                        return attack_broken(attack, "no request");
                if (replay_request(&request, mode, name, 'q', 0))
                        return attack_broken(attack, "a request for %s is good for %s", HANDS_NAME, name);
        }

        attack_figure(attack, "%u requests for one name handed to another: 0 accepted", n);
        return true;
}

static Attack attacks[] = {
        { .id = "R-12", .run = attack_impostor },   { .id = "R-20", .run = attack_flips },
        { .id = "R-21", .run = attack_replays },    { .id = "R-21", .run = attack_clock },
        { .id = "OAP-3", .run = attack_stripping },
        { .id = "OAP-4", .run = attack_stripping }, { .id = "OAP-8", .run = attack_misdirection },
        { .id = "FA-4", .run = attack_bindings },
};

int main(int argc, char *argv[]) {
        int r = EXIT_FAILURE;

        if (hands_init(&hands))
                r = attack_main(argc, argv, attacks, ELEMENTSOF(attacks));
        hands_done(&hands);
        return r;
}
