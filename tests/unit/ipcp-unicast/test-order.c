/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Orders of an operator to members that are joined in memory, and the rows that tell of their neighbours. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "services/ipcp-unicast/neighbour-report.h"
#include "services/ipcp-unicast/order.h"
#include "tests/support/unicast-net.h"

#define TEXT_MAX 8192U

typedef struct Fixture {
        Net net;
        Orders orders;                  /* to the last member that was made */
        NeighbourReport report;
        uint64_t id;
        int32_t result;                 /* 1: nothing was said */
        unsigned n_done;
        char text[LAYER_TEXT_BYTES_MAX];
        char rows[TEXT_MAX];            /* as told */
        uint64_t last_key;
        struct {
                char name[64];
                uint64_t key;
        } told[64];                     /* the last ones */
        unsigned n_told;
} Fixture;

static LayerMessage message;            /* too large for the stack of a sanitized test */

static void done(void *userdata, uint64_t id, int32_t result, const char *text) {
        Fixture *f = userdata;

        f->id = id;
        f->result = result;
        f->n_done++;
        (void) snprintf(f->text, sizeof(f->text), "%s", text);
}

static void tell(void *userdata, const LayerNeighbour *neighbour, const char *name, const char *lower,
                 const char *text) {
        Fixture *f = userdata;
        size_t n = strlen(f->rows);

        assert_true(neighbour->key != 0);
        f->last_key = neighbour->key;
        f->told[f->n_told % ELEMENTSOF(f->told)].key = neighbour->key;
        (void) snprintf(f->told[f->n_told++ % ELEMENTSOF(f->told)].name, sizeof(f->told[0].name), "%s", name);
        (void) snprintf(f->rows + n, sizeof(f->rows) - n, "%s %s %u %s; ", name,
                        layer_neighbour_state_to_string(neighbour->state), neighbour->components, lower);
}

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        if (!f)
                return -1;
        net_init(&f->net, 1);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        net_done(&f->net);
        if (f->orders.done)
                orders_done(&f->orders);
        if (f->report.tell)
                neighbour_report_done(&f->report);
        free(f);
        return 0;
}

/* n members, all but the last of them running; orders go to the last. */
static NetMember *make(Fixture *f, unsigned n, bool bootstrap) {
        NetMember *last = NULL;

        for (unsigned i = 0; i < n; i++) {
                last = net_add(&f->net, i == 0 && (n > 1 || bootstrap));
                last->config.n_lower = NET_LOWER;
                if (i + 1 < n) {
                        net_start(last);
                        net_run(&f->net, 3 * USEC_PER_SEC);
                }
        }

        return last;
}

static void watch(Fixture *f, NetMember *m) {
        net_start(m);
        orders_init(&f->orders, &m->unicast, done, f);
        neighbour_report_init(&f->report, tell, f);
}

static void order(Fixture *f, LayerOrder kind, const char *name, const char *lower, uint32_t components) {
        message = (LayerMessage) { .type = LAYER_ORDER, .order = kind, .query_id = ++f->id, .components = components };
        (void) snprintf(message.name, sizeof(message.name), "%s", name);
        (void) snprintf(message.lower, sizeof(message.lower), "%s", lower);
        f->result = 1;
        f->n_done = 0;
        orders_take(&f->orders, &message, f->net.now);
}

/* Until the order is over, looking every 100 ms, as a change would make one look. */
static usec_t finish(Fixture *f, usec_t duration) {
        usec_t begun = f->net.now;

        while (f->result == 1 && f->net.now - begun < duration) {
                net_run(&f->net, 100 * USEC_PER_MSEC);
                orders_check(&f->orders, f->net.now);
        }

        assert_int_equal(f->n_done, f->result == 1 ? 0 : 1);
        return f->net.now - begun;
}

/* -- becoming a member -- */

static void test_bootstrap(void **state) {
        Fixture *f = *state;
        NetMember *m = make(f, 1, false);

        watch(f, m);
        net_run(&f->net, 5 * USEC_PER_SEC);
        assert_int_equal(m->state, LAYER_ENROLLING);

        order(f, LAYER_ORDER_BOOTSTRAP, "", "", 0);
        finish(f, USEC_PER_SEC);
        assert_int_equal(f->result, 0);
        assert_int_equal(m->state, LAYER_ONLINE);
        assert_non_null(strstr(f->text, "Member of layer home"));

        /* There is no second time. */
        order(f, LAYER_ORDER_BOOTSTRAP, "", "", 0);
        assert_int_equal(f->result, -EBUSY);
        assert_non_null(strstr(f->text, "It is online: "));
        order(f, LAYER_ORDER_ENROLL, "home.0", "", 0);
        assert_int_equal(f->result, -EBUSY);
}

static void test_enroll(void **state) {
        Fixture *f = *state;
        static const char *const nowhere[] = { "home.9" };
        NetMember *m = make(f, 2, true);

        m->config.via = nowhere;
        m->config.n_via = 1;
        watch(f, m);
        net_run(&f->net, 20 * USEC_PER_SEC);
        assert_int_equal(m->state, LAYER_ENROLLING);

        order(f, LAYER_ORDER_ENROLL, "home.0", "", 0);
        assert_true(finish(f, 5 * USEC_PER_SEC) < 2 * USEC_PER_SEC);
        assert_int_equal(f->result, 0);
        assert_true(m->unicast.is_member);
}

static void test_enroll_in_vain(void **state) {
        Fixture *f = *state;
        NetMember *m = make(f, 1, false);

        watch(f, m);
        order(f, LAYER_ORDER_ENROLL, "home.7", "", 0);
        assert_int_equal(f->result, 1);
        assert_true(orders_next(&f->orders) == f->net.now + ORDER_TIMEOUT_USEC);
        finish(f, 2 * ORDER_TIMEOUT_USEC);
        assert_int_equal(f->result, -ETIMEDOUT);
        assert_non_null(strstr(f->text, "still trying: "));
        assert_int_equal(m->state, LAYER_ENROLLING);            /* and so it is */
        assert_true(orders_next(&f->orders) == USEC_INFINITY);
}

/* -- neighbours -- */

static void test_connect(void **state) {
        Fixture *f = *state;
        NetMember *m = make(f, 2, true);
        Neighbour *n;

        watch(f, m);
        net_run(&f->net, 3 * USEC_PER_SEC);
        assert_int_equal(m->state, LAYER_ONLINE);

        order(f, LAYER_ORDER_CONNECT, "home.0", "wan", 0);
        finish(f, 10 * USEC_PER_SEC);
        assert_int_equal(f->result, 0);
        assert_non_null(strstr(f->text, "home.0 is a neighbour"));
        n = net_neighbour(m, &f->net.members[0]);
        assert_non_null(n);
        assert_true(neighbour_has(n, LOWER_MANAGEMENT, 1));
        assert_true(neighbour_has(n, LOWER_DATA, 1));

        order(f, LAYER_ORDER_CONNECT, "home.0", "wan", 0);      /* again: it is so */
        assert_int_equal(f->result, 0);

        order(f, LAYER_ORDER_DISCONNECT, "home.0", "", 0);
        assert_int_equal(f->result, 0);
        order(f, LAYER_ORDER_DISCONNECT, "home.5", "", 0);
        assert_int_equal(f->result, -ENOENT);
        assert_non_null(strstr(f->text, "'home.5'"));
}

static void test_connect_in_vain(void **state) {
        Fixture *f = *state;
        NetMember *m = make(f, 1, true);

        watch(f, m);
        order(f, LAYER_ORDER_CONNECT, "home.4", "", 0);
        assert_true(finish(f, 2 * ORDER_TIMEOUT_USEC) >= ORDER_TIMEOUT_USEC);
        assert_int_equal(f->result, -ETIMEDOUT);
        assert_non_null(strstr(f->text, "home.4 is not a neighbour yet, and tried again and again: "));

        /* Given up while somebody waits for it. */
        order(f, LAYER_ORDER_CONNECT, "home.5", "", 0);
        assert_int_equal(f->result, 1);
        assert_int_equal(join_disconnect(&m->unicast.join, "home.5", true, true, f->net.now), 0);
        orders_check(&f->orders, f->net.now);
        assert_int_equal(f->result, -ECANCELED);
}

static void test_refused(void **state) {
        Fixture *f = *state;
        NetMember *m = make(f, 1, false);

        watch(f, m);
        order(f, LAYER_ORDER_CONNECT, "home.0", "", 0);
        assert_int_equal(f->result, -EBUSY);                    /* not a member */
        assert_non_null(strstr(f->text, "It is enrolling: "));
        order(f, LAYER_ORDER_CONNECT, "home.0", "moon", 0);
        assert_int_equal(f->result, -ENOENT);
        assert_non_null(strstr(f->text, "Layer moon is not one of those below"));

        for (unsigned i = 0; i < ORDERS_MAX; i++) {
                order(f, LAYER_ORDER_ENROLL, "home.9", "", 0);
                assert_int_equal(f->result, 1);
        }
        order(f, LAYER_ORDER_ENROLL, "home.9", "", 0);
        assert_int_equal(f->result, -EBUSY);
        orders_forget(&f->orders);
        assert_true(orders_next(&f->orders) == USEC_INFINITY);
}

/* -- rows -- */

static void report(Fixture *f, NetMember *m, bool counters) {
        f->rows[0] = '\0';
        neighbour_report_update(&f->report, &m->unicast, counters, f->net.now);
}

static void test_rows(void **state) {
        Fixture *f = *state;
        NetMember *m = make(f, 2, true);
        uint64_t key;

        watch(f, m);
        net_run(&f->net, 3 * USEC_PER_SEC);
        report(f, m, false);
        assert_non_null(strstr(f->rows, "home.0 up 3 "));
        key = f->last_key;

        report(f, m, false);
        assert_string_equal(f->rows, "");                       /* nothing is new */
        net_run(&f->net, 60 * USEC_PER_SEC);                    /* refreshes of links move counters */
        report(f, m, false);
        assert_string_equal(f->rows, "");
        report(f, m, true);
        assert_non_null(strstr(f->rows, "home.0 up 3 "));
        assert_int_equal(f->last_key, key);

        neighbour_report_forget(&f->report);                    /* whoever listened has forgotten all */
        report(f, m, false);
        assert_non_null(strstr(f->rows, "home.0 up 3 "));
        assert_true(f->last_key > key);
        key = f->last_key;

        net_kill(&f->net.members[0], true);
        net_run(&f->net, USEC_PER_SEC);
        report(f, m, false);
        assert_null(strstr(f->rows, "home.0 up"));
        assert_non_null(strstr(f->rows, "down 0"));
}

/* Of the last row with this name. */
static uint64_t key_of(const Fixture *f, const char *name) {
        for (unsigned i = f->n_told; i-- > 0 && f->n_told - i <= ELEMENTSOF(f->told);)
                if (streq(f->told[i % ELEMENTSOF(f->told)].name, name))
                        return f->told[i % ELEMENTSOF(f->told)].key;

        fail_msg("nothing was told of %s", name);
        return 0;
}

/* One that is tried and comes up is one and the same row. */
static void test_row_comes_up(void **state) {
        Fixture *f = *state;
        NetMember *m = make(f, 1, true), *late;
        uint64_t key;

        watch(f, m);
        assert_int_equal(join_connect(&m->unicast.join, "home.1", 0, true, true, f->net.now), 0);
        net_run(&f->net, USEC_PER_SEC);
        report(f, m, false);
        assert_non_null(strstr(f->rows, "home.1 trying 0 lan; "));
        key = key_of(f, "home.1");

        late = net_add(&f->net, false);
        net_start(late);
        net_run(&f->net, 120 * USEC_PER_SEC);
        report(f, m, false);
        assert_non_null(strstr(f->rows, "home.1 up 3 lan; "));
        assert_int_equal(key_of(f, "home.1"), key);
        assert_null(strstr(f->rows, "home.1 down"));
        assert_non_null(strstr(f->rows, "home down 0 lan; "));  /* anybody was asked for there, and somebody came */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_bootstrap, setup, teardown),
                cmocka_unit_test_setup_teardown(test_enroll, setup, teardown),
                cmocka_unit_test_setup_teardown(test_enroll_in_vain, setup, teardown),
                cmocka_unit_test_setup_teardown(test_connect, setup, teardown),
                cmocka_unit_test_setup_teardown(test_connect_in_vain, setup, teardown),
                cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(test_rows, setup, teardown),
                cmocka_unit_test_setup_teardown(test_row_comes_up, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
