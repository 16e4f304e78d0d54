/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the member of a layer tells of its neighbours and of the layer, and what the bus shows of it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "basic/time.h"
#include "tests/unit/irm/member-double.h"

/* -- neighbours -- */

/* "beta up mgmt dt 1001 1200 5 6 7; " */
static const char *neighbours(BusFixture *f, char text[MEMBER_TEXT_MAX]) {
        const char *name, *state, *components;
        sd_bus_message *reply = NULL;
        uint64_t address, tx, rx;
        int64_t rtt, since;
        size_t n = 0;

        text[0] = '\0';
        assert_true(sd_bus_call_method(f->bus, BUS_NAME_IRM, MEMBER_PATH, BUS_INTERFACE_LAYER, "ListNeighbours", NULL,
                                       &reply, NULL) >= 0);
        assert_true(sd_bus_message_enter_container(reply, 'a', "(ssstxxtta{sv})") > 0);
        while (sd_bus_message_enter_container(reply, 'r', "ssstxxtta{sv}") > 0) {
                assert_true(sd_bus_message_read(reply, "ssstxxtt", &name, &state, &components, &address, &rtt, &since,
                                                &tx, &rx) > 0);
                assert_true(sd_bus_message_skip(reply, "a{sv}") > 0);
                assert_true(sd_bus_message_exit_container(reply) > 0);
                n += (size_t) snprintf(text + n, MEMBER_TEXT_MAX - n,
                                       "%s %s %s %" PRIu64 " %" PRIi64 " %" PRIi64 " %" PRIu64 " %" PRIu64 "; ", name,
                                       state, components, address, rtt, since, tx, rx);
        }
        sd_bus_message_unref(reply);
        return text;
}

static void wait_for_neighbours(BusFixture *f, const char *expected) {
        usec_t deadline = usec_add(time_now(), 60 * USEC_PER_SEC);
        char text[MEMBER_TEXT_MAX] = "";

        while (!streq(neighbours(f, text), expected) && time_now() < deadline)
                ;
        assert_string_equal(text, expected);
}

static int keep_signal(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *name, *before, *now, *reason;
        char *text = userdata;
        size_t n = strlen(text);

        if (sd_bus_message_read(m, "ssss", &name, &before, &now, &reason) > 0)
                (void) snprintf(text + n, MEMBER_TEXT_MAX - n, "%s %s %s %s; ", name, before, now, reason);
        return 0;
}

static void wait_for_signals(BusFixture *f, const char *text, const char *expected) {
        usec_t deadline = usec_add(time_now(), 60 * USEC_PER_SEC);

        while (!streq(text, expected) && time_now() < deadline)
                if (sd_bus_process(f->bus, NULL) == 0)
                        (void) sd_bus_wait(f->bus, 50 * USEC_PER_MSEC);
        assert_string_equal(text, expected);
}

static void test_neighbours(void **state) {
        char signals[MEMBER_TEXT_MAX] = "";
        BusFixture *f = *state;
        uint32_t n = 0;
        uint64_t address = 0;
        int layer = member_connect(f, LAYER_UNICAST, LAYER_ONLINE), again;

        assert_true(sd_bus_match_signal(f->bus, NULL, BUS_NAME_IRM, MEMBER_PATH, BUS_INTERFACE_LAYER,
                                        "NeighbourChanged", keep_signal, signals) >= 0);
        assert_true(sd_bus_get_property_trivial(f->bus, BUS_NAME_IRM, MEMBER_PATH, BUS_INTERFACE_LAYER, "Address", NULL,
                                                't', &address) >= 0);
        assert_true(address == 4711);

        member_say_neighbour(layer, 1, LAYER_NEIGHBOUR_TRYING, "home.beta", "no answer in 5 s");
        wait_for_neighbours(f, "home.beta trying  0 -1 5 6 7; ");
        member_say_neighbour(layer, 1, LAYER_NEIGHBOUR_UP, "beta", "");
        member_say_neighbour(layer, 2, LAYER_NEIGHBOUR_UP, "gamma", "");
        wait_for_neighbours(f, "beta up mgmt dt 1001 1200 5 6 7; gamma up mgmt dt 1002 1200 5 6 7; ");
        assert_true(sd_bus_get_property_trivial(f->bus, BUS_NAME_IRM, MEMBER_PATH, BUS_INTERFACE_LAYER, "NNeighbours",
                                                NULL, 'u', &n) >= 0);
        assert_int_equal(n, 2);

        member_say_neighbour(layer, 2, LAYER_NEIGHBOUR_UP, "gamma", "");       /* nothing new: no signal */
        member_say_neighbour(layer, 1, LAYER_NEIGHBOUR_DOWN, "beta", "it went away");
        member_say_neighbour(layer, 7, LAYER_NEIGHBOUR_DOWN, "nobody", "");    /* never heard of */
        wait_for_neighbours(f, "gamma up mgmt dt 1002 1200 5 6 7; ");
        wait_for_signals(f, signals, "home.beta down trying no answer in 5 s; beta trying up ; gamma down up ; "
                                     "beta up down it went away; ");

        /* A new connection tells everything anew, under keys of its own. */
        (void) close(layer);
        member_wait_for(f, MEMBER_PATH, BUS_INTERFACE_LAYER, "State", "starting");
        again = member_connect(f, LAYER_UNICAST, LAYER_ONLINE);
        wait_for_neighbours(f, "");
        (void) close(again);
}

/* -- which layer it is -- */

static int note_id_changed(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        unsigned *n = userdata;
        const char *property;

        if (sd_bus_message_skip(m, "s") < 0 || sd_bus_message_enter_container(m, 'a', "{sv}") < 0)
                return 0;
        while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
                if (sd_bus_message_read(m, "s", &property) > 0 && streq(property, "Id"))
                        (*n)++;
                (void) sd_bus_message_skip(m, "v");
                (void) sd_bus_message_exit_container(m);
        }

        return 0;
}

static size_t get_id(BusFixture *f, uint8_t id[LAYER_ID_BYTES]) {
        sd_bus_message *reply = NULL;
        const void *bytes;
        size_t size;

        assert_true(sd_bus_get_property(f->bus, BUS_NAME_IRM, MEMBER_PATH, BUS_INTERFACE_LAYER, "Id", NULL, &reply,
                                        "ay") >= 0);
        assert_true(sd_bus_message_read_array(reply, 'y', &bytes, &size) >= 0);
        assert_true(size <= LAYER_ID_BYTES);
        memcpy(id, bytes, size);
        sd_bus_message_unref(reply);
        return size;
}

static bool describe_shows(BusFixture *f, const char *what) {
        sd_bus_message *reply = NULL;
        const char *json;
        bool shown;

        assert_true(sd_bus_call_method(f->bus, BUS_NAME_IRM, MEMBER_PATH, BUS_INTERFACE_LAYER, "Describe", NULL, &reply,
                                       NULL) >= 0);
        assert_true(sd_bus_message_read(reply, "s", &json) > 0);
        shown = strstr(json, what) != NULL;
        sd_bus_message_unref(reply);
        return shown;
}

static void wait_for_changes(BusFixture *f, const unsigned *n, unsigned expected) {
        usec_t deadline = usec_add(time_now(), 60 * USEC_PER_SEC);

        while (*n < expected && time_now() < deadline)
                if (sd_bus_process(f->bus, NULL) == 0)
                        (void) sd_bus_wait(f->bus, 50 * USEC_PER_MSEC);
        assert_int_equal(*n, expected);
}

/* There while its IPCP says so, and gone with it; each change is told once. */
static void test_layer_id(void **state) {
        static const uint8_t expected[LAYER_ID_BYTES] = MEMBER_LAYER_ID;
        uint8_t id[LAYER_ID_BYTES] = {};
        BusFixture *f = *state;
        unsigned n = 0;
        int layer;

        assert_true(sd_bus_match_signal(f->bus, NULL, BUS_NAME_IRM, MEMBER_PATH, "org.freedesktop.DBus.Properties",
                                        "PropertiesChanged", note_id_changed, &n) >= 0);
        layer = member_connect(f, LAYER_UNICAST, LAYER_STARTING);
        assert_int_equal(get_id(f, id), 0);
        assert_true(describe_shows(f, "\"id\":null"));

        member_say_state(layer, LAYER_ONLINE, "a member", 4711);
        member_wait_for(f, MEMBER_PATH, BUS_INTERFACE_LAYER, "State", "online");
        assert_int_equal(get_id(f, id), LAYER_ID_BYTES);
        assert_memory_equal(id, expected, LAYER_ID_BYTES);
        assert_true(describe_shows(f, "\"id\":\"" MEMBER_LAYER_ID_TEXT "\""));
        wait_for_changes(f, &n, 1);

        member_say_state(layer, LAYER_ONLINE, "the same", 4711);
        member_say_state(layer, LAYER_DEGRADED, "no member any more", 0);
        member_wait_for(f, MEMBER_PATH, BUS_INTERFACE_LAYER, "State", "degraded");
        assert_int_equal(get_id(f, id), 0);
        wait_for_changes(f, &n, 2);
        (void) close(layer);
}

#define TEST(name) cmocka_unit_test_prestate_setup_teardown(name, bus_fixture_set_up, bus_fixture_tear_down, argv[1])

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                TEST(test_neighbours),
                TEST(test_layer_id),
        };

        if (argc < 2)
                return 2;

        return cmocka_run_group_tests(tests, NULL, NULL);
}
