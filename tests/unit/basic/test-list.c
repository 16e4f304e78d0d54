/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lists, against an array of numbers. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "basic/list.h"

typedef struct Item {
        unsigned number;
        ListNode by_list;
} Item;

static void check(List *list, const char *expected) {
        char seen[32] = "";
        ListNode *back = list;
        Item *item;
        size_t n = 0;

        list_for_each(item, list, by_list)
                seen[n++] = (char) ('0' + item->number);
        assert_string_equal(seen, expected);

        /* The same backwards. */
        while ((back = back->previous) != list)
                assert_int_equal(container_of(back, Item, by_list)->number, expected[--n] - '0');
        assert_int_equal(n, 0);
        assert_int_equal(list_is_empty(list), expected[0] == '\0');
}

static void test_operations(void **state) {
        Item items[6];
        List list;

        list_init(&list);
        for (unsigned i = 0; i < ELEMENTSOF(items); i++) {
                items[i].number = i;
                list_init(&items[i].by_list);
                assert_false(list_is_linked(&items[i].by_list));
        }

        check(&list, "");
        assert_null(list_first(&list, Item, by_list));

        list_append(&list, &items[1].by_list);
        list_append(&list, &items[2].by_list);
        list_prepend(&list, &items[0].by_list);
        check(&list, "012");
        list_insert_after(&items[1].by_list, &items[5].by_list);
        check(&list, "0152");
        assert_ptr_equal(list_first(&list, Item, by_list), items + 0);
        assert_true(list_is_linked(&items[5].by_list));

        list_unlink(&items[1].by_list);
        check(&list, "052");
        list_unlink(&items[1].by_list);         /* twice is fine */
        check(&list, "052");
        assert_false(list_is_linked(&items[1].by_list));

        list_unlink(&items[2].by_list);
        list_unlink(&items[0].by_list);
        check(&list, "5");
        list_append(&list, &items[0].by_list);  /* and it may come back */
        check(&list, "50");
        list_unlink(&items[5].by_list);
        list_unlink(&items[0].by_list);
        check(&list, "");
}

static void test_unlink_while_walking(void **state) {
        Item items[9], *item, *following;
        List list;

        list_init(&list);
        for (unsigned i = 0; i < ELEMENTSOF(items); i++) {
                items[i].number = i;
                list_append(&list, &items[i].by_list);
        }

        list_for_each_safe(item, following, &list, by_list)
                if (item->number % 3 != 1)
                        list_unlink(&item->by_list);
        check(&list, "147");

        list_for_each_safe(item, following, &list, by_list)
                list_unlink(&item->by_list);
        check(&list, "");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_operations),
                cmocka_unit_test(test_unlink_while_walking),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
