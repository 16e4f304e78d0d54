/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Orders to the member of a layer, and what it tells of its neighbours. This test plays the IPCP of the layer "home"
 * (see bus-fixture.h); there is no polkit, so root may give orders and nobody else.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "basic/time.h"
#include "libo7s/bus-names.h"
#include "services/common/layer-order.h"
#include "tests/unit/irm/bus-fixture.h"

#define HOME_PATH BUS_PATH_LAYER "/home"
#define TEXT_MAX 4096U
#define NOBODY 65534
#define LAYER_ID { 0xa0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xf5 }
#define LAYER_ID_TEXT "a00102030405060708090a0b0c0d0ef5"

static LayerMessage message;            /* too large for the stack of a sanitized test */

/* -- the layer -- */

static void say_state(int layer, LayerState state, const char *text, uint64_t address) {
        message = (LayerMessage) {
                .type = LAYER_STATE,
                .state = state,
                .mtu = 1400,
                .address = address,
                .have_layer_id = address != 0,
                .layer_id = LAYER_ID,
        };
        (void) snprintf(message.text, sizeof(message.text), "%s", text);
        layer_say(layer, &message, NULL, 0);
}

static void say_neighbour(int layer, uint64_t key, LayerNeighbourState state, const char *name, const char *text) {
        message = (LayerMessage) {
                .type = LAYER_NEIGHBOUR,
                .neighbour = {
                        .key = key,
                        .state = state,
                        .components = state == LAYER_NEIGHBOUR_UP ? LAYER_COMPONENTS_ALL : 0,
                        .address = state == LAYER_NEIGHBOUR_UP ? 1000 + key : 0,
                        .rtt_usec = state == LAYER_NEIGHBOUR_UP ? 1200 : 0,
                        .since_usec = 5,
                        .tx_bytes = 6,
                        .rx_bytes = 7,
                        .cost = 1,
                },
                .lower = "lan",
        };
        (void) snprintf(message.name, sizeof(message.name), "%s", name);
        (void) snprintf(message.text, sizeof(message.text), "%s", text);
        layer_say(layer, &message, NULL, 0);
}

static void say_done(int layer, uint64_t id, int32_t result, const char *text) {
        message = (LayerMessage) { .type = LAYER_ORDER_DONE, .query_id = id, .result = result };
        (void) snprintf(message.text, sizeof(message.text), "%s", text);
        layer_say(layer, &message, NULL, 0);
}

static void get_text(BusFixture *f, const char *path, const char *interface, const char *property,
                     char text[TEXT_MAX]) {
        char *value = NULL;

        text[0] = '\0';
        if (sd_bus_get_property_string(f->bus, BUS_NAME_IRM, path, interface, property, NULL, &value) >= 0)
                (void) snprintf(text, TEXT_MAX, "%s", value);
        free(value);
}

static void wait_for_text(BusFixture *f, const char *path, const char *interface, const char *property,
                          const char *expected) {
        usec_t deadline = usec_add(time_now(), 5 * USEC_PER_SEC);
        char text[TEXT_MAX] = "";

        while (!streq(text, expected) && time_now() < deadline)
                get_text(f, path, interface, property, text);
        assert_string_equal(text, expected);
}

static int home(BusFixture *f, LayerType type, LayerState state) {
        int layer = fixture_connect_layer(&f->irm);

        message = (LayerMessage) {
                .type = LAYER_HELLO,
                .version = LAYER_PROTOCOL_VERSION,
                .layer_type = type,
                .hash_algorithm = 1,
                .mtu = 1400,
                .oap_max = 1300,
                .layer = "home",
        };
        layer_say(layer, &message, NULL, 0);
        layer_hear(layer, LAYER_WELCOME, &message, NULL);
        say_state(layer, state, "playing a layer", state == LAYER_ONLINE ? 4711 : 0);
        wait_for_text(f, HOME_PATH, BUS_INTERFACE_LAYER, "State", layer_state_to_string(state));
        return layer;
}

/* -- neighbours -- */

/* "beta up mgmt dt 1001 1200 5 6 7; " */
static const char *neighbours(BusFixture *f, char text[TEXT_MAX]) {
        const char *name, *state, *components;
        sd_bus_message *reply = NULL;
        uint64_t address, tx, rx;
        int64_t rtt, since;
        size_t n = 0;

        text[0] = '\0';
        assert_true(sd_bus_call_method(f->bus, BUS_NAME_IRM, HOME_PATH, BUS_INTERFACE_LAYER, "ListNeighbours", NULL,
                                       &reply, NULL) >= 0);
        assert_true(sd_bus_message_enter_container(reply, 'a', "(ssstxxtta{sv})") > 0);
        while (sd_bus_message_enter_container(reply, 'r', "ssstxxtta{sv}") > 0) {
                assert_true(sd_bus_message_read(reply, "ssstxxtt", &name, &state, &components, &address, &rtt, &since,
                                                &tx, &rx) > 0);
                assert_true(sd_bus_message_skip(reply, "a{sv}") > 0);
                assert_true(sd_bus_message_exit_container(reply) > 0);
                n += (size_t) snprintf(text + n, TEXT_MAX - n,
                                       "%s %s %s %" PRIu64 " %" PRIi64 " %" PRIi64 " %" PRIu64 " %" PRIu64 "; ", name,
                                       state, components, address, rtt, since, tx, rx);
        }
        sd_bus_message_unref(reply);
        return text;
}

static void wait_for_neighbours(BusFixture *f, const char *expected) {
        usec_t deadline = usec_add(time_now(), 5 * USEC_PER_SEC);
        char text[TEXT_MAX] = "";

        while (!streq(neighbours(f, text), expected) && time_now() < deadline)
                ;
        assert_string_equal(text, expected);
}

static int keep_signal(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *name, *before, *now, *reason;
        char *text = userdata;
        size_t n = strlen(text);

        if (sd_bus_message_read(m, "ssss", &name, &before, &now, &reason) > 0)
                (void) snprintf(text + n, TEXT_MAX - n, "%s %s %s %s; ", name, before, now, reason);
        return 0;
}

static void wait_for_signals(BusFixture *f, const char *text, const char *expected) {
        usec_t deadline = usec_add(time_now(), 5 * USEC_PER_SEC);

        while (!streq(text, expected) && time_now() < deadline)
                if (sd_bus_process(f->bus, NULL) == 0)
                        (void) sd_bus_wait(f->bus, 50 * USEC_PER_MSEC);
        assert_string_equal(text, expected);
}

static void test_neighbours(void **state) {
        char signals[TEXT_MAX] = "";
        BusFixture *f = *state;
        uint32_t n = 0;
        uint64_t address = 0;
        int layer = home(f, LAYER_UNICAST, LAYER_ONLINE), again;

        assert_true(sd_bus_match_signal(f->bus, NULL, BUS_NAME_IRM, HOME_PATH, BUS_INTERFACE_LAYER, "NeighbourChanged",
                                        keep_signal, signals) >= 0);
        assert_true(sd_bus_get_property_trivial(f->bus, BUS_NAME_IRM, HOME_PATH, BUS_INTERFACE_LAYER, "Address", NULL,
                                                't', &address) >= 0);
        assert_true(address == 4711);

        say_neighbour(layer, 1, LAYER_NEIGHBOUR_TRYING, "home.beta", "no answer in 5 s");
        wait_for_neighbours(f, "home.beta trying  0 -1 5 6 7; ");
        say_neighbour(layer, 1, LAYER_NEIGHBOUR_UP, "beta", "");
        say_neighbour(layer, 2, LAYER_NEIGHBOUR_UP, "gamma", "");
        wait_for_neighbours(f, "beta up mgmt dt 1001 1200 5 6 7; gamma up mgmt dt 1002 1200 5 6 7; ");
        assert_true(sd_bus_get_property_trivial(f->bus, BUS_NAME_IRM, HOME_PATH, BUS_INTERFACE_LAYER, "NNeighbours",
                                                NULL, 'u', &n) >= 0);
        assert_int_equal(n, 2);

        say_neighbour(layer, 2, LAYER_NEIGHBOUR_UP, "gamma", "");       /* nothing new: no signal */
        say_neighbour(layer, 1, LAYER_NEIGHBOUR_DOWN, "beta", "it went away");
        say_neighbour(layer, 7, LAYER_NEIGHBOUR_DOWN, "nobody", "");    /* never heard of */
        wait_for_neighbours(f, "gamma up mgmt dt 1002 1200 5 6 7; ");
        wait_for_signals(f, signals, "home.beta down trying no answer in 5 s; beta trying up ; gamma down up ; "
                                     "beta up down it went away; ");

        /* A new connection tells everything anew, under keys of its own. */
        (void) close(layer);
        wait_for_text(f, HOME_PATH, BUS_INTERFACE_LAYER, "State", "starting");
        again = home(f, LAYER_UNICAST, LAYER_ONLINE);
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

        assert_true(sd_bus_get_property(f->bus, BUS_NAME_IRM, HOME_PATH, BUS_INTERFACE_LAYER, "Id", NULL, &reply,
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

        assert_true(sd_bus_call_method(f->bus, BUS_NAME_IRM, HOME_PATH, BUS_INTERFACE_LAYER, "Describe", NULL, &reply,
                                       NULL) >= 0);
        assert_true(sd_bus_message_read(reply, "s", &json) > 0);
        shown = strstr(json, what) != NULL;
        sd_bus_message_unref(reply);
        return shown;
}

static void wait_for_changes(BusFixture *f, const unsigned *n, unsigned expected) {
        usec_t deadline = usec_add(time_now(), 5 * USEC_PER_SEC);

        while (*n < expected && time_now() < deadline)
                if (sd_bus_process(f->bus, NULL) == 0)
                        (void) sd_bus_wait(f->bus, 50 * USEC_PER_MSEC);
        assert_int_equal(*n, expected);
}

/* There while its IPCP says so, and gone with it; each change is told once. */
static void test_layer_id(void **state) {
        static const uint8_t expected[LAYER_ID_BYTES] = LAYER_ID;
        uint8_t id[LAYER_ID_BYTES] = {};
        BusFixture *f = *state;
        unsigned n = 0;
        int layer;

        assert_true(sd_bus_match_signal(f->bus, NULL, BUS_NAME_IRM, HOME_PATH, "org.freedesktop.DBus.Properties",
                                        "PropertiesChanged", note_id_changed, &n) >= 0);
        layer = home(f, LAYER_UNICAST, LAYER_STARTING);
        assert_int_equal(get_id(f, id), 0);
        assert_true(describe_shows(f, "\"id\":null"));

        say_state(layer, LAYER_ONLINE, "a member", 4711);
        wait_for_text(f, HOME_PATH, BUS_INTERFACE_LAYER, "State", "online");
        assert_int_equal(get_id(f, id), LAYER_ID_BYTES);
        assert_memory_equal(id, expected, LAYER_ID_BYTES);
        assert_true(describe_shows(f, "\"id\":\"" LAYER_ID_TEXT "\""));
        wait_for_changes(f, &n, 1);

        say_state(layer, LAYER_ONLINE, "the same", 4711);
        say_state(layer, LAYER_DEGRADED, "no member any more", 0);
        wait_for_text(f, HOME_PATH, BUS_INTERFACE_LAYER, "State", "degraded");
        assert_int_equal(get_id(f, id), 0);
        wait_for_changes(f, &n, 2);
        (void) close(layer);
}

/* -- orders -- */

/* Begins an operation; NULL with the error's name in error. */
static char *order(BusFixture *f, sd_bus_error *error, const char *member, const char *types, ...) {
        sd_bus_message *call = NULL, *reply = NULL;
        const char *path;
        char *copy = NULL;
        va_list list;

        assert_true(sd_bus_message_new_method_call(f->bus, &call, BUS_NAME_IRM, HOME_PATH, BUS_INTERFACE_LAYER,
                                                   member) >= 0);
        va_start(list, types);
        assert_true(sd_bus_message_appendv(call, types, list) >= 0);
        va_end(list);

        if (sd_bus_call(f->bus, call, 0, error, &reply) >= 0) {
                assert_true(sd_bus_message_read(reply, "o", &path) > 0);
                copy = strdup(path);
        }
        sd_bus_message_unref(call);
        sd_bus_message_unref(reply);
        return copy;
}

static void test_connect(void **state) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *good = NULL, *bad = NULL, *gone = NULL, *quick = NULL;
        BusFixture *f = *state;
        LayerMessage heard;
        int layer;

        if (geteuid() != 0)
                skip();

        layer = home(f, LAYER_UNICAST, LAYER_ONLINE);

        good = order(f, &error, "Connect", "sasa{sv}t", "home.beta", 1, "mgmt", 1, "Over", "s", "lan", UINT64_C(0));
        assert_non_null(good);
        layer_hear(layer, LAYER_ORDER, &heard, NULL);
        assert_int_equal(heard.order, LAYER_ORDER_CONNECT);
        assert_int_equal(heard.components, LAYER_COMPONENT_MANAGEMENT);
        assert_string_equal(heard.name, "home.beta");
        assert_string_equal(heard.lower, "lan");
        wait_for_text(f, good, BUS_INTERFACE_OPERATION, "State", "running");
        wait_for_text(f, good, BUS_INTERFACE_OPERATION, "Kind", "connect");
        say_done(layer, heard.query_id + 1, 0, "of nobody");            /* not an operation */
        say_done(layer, heard.query_id, 0, "home.beta is a neighbour");
        wait_for_text(f, good, BUS_INTERFACE_OPERATION, "State", "done");
        wait_for_text(f, good, BUS_INTERFACE_OPERATION, "Message", "home.beta is a neighbour");
        say_done(layer, heard.query_id, -EIO, "or is it");              /* an end is an end */
        wait_for_text(f, good, BUS_INTERFACE_OPERATION, "State", "done");

        bad = order(f, &error, "Disconnect", "sast", "home.delta", 0, UINT64_C(0));
        assert_non_null(bad);
        layer_hear(layer, LAYER_ORDER, &heard, NULL);
        assert_int_equal(heard.order, LAYER_ORDER_DISCONNECT);
        assert_int_equal(heard.components, LAYER_COMPONENTS_ALL);
        say_done(layer, heard.query_id, -ENOENT, "No neighbour 'home.delta' was asked for");
        wait_for_text(f, bad, BUS_INTERFACE_OPERATION, "State", "failed");
        wait_for_text(f, bad, BUS_INTERFACE_OPERATION, "Message", "No neighbour 'home.delta' was asked for");

        quick = order(f, &error, "Connect", "sasa{sv}t", "home.beta", 0, 0, UINT64_C(2));
        assert_non_null(quick);
        wait_for_text(f, quick, BUS_INTERFACE_OPERATION, "State", "done");

        gone = order(f, &error, "Connect", "sasa{sv}t", "home.gamma", 0, 0, UINT64_C(0));
        assert_non_null(gone);
        (void) close(layer);
        wait_for_text(f, gone, BUS_INTERFACE_OPERATION, "State", "failed");
}

static void test_join(void **state) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *enroll = NULL, *bootstrap = NULL;
        BusFixture *f = *state;
        LayerMessage heard;
        int layer;

        if (geteuid() != 0)
                skip();

        layer = home(f, LAYER_UNICAST, LAYER_ENROLLING);

        enroll = order(f, &error, "Enroll", "sa{sv}t", "home.alpha", 0, UINT64_C(0));
        assert_non_null(enroll);
        layer_hear(layer, LAYER_ORDER, &heard, NULL);
        assert_int_equal(heard.order, LAYER_ORDER_ENROLL);
        assert_string_equal(heard.name, "home.alpha");

        bootstrap = order(f, &error, "Bootstrap", "a{sv}t", 0, UINT64_C(0));
        assert_non_null(bootstrap);
        layer_hear(layer, LAYER_ORDER, &heard, NULL);
        assert_int_equal(heard.order, LAYER_ORDER_BOOTSTRAP);

        /* A wrong state is said with its reason, and the layer hears nothing. */
        assert_null(order(f, &error, "Connect", "sasa{sv}t", "home.beta", 0, 0, UINT64_C(0)));
        assert_true(sd_bus_error_has_name(&error, BUS_ERROR_PREFIX "WrongState"));
        assert_non_null(strstr(error.message, "enrolling: playing a layer"));
        sd_bus_error_free(&error);

        say_state(layer, LAYER_ONLINE, "a member now", 12);
        wait_for_text(f, HOME_PATH, BUS_INTERFACE_LAYER, "State", "online");
        assert_null(order(f, &error, "Bootstrap", "a{sv}t", 0, UINT64_C(0)));
        assert_true(sd_bus_error_has_name(&error, BUS_ERROR_PREFIX "WrongState"));
        assert_non_null(strstr(error.message, "a member now"));
        layer_hears_nothing(layer);
        (void) close(layer);
}

static void test_refused(void **state) {
        BusFixture *f = *state;
        int layer;

        if (geteuid() != 0)
                skip();

        layer = home(f, LAYER_UNICAST, LAYER_ONLINE);
        for (unsigned i = 0; i < 5; i++) {
                _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
                char *path = NULL;

                switch (i) {
                case 0:
                        path = order(f, &error, "Connect", "sasa{sv}t", "", 0, 0, UINT64_C(0));
                        break;
                case 1:
                        path = order(f, &error, "Connect", "sasa{sv}t", "home.beta", 1, "everything", 0, UINT64_C(0));
                        break;
                case 2:
                        path = order(f, &error, "Connect", "sasa{sv}t", "home.beta", 0, 1, "Cost", "u", 3U,
                                     UINT64_C(0));
                        break;
                case 3:
                        path = order(f, &error, "Connect", "sasa{sv}t", "home.beta", 0, 1, "Over", "s", "../lan",
                                     UINT64_C(0));
                        break;
                default:
                        path = order(f, &error, "Disconnect", "sast", "home.beta", 0, UINT64_C(1));
                        break;
                }

                print_message("%u: %s\n", i, error.message);
                assert_null(path);
                assert_true(sd_bus_error_has_name(&error, BUS_ERROR_PREFIX "InvalidArgument"));
        }
        layer_hears_nothing(layer);
        (void) close(layer);
}

/* An Ethernet has no members. */
static void test_other_type(void **state) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        BusFixture *f = *state;
        int layer;

        if (geteuid() != 0)
                skip();

        layer = home(f, LAYER_ETH_DIX, LAYER_ONLINE);
        assert_null(order(f, &error, "Connect", "sasa{sv}t", "home.beta", 0, 0, UINT64_C(0)));
        assert_non_null(strstr(error.message, "eth-dix"));
        layer_hears_nothing(layer);
        (void) close(layer);
}

/* -- orders that any layer takes -- */

static int keep_answer(sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const sd_bus_error *error = sd_bus_message_get_error(reply);

        (void) snprintf(userdata, TEXT_MAX, "%s", error ? error->message : "done");
        return 0;
}

static int keep_stream(sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        assert_null(sd_bus_message_get_error(reply));
        *(sd_bus_message **) userdata = sd_bus_message_ref(reply);
        return 0;
}

/* The call is under way; its answer will be in text. */
static void call_later(BusFixture *f, char text[TEXT_MAX], const char *member, const char *types, ...) {
        sd_bus_message *call = NULL;
        va_list list;

        text[0] = '\0';
        assert_true(sd_bus_message_new_method_call(f->bus, &call, BUS_NAME_IRM, HOME_PATH, BUS_INTERFACE_LAYER,
                                                   member) >= 0);
        va_start(list, types);
        assert_true(sd_bus_message_appendv(call, types, list) >= 0);
        va_end(list);
        assert_true(sd_bus_call_async(f->bus, NULL, call, keep_answer, text, 0) >= 0);
        assert_true(sd_bus_flush(f->bus) >= 0);
        sd_bus_message_unref(call);
}

/* Hints follow the sentence of an error. */
static void wait_for_answer(BusFixture *f, const char *text, const char *expected) {
        usec_t deadline = usec_add(time_now(), 5 * USEC_PER_SEC);

        while (text[0] == '\0' && time_now() < deadline)
                if (sd_bus_process(f->bus, NULL) == 0)
                        (void) sd_bus_wait(f->bus, 50 * USEC_PER_MSEC);
        if (strncmp(text, expected, strlen(expected)) != 0)
                fail_msg("'%s' instead of '%s'", text, expected);
}

/* The pipe's ends, of the layer's order and of the caller's answer, are of one pipe; a refusal leaves none open. */
static void test_capture(void **state) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        char text[TEXT_MAX] = "", bytes[8] = "";
        int fds[LAYER_FDS_MAX] = { -1, -1 }, layer, read_end = -1;
        BusFixture *f = *state;
        LayerMessage heard;

        if (geteuid() != 0)
                skip();

        (void) signal(SIGPIPE, SIG_IGN);
        layer = home(f, LAYER_ETH_DIX, LAYER_ONLINE);

        assert_true(sd_bus_message_new_method_call(f->bus, &call, BUS_NAME_IRM, HOME_PATH, BUS_INTERFACE_LAYER,
                                                   "Capture") >= 0);
        assert_true(sd_bus_message_append(call, "a{sv}t", 1, "SnapLength", "u", 96U, UINT64_C(0)) >= 0);
        assert_true(sd_bus_call_async(f->bus, NULL, call, keep_stream, &reply, 0) >= 0);
        assert_true(sd_bus_flush(f->bus) >= 0);

        layer_hear(layer, LAYER_ORDER, &heard, fds);
        assert_int_equal(heard.order, LAYER_ORDER_CAPTURE);
        assert_int_equal(heard.mtu, 96);
        assert_true(fds[0] >= 0);
        assert_null(reply);             /* not before the layer has it */
        assert_int_equal(write(fds[0], "packet", 6), 6);
        (void) close(fds[0]);
        say_done(layer, heard.query_id, 0, "Packets are being captured");

        while (!reply)
                if (sd_bus_process(f->bus, NULL) == 0)
                        assert_true(sd_bus_wait(f->bus, 5 * USEC_PER_SEC) > 0);
        assert_true(sd_bus_message_read(reply, "h", &read_end) > 0);
        assert_int_equal(read(read_end, bytes, sizeof(bytes)), 6);
        assert_string_equal(bytes, "packet");
        assert_int_equal(read(read_end, bytes, sizeof(bytes)), 0);      /* nobody else has the writing end */

        call_later(f, text, "Capture", "a{sv}t", 0, UINT64_C(0));
        layer_hear(layer, LAYER_ORDER, &heard, fds);
        say_done(layer, heard.query_id, -EBUSY, "As many look as may");
        wait_for_answer(f, text, "As many look as may");
        assert_int_equal(write(fds[0], "packet", 6), -1);
        assert_int_equal(errno, EPIPE);                                 /* nor the reading end */
        (void) close(fds[0]);

        call_later(f, text, "Capture", "a{sv}t", 1, "Filter", "s", "all", UINT64_C(0));
        wait_for_answer(f, text, "Capturing knows no option 'Filter'");
        call_later(f, text, "Capture", "a{sv}t", 0, UINT64_C(2));
        wait_for_answer(f, text, "Flags 0x2 make no sense");
        layer_hears_nothing(layer);
        (void) close(layer);
}

/* The caller is answered when the layer has done it, with its words where it could not. An Ethernet takes them, too. */
static void test_control(void **state) {
        static const LayerType types[] = { LAYER_UNICAST, LAYER_ETH_DIX };
        BusFixture *f = *state;
        LayerMessage heard;
        char text[TEXT_MAX];

        if (geteuid() != 0)
                skip();

        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                int layer = home(f, types[i], LAYER_ONLINE);

                call_later(f, text, "ResetStatistics", "");
                layer_hear(layer, LAYER_ORDER, &heard, NULL);
                assert_int_equal(heard.order, LAYER_ORDER_RESET_STATISTICS);
                assert_string_equal(text, "");
                say_done(layer, heard.query_id, 0, "All counters are 0 again");
                wait_for_answer(f, text, "done");

                call_later(f, text, "SetProperties", "a{sv}t", 2, "LogLevel", "s", "debug", "MaxPacketSize", "u", 1000U,
                           UINT64_C(0));
                layer_hear(layer, LAYER_ORDER, &heard, NULL);
                assert_int_equal(heard.order, LAYER_ORDER_SET_PROPERTIES);
                assert_string_equal(heard.text, "debug");
                assert_int_equal(heard.mtu, 1000);
                say_done(layer, heard.query_id, -EOPNOTSUPP, "It is fixed.");
                wait_for_answer(f, text, "It is fixed.");

                call_later(f, text, "SetProperties", "a{sv}t", 1, "MaxPacketSize", "u", 0U, UINT64_C(0));
                layer_hear(layer, LAYER_ORDER, &heard, NULL);
                assert_int_equal(heard.mtu, LAYER_PACKET_MAX_AUTO);
                assert_string_equal(heard.text, "");
                (void) close(layer);            /* a layer that went away answers, too */
                wait_for_answer(f, text, "Layer home went away before it had done it.");
                wait_for_text(f, HOME_PATH, BUS_INTERFACE_LAYER, "State", "starting");
        }
}

/* What is refused never gets to the layer. */
static void test_control_refused(void **state) {
        BusFixture *f = *state;
        char text[TEXT_MAX];
        int layer;

        if (geteuid() != 0)
                skip();

        layer = home(f, LAYER_UNICAST, LAYER_ONLINE);
        call_later(f, text, "SetProperties", "a{sv}t", 1, "Hash", "s", "sha3-256", UINT64_C(0));
        wait_for_answer(
                f, text,
                "'Hash' cannot be changed while the layer runs, only 'LogLevel' and 'MaxPacketSize': all else is in "
                "the layer's file and needs a restart of the layer.");
        call_later(f, text, "SetProperties", "a{sv}t", 1, "LogLevel", "s", "loud", UINT64_C(0));
        wait_for_answer(f, text, "'loud' is not a log level, such as info or debug.");
        call_later(f, text, "SetProperties", "a{sv}t", 1, "MaxPacketSize", "u", 70000U, UINT64_C(0));
        wait_for_answer(f, text,
                        "70000 is no packet size: it is 256 to 65535 bytes, or 0 for what the network below allows.");
        call_later(f, text, "SetProperties", "a{sv}t", 0, UINT64_C(0));
        wait_for_answer(f, text, "Nothing is to be changed.");
        call_later(f, text, "SetProperties", "a{sv}t", 1, "LogLevel", "s", "info", UINT64_C(8));       /* a dry run */
        wait_for_answer(f, text, "done");
        layer_hears_nothing(layer);
        (void) close(layer);
}

/* -- somebody who may not -- */

static int try_as_nobody(BusFixture *f) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus *bus = NULL;
        int r;

        if (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
                return 2;
        if (sd_bus_open_system(&bus) < 0)
                return 3;

        r = sd_bus_call_method(bus, BUS_NAME_IRM, HOME_PATH, BUS_INTERFACE_LAYER, "Connect", &error, NULL, "sasa{sv}t",
                               "home.beta", 0, 0, UINT64_C(0));
        if (r >= 0)
                return 4;

        r = sd_bus_call_method(bus, BUS_NAME_IRM, HOME_PATH, BUS_INTERFACE_LAYER, "Bootstrap", &error, NULL, "a{sv}t",
                               0, UINT64_C(0));
        if (r >= 0)
                return 5;

        r = sd_bus_call_method(bus, BUS_NAME_IRM, HOME_PATH, BUS_INTERFACE_LAYER, "ResetStatistics", &error, NULL,
                               NULL);
        if (r >= 0)
                return 7;

        r = sd_bus_call_method(bus, BUS_NAME_IRM, HOME_PATH, BUS_INTERFACE_LAYER, "SetProperties", &error, NULL,
                               "a{sv}t", 1, "LogLevel", "s", "debug", UINT64_C(0));
        if (r >= 0)
                return 8;

        /* Looking is free. */
        r = sd_bus_call_method(bus, BUS_NAME_IRM, HOME_PATH, BUS_INTERFACE_LAYER, "ListNeighbours", NULL, NULL, NULL);
        return r < 0 ? 6 : 0;
}

static void test_not_authorised(void **state) {
        BusFixture *f = *state;
        int layer, status;
        pid_t child;

        if (geteuid() != 0)
                skip();

        layer = home(f, LAYER_UNICAST, LAYER_ONLINE);
        assert_int_equal(chmod(f->irm.directory, 0711), 0);
        assert_true(chmod(f->address + strlen("unix:path="), 0777) >= 0);

        child = fork();
        if (child == 0)
                _exit(try_as_nobody(f));
        assert_true(waitpid(child, &status, 0) == child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        layer_hears_nothing(layer);
        (void) close(layer);
}

#define TEST(name) cmocka_unit_test_prestate_setup_teardown(name, bus_fixture_set_up, bus_fixture_tear_down, argv[1])

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                TEST(test_neighbours), TEST(test_layer_id),
                TEST(test_connect),    TEST(test_join),
                TEST(test_refused),    TEST(test_other_type), TEST(test_not_authorised),
                TEST(test_control),    TEST(test_control_refused),
                TEST(test_capture),
        };

        if (argc < 2)
                return 2;

        return cmocka_run_group_tests(tests, NULL, NULL);
}
