/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What rtnetlink reports of the interface, and what the programs above hear of it. There is no packet socket: the one
 * that the service makes is the test's, and may fail. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <net/if.h>

#include "basic/string.h"
#include "services/ipcp-eth/service.h"
#include "tests/support/layer-fixture.h"

#define NOTHING UINT32_MAX
#define HEADER (1500U - 1496U)          /* what of the MTU is ours: the ids, in DIX frames */

typedef struct Test {
        LayerFixture *f;
        LayerFile file;
        char interface[IFNAMSIZ];
        Service service;
        Channel *app;
} Test;

int __wrap_frame_socket_new(sd_event *event, int ifindex, Framing framing, uint16_t ether_type, size_t frame_max,
                            const FrameSocketEvents *events, void *userdata, FrameSocket **ret);
FrameSocket *__wrap_frame_socket_free(FrameSocket *socket);

/* One without a protocol is refused. */
int __wrap_frame_socket_new(sd_event *event, int ifindex, Framing framing, uint16_t ether_type, size_t frame_max,
                            const FrameSocketEvents *events, void *userdata, FrameSocket **ret) {
        if (ether_type == 0)
                return -EPERM;

        *ret = malloc(1);
        return *ret ? 0 : -ENOMEM;
}

FrameSocket *__wrap_frame_socket_free(FrameSocket *socket) {
        free(socket);
        return NULL;
}

static int set_up(void **state) {
        const EthernetConfig config = { .framing = FRAMING_DIX, .ether_type = 0xa000, .hash = HASH_SHA3_256 };
        Test *t = calloc(1, sizeof(*t));
        void *fixture;

        if (!t || layer_fixture_set_up(&fixture) < 0)
                return -1;

        t->f = fixture;
        (void) copy_string(t->interface, sizeof(t->interface), "eth0");
        t->file = (LayerFile) { .interface = t->interface, .framing = FRAMING_DIX, .ethertype = 0xa000 };
        t->service = (Service) { .daemon = &t->f->daemon, .file = &t->file, .layer = t->f->layer };
        assert_int_equal(ethernet_init(&t->service.ethernet, &config, &service_core_events, &t->service, time_now()), 0);
        layer_fixture_establish(t->f, &t->app);
        *state = t;
        return 0;
}

static int tear_down(void **state) {
        Test *t = *state;
        void *fixture = t->f;

        channel_free(t->app);
        t->service.socket = frame_socket_free(t->service.socket);
        ethernet_done(&t->service.ethernet);
        (void) layer_fixture_tear_down(&fixture);
        free(t);
        return 0;
}

/* What the program's doorbell has; the newest of it. */
static void expect_told(Test *t, bool told, bool down, uint32_t packet_max) {
        PathState path = { .packet_max = NOTHING };

        layer_fixture_pump(t->f);
        assert_int_equal(doorbell_drain_path(channel_fd(t->app), NULL, &path, NULL), 0);
        assert_int_equal(path.packet_max, told ? packet_max : NOTHING);
        assert_int_equal(path.down, told && down);
}

/* One story, step by step. */
static const struct {
        const char *name;
        LinkInfo info;
        bool told, down;
        uint32_t packet_max;
} steps[] = {
        { "as the IRM knows it",    { 2, true,  true,  true,  {{ 2 }}, 1500, "" }, false, false, 0 },
        { "the cable is pulled",    { 2, true,  true,  false, {{ 2 }}, 1500, "" }, true,  true,  1500 - HEADER },
        { "heard again",            { 2, true,  true,  false, {{ 2 }}, 1500, "" }, false, false, 0 },
        { "and back",               { 2, true,  true,  true,  {{ 2 }}, 1500, "" }, true,  false, 1500 - HEADER },
        { "set down",               { 2, true,  false, false, {{ 2 }}, 1500, "" }, true,  true,  1500 - HEADER },
        { "a smaller MTU, down",    { 2, true,  false, false, {{ 2 }}, 1280, "" }, true,  true,  1280 - HEADER },
        { "set up",                 { 2, true,  true,  true,  {{ 2 }}, 1280, "" }, true,  false, 1280 - HEADER },
        { "a larger one",           { 2, true,  true,  true,  {{ 2 }}, 9000, "" }, true,  false, 9000 - HEADER },
        { "another address",        { 2, true,  true,  true,  {{ 6 }}, 9000, "" }, false, false, 0 },
        { "gone",                   { 0, false, false, false, {{ 0 }}, 0,    "" }, true,  true,  0 },
        { "another of that name",   { 7, true,  true,  true,  {{ 2 }}, 1500, "" }, true,  false, 1500 - HEADER },
        { "that is no Ethernet",    { 7, false, true,  true,  {{ 0 }}, 1500, "" }, true,  true,  0 },
        { "an MTU for nothing",     { 8, true,  true,  true,  {{ 2 }}, HEADER, "" }, false, false, 0 },
        { "and one for something",  { 8, true,  true,  true,  {{ 2 }}, 1500, "" }, true,  false, 1500 - HEADER },
};

static void test_story(void **state) {
        Test *t = *state;

        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                print_message("%s\n", steps[i].name);
                service_link_changed(&t->service, &steps[i].info);
                expect_told(t, steps[i].told, steps[i].down, steps[i].packet_max);
        }
}

/* Much news at once: the program finds what is the case. */
static void test_burst(void **state) {
        LinkInfo info = { 2, true, true, true, {{ 2 }}, 1500, "" };
        PathState path = {};
        Test *t = *state;

        for (unsigned i = 0; i < 2000; i++) {
                info.carrier = i % 3 == 0;
                info.mtu = 1000 + i;
                service_link_changed(&t->service, &info);
        }

        for (unsigned i = 0; i < 2000 && path.packet_max != info.mtu - HEADER; i++) {
                layer_fixture_pump(t->f);
                assert_int_equal(channel_drain_path(t->app, &path, NULL), 0);
        }
        assert_int_equal(path.packet_max, info.mtu - HEADER);
        assert_int_equal(path.down, !info.carrier);
}

/* An interface that we cannot use carries nothing, however good it is. */
static void test_no_socket(void **state) {
        const LinkInfo good = { 2, true, true, true, {{ 2 }}, 1500, "" };
        Test *t = *state;

        t->file.ethertype = 0;
        service_link_changed(&t->service, &good);
        expect_told(t, true, true, 1500 - HEADER);
        t->file.ethertype = 0xa000;
        service_link_changed(&t->service, &good);
        expect_told(t, true, false, 1500 - HEADER);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_story, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_burst, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_no_socket, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
