/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The mark that outlives the services: its file, and a request that is sent again to those that come after. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "tests/support/auth-host.h"

#define NAME "web.example"
#define SECOND UINT64_C(1000000000)
#define NOW TEST_NOW_NSEC
#define BYTES(literal) (literal), sizeof(literal) - 1

static const char *const mutual[] = { "Authentication=mutual", NULL };

typedef struct World {
        TestIdentity authority, server, client;
} World;

static int world_setup(void **state) {
        static World w;

        if (test_identity_init(&w.authority, TEST_KEY_P256, "test authority", NULL, false) < 0 ||
            test_identity_init(&w.server, TEST_KEY_P256, "o7s:name:" NAME, &w.authority, false) < 0 ||
            test_identity_init(&w.client, TEST_KEY_ED25519, "o7s:name:client.example", &w.authority, false) < 0)
                return -1;

        *state = &w;
        return 0;
}

static int world_teardown(void **state) {
        World *w = *state;

        test_identity_done(&w->client);
        test_identity_done(&w->server);
        test_identity_done(&w->authority);
        return 0;
}

/* -- the file -- */

static const struct {
        const char *name;
        const void *data;
        size_t size;
        int r;
        uint64_t stamp;
} files[] = {
        { "zero",           BYTES("O7sm\0\0\0\1\0\0\0\0\0\0\0\0"),      0,        0                            },
        { "a time",         BYTES("O7sm\0\0\0\1\1\2\3\4\5\6\7\x08"),    0,        UINT64_C(0x0102030405060708) },
        { "empty",          BYTES(""),                                  -EBADMSG, 0                            },
        { "cut",            BYTES("O7sm\0\0\0\1\0\0\0\0\0\0\0"),        -EBADMSG, 0                            },
        { "longer",         BYTES("O7sm\0\0\0\1\0\0\0\0\0\0\0\0\0"),    -EBADMSG, 0                            },
        { "another magic",  BYTES("O7sX\0\0\0\1\0\0\0\0\0\0\0\0"),      -EBADMSG, 0                            },
        { "another version", BYTES("O7sm\0\0\0\2\0\0\0\0\0\0\0\0"),     -EBADMSG, 0                            },
};

static void test_parse(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                uint64_t stamp = 0;

                print_message("%s\n", files[i].name);
                assert_int_equal(mark_parse(files[i].data, files[i].size, &stamp), files[i].r);
                assert_true(stamp == files[i].stamp);
        }
}

/* What the next one makes of what it finds. */
static void test_open(void **state) {
        static const struct {
                const char *name;
                const void *data;       /* NULL: there is no file */
                size_t size;
                uint64_t newest;
        } cases[] = {
                { "no file",     NULL, 0,                                           0   },
                { "empty",       BYTES(""),                                         0   },
                { "of before",   BYTES("O7sm\0\0\0\1\0\0\0\0\0\0\0\5"),             5   },
                { "of nobody",   BYTES("what is this?"),                            NOW },
                { "of the future", BYTES("O7sm\0\0\0\1\xff\xff\xff\xff\xff\xff\xff\xff"), NOW },
        };
        char directory[] = "/tmp/o7s-test-mark-XXXXXX", path[64];

        assert_non_null(mkdtemp(directory));
        (void) snprintf(path, sizeof(path), "%s/" MARK_FILE, directory);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Mark mark = MARK_INIT;

                print_message("%s\n", cases[i].name);
                (void) unlink(path);
                if (cases[i].data) {
                        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

                        assert_true(fd >= 0);
                        assert_int_equal(write(fd, cases[i].data, cases[i].size), cases[i].size);
                        (void) close(fd);
                }

                assert_int_equal(mark_open(&mark, directory, NOW), 0);
                assert_true(mark.newest == cases[i].newest);
                assert_int_equal(mark_raise(&mark, NOW + 7), 0);
                assert_int_equal(mark_raise(&mark, NOW + 3), 0);
                mark_done(&mark);

                assert_int_equal(mark_open(&mark, directory, NOW + SECOND), 0);
                assert_true(mark.newest == NOW + 7);
                mark_done(&mark);
        }

        (void) unlink(path);
        assert_int_equal(rmdir(directory), 0);
}

static void test_no_directory(void **state) {
        Mark mark = MARK_INIT;

        assert_int_equal(mark_open(&mark, "/nonexistent", NOW), -ENOENT);
        assert_true(mark.newest == NOW);
        assert_int_equal(mark_raise(&mark, NOW + 1), 0);
        assert_true(mark.newest == NOW + 1);
        mark_done(&mark);
}

/* -- restarts -- */

typedef struct Request {
        uint8_t bytes[AUTH_OAP_BYTES_MAX];
        size_t size;
} Request;

static void make_request(TestHost *client, const char *const *settings, uint64_t now, Request *ret) {
        _cleanup_(auth_message_done) AuthMessage answer = {};

        client->now.realtime_nsec = now;
        assert_int_equal(test_host_build_request(client, NAME, settings, &answer), 0);
        memcpy(ret->bytes, answer.oap, answer.oap_size);
        ret->size = answer.oap_size;
}

static int check(TestHost *server, const char *const *settings, uint64_t now, const Request *request) {
        _cleanup_(auth_message_done) AuthMessage answer = {};
        int r;

        server->now.realtime_nsec = now;
        r = test_host_check_request(server, NAME, settings, request->bytes, request->size, &answer);
        if (r == -EALREADY) {
                assert_non_null(strstr(answer.text, "may be a copy"));
                assert_string_equal(answer.peer.identity, "");
        }
        return r;
}

static void hello(TestHost *host) {
        AuthMessage question = { .type = AUTH_HELLO, .version = AUTH_PROTOCOL_VERSION };
        _cleanup_(auth_message_done) AuthMessage answer = {};

        service_peer_done(host->service, &host->peer);
        service_peer_init(&host->peer);
        assert_int_equal(test_host_ask(host, &question, &answer), 1);
}

/* The IRM comes anew, and has forgotten what it saw. */
static void restart_irm(TestHost *host) {
        hello(host);
}

static void restart_service(TestHost *host) {
        service_peer_done(host->service, &host->peer);
        host->service = service_free(host->service);
        assert_int_equal(service_new(host->root, &host->service), 0);
        assert_int_equal(service_keep_mark(host->service, host->root, host->now.realtime_nsec), 0);
        service_peer_init(&host->peer);
        hello(host);
}

/* Stop and start, again and again, within the window: a request that was taken is never taken again, the next is. */
static void restart_often(World *w, void (*restart)(TestHost *host)) {
        static Request requests[20];
        TestHost client, server;

        assert_int_equal(test_host_init(&client, NAME, &w->authority, NULL, &w->client), 0);
        assert_int_equal(test_host_init(&server, NAME, &w->authority, &w->server, NULL), 0);
        restart_service(&server);

        for (unsigned i = 0; i < ELEMENTSOF(requests); i++) {
                uint64_t now = NOW + i * SECOND / 4;

                make_request(&client, mutual, now, requests + i);
                assert_int_equal(check(&server, mutual, now, requests + i), 0);

                restart(&server);
                for (unsigned k = 0; k <= i; k++)
                        assert_int_equal(check(&server, mutual, now, requests + k), -EALREADY);
        }

        test_host_done(&client);
        test_host_done(&server);
}

static void test_restart_service(void **state) {
        restart_often(*state, restart_service);
}

static void test_restart_irm(void **state) {
        restart_often(*state, restart_irm);
}

/* The clock was ahead when a request was taken, and then set right. By little: what was taken meanwhile is timely once
 * more, and may come again. By much: nobody is kept out until the clock shows that time. */
static void set_clock_back(World *w, void (*restart)(TestHost *host)) {
        static const struct {
                const char *name;
                uint64_t step;
                int r;
        } cases[] = {
                { "a moment", 10 * SECOND,   -EALREADY },
                { "a minute", 60 * SECOND,   -EALREADY },
                { "an hour",  3600 * SECOND, 0         },
        };
        static Request ahead, request;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                TestHost client, server;

                print_message("%s\n", cases[i].name);
                assert_int_equal(test_host_init(&client, NAME, &w->authority, NULL, &w->client), 0);
                assert_int_equal(test_host_init(&server, NAME, &w->authority, &w->server, NULL), 0);
                restart_service(&server);

                make_request(&client, mutual, NOW + cases[i].step, &ahead);
                assert_int_equal(check(&server, mutual, NOW + cases[i].step, &ahead), 0);

                server.now.realtime_nsec = NOW;
                restart(&server);
                make_request(&client, mutual, NOW + 3 * SECOND, &request);
                assert_int_equal(check(&server, mutual, NOW + 3 * SECOND, &request), cases[i].r);

                test_host_done(&client);
                test_host_done(&server);
        }
}

static void test_clock_and_service(void **state) {
        set_clock_back(*state, restart_service);
}

static void test_clock_and_irm(void **state) {
        set_clock_back(*state, restart_irm);
}

/* Who was proven, and is not wanted, hears it once; whoever sends that again hears nothing. */
static void test_denied(void **state) {
        static const char *const nobody[] = { "Authentication=mutual", "AllowPeer=o7s:name:someone", NULL };
        static Request request;
        World *w = *state;
        TestHost client, server;

        assert_int_equal(test_host_init(&client, NAME, &w->authority, NULL, &w->client), 0);
        assert_int_equal(test_host_init(&server, NAME, &w->authority, &w->server, NULL), 0);
        restart_service(&server);

        make_request(&client, mutual, NOW, &request);
        assert_int_equal(check(&server, nobody, NOW, &request), -EKEYREJECTED);
        restart_service(&server);
        assert_int_equal(check(&server, nobody, NOW, &request), -EALREADY);

        test_host_done(&client);
        test_host_done(&server);
}

/* Who proves nothing needs no copy of anybody's request, and neither raises the mark nor is stopped by it. */
static void test_unproven(void **state) {
        static Request request, proven;
        World *w = *state;
        TestHost client, server;

        assert_int_equal(test_host_init(&client, NAME, &w->authority, NULL, &w->client), 0);
        assert_int_equal(test_host_init(&server, NAME, &w->authority, &w->server, NULL), 0);
        restart_service(&server);

        test_host_done(&client);
        assert_int_equal(test_host_init(&client, NAME, &w->authority, NULL, NULL), 0);
        make_request(&client, NULL, NOW, &request);
        assert_int_equal(check(&server, NULL, NOW, &request), 0);
        restart_service(&server);
        assert_int_equal(check(&server, NULL, NOW, &request), 0);
        test_host_done(&client);

        assert_int_equal(test_host_init(&client, NAME, &w->authority, NULL, &w->client), 0);
        make_request(&client, mutual, NOW - SECOND, &proven);
        assert_int_equal(check(&server, mutual, NOW, &proven), 0);

        test_host_done(&client);
        test_host_done(&server);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse),       cmocka_unit_test(test_open),   cmocka_unit_test(test_no_directory),
                cmocka_unit_test(test_restart_service), cmocka_unit_test(test_restart_irm),
                cmocka_unit_test(test_clock_and_service), cmocka_unit_test(test_clock_and_irm),
                cmocka_unit_test(test_denied), cmocka_unit_test(test_unproven),
        };

        return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
