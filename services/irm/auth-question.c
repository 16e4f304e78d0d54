/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Questions to the authentication service, see auth-question.h. */

#include "services/irm/auth-question.h"

static const AuthMessageType answer_to[_AUTH_MESSAGE_TYPE_MAX] = {
        [AUTH_BUILD_REQUEST] = AUTH_REQUEST_BUILT,
        [AUTH_CHECK_RESPONSE] = AUTH_RESPONSE_CHECKED,
        [AUTH_CHECK_REQUEST] = AUTH_REQUEST_CHECKED,
        [AUTH_BUILD_RESPONSE] = AUTH_RESPONSE_BUILT,
        [AUTH_INSPECT] = AUTH_INSPECTED,
        [AUTH_RELOAD] = AUTH_RELOADED,
};

AuthMessageType auth_question_answer_type(AuthMessageType type) {
        return type >= 0 && type < _AUTH_MESSAGE_TYPE_MAX ? answer_to[type] : 0;
}

/* -- one of them -- */

int auth_question_new(AuthQuestions *questions, AuthMessage *message, AuthQuestion **ret) {
        AuthQuestion *q;

        q = questions->n < AUTH_QUESTIONS_MAX ? calloc(1, sizeof(*q)) : NULL;
        if (!q) {
                auth_message_done(message);
                return questions->n < AUTH_QUESTIONS_MAX ? -ENOMEM : -EBUSY;
        }

        *q = (AuthQuestion) {
                .questions = questions,
                .message = *message,
                .deadline = usec_add(time_now(), AUTH_ANSWER_USEC),
        };
        *message = (AuthMessage) {};
        list_init(&q->by_list);
        questions->n++;
        *ret = q;
        return 0;
}

AuthQuestion *auth_question_find(const AuthQuestions *questions, uint64_t id) {
        return map_get(questions->by_id, &id, sizeof(id));
}

AuthQuestion *auth_question_free(AuthQuestion *q) {
        if (!q)
                return NULL;

        list_unlink(&q->by_list);
        if (auth_question_find(q->questions, q->message.id) == q)
                map_remove(q->questions->by_id, &q->message.id, sizeof(q->message.id));
        q->questions->n--;
        auth_message_done(&q->message);
        return mfree(q);
}

void auth_question_answer(AuthQuestion *q, AuthMessage *answer) {
        const AuthSession session = {
                .connection = answer->session ? q->questions->connection : 0,
                .id = answer->session,
        };
        auth_answered_t answered = q->answered;
        void *userdata = q->userdata;

        auth_question_free(q);
        if (answered)
                answered(userdata, session, answer);
}

void auth_question_fail(AuthQuestion *q, int error, const char *text) {
        AuthMessage answer = { .type = answer_to[q->message.type], .id = q->message.id, .result = error };

        (void) copy_string(answer.text, sizeof(answer.text), text);
        auth_question_answer(q, &answer);
}

void auth_question_asked(AuthQuestion *q) {
        list_unlink(&q->by_list);
        list_append(&q->questions->asked, &q->by_list);
}

void auth_question_again(AuthQuestion *q) {
        list_unlink(&q->by_list);
        list_prepend(&q->questions->waiting, &q->by_list);
}

/* -- all of them -- */

int auth_questions_init(AuthQuestions *questions) {
        *questions = (AuthQuestions) {};
        list_init(&questions->waiting);
        list_init(&questions->asked);
        return map_new(&questions->by_id);
}

void auth_questions_done(AuthQuestions *questions) {
        AuthQuestion *q;

        while ((q = list_first(&questions->waiting, AuthQuestion, by_list)) ||
               (q = list_first(&questions->asked, AuthQuestion, by_list)))
                auth_question_free(q);
        questions->by_id = map_free(questions->by_id);
}

usec_t auth_questions_next(const AuthQuestions *questions) {
        const AuthQuestion *waiting = list_first(&questions->waiting, AuthQuestion, by_list);
        const AuthQuestion *asked = list_first(&questions->asked, AuthQuestion, by_list);

        return MIN(waiting ? waiting->deadline : USEC_INFINITY, asked ? asked->deadline : USEC_INFINITY);
}

static void fail_late(List *list, usec_t now) {
        AuthQuestion *q;

        while ((q = list_first(list, AuthQuestion, by_list)) && q->deadline <= now)
                auth_question_fail(q, -ETIMEDOUT, "The authentication service did not answer within 5 s; "
                                   "see: systemctl status o7s-auth");
}

void auth_questions_fail_late(AuthQuestions *questions, usec_t now) {
        fail_late(&questions->asked, now);
        fail_late(&questions->waiting, now);
}

/* Those that can be asked of the next process of the service as well as of this one. */
static bool question_survives(const AuthQuestion *q, bool asked) {
        if (!asked)
                return q->answered && !q->has_session;

        return !q->repeated && (q->message.type == AUTH_BUILD_REQUEST || q->message.type == AUTH_INSPECT ||
                                q->message.type == AUTH_RELOAD);
}

/* An owner who is told so may ask, or cancel, others: so each round begins at an end of the list. What was asked
 * goes before what waits. */
void auth_questions_fail_lost(AuthQuestions *questions) {
        static const char text[] = "The authentication service ended over it; try again";
        unsigned n = questions->n;
        AuthQuestion *q;

        while (n-- > 0 && (q = list_first(&questions->waiting, AuthQuestion, by_list))) {
                list_unlink(&q->by_list);
                list_append(&questions->waiting, &q->by_list);
                if (!question_survives(q, false))
                        auth_question_fail(q, -ECONNRESET, text);
        }

        while (!list_is_empty(&questions->asked)) {
                q = container_of(questions->asked.previous, AuthQuestion, by_list);
                list_unlink(&q->by_list);
                list_prepend(&questions->waiting, &q->by_list);
                if (!question_survives(q, true))
                        auth_question_fail(q, -ECONNRESET, text);
                else
                        q->repeated = true;
        }
}

void auth_questions_fail_waiting(AuthQuestions *questions, const char *text) {
        unsigned n = questions->n;
        AuthQuestion *q;

        while (n-- > 0 && (q = list_first(&questions->waiting, AuthQuestion, by_list)))
                auth_question_fail(q, -ENOTCONN, text);
}
