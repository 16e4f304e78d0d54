/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * On o7s-auth as a whole: what it does where its files cannot be read, or the machine has nothing left for it, and
 * somebody waits to be taken for another meanwhile. The service is the real one, with files of its own, and a stand-in
 * for o7s-keyd.
 */

#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/attack/hands.h"
#include "tests/support/auth-host.h"

#define DESCRIPTORS_MAX 16U
#define SECURITY "/etc/o7s/security/"

static Hands hands;

/* Two hosts that know each other's authority, and one that knows nobody and shows nothing. */
typedef struct Hosts {
        TestHost client, server, mallory;
} Hosts;

static void hosts_done(Hosts *h) {
        test_host_done(&h->client);
        test_host_done(&h->server);
        test_host_done(&h->mallory);
}

static bool hosts_init(Hosts *h) {
        memset(h, 0, sizeof(*h));
        h->client.keyd.fd = h->server.keyd.fd = h->mallory.keyd.fd = -1;
        return test_host_init(&h->client, HANDS_NAME, &hands.authority, NULL, &hands.client) >= 0 &&
               test_host_init(&h->server, HANDS_NAME, &hands.authority, &hands.server, NULL) >= 0 &&
               test_host_init(&h->mallory, HANDS_NAME, NULL, NULL, NULL) >= 0;
}

static void reload(TestHost *host) {
        AuthMessage question = { .type = AUTH_RELOAD };
        _cleanup_(auth_message_done) AuthMessage answer = {};

        (void) test_host_ask(host, &question, &answer);
}

typedef enum Outcome {
        OUTCOME_NONE,           /* no flow */
        OUTCOME_PROVEN,         /* a flow, and the client knows who is at its other end */
        OUTCOME_BLIND,
} Outcome;

/* A whole handshake; limit: descriptors that the client has left for its steps, < 0: as many as it wants. */
static void spare(int limit, const struct rlimit *before) {
        struct rlimit now = *before;
        int next;

        if (limit >= 0) {
                next = dup(STDIN_FILENO);
                (void) close(next);
                now.rlim_cur = (rlim_t) (next + limit);
        }
        (void) setrlimit(RLIMIT_NOFILE, &now);
}

static Outcome shake(TestHost *client, TestHost *server, int client_limit, int server_limit) {
        _cleanup_(auth_message_done) AuthMessage request = {}, checked = {}, response = {}, done = {};
        struct rlimit before;
        int r;

        (void) getrlimit(RLIMIT_NOFILE, &before);
        spare(client_limit, &before);
        if (client_limit >= 0)
                reload(client);
        r = test_host_build_request(client, HANDS_NAME, NULL, &request);
        (void) setrlimit(RLIMIT_NOFILE, &before);
        if (r < 0)
                return OUTCOME_NONE;

        spare(server_limit, &before);
        if (server_limit >= 0)
                reload(server);
        r = test_host_check_request(server, HANDS_NAME, NULL, request.oap, request.oap_size, &checked);
        if (r >= 0)
                r = test_host_build_response(server, checked.session, &response);
        (void) setrlimit(RLIMIT_NOFILE, &before);
        if (r < 0)
                return OUTCOME_NONE;

        spare(client_limit, &before);
        r = test_host_check_response(client, request.session, response.oap, response.oap_size, &done);
        (void) setrlimit(RLIMIT_NOFILE, &before);
        if (r < 0)
                return OUTCOME_NONE;

        return done.peer.verified ? OUTCOME_PROVEN : OUTCOME_BLIND;
}

/* -- files that cannot be read -- */

typedef enum Damage {
        DAMAGE_GARBAGE,
        DAMAGE_EMPTY,
        DAMAGE_HALF,
        DAMAGE_DIRECTORY,
        DAMAGE_DANGLING,
        DAMAGE_LOOP,
        DAMAGE_PIPE,
        _DAMAGE_MAX,
} Damage;

static bool damage(const char *path, Damage how) {
        char half[400] = "";
        FILE *file = fopen(path, "re");

        if (file) {
                (void) !fread(half, 1, sizeof(half) - 1, file);
                (void) fclose(file);
        }
        (void) unlink(path);

        switch (how) {
        case DAMAGE_DIRECTORY:
                return mkdir(path, 0755) == 0;
        case DAMAGE_DANGLING:
                return symlink("/nonexistent/file", path) == 0;
        case DAMAGE_LOOP:
                return symlink(path, path) == 0;
        case DAMAGE_PIPE:
                return mkfifo(path, 0644) == 0;
        case DAMAGE_GARBAGE:
        case DAMAGE_EMPTY:
        case DAMAGE_HALF:
        case _DAMAGE_MAX:
                break;
        }

        file = fopen(path, "we");
        if (!file)
                return false;
        if (how != DAMAGE_EMPTY)
                (void) fputs(how == DAMAGE_HALF ? half : "this is nothing", file);
        return fclose(file) == 0;
}

static bool attack_files(Attack *attack) {
        static const struct {
                const char *path;
                bool of_server;
        } files[] = {
                { SECURITY "cacert/authority.pem", false }, { SECURITY "crl/list.pem", false },
                { SECURITY "client/" HANDS_NAME "/crt.pem", false },
                { SECURITY "server/" HANDS_NAME "/crt.pem", true }, { SECURITY "server/" HANDS_NAME "/key.pem", true },
        };
        unsigned n_tried = 0, n_none = 0;

        for (size_t i = 0; i < ELEMENTSOF(files); i++)
                for (Damage how = 0; how < _DAMAGE_MAX; how++) {
                        _cleanup_(hosts_done) Hosts h;
                        char path[256];
                        Outcome with_server, with_mallory;
                        TestHost *host;

                        if (!hosts_init(&h))
                                return attack_broken(attack, "no hosts");
                        host = files[i].of_server ? &h.server : &h.client;
                        (void) snprintf(path, sizeof(path), "%s%s", host->root, files[i].path);
                        if (access(path, F_OK) < 0)     /* and the directory that it is in */
                                (void) test_host_write(host, files[i].path, "", 0);
                        if (!damage(path, how))
                                return attack_broken(attack, "%s cannot be damaged", path);

                        reload(host);
                        with_server = shake(&h.client, &h.server, -1, -1);
                        with_mallory = shake(&h.client, &h.mallory, -1, -1);
                        n_tried += 2;
                        n_none += (with_server == OUTCOME_NONE) + (with_mallory == OUTCOME_NONE);
                        if (with_server == OUTCOME_BLIND || with_mallory != OUTCOME_NONE)
                                return attack_broken(attack, "%s, damage %d: a flow without proof", files[i].path,
                                                     (int) how);
                }

        attack_figure(attack,
                      "%u handshakes where a certificate, key, anchor or list is garbage, empty, "
                      "cut, a directory, a link to nowhere or a pipe, with the server and an "
                      "impostor: %u refused, 0 unproven",
                      n_tried, n_none);
        return n_none >= n_tried / 2;
}

/* -- R-12, OAP-4: no descriptor left -- */

static bool attack_descriptors(Attack *attack) {
        unsigned n_rounds = attack_rounds(attack, 1, 20), n_tried = 0, n_proven = 0;

        for (unsigned round = 0; round < n_rounds; round++)
                for (int left = 0; left < (int) DESCRIPTORS_MAX; left++) {
                        _cleanup_(hosts_done) Hosts h;
                        Outcome outcomes[3], after;

                        if (!hosts_init(&h))
                                return attack_broken(attack, "no hosts");
                        outcomes[0] = shake(&h.client, &h.mallory, left, -1);
                        outcomes[1] = shake(&h.client, &h.server, left, -1);
                        outcomes[2] = shake(&h.client, &h.server, -1, left);
                        n_tried += 3;
                        for (unsigned i = 0; i < ELEMENTSOF(outcomes); i++) {
                                n_proven += outcomes[i] == OUTCOME_PROVEN;
                                if (outcomes[i] == OUTCOME_BLIND)
                                        return attack_broken(attack, "with %d descriptors a flow without proof", left);
                        }
                        if (outcomes[0] != OUTCOME_NONE)
                                return attack_broken(attack, "with %d descriptors an impostor is believed", left);

                        reload(&h.client);
                        reload(&h.server);
                        after = shake(&h.client, &h.server, -1, -1);
                        if (after != OUTCOME_PROVEN)
                                return attack_broken(attack, "with descriptors again there is no flow");
                }

        attack_figure(attack,
                      "%u handshakes with 0 to %u descriptors left at either end, with the server and an impostor: 0 "
                      "unproven, %u proven; all is well with descriptors again",
                      n_tried, DESCRIPTORS_MAX - 1, n_proven);
        return n_proven > 0 && n_proven < n_tried;
}

/* -- OAP-9: what is refused -- */

static bool attack_silence(Attack *attack) {
        unsigned n = attack_rounds(attack, 2000, 100000), n_refused = 0;
        _cleanup_(auth_message_done) AuthMessage request = {};
        _cleanup_(hosts_done) Hosts h;
        uint64_t bytes = 0;

        if (!hosts_init(&h) || test_host_build_request(&h.client, HANDS_NAME, NULL, &request) < 0)
                return attack_broken(attack, "no request");

        for (unsigned i = 0; i < n; i++) {
                _cleanup_(auth_message_done) AuthMessage checked = {}, response = {};
                uint8_t oap[HANDS_MESSAGE_BYTES];
                size_t size = request.oap_size;

                memcpy(oap, request.oap, size);
                oap[attack_random(attack) % size] ^= (uint8_t) (1U + attack_random(attack) % 255);
                if (attack_random(attack) % 4 == 0)
                        size = attack_random(attack) % size;
                if (i % 1000 == 0)
                        h.server.now.monotonic += USEC_PER_SEC; /* the budget of another second */
                if (test_host_check_request(&h.server, HANDS_NAME, NULL, oap, size, &checked) >= 0)
                        continue;
                n_refused++;
                bytes += checked.oap_size;
                if (checked.session != 0 ||
                    test_host_build_response(&h.server, attack_random(attack), &response) >= 0)
                        return attack_broken(attack, "there is an answer to what was refused");
                bytes += response.oap_size;
        }

        attack_figure(attack, "%u requests refused by the service: %" PRIu64 " bytes to answer them with", n_refused,
                      bytes);
        return n_refused > n / 2 && bytes == 0;
}

static Attack attacks[] = {
        { .id = "R-12", .run = attack_files },
        { .id = "R-12", .run = attack_descriptors },
        { .id = "OAP-4", .run = attack_descriptors },
        { .id = "OAP-9", .run = attack_silence },
};

int main(int argc, char *argv[]) {
        int r = EXIT_FAILURE;

        if (hands_init(&hands))
                r = attack_main(argc, argv, attacks, ELEMENTSOF(attacks));
        hands_done(&hands);
        return r;
}
