/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Ordered and reliable flows as through a layer, with a peer that is o7s and one that speaks as 0.23.0 did. */

#include <pthread.h>

#include "tests/unit/compat/compat-pair.h"

#define N_MESSAGES 2000U

/* What a flow is, for whom. */
typedef struct Kind {
        const char *label;
        const char *name;
        const qosspec_t *qs;
} Kind;

static const Kind kinds[] = {
        { "data, o7s",           "extended", &qos_data },
        { "data, 0.23.0",        "ordered",  &qos_data },
        { "best effort, o7s",    "extended", &qos_best_effort },
        { "best effort, 0.23.0", "ordered",  &qos_best_effort },
        { "voice, o7s",          "extended", &qos_voice },
        { "no errors, o7s",      "extended", &qos_raw_no_errors },
};

static void pair_open_to(CompatPair *pair, const Kind *kind) {
        print_message("%s\n", kind->label);
        *pair = (CompatPair) { .asking = -1, .serving = -1 };
        assert_int_equal(irm_thread_start(&pair->irm), 0);
        compat_pair_more_to(kind->name, kind->qs, &pair->asking, &pair->serving);

        for (int cmd = FLOWSRCVTIMEO; cmd <= FLOWSSNDTIMEO; cmd += FLOWSSNDTIMEO - FLOWSRCVTIMEO) {
                assert_int_equal(fccntl(pair->asking, cmd, &long_time), 0);
                assert_int_equal(fccntl(pair->serving, cmd, &long_time), 0);
        }
}

static void test_messages(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                _cleanup_compat_pair_ CompatPair pair;
                char out[1000], in[1024];

                pair_open_to(&pair, &kinds[i]);
                for (unsigned j = 0; j < 300; j++) {
                        size_t size = 1 + j * 13 % sizeof(out);

                        memset(out, (int) j, size);
                        assert_int_equal(flow_write(pair.asking, out, size), size);
                        assert_int_equal(flow_read(pair.serving, in, sizeof(in)), size);
                        assert_memory_equal(in, out, size);
                        assert_int_equal(flow_write(pair.serving, in, size), size);
                        assert_int_equal(flow_read(pair.asking, in, sizeof(in)), size);
                }

                /* In parts, and dropped where that is wanted. */
                assert_int_equal(flow_write(pair.asking, "exactly!", 8), 8);
                assert_int_equal(flow_read(pair.serving, in, 4), 4);
                assert_int_equal(flow_read(pair.serving, in, 4), 4);
                assert_int_equal(flow_read(pair.serving, in, 4), 0);
                assert_int_equal(fccntl(pair.serving, FLOWSFLAGS, FLOWFDEFAULT | FLOWFRNOPART), 0);
                assert_int_equal(flow_write(pair.asking, "too long", 8), 8);
                assert_int_equal(flow_write(pair.asking, "fits", 4), 4);
                assert_int_equal(flow_read(pair.serving, in, 4), -EMSGSIZE);
                assert_int_equal(flow_read(pair.serving, in, 4), 4);
                assert_memory_equal(in, "fits", 4);
        }
}

typedef struct Writer {
        int fd;
        int result;
} Writer;

/* All of it, and then the end at once. */
static void *write_and_dealloc(void *userdata) {
        Writer *w = userdata;

        for (unsigned i = 0; i < N_MESSAGES; i++)
                if (flow_write(w->fd, &i, sizeof(i)) != sizeof(i)) {
                        w->result = -1;
                        return NULL;
                }

        w->result = flow_dealloc(w->fd);
        return NULL;
}

/* A flow that is deallocated stays until everything was acknowledged, so that nothing of a reliable one is lost. */
static void test_linger(void **state) {
        for (size_t i = 0; i < 2; i++) {
                pthread_t thread;
                CompatPair pair;
                Writer w;
                char in[8];

                pair_open_to(&pair, &kinds[i]);
                w = (Writer) { .fd = pair.asking };
                assert_int_equal(pthread_create(&thread, NULL, write_and_dealloc, &w), 0);
                for (unsigned j = 0; j < N_MESSAGES; j++) {
                        unsigned number;

                        assert_int_equal(flow_read(pair.serving, &number, sizeof(number)), sizeof(number));
                        assert_int_equal(number, j);
                        assert_int_equal(flow_read(pair.serving, in, sizeof(in)), 0);
                }
                assert_int_equal(flow_read(pair.serving, in, sizeof(in)), -EFLOWDOWN);
                assert_int_equal(flow_write(pair.serving, in, 1), -EFLOWDOWN);
                assert_int_equal(pthread_join(thread, NULL), 0);
                assert_int_equal(w.result, 0);

                pair.asking = -1;
                compat_pair_close(&pair);
        }
}

/* Acknowledgements are no events, messages and the end are. */
static void test_events(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                fqueue_t *fq = fqueue_create();
                fset_t *set = fset_create();
                CompatPair pair;
                char in[8];

                pair_open_to(&pair, &kinds[i]);
                assert_int_equal(fset_add(set, pair.asking), 0);
                for (unsigned j = 0; j < 20; j++) {
                        assert_int_equal(flow_write(pair.asking, "there", 5), 5);
                        assert_int_equal(flow_read(pair.serving, in, sizeof(in)), 5);
                }
                assert_int_equal(fevent(set, fq, &short_time), -ETIMEDOUT);

                assert_int_equal(flow_write(pair.serving, "back", 4), 4);
                assert_int_equal(fevent(set, fq, &long_time), 1);
                assert_int_equal(fqueue_next(fq), pair.asking);
                assert_int_equal(fqueue_type(fq), FLOW_PKT);
                assert_int_equal(fqueue_next(fq), -EPERM);
                assert_int_equal(flow_read(pair.asking, in, sizeof(in)), 4);

                assert_int_equal(flow_dealloc(pair.serving), 0);
                pair.serving = -1;
                assert_int_equal(fevent(set, fq, &long_time), 1);
                assert_int_equal(fqueue_next(fq), pair.asking);
                assert_int_equal(fqueue_type(fq), FLOW_DEALLOC);

                fset_destroy(set);
                fqueue_destroy(fq);
                compat_pair_close(&pair);
        }
}

/* Without the flag nothing is waited for. */
static void test_no_linger(void **state) {
        _cleanup_compat_pair_ CompatPair pair;

        pair_open_to(&pair, &kinds[0]);
        assert_int_equal(fccntl(pair.asking, FRCTSFLAGS, FRCTFRESCNTL), 0);
        assert_int_equal(flow_write(pair.asking, "gone?", 5), 5);
        assert_int_equal(flow_dealloc(pair.asking), 0);
        pair.asking = -1;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_messages),
                cmocka_unit_test(test_linger),
                cmocka_unit_test(test_events),
                cmocka_unit_test(test_no_linger),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
