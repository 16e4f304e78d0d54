/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Intrusive doubly linked list. An object embeds one ListNode for each list that it may be on and can
 * unlink itself without knowing the head. The head is a ListNode of its own; an empty list and an
 * unlinked node both point at themselves, so list_unlink() may be called any number of times.
 */

#include "basic/macro.h"

typedef struct ListNode ListNode;

struct ListNode {
        ListNode *next;
        ListNode *previous;
};

typedef ListNode List;

#define LIST_INIT(node)                                                                                           \
        (ListNode) {                                                                                              \
                .next = &(node), .previous = &(node),                                                             \
        }

static inline void list_init(ListNode *node) {
        *node = LIST_INIT(*node);
}

static inline bool list_is_empty(const List *list) {
        return list->next == list;
}

static inline bool list_is_linked(const ListNode *node) {
        return node->next != node;
}

static inline void list_insert_after(ListNode *where, ListNode *node) {
        node->next = where->next;
        node->previous = where;
        where->next->previous = node;
        where->next = node;
}

/* Adds at the end. The node must not be on a list. */
static inline void list_append(List *list, ListNode *node) {
        list_insert_after(list->previous, node);
}

static inline void list_prepend(List *list, ListNode *node) {
        list_insert_after(list, node);
}

static inline void list_unlink(ListNode *node) {
        node->next->previous = node->previous;
        node->previous->next = node->next;
        list_init(node);
}

/* The object that embeds the first node as "member", or NULL. */
#define list_first(list, type, member)                                                                            \
        (list_is_empty(list) ? NULL : container_of((list)->next, type, member))

/* Visits each object; the body must not unlink the object that it is at. */
#define list_for_each(object, list, member)                                                                       \
        for (object = container_of((list)->next, __typeof__(*object), member); &object->member != (list);        \
             object = container_of(object->member.next, __typeof__(*object), member))

/* The same; the body may unlink or free the object that it is at, and no other. */
#define list_for_each_safe(object, following, list, member)                                                       \
        for (object = container_of((list)->next, __typeof__(*object), member),                                    \
            following = container_of(object->member.next, __typeof__(*object), member);                           \
             &object->member != (list);                                                                           \
             object = following, following = container_of(object->member.next, __typeof__(*object), member))
