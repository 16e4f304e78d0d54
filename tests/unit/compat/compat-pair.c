/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Both ends of a flow in one process, see compat-pair.h. */

#include <pthread.h>

#include "tests/unit/compat/compat-pair.h"

const struct timespec long_time = { 10, 0 };
const struct timespec short_time = { 0, 1000000 };
const struct timespec no_time = { 0, 0 };

static void *accept_one(void *userdata) {
        int *ret = userdata;

        *ret = flow_accept(NULL, &long_time);
        return NULL;
}

void compat_pair_more_to(const char *name, const qosspec_t *qs, int *ret_asking, int *ret_serving) {
        qosspec_t copy = qs ? *qs : qos_raw;
        pthread_t thread;

        assert_int_equal(flow_accept(NULL, &no_time), -ETIMEDOUT);      /* from here on the name is served */
        assert_int_equal(pthread_create(&thread, NULL, accept_one, ret_serving), 0);
        *ret_asking = flow_alloc(name, qs ? &copy : NULL, &long_time);
        assert_int_equal(pthread_join(thread, NULL), 0);

        assert_true(*ret_asking >= 64);
        assert_true(*ret_serving >= 64);
}

void compat_pair_more(const qosspec_t *qs, int *ret_asking, int *ret_serving) {
        compat_pair_more_to("echo", qs, ret_asking, ret_serving);
}

void compat_pair_open(CompatPair *pair, const qosspec_t *qs) {
        *pair = (CompatPair) { .asking = -1, .serving = -1 };
        assert_int_equal(irm_thread_start(&pair->irm), 0);
        compat_pair_more(qs, &pair->asking, &pair->serving);
}

void compat_pair_close(CompatPair *pair) {
        if (pair->asking >= 0)
                assert_int_equal(flow_dealloc(pair->asking), 0);
        if (pair->serving >= 0)
                assert_int_equal(flow_dealloc(pair->serving), 0);

        pair->irm = irm_thread_free(pair->irm);
}
