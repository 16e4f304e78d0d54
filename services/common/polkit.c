/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Asking polkit without waiting for it.
 *
 * A PolkitQuery is one question on its way. For a method call it keeps the message; once answered, the message is
 * rewound and put back into the bus's read queue, the handler runs again and finds the query by message, action and
 * details. An answered query lives until that second run is over (the "sweep" source, which runs after it), so that a
 * handler may ask for several actions one after the other: each replay gets one step further.
 *
 * Where polkit is not there, root alone is let through; who the sender is comes from the bus, again without waiting.
 */

#include <stdio.h>

#include "basic/list.h"
#include "basic/log.h"
#include "basic/string.h"
#include "basic/time.h"
#include "services/common/polkit.h"

#define POLKIT_SERVICE "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"

#define FLAG_ALLOW_INTERACTION 1U

/* Time for a person to find the password; without interaction the bus's own default holds. */
#define INTERACTION_USEC (5 * 60 * USEC_PER_SEC)

struct Polkit {
        sd_bus *bus;
        sd_bus_slot *changed_slot;
        sd_event_source *sweep;
        List queries;
        unsigned n_pending;
        void (*changed)(void *userdata);
        void *changed_userdata;
};

struct PolkitQuery {
        ListNode by_polkit;
        Polkit *polkit;                 /* not owned */
        sd_bus_slot *call;
        char *question;                 /* action and details: what the answer is for */
        bool pending;
        bool used;                      /* the handler has seen the answer */
        int answer;                     /* 1; -EACCES; -EPERM; else polkit is not there */
        uid_t uid;                      /* of a process */
        sd_bus_message *message;        /* of a method call, else NULL */
        polkit_answer_t done;           /* of a process, else NULL */
        void *userdata;
};

/* -- life -- */

static void query_set_pending(PolkitQuery *query, bool pending) {
        if (query->pending == pending)
                return;

        query->pending = pending;
        query->polkit->n_pending += pending ? 1U : -1U;
}

PolkitQuery *polkit_query_free(PolkitQuery *query) {
        if (!query)
                return NULL;

        query_set_pending(query, false);
        list_unlink(&query->by_polkit);
        sd_bus_slot_unref(query->call);
        sd_bus_message_unref(query->message);
        free(query->question);
        return mfree(query);
}

DEFINE_CLEANUP(PolkitQuery, polkit_query_free);

static int sweep_elapsed(sd_event_source *source, void *userdata) {
        Polkit *polkit = userdata;
        PolkitQuery *query, *following;

        list_for_each_safe(query, following, &polkit->queries, by_polkit) {
                PolkitQuery *other;
                bool waits = false;

                if (!query->used)
                        continue;

                /* Its handler asked for more, so that it runs once more and must find this answer again. */
                list_for_each(other, &polkit->queries, by_polkit)
                        waits = waits || (other->message == query->message && !other->used);

                if (!waits)
                        (void) polkit_query_free(query);
        }

        return 0;
}

static int authority_changed(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Polkit *polkit = userdata;

        if (polkit->changed)
                polkit->changed(polkit->changed_userdata);

        return 0;
}

Polkit *polkit_free(Polkit *polkit) {
        PolkitQuery *query;

        if (!polkit)
                return NULL;

        while ((query = list_first(&polkit->queries, PolkitQuery, by_polkit)))
                (void) polkit_query_free(query);

        sd_event_source_disable_unref(polkit->sweep);
        sd_bus_slot_unref(polkit->changed_slot);
        sd_bus_unref(polkit->bus);
        return mfree(polkit);
}

int polkit_new(sd_bus *bus, Polkit **ret) {
        _cleanup_(polkit_freep) Polkit *polkit = NULL;
        int r;

        polkit = malloc(sizeof(*polkit));
        if (!polkit)
                return -ENOMEM;

        *polkit = (Polkit) { .bus = sd_bus_ref(bus) };
        list_init(&polkit->queries);

        r = sd_event_add_defer(sd_bus_get_event(bus), &polkit->sweep, sweep_elapsed, polkit);
        if (r < 0)
                return r;

        /* The replayed call is dispatched at the bus's priority, the sweep must not come before it. */
        r = sd_event_source_set_priority(polkit->sweep, SD_EVENT_PRIORITY_IDLE);
        if (r < 0)
                return r;

        r = sd_event_source_set_enabled(polkit->sweep, SD_EVENT_OFF);
        if (r < 0)
                return r;

        r = sd_bus_match_signal_async(bus, &polkit->changed_slot, POLKIT_SERVICE, POLKIT_PATH, POLKIT_INTERFACE,
                                      "Changed", authority_changed, NULL, polkit);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(polkit);
        return 0;
}

void polkit_set_changed(Polkit *polkit, void (*changed)(void *userdata), void *userdata) {
        polkit->changed = changed;
        polkit->changed_userdata = userdata;
}

/* -- answers -- */

static void query_answered(PolkitQuery *query, int answer) {
        int r;

        query_set_pending(query, false);
        query->call = sd_bus_slot_unref(query->call);
        query->answer = answer;

        if (query->done) {
                query->done(query, answer, query->userdata);
                (void) polkit_query_free(query);
                return;
        }

        r = sd_bus_message_rewind(query->message, true);
        if (r >= 0)
                r = sd_bus_enqueue_for_read(query->polkit->bus, query->message);
        if (r < 0) {
                (void) sd_bus_reply_method_errnof(query->message, r, "Failed to go on after authorisation: %m");
                (void) polkit_query_free(query);
        }
}

static int sender_known(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        PolkitQuery *query = userdata;
        uint32_t uid;

        if (sd_bus_message_is_method_error(reply, NULL) || sd_bus_message_read(reply, "u", &uid) < 0)
                query_answered(query, -EHOSTDOWN);
        else
                query_answered(query, uid == 0 ? 1 : -EHOSTDOWN);

        return 0;
}

/* Nobody answers for polkit: find out whether it is root who asks. */
static void query_without_polkit(PolkitQuery *query) {
        int r;

        if (query->done) {
                query_answered(query, query->uid == 0 ? 1 : -EHOSTDOWN);
                return;
        }

        query->call = sd_bus_slot_unref(query->call);
        r = sd_bus_call_method_async(query->polkit->bus, &query->call, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                     "org.freedesktop.DBus", "GetConnectionUnixUser", sender_known, query, "s",
                                     sd_bus_message_get_sender(query->message));
        if (r < 0)
                query_answered(query, -EHOSTDOWN);
}

static int authorization_checked(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        PolkitQuery *query = userdata;
        int authorized, challenge, r;

        /* There, but too busy, or gone while it thought: that is no word of a machine without polkit. */
        if (query->done && (sd_bus_message_is_method_error(reply, SD_BUS_ERROR_NO_REPLY) ||
                            sd_bus_message_is_method_error(reply, SD_BUS_ERROR_TIMEOUT) ||
                            sd_bus_message_is_method_error(reply, SD_BUS_ERROR_LIMITS_EXCEEDED))) {
                query_answered(query, -EBUSY);
                return 0;
        }

        if (sd_bus_message_is_method_error(reply, NULL)) {
                log_debug("polkit did not answer: %s", sd_bus_message_get_error(reply)->message);
                query_without_polkit(query);
                return 0;
        }

        r = sd_bus_message_enter_container(reply, 'r', "bba{ss}");
        if (r > 0)
                r = sd_bus_message_read(reply, "bb", &authorized, &challenge);
        if (r < 0)
                query_answered(query, -EHOSTDOWN);
        else if (authorized)
                query_answered(query, 1);
        else
                query_answered(query, challenge ? -EPERM : -EACCES);

        return 0;
}

/* -- questions -- */

static int question_text(const char *action, const char *const *details, char **ret) {
        _cleanup_free_ char *text = strdup(action);

        if (!text)
                return -ENOMEM;

        for (; details && details[0] && details[1]; details += 2) {
                _cleanup_free_ char *longer = NULL;
                int r;

                r = format_string(&longer, "%s\n%s=%s", text, details[0], details[1]);
                if (r < 0)
                        return r;

                free(text);
                text = TAKE_PTR(longer);
        }

        *ret = TAKE_PTR(text);
        return 0;
}

static int append_subject(sd_bus_message *call, const PolkitQuery *query, pid_t pid) {
        if (query->message)
                return sd_bus_message_append(call, "(sa{sv})", "system-bus-name", 1,
                                             "name", "s", sd_bus_message_get_sender(query->message));

        return sd_bus_message_append(call, "(sa{sv})", "unix-process", 3,
                                     "pid", "u", (uint32_t) pid,
                                     "start-time", "t", (uint64_t) 0,           /* polkit looks it up itself */
                                     "uid", "i", (int32_t) query->uid);
}

static int append_details(sd_bus_message *call, const char *const *details) {
        int r;

        r = sd_bus_message_open_container(call, 'a', "{ss}");
        if (r < 0)
                return r;

        for (; details && details[0] && details[1]; details += 2) {
                r = sd_bus_message_append(call, "{ss}", details[0], details[1]);
                if (r < 0)
                        return r;
        }

        return sd_bus_message_close_container(call);
}

/* Sends the question; from here on the answer owns the query. */
static int query_ask(PolkitQuery *query, pid_t pid, const char *action, const char *const *details) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        bool interactive;
        int r;

        interactive = query->message && sd_bus_message_get_allow_interactive_authorization(query->message) > 0;

        r = sd_bus_message_new_method_call(query->polkit->bus, &call, POLKIT_SERVICE, POLKIT_PATH, POLKIT_INTERFACE,
                                           "CheckAuthorization");
        if (r < 0)
                return r;

        r = append_subject(call, query, pid);
        if (r < 0)
                return r;

        r = sd_bus_message_append(call, "s", action);
        if (r < 0)
                return r;

        r = append_details(call, details);
        if (r < 0)
                return r;

        r = sd_bus_message_append(call, "us", interactive ? FLAG_ALLOW_INTERACTION : 0U, "");
        if (r < 0)
                return r;

        r = sd_bus_call_async(query->polkit->bus, &query->call, call, authorization_checked, query,
                              interactive ? INTERACTION_USEC : 0);
        if (r < 0)
                return r;

        query_set_pending(query, true);
        return 0;
}

static int query_new(Polkit *polkit, const char *question, PolkitQuery **ret) {
        _cleanup_(polkit_query_freep) PolkitQuery *query = NULL;

        query = malloc(sizeof(*query));
        if (!query)
                return -ENOMEM;

        *query = (PolkitQuery) { .polkit = polkit };
        list_append(&polkit->queries, &query->by_polkit);

        query->question = strdup(question);
        if (!query->question)
                return -ENOMEM;

        *ret = TAKE_PTR(query);
        return 0;
}

/* -- methods -- */

static PolkitQuery *query_find(Polkit *polkit, const sd_bus_message *message, const char *question) {
        PolkitQuery *query;

        list_for_each(query, &polkit->queries, by_polkit)
                if (query->message == message && streq(query->question, question))
                        return query;

        return NULL;
}

static bool sender_is_at_limit(Polkit *polkit, const char *sender) {
        PolkitQuery *query;
        unsigned n = 0;

        list_for_each(query, &polkit->queries, by_polkit)
                if (query->pending && query->message && streq(sd_bus_message_get_sender(query->message), sender))
                        n++;

        return n >= POLKIT_PENDING_PER_SENDER_MAX;
}

static int refuse(int answer, const char *action, sd_bus_error *error) {
        if (answer == -EPERM)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                                         "This needs the authorisation %s by a person: try again "
                                         "interactively, or as root.", action);
        if (answer == -EACCES)
                return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED,
                                         "The policy refuses you the action %s: ask the administrator for a polkit "
                                         "rule, or use sudo.",
                                         action);

        return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED,
                                 "polkit does not answer, so that only root is allowed the action %s: check "
                                 "polkit.service.", action);
}

static int use_answer(Polkit *polkit, PolkitQuery *query, const char *action, sd_bus_error *error) {
        int r;

        query->used = true;
        r = sd_event_source_set_enabled(polkit->sweep, SD_EVENT_ONESHOT);
        if (r < 0)
                return r;

        return query->answer > 0 ? 1 : refuse(query->answer, action, error);
}

int polkit_authorize(Polkit *polkit, sd_bus_message *message, const char *action, const char *const *details,
                     sd_bus_error *error) {
        _cleanup_(polkit_query_freep) PolkitQuery *query = NULL;
        _cleanup_free_ char *question = NULL;
        const char *sender = sd_bus_message_get_sender(message);
        PolkitQuery *known;
        int r;

        if (!sender)
                return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED, "The caller has no name on the bus.");

        r = question_text(action, details, &question);
        if (r < 0)
                return r;

        known = query_find(polkit, message, question);
        if (known)
                return known->pending ? 0 : use_answer(polkit, known, action, error);

        if (polkit->n_pending >= POLKIT_PENDING_MAX || sender_is_at_limit(polkit, sender))
                return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                         "Too many calls wait for authorisation: wait for the "
                                         "answers to earlier ones.");

        r = query_new(polkit, question, &query);
        if (r < 0)
                return r;

        query->message = sd_bus_message_ref(message);
        r = query_ask(query, 0, action, details);
        if (r < 0)
                return r;

        query = NULL;           /* owned by its answer now */
        return 0;
}

/* -- processes -- */

int polkit_check_process(Polkit *polkit, pid_t pid, uid_t uid, const char *action, const char *const *details,
                         polkit_answer_t answer, void *userdata, PolkitQuery **ret) {
        _cleanup_(polkit_query_freep) PolkitQuery *query = NULL;
        int r;

        if (polkit->n_pending >= POLKIT_PENDING_MAX)
                return -EBUSY;

        r = query_new(polkit, action, &query);
        if (r < 0)
                return r;

        query->uid = uid;
        query->done = answer;
        query->userdata = userdata;
        r = query_ask(query, pid, action, details);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(query);
        return 0;
}
