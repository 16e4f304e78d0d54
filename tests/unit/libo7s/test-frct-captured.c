/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* FRCT as it was seen on the wire of 0.23.0, byte for byte. */

#include "tests/unit/libo7s/frct-world.h"

static uint32_t client_random(void *userdata) {
        return 0xc89ce289;
}

static uint32_t server_random(void *userdata) {
        return 0x220aa87d;
}

static void expect_packet(Frct *f, nsec_t now, const char *expected, size_t size) {
        uint8_t buffer[PACKET_MAX];
        size_t n;

        n = frct_transmit(f, buffer, sizeof(buffer), now);
        assert_int_equal(n, size);
        assert_memory_equal(buffer, expected, size);
}

#define EXPECT(f, now, bytes) expect_packet(f, now, bytes, STRLEN(bytes))
#define HEAR(f, now, bytes) frct_receive(f, (const uint8_t *) (bytes), STRLEN(bytes), false, now)

static void expect_message(Frct *f, nsec_t now, const char *expected) {
        char heard[64];
        bool more;

        assert_int_equal(frct_read(f, heard, sizeof(heard), &more, now), strlen(expected));
        assert_memory_equal(heard, expected, strlen(expected));
        assert_false(more);
}

static void write_text(Frct *f, nsec_t now, const char *text) {
        struct iovec part = { .iov_base = (void *) (uintptr_t) text, .iov_len = strlen(text) };

        assert_int_equal(frct_write(f, &part, 1, now), strlen(text));
}

static void plain_ends(Frct **client, Frct **server) {
        FrctConfig config = { .reliable = true, .packet_max = PACKET_MAX, .mpl = 100 * MSEC };

        config.random = client_random;
        assert_int_equal(frct_new(&config, EPOCH, client), 0);
        config.random = server_random;
        assert_int_equal(frct_new(&config, EPOCH, server), 0);
}

#define REQUEST "\x03\x00\x00\x00\xc8\x9c\xe2\x89\x00\x00\x00\x00" "request"
#define REPLY "\x0f\x9c\xe3\x8a\x22\x0a\xa8\x7d\xc8\x9c\xe2\x8a" "reply"
#define BYE "\x0f\x0a\xa9\x7e\xc8\x9c\xe2\x8a\x22\x0a\xa8\x7e" "bye"

static void test_captured(void **state) {
        Frct *client, *server;
        uint8_t buffer[PACKET_MAX];
        nsec_t now = EPOCH;

        plain_ends(&client, &server);

        write_text(client, now, "request");
        EXPECT(client, now, REQUEST);
        HEAR(server, now, REQUEST);
        expect_message(server, now, "request");
        write_text(server, now, "reply");
        EXPECT(server, now, REPLY);
        HEAR(client, now, REPLY);
        expect_message(client, now, "reply");
        write_text(client, now, "bye");
        EXPECT(client, now, BYE);
        HEAR(server, now, BYE);
        expect_message(server, now, "bye");

        /* Nothing more to say: the acknowledgement follows within 10 ms. */
        assert_int_equal(frct_transmit(server, buffer, sizeof(buffer), now), 0);
        assert_true(frct_next(server, now) <= now + 10 * MSEC);
        now = frct_next(server, now);
        frct_expire(server, now);
        EXPECT(server, now, "\x0c\x9c\xe3\x8b\x00\x00\x00\x00\xc8\x9c\xe2\x8b");
        HEAR(client, now, "\x0c\x9c\xe3\x8b\x00\x00\x00\x00\xc8\x9c\xe2\x8b");
        assert_true(frct_is_flushed(client));
        assert_true(frct_is_flushed(server));

        frct_free(client);
        frct_free(server);
}

/* The answer comes later than the acknowledgement, which therefore begins the run. */
static void test_first_acknowledgement(void **state) {
        Frct *client, *server;
        nsec_t now = EPOCH;

        plain_ends(&client, &server);
        HEAR(server, now, REQUEST);
        expect_message(server, now, "request");
        now = frct_next(server, now);
        frct_expire(server, now);
        EXPECT(server, now, "\x0e\x9c\xe3\x8a\x22\x0a\xa8\x7d\xc8\x9c\xe2\x8a");

        now += 700 * MSEC;
        write_text(server, now, "reply");
        EXPECT(server, now, REPLY);

        /* A broken peer's acknowledgement of nothing, and one from before the run, are not taken for something. */
        HEAR(server, now, "\x0c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00");
        HEAR(server, now, "\x04\x00\x00\x00\x00\x00\x00\x00\x22\x0a\xa8\x7c");
        assert_false(frct_is_flushed(server));
        HEAR(server, now, "\x04\x00\x00\x00\x00\x00\x00\x00\x22\x0a\xa8\x7e");
        assert_true(frct_is_flushed(server));

        frct_free(client);
        frct_free(server);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_captured),
                cmocka_unit_test(test_first_acknowledgement),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
