/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What flow_alloc(), flow_accept() and flow_join() say when there is no flow. */

#include "libo7s-compat/compat.h"
#include "tests/unit/compat/compat-pair.h"

static void test_alloc(void **state) {
        static const struct {
                const char *name;
                int error;
        } cases[] = {
                { "nobody",      -ENAME },
                { "refused",     -EIPCP },
                { "denied",      -EPERM },
                { "died",        -EIRMD },
                { "silent",      -ETIMEDOUT },
                { "",            -EINVAL },
        };
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        char large[300];

        assert_int_equal(irm_thread_start(&irm), 0);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                qosspec_t qs = qos_raw;

                print_message("'%s'\n", cases[i].name);
                qs.delay = 4711;
                assert_int_equal(flow_alloc(cases[i].name, &qs, &short_time), cases[i].error);
                assert_int_equal(qs.delay, 4711);               /* not touched */
        }

        memset(large, 'x', sizeof(large));
        large[sizeof(large) - 1] = '\0';
        assert_int_equal(flow_alloc(large, NULL, &short_time), -EINVAL);
        assert_int_equal(flow_alloc(NULL, NULL, NULL), -EINVAL);
        assert_int_equal(flow_alloc("silent", NULL, &no_time), -ETIMEDOUT);
        assert_int_equal(flow_alloc("silent", NULL, &(struct timespec) { 0, -1 }), -EINVAL);
}

static void test_accept(void **state) {
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        qosspec_t qs;

        assert_int_equal(irm_thread_start(&irm), 0);
        assert_int_equal(flow_accept(&qs, &short_time), -ETIMEDOUT);
        assert_int_equal(flow_accept(NULL, &no_time), -ETIMEDOUT);
        assert_int_equal(flow_accept(NULL, &(struct timespec) { -1, 0 }), -EINVAL);
}

static void test_join(void **state) {
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;

        assert_int_equal(irm_thread_start(&irm), 0);
        assert_int_equal(flow_join("news", &short_time), -EIPCP);
        assert_int_equal(flow_join(NULL, &short_time), -EINVAL);
}

/* Nobody there at all: this runs first, before there is a listener. */
static void test_no_irm(void **state) {
        assert_int_equal(setenv("O7S_SOCKET", "/nowhere/irm.sock", 1), 0);
        assert_int_equal(flow_alloc("echo", NULL, NULL), -EIRMD);
        assert_int_equal(flow_accept(NULL, NULL), -EIRMD);
}

/* What no IRM in a thread says. */
static void test_translation(void **state) {
        static const struct {
                int error, translated[_DOING_MAX];
        } cases[] = {
                { -EKEYREJECTED, { -EAUTH, -EAUTH, -EAUTH } },
                { -ETIME,        { -EAUTH, -EAUTH, -EAUTH } },
                { -EPROTO,       { -ECRYPT, -ECRYPT, -ECRYPT } },
                { -ENOKEY,       { -ECRYPT, -ECRYPT, -ECRYPT } },
                { -EHOSTUNREACH, { -EIPCP, -EIPCP, -EIPCP } },
                { -EHOSTDOWN,    { -EIRMD, -EIRMD, -EIRMD } },
                { -EMFILE,       { -EBADF, -EBADF, -EBADF } },
                { -EDQUOT,       { -EBADF, -EBADF, -EBADF } },
                { -EACCES,       { -EPERM, -EPERM, -EPERM } },
                { -ECONNREFUSED, { -EIPCP, -EIPCP, -ENOTALLOC } },
                { -EOPNOTSUPP,   { -ENOTSUP, -ENOTSUP, -EIPCP } },
                { -ENOMEM,       { -ENOMEM, -ENOMEM, -ENOMEM } },
                { -ETIMEDOUT,    { -ETIMEDOUT, -ETIMEDOUT, -ETIMEDOUT } },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (int doing = 0; doing < _DOING_MAX; doing++)
                        assert_int_equal(error_translate((Doing) doing, cases[i].error), cases[i].translated[doing]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_no_irm),
                cmocka_unit_test(test_alloc),
                cmocka_unit_test(test_accept),
                cmocka_unit_test(test_join),
                cmocka_unit_test(test_translation),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
