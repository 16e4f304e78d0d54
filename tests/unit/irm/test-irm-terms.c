/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What two hosts agree on, from both ends: each kind of flow, with each kind of peer, and with peers that say
 * nonsense. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/irm/terms.h"

#define QOS(loss_, ber_, in_order_) { UINT32_MAX, 0, 0, loss_, ber_, in_order_, UINT32_MAX, 120000 }

#define CLOSE OAP_CAPABILITY_CLOSE
#define FRCT OAP_CAPABILITY_FRCT
#define CHECKSUM OAP_CAPABILITY_CHECKSUM
#define STREAM OAP_CAPABILITY_STREAM

#define X IRM_TRANSFER_EXTENDED
#define C IRM_TRANSFER_CHECKSUM
#define S IRM_TRANSFER_STREAM

/* A host that shows the extension with these bits; with none at all it is of the reference protocol. */
static OapExtension peer_with(uint32_t capabilities) {
        return (OapExtension) { .present = capabilities != 0, .capabilities = capabilities };
}

/* Both ends are ours: what one asks for is what both have. */
static const struct {
        const char *name;
        o7s_qos qos;
        bool stream;
        uint32_t wire_ber;
        uint32_t wishes;
        uint32_t ber;
        uint32_t transfer;
} pairs[] = {
        { "raw",                          QOS(1, 1, 0), false, 1, 0,                 1, X         },
        { "raw, safe",                    QOS(1, 0, 0), false, 0, 0,                 0, X | C     },
        { "best effort",                  QOS(1, 0, 1), false, 0, 0,                 0, X | C     },
        { "ordered, with errors",         QOS(1, 1, 1), false, 1, 0,                 1, X         },
        { "data",                         QOS(0, 0, 1), false, 1, CHECKSUM,          0, X | C     },
        { "reliable, with errors",        QOS(0, 7, 1), false, 7, 0,                 7, X         },
        { "a stream",                     QOS(0, 0, 1), true,  1, CHECKSUM | STREAM, 0, X | C | S },
        { "a stream, with errors",        QOS(0, 1, 1), true,  1, STREAM,            1, X | S     },
        { "no loss, but no order either", QOS(0, 0, 0), false, 0, 0,                 0, X | C     },
};

static void test_pairs(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(pairs); i++) {
                o7s_qos wire = terms_wire_qos(&pairs[i].qos);
                uint32_t wishes = terms_wishes(&pairs[i].qos, pairs[i].stream), grants;
                OapExtension request = peer_with(CLOSE | FRCT | wishes), answer;
                Terms served, asked;

                print_message("%s\n", pairs[i].name);
                assert_int_equal(wishes, pairs[i].wishes);
                assert_int_equal(wire.ber, pairs[i].wire_ber);
                assert_int_equal(wire.loss, pairs[i].qos.loss);
                assert_int_equal(wire.in_order, pairs[i].qos.in_order);

                served = terms_of_request(&wire, &request, &grants);
                assert_int_equal(grants, wishes);
                assert_int_equal(served.qos.ber, pairs[i].ber);
                assert_int_equal(served.transfer, pairs[i].transfer);

                answer = peer_with(CLOSE | FRCT | grants);
                assert_int_equal(terms_of_answer(&pairs[i].qos, wishes, &wire, &answer, &asked), 0);
                assert_int_equal(asked.transfer, pairs[i].transfer);
                assert_true(qos_is_equal(&asked.qos, &served.qos));
                assert_int_equal(asked.qos.loss, pairs[i].qos.loss);
        }
}

/* Requests of others. */
static const struct {
        const char *name;
        o7s_qos wire;
        uint32_t capabilities;
        uint32_t grants;
        uint32_t ber;
        uint32_t transfer;
} requests[] = {
        { "reference, data",               QOS(0, 1, 1), 0,                         0,                 1, 0 },
        { "reference, reliable and ber 0", QOS(0, 0, 1), 0,                         0,                 0, C },
        { "reference, best effort",        QOS(1, 1, 1), 0,                         0,                 1, 0 },
        { "reference, best effort, ber 0", QOS(1, 0, 1), 0,                         0,                 0, C },
        { "o7s of before",                 QOS(0, 1, 1), CLOSE,                     0,                 1, 0 },
        { "wishes without FRCT",           QOS(0, 1, 1), CLOSE | CHECKSUM | STREAM, 0,                 1, 0 },
        { "FRCT alone",                    QOS(0, 1, 1), FRCT,                      0,                 1, X },
        { "a checksum",                    QOS(0, 1, 1), FRCT | CHECKSUM,           CHECKSUM,          0, X | C },
        { "a stream",                      QOS(0, 1, 1), FRCT | STREAM,             STREAM,            1, X | S },
        { "a checksum twice",              QOS(0, 0, 1), FRCT | CHECKSUM,           CHECKSUM,          0, X | C },
        { "a stream of raw packets",       QOS(1, 1, 0), FRCT | STREAM,             0,                 1, X },
        { "a stream with gaps",            QOS(1, 1, 1), FRCT | STREAM,             0,                 1, X },
        { "a wish for a checksum, lossy",  QOS(1, 1, 1), FRCT | CHECKSUM,           0,                 1, X },
        { "every bit",                     QOS(0, 1, 1), UINT32_MAX,                CHECKSUM | STREAM, 0, X | C | S },
        { "every bit, raw",                QOS(1, 1, 0), UINT32_MAX,                0,                 1, X },
        { "bits of the future",            QOS(0, 1, 1), UINT32_C(0xfffffff0),      0,                 1, 0 },
        { "in_order is any number",        QOS(0, 1, 7), FRCT | CHECKSUM,           CHECKSUM,          0, X | C },
};

static void test_requests(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(requests); i++) {
                OapExtension request = peer_with(requests[i].capabilities);
                uint32_t grants = 4711;
                Terms terms;

                print_message("%s\n", requests[i].name);
                terms = terms_of_request(&requests[i].wire, &request, &grants);
                assert_int_equal(grants, requests[i].grants);
                assert_int_equal(terms.qos.ber, requests[i].ber);
                assert_int_equal(terms.qos.in_order, requests[i].wire.in_order != 0);
                assert_int_equal(terms.transfer, requests[i].transfer);
        }
}

/* Answers of others. */
static const struct {
        const char *name;
        o7s_qos qos;
        bool stream;
        uint32_t capabilities;
        int r;
        uint32_t ber;
        uint32_t transfer;
} answers[] = {
        { "reference, raw",                    QOS(1, 1, 0), false, 0,                        0,       1, 0         },
        { "reference, data",                   QOS(0, 0, 1), false, 0,                        0,       1, 0         },
        { "reference, a stream",               QOS(0, 0, 1), true,  0,                        0,       1, S         },
        { "reference, best effort",            QOS(1, 0, 1), false, 0,                        0,       0, C         },
        { "o7s of before, data",               QOS(0, 0, 1), false, CLOSE,                    0,       1, 0         },
        { "o7s of before, a stream",           QOS(0, 0, 1), true,  CLOSE,                    0,       1, S         },
        { "grants without FRCT",               QOS(0, 0, 1), true,  CHECKSUM | STREAM,        0,       1, S         },
        { "no checksum granted",               QOS(0, 0, 1), false, FRCT,                     0,       1, X         },
        { "a stream refused",                  QOS(0, 0, 1), true,  FRCT | CHECKSUM,          -EPROTO, 0, 0         },
        { "a stream, no checksum",             QOS(0, 0, 1), true,  FRCT | STREAM,            0,       1, X | S     },
        { "a stream that nobody wanted",       QOS(0, 0, 1), false, FRCT | CHECKSUM | STREAM, 0,       0, X | C     },
        { "a checksum that nobody wanted",     QOS(0, 1, 1), false, FRCT | CHECKSUM,          0,       1, X         },
        { "every bit, raw",                    QOS(1, 1, 0), false, UINT32_MAX,               0,       1, X         },
        { "every bit, best effort",            QOS(1, 0, 1), false, UINT32_MAX,               0,       0, X | C     },
        { "bits of the future",                QOS(0, 0, 1), false, UINT32_C(0xfffffff0),     0,       1, 0         },
};

static void test_answers(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                uint32_t wishes = terms_wishes(&answers[i].qos, answers[i].stream);
                OapExtension answer = peer_with(answers[i].capabilities);
                o7s_qos layer = terms_wire_qos(&answers[i].qos);
                Terms terms = { .transfer = 4711 };

                print_message("%s\n", answers[i].name);
                assert_int_equal(terms_of_answer(&answers[i].qos, wishes, &layer, &answer, &terms), answers[i].r);
                if (answers[i].r < 0) {
                        assert_int_equal(terms.transfer, 4711);
                        continue;
                }
                assert_int_equal(terms.qos.ber, answers[i].ber);
                assert_int_equal(terms.transfer, answers[i].transfer);
        }
}

/* What did not parse is nothing, whatever is left of it. */
static void test_broken_extension(void **state) {
        OapExtension broken = { .present = false, .capabilities = UINT32_MAX };
        const o7s_qos data = O7S_QOS_DATA, wire = terms_wire_qos(&data);
        uint32_t grants;
        Terms terms;

        terms = terms_of_request(&wire, &broken, &grants);
        assert_int_equal(grants, 0);
        assert_int_equal(terms.transfer, 0);
        assert_int_equal(terms_of_answer(&data, CHECKSUM, &wire, &broken, &terms), 0);
        assert_int_equal(terms.transfer, 0);
        assert_int_equal(terms.qos.ber, 1);
}

/* A layer that loses packets says so; the flow that repairs it does not lose any. */
static void test_layer_grants(void **state) {
        const o7s_qos data = O7S_QOS_DATA, raw = O7S_QOS_RAW;
        o7s_qos layer = O7S_QOS_RAW, qos;

        layer.delay_ms = 4711;
        qos = terms_granted_qos(&data, &layer);
        assert_int_equal(qos.delay_ms, 4711);
        assert_int_equal(qos.loss, 0);
        assert_int_equal(qos.in_order, 1);
        assert_int_equal(qos.ber, 0);

        qos = terms_granted_qos(&raw, &layer);
        assert_true(qos_is_equal(&qos, &layer));
}

static void test_local(void **state) {
        const o7s_qos data = O7S_QOS_DATA, raw = O7S_QOS_RAW;
        Terms terms;

        terms = terms_of_local(&data, true);
        assert_int_equal(terms.transfer, S);
        assert_true(qos_is_equal(&terms.qos, &data));
        assert_int_equal(terms_of_local(&data, false).transfer, 0);
        assert_int_equal(terms_of_local(&raw, false).transfer, 0);
}

static void test_mpl(void **state) {
        assert_int_equal(terms_mpl_ms(LAYER_UDP4), 5000);
        assert_int_equal(terms_mpl_ms(LAYER_UDP6), 5000);
        assert_int_equal(terms_mpl_ms(LAYER_ETH_DIX), 100);
        assert_int_equal(terms_mpl_ms(LAYER_UNICAST), 100);
        assert_int_equal(terms_mpl_ms(_LAYER_TYPE_INVALID), 100);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_pairs),
                cmocka_unit_test(test_requests),
                cmocka_unit_test(test_answers),
                cmocka_unit_test(test_broken_extension),
                cmocka_unit_test(test_layer_grants),
                cmocka_unit_test(test_local),
                cmocka_unit_test(test_mpl),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
