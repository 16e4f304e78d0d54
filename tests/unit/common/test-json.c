/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "services/common/json.h"

static void test_text(void **state) {
        _cleanup_(json_freep) Json *object = json_object();
        _cleanup_free_ char *text = NULL;
        Json *list = json_array(), *child = json_object();

        json_add_string(object, "name", "a \"b\" /c");
        json_add_string(object, "none", NULL);
        json_add_u64(object, "big", UINT64_MAX);
        json_add_id(object, "id", UINT64_MAX);
        json_add_bool(object, "on", true);
        json_append_string(list, "x");
        json_add_bool(child, "off", false);
        json_append(list, child);
        json_add(object, "list", list);

        assert_int_equal(json_text(object, &text), 0);
        assert_string_equal(text, "{\"name\":\"a \\\"b\\\" /c\",\"none\":null,\"big\":18446744073709551615,"
                                  "\"id\":\"18446744073709551615\",\"on\":true,"
                                  "\"list\":[\"x\",{\"off\":false}]}");
}

/* What failed stays failed, through any number of parents. */
static void test_failure(void **state) {
        _cleanup_(json_freep) Json *object = json_object();
        Json *list = json_array();
        char *text = NULL;

        json_append(list, NULL);                /* a child whose allocation failed */
        json_append_string(list, "fine");
        json_add(object, "list", list);
        assert_int_equal(json_text(object, &text), -ENOMEM);
        assert_null(text);

        json_add_u64(NULL, "key", 1);           /* harmless */
        json_append_string(NULL, "x");
        assert_int_equal(json_text(NULL, &text), -ENOMEM);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_text),
                cmocka_unit_test(test_failure),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
