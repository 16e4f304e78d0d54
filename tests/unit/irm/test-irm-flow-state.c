/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table of flows, exhaustively: every event in every state, and what must never happen in any of them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/irm/flow-state.h"

#define CELL(state, event, next, what)                                                                            \
        { FLOW_##state, FLOW_EVENT_##event, FLOW_##next, FLOW_DO_##what }

/* Written down a second time, by state, so that a slip in the table of the program is a difference here. */
static const struct {
        FlowState state;
        FlowEvent event;
        FlowState next;
        FlowAction action;
} cells[] = {
        CELL(SEARCHING, ACCEPTOR, OFFERED, OFFER),
        CELL(SEARCHING, ROUTE, REQUESTED, REQUEST),
        CELL(SEARCHING, RETRACT, SEARCHING, SEARCH),
        CELL(SEARCHING, CALLER_LANE, SEARCHING, KEEP_LANE),
        CELL(SEARCHING, ACCEPTOR_LANE, SEARCHING, NOTHING),
        CELL(SEARCHING, LAYER_LANE, SEARCHING, NOTHING),
        CELL(SEARCHING, GIVE_UP, CLOSED, FAIL),
        CELL(SEARCHING, LOST, SEARCHING, NOTHING),
        CELL(SEARCHING, END, CLOSED, FAIL),

        CELL(OFFERED, ACCEPTOR, OFFERED, NOTHING),
        CELL(OFFERED, ROUTE, OFFERED, NOTHING),
        CELL(OFFERED, RETRACT, SEARCHING, SEARCH),
        CELL(OFFERED, CALLER_LANE, OFFERED, KEEP_LANE),
        CELL(OFFERED, ACCEPTOR_LANE, ANSWERED, COMPLETE),
        CELL(OFFERED, LAYER_LANE, OFFERED, NOTHING),
        CELL(OFFERED, GIVE_UP, CLOSED, FAIL),
        CELL(OFFERED, LOST, OFFERED, NOTHING),
        CELL(OFFERED, END, CLOSED, FAIL),

        CELL(REQUESTED, ACCEPTOR, OFFERED, OFFER),
        CELL(REQUESTED, ROUTE, REQUESTED, REQUEST),
        CELL(REQUESTED, RETRACT, SEARCHING, SEARCH),
        CELL(REQUESTED, CALLER_LANE, REQUESTED, KEEP_LANE),
        CELL(REQUESTED, ACCEPTOR_LANE, REQUESTED, NOTHING),
        CELL(REQUESTED, LAYER_LANE, ANSWERED, COMPLETE),
        CELL(REQUESTED, GIVE_UP, CLOSED, FAIL),
        CELL(REQUESTED, LOST, REQUESTED, NOTHING),
        CELL(REQUESTED, END, CLOSED, FAIL),

        CELL(ANSWERED, ACCEPTOR, ANSWERED, NOTHING),
        CELL(ANSWERED, ROUTE, ANSWERED, NOTHING),
        CELL(ANSWERED, RETRACT, CLOSED, FAIL),
        CELL(ANSWERED, CALLER_LANE, ESTABLISHED, ESTABLISH),
        CELL(ANSWERED, ACCEPTOR_LANE, ANSWERED, PUNISH),
        CELL(ANSWERED, LAYER_LANE, ANSWERED, NOTHING),
        CELL(ANSWERED, GIVE_UP, CLOSED, FAIL),
        CELL(ANSWERED, LOST, ANSWERED, NOTHING),
        CELL(ANSWERED, END, CLOSED, FAIL),

        CELL(QUEUED, ACCEPTOR, PROPOSED, OFFER),
        CELL(QUEUED, ROUTE, QUEUED, NOTHING),
        CELL(QUEUED, RETRACT, QUEUED, SEARCH),
        CELL(QUEUED, CALLER_LANE, QUEUED, PUNISH),
        CELL(QUEUED, ACCEPTOR_LANE, QUEUED, NOTHING),
        CELL(QUEUED, LAYER_LANE, QUEUED, PUNISH),
        CELL(QUEUED, GIVE_UP, CLOSED, REFUSE),
        CELL(QUEUED, LOST, QUEUED, NOTHING),
        CELL(QUEUED, END, CLOSED, REFUSE),

        CELL(PROPOSED, ACCEPTOR, PROPOSED, NOTHING),
        CELL(PROPOSED, ROUTE, PROPOSED, NOTHING),
        CELL(PROPOSED, RETRACT, QUEUED, SEARCH),
        CELL(PROPOSED, CALLER_LANE, PROPOSED, PUNISH),
        CELL(PROPOSED, ACCEPTOR_LANE, ACCEPTING, ACCEPT),
        CELL(PROPOSED, LAYER_LANE, PROPOSED, PUNISH),
        CELL(PROPOSED, GIVE_UP, CLOSED, REFUSE),
        CELL(PROPOSED, LOST, PROPOSED, NOTHING),
        CELL(PROPOSED, END, CLOSED, REFUSE),

        CELL(ACCEPTING, ACCEPTOR, ACCEPTING, NOTHING),
        CELL(ACCEPTING, ROUTE, ACCEPTING, NOTHING),
        CELL(ACCEPTING, RETRACT, CLOSED, REFUSE),
        CELL(ACCEPTING, CALLER_LANE, ACCEPTING, PUNISH),
        CELL(ACCEPTING, ACCEPTOR_LANE, ACCEPTING, PUNISH),
        CELL(ACCEPTING, LAYER_LANE, ESTABLISHED, ESTABLISH),
        CELL(ACCEPTING, GIVE_UP, CLOSED, REFUSE),
        CELL(ACCEPTING, LOST, ACCEPTING, NOTHING),
        CELL(ACCEPTING, END, CLOSED, REFUSE),

        CELL(ESTABLISHED, ACCEPTOR, ESTABLISHED, NOTHING),
        CELL(ESTABLISHED, ROUTE, ESTABLISHED, NOTHING),
        CELL(ESTABLISHED, RETRACT, CLOSED, FINISH),
        CELL(ESTABLISHED, CALLER_LANE, ESTABLISHED, PUNISH),
        CELL(ESTABLISHED, ACCEPTOR_LANE, ESTABLISHED, PUNISH),
        CELL(ESTABLISHED, LAYER_LANE, ESTABLISHED, NOTHING),
        CELL(ESTABLISHED, GIVE_UP, ESTABLISHED, NOTHING),
        CELL(ESTABLISHED, LOST, SUSPENDED, SUSPEND),
        CELL(ESTABLISHED, END, CLOSED, FINISH),

        CELL(SUSPENDED, ACCEPTOR, SUSPENDED, NOTHING),
        CELL(SUSPENDED, ROUTE, SUSPENDED, NOTHING),
        CELL(SUSPENDED, RETRACT, CLOSED, FINISH),
        CELL(SUSPENDED, CALLER_LANE, SUSPENDED, KEEP_LANE),
        CELL(SUSPENDED, ACCEPTOR_LANE, SUSPENDED, PUNISH),
        CELL(SUSPENDED, LAYER_LANE, RETURNED, RETURN),
        CELL(SUSPENDED, GIVE_UP, CLOSED, FINISH),
        CELL(SUSPENDED, LOST, SUSPENDED, NOTHING),
        CELL(SUSPENDED, END, CLOSED, FINISH),

        CELL(RETURNED, ACCEPTOR, RETURNED, NOTHING),
        CELL(RETURNED, ROUTE, RETURNED, NOTHING),
        CELL(RETURNED, RETRACT, CLOSED, FINISH),
        CELL(RETURNED, CALLER_LANE, ESTABLISHED, REATTACH),
        CELL(RETURNED, ACCEPTOR_LANE, RETURNED, PUNISH),
        CELL(RETURNED, LAYER_LANE, RETURNED, NOTHING),
        CELL(RETURNED, GIVE_UP, RETURNED, NOTHING),
        CELL(RETURNED, LOST, SUSPENDED, SUSPEND),
        CELL(RETURNED, END, CLOSED, FINISH),
};

static void test_cells(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(cells); i++) {
                FlowMove move = flow_move(cells[i].state, cells[i].event);

                print_message("%s, %s\n", flow_state_to_string(cells[i].state), flow_event_to_string(cells[i].event));
                assert_int_equal(move.next, cells[i].next);
                assert_int_equal(move.action, cells[i].action);
        }

        /* All states but CLOSED are in the list, each with all events. */
        assert_int_equal(ELEMENTSOF(cells), (_FLOW_STATE_MAX - 1) * _FLOW_EVENT_MAX);
}

static void test_closed_is_the_end(void **state) {
        for (FlowEvent e = 0; e < _FLOW_EVENT_MAX; e++) {
                assert_int_equal(flow_move(FLOW_CLOSED, e).next, FLOW_CLOSED);
                assert_int_equal(flow_move(FLOW_CLOSED, e).action, FLOW_DO_NOTHING);
        }
}

static bool is_incoming(FlowState s) {
        return s == FLOW_QUEUED || s == FLOW_PROPOSED || s == FLOW_ACCEPTING;
}

/* Laws that hold whatever the table says in detail. */
static void test_laws(void **state) {
        for (FlowState s = 0; s < FLOW_CLOSED; s++)
                for (FlowEvent e = 0; e < _FLOW_EVENT_MAX; e++) {
                        FlowMove move = flow_move(s, e);

                        print_message("%s, %s\n", flow_state_to_string(s), flow_event_to_string(e));

                        /* END ends, from everywhere; nothing else ends an established flow but the loss of a side. */
                        if (e == FLOW_EVENT_END)
                                assert_int_equal(move.next, FLOW_CLOSED);

                        /* Whoever closes a flow says so in the way of its direction. */
                        if (move.next == FLOW_CLOSED)
                                assert_int_equal(move.action, s >= FLOW_ESTABLISHED ? FLOW_DO_FINISH
                                                              : is_incoming(s)      ? FLOW_DO_REFUSE
                                                                                    : FLOW_DO_FAIL);

                        /* Once established it is never pending again, and waits for a layer only where that was
                         * lost. */
                        if (s >= FLOW_ESTABLISHED)
                                assert_false(flow_state_is_pending(move.next));
                        assert_int_equal(move.next == FLOW_SUSPENDED && s != FLOW_SUSPENDED,
                                         move.action == FLOW_DO_SUSPEND);

                        /* A breach of protocol changes nothing. */
                        if (move.action == FLOW_DO_PUNISH)
                                assert_int_equal(move.next, s);

                        /* The two directions never mix. */
                        if (move.next < FLOW_ESTABLISHED)
                                assert_int_equal(is_incoming(move.next), is_incoming(s));

                        /* Established once, and announced then. */
                        if (move.next == FLOW_ESTABLISHED && s != FLOW_ESTABLISHED)
                                assert_int_equal(move.action,
                                                 s == FLOW_RETURNED ? FLOW_DO_REATTACH : FLOW_DO_ESTABLISH);
                        else
                                assert_false(move.action == FLOW_DO_REATTACH || move.action == FLOW_DO_ESTABLISH);
                }
}

static void test_names(void **state) {
        for (FlowState s = 0; s < _FLOW_STATE_MAX; s++)
                assert_int_equal(flow_state_from_string(flow_state_to_string(s)), s);
        for (FlowEvent e = 0; e < _FLOW_EVENT_MAX; e++)
                assert_int_equal(flow_event_from_string(flow_event_to_string(e)), e);
        for (FlowAction a = 0; a < _FLOW_ACTION_MAX; a++)
                assert_int_equal(flow_action_from_string(flow_action_to_string(a)), a);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_cells),
                cmocka_unit_test(test_closed_is_the_end),
                cmocka_unit_test(test_laws),
                cmocka_unit_test(test_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
