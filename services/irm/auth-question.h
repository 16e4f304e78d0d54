/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Questions to the authentication service. They are on two lists, oldest first: waiting to be written, and written
 * (asked). There is no other queue: a socket that is full leaves them where they are. auth-link.c has the connection.
 */

#include "basic/list.h"
#include "basic/map.h"
#include "basic/time.h"
#include "services/irm/auth-link.h"

typedef struct AuthQuestions {
        Map *by_id;                             /* id -> AuthQuestion */
        List waiting;                           /* AuthQuestion.by_list, owned */
        List asked;                             /* likewise */
        unsigned n;
        uint64_t connection;                    /* that they are asked over; counts them, from 1 */
} AuthQuestions;

typedef struct AuthQuestion {
        AuthQuestions *questions;               /* not owned */
        AuthMessage message;
        auth_answered_t answered;               /* NULL: there is no answer to it */
        void *userdata;
        usec_t deadline;
        bool has_session;
        bool repeated;                          /* to another process of the service */
        bool repeated_keys;                     /* after -ENOTCONN */
        uint64_t keys;                          /* of AuthLink, when it was written */
        ListNode by_list;
} AuthQuestion;

int auth_questions_init(AuthQuestions *questions);
void auth_questions_done(AuthQuestions *questions);     /* nobody is answered any more */

/* One that is on no list yet, and has no id. Takes what message owns. Returns: 0; -EBUSY: too many; -ENOMEM. */
int auth_question_new(AuthQuestions *questions, AuthMessage *message, AuthQuestion **ret);
AuthQuestion *auth_question_free(AuthQuestion *question);
DEFINE_CLEANUP(AuthQuestion, auth_question_free);

AuthQuestion *auth_question_find(const AuthQuestions *questions, uint64_t id);

/* Of an answer to such a question; 0: there is none. */
AuthMessageType auth_question_answer_type(AuthMessageType type);

/* The question is gone when its owner hears the answer: he may ask the next one from there. */
void auth_question_answer(AuthQuestion *question, AuthMessage *answer);
void auth_question_fail(AuthQuestion *question, int error, const char *text);

/* It was written; it waits to be written once more. */
void auth_question_asked(AuthQuestion *question);
void auth_question_again(AuthQuestion *question);

/* When the next one is late; those that are hear it. */
usec_t auth_questions_next(const AuthQuestions *questions);
void auth_questions_fail_late(AuthQuestions *questions, usec_t now);

/* The process of the service ended. What was asked goes before what waits; what cannot be asked of the next process as
 * well fails. */
void auth_questions_fail_lost(AuthQuestions *questions);

/* Nobody is there to answer. Whoever is told so may ask anew, and waits for the next turn. */
void auth_questions_fail_waiting(AuthQuestions *questions, const char *text);
