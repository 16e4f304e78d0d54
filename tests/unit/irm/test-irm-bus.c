/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What Resolve, NeedReload and operations say (bus-fixture.h). Users other than root run the first half. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "basic/time.h"
#include "libo7s/bus-names.h"
#include "tests/unit/irm/bus-fixture.h"

#define TEXT_MAX 4096U

/* -- asking -- */

static int keep_reply(sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        sd_bus_message **ret = userdata;

        *ret = sd_bus_message_ref(reply);
        return 0;
}

static void ask(BusFixture *f, const char *name, sd_bus_message **ret) {
        *ret = NULL;
        assert_true(sd_bus_call_method_async(f->bus, NULL, BUS_NAME_IRM, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "Resolve",
                                             keep_reply, ret, "sa{sv}", name, 0) >= 0);
        assert_true(sd_bus_flush(f->bus) >= 0);
}

static void wait_for(BusFixture *f, sd_bus_message **reply) {
        usec_t deadline = usec_add(time_now(), 60 * USEC_PER_SEC);

        while (!*reply) {
                assert_true(time_now() < deadline);
                if (sd_bus_process(f->bus, NULL) == 0)
                        (void) sd_bus_wait(f->bus, 50 * USEC_PER_MSEC);
        }
}

/* "local not-found; lan found; ". A layer that answered has a time. */
static const char *rows(BusFixture *f, sd_bus_message **reply, char text[TEXT_MAX]) {
        const char *layer, *state;
        size_t n = 0;
        int64_t rtt;

        wait_for(f, reply);
        text[0] = '\0';
        assert_false(sd_bus_message_is_method_error(*reply, NULL));
        assert_true(sd_bus_message_enter_container(*reply, 'a', "(ssxa{sv})") > 0);
        while (sd_bus_message_enter_container(*reply, 'r', "ssxa{sv}") > 0) {
                assert_true(sd_bus_message_read(*reply, "ssx", &layer, &state, &rtt) > 0);
                assert_true(sd_bus_message_skip(*reply, "a{sv}") > 0);
                assert_true(sd_bus_message_exit_container(*reply) > 0);
                if (streq(state, "found"))
                        assert_true(rtt >= 0);
                if (streq(state, "skipped") || streq(state, "no-answer"))
                        assert_true(rtt < 0);
                n += (size_t) snprintf(text + n, TEXT_MAX - n, "%s %s; ", layer, state);
        }

        *reply = sd_bus_message_unref(*reply);
        return text;
}

static void answer(int layer, int result) {
        LayerMessage query, done = { .type = LAYER_QUERY_DONE, .result = result };

        layer_hear(layer, LAYER_QUERY, &query, NULL);
        done.query_id = query.query_id;
        layer_say(layer, &done, NULL, 0);
}

static void test_resolve(void **state) {
        BusFixture *f = *state;
        sd_bus_message *reply = NULL;
        char text[TEXT_MAX];
        usec_t before;
        int layer;

        ask(f, "far.example", &reply);                  /* nobody to ask: at once */
        assert_string_equal(rows(f, &reply, text), "local not-found; lan skipped; ");

        layer = bus_fixture_online_layer(f);
        ask(f, "far.example", &reply);
        answer(layer, 0);
        assert_string_equal(rows(f, &reply, text), "local not-found; lan found; ");

        ask(f, "here", &reply);
        answer(layer, -ENOENT);
        assert_string_equal(rows(f, &reply, text), "local waiting; lan not-found; ");

        ask(f, "elsewhere", &reply);
        answer(layer, -ENOENT);
        assert_string_equal(rows(f, &reply, text), "local skipped; lan not-found; ");

        before = time_now();
        ask(f, "far.example", &reply);                  /* silence */
        assert_string_equal(rows(f, &reply, text), "local not-found; lan no-answer; ");
        assert_true(time_now() - before >= 800 * USEC_PER_MSEC);
        assert_true(time_now() - before < 3 * USEC_PER_SEC);
        (void) close(layer);
}

/* A layer that goes away while it is asked holds nobody up. */
static void test_layer_goes(void **state) {
        BusFixture *f = *state;
        sd_bus_message *reply = NULL;
        char text[TEXT_MAX];
        LayerMessage query;
        int layer = bus_fixture_online_layer(f);
        usec_t before;

        ask(f, "far.example", &reply);
        layer_hear(layer, LAYER_QUERY, &query, NULL);
        before = time_now();
        (void) close(layer);
        assert_string_equal(rows(f, &reply, text), "local not-found; lan skipped; ");
        assert_true(time_now() - before < 800 * USEC_PER_MSEC);
}

static void test_resolve_refusals(void **state) {
        sd_bus_message *replies[9] = {};
        BusFixture *f = *state;
        int layer = bus_fixture_online_layer(f);

        for (size_t i = 0; i < ELEMENTSOF(replies); i++)
                ask(f, "far.example", &replies[i]);
        wait_for(f, &replies[8]);                       /* one too many, refused while the others wait */
        assert_true(sd_bus_message_is_method_error(replies[8], BUS_ERROR_PREFIX "QuotaExceeded"));
        assert_null(replies[0]);
        for (size_t i = 0; i < ELEMENTSOF(replies); i++) {
                wait_for(f, &replies[i]);
                sd_bus_message_unref(replies[i]);
        }

        ask(f, "a/b", &replies[0]);
        wait_for(f, &replies[0]);
        assert_true(sd_bus_message_is_method_error(replies[0], BUS_ERROR_PREFIX "InvalidArgument"));
        sd_bus_message_unref(replies[0]);
        (void) close(layer);
}

/* -- what only root may here -- */

static bool need_reload(BusFixture *f, const char *path, const char *interface) {
        int value = -1;

        assert_true(sd_bus_get_property_trivial(f->bus, BUS_NAME_IRM, path, interface, "NeedReload", NULL, 'b',
                                                &value) >= 0);
        return value > 0;
}

static void test_need_reload(void **state) {
        static const char drop_in[] = "layers/lan.layer.d/more.conf";
        BusFixture *f = *state;

        if (geteuid() != 0)
                skip();

        assert_false(need_reload(f, BUS_PATH_LAYER "/lan", BUS_INTERFACE_LAYER));
        fixture_write(&f->irm, drop_in, "[Layer]\nDescription=More\n");
        assert_true(need_reload(f, BUS_PATH_LAYER "/lan", BUS_INTERFACE_LAYER));
        assert_true(need_reload(f, BUS_PATH_IRM, BUS_INTERFACE_MANAGER));

        assert_true(sd_bus_call_method(f->bus, BUS_NAME_IRM, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "Reload", NULL, NULL,
                                       NULL) >= 0);
        assert_false(need_reload(f, BUS_PATH_LAYER "/lan", BUS_INTERFACE_LAYER));
        assert_false(need_reload(f, BUS_PATH_IRM, BUS_INTERFACE_MANAGER));
}

/* "reload-systemd done; ...", and the progress. */
static double look(BusFixture *f, const char *operation, char text[TEXT_MAX]) {
        const char *step, *state;
        sd_bus_message *reply;
        double progress;
        size_t n = 0;

        assert_true(sd_bus_get_property(f->bus, BUS_NAME_IRM, operation, BUS_INTERFACE_OPERATION, "Steps", NULL, &reply,
                                        "a(sssx)") >= 0);
        assert_true(sd_bus_message_enter_container(reply, 'a', "(sssx)") > 0);
        text[0] = '\0';
        while (sd_bus_message_enter_container(reply, 'r', "sssx") > 0) {
                assert_true(sd_bus_message_read(reply, "ss", &step, &state) > 0);
                assert_true(sd_bus_message_skip(reply, "sx") > 0);
                assert_true(sd_bus_message_exit_container(reply) > 0);
                n += (size_t) snprintf(text + n, TEXT_MAX - n, "%s %s; ", step, state);
        }
        sd_bus_message_unref(reply);
        assert_true(sd_bus_get_property_trivial(f->bus, BUS_NAME_IRM, operation, BUS_INTERFACE_OPERATION, "Progress",
                                                NULL, 'd', &progress) >= 0);
        return progress;
}

static void look_until(BusFixture *f, const char *operation, const char *expected, double progress) {
        usec_t deadline = usec_add(time_now(), 60 * USEC_PER_SEC);
        char text[TEXT_MAX] = "";
        double seen = 0;

        while (!streq(text, expected) && time_now() < deadline)
                seen = look(f, operation, text);
        assert_string_equal(text, expected);
        assert_true(seen > progress - 0.01 && seen < progress + 0.01);
}

static char *begin(BusFixture *f, const char *member, const char *layer) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply;
        const char *path;
        char *copy;

        if (sd_bus_call_method(f->bus, BUS_NAME_IRM, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, member, &error, &reply, "st",
                               layer, UINT64_C(0)) < 0)
                fail_msg("%s %s: %s: %s", member, layer, error.name, error.message);
        assert_true(sd_bus_message_read(reply, "o", &path) > 0);
        copy = strdup(path);
        sd_bus_message_unref(reply);
        return copy;
}

static void test_operation(void **state) {
        _cleanup_free_ char *start = NULL, *stop = NULL, *broken = NULL;
        BusFixture *f = *state;
        int layer;

        if (geteuid() != 0)
                skip();

        start = begin(f, "StartLayer", "lan");
        look_until(f, start, "reload-systemd done; queue-job done; unit done; layer-online running; ", 0.75);
        layer = fixture_connect_layer(&f->irm);
        layer_come_online(layer, "lan");
        look_until(f, start, "reload-systemd done; queue-job done; unit done; layer-online done; ", 1.0);

        stop = begin(f, "StopLayer", "lan");
        look_until(f, stop, "queue-job done; unit done; ", 1.0);

        fixture_write(&f->irm, "layers/broken.layer", "[Layer]\nType=eth\n[Ethernet]\nInterface=eth1\n");
        broken = begin(f, "StartLayer", "broken");
        look_until(f, broken, "reload-systemd done; queue-job done; unit failed; layer-online pending; ", 0.5);
        (void) close(layer);
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_prestate_setup_teardown(test_resolve, bus_fixture_set_up, bus_fixture_tear_down,
                                                         argv[1]),
                cmocka_unit_test_prestate_setup_teardown(test_layer_goes, bus_fixture_set_up, bus_fixture_tear_down,
                                                         argv[1]),
                cmocka_unit_test_prestate_setup_teardown(test_resolve_refusals, bus_fixture_set_up,
                                                         bus_fixture_tear_down,
                                                         argv[1]),
                cmocka_unit_test_prestate_setup_teardown(test_need_reload, bus_fixture_set_up, bus_fixture_tear_down,
                                                         argv[1]),
                cmocka_unit_test_prestate_setup_teardown(test_operation, bus_fixture_set_up, bus_fixture_tear_down,
                                                         argv[1]),
        };

        if (argc < 2)
                return 2;

        return cmocka_run_group_tests(tests, NULL, NULL);
}
