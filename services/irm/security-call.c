/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Calls that wait for the authentication service, see security-call.h. */

#include "services/common/bus-error.h"
#include "services/irm/handshake.h"
#include "services/irm/security-call.h"

struct SecurityCall {
        Manager *manager;               /* not owned */
        uid_t uid;
        uint64_t question;
        sd_bus_message *message;
        ListNode by_manager;            /* Manager.security_calls */
};

SecurityCall *security_call_free(SecurityCall *call) {
        if (!call)
                return NULL;

        list_unlink(&call->by_manager);
        auth_link_cancel(call->manager->auth, &call->question);
        sd_bus_message_unref(call->message);
        return mfree(call);
}
DEFINE_CLEANUP(SecurityCall, security_call_free);

void security_calls_free(Manager *m) {
        while (!list_is_empty(&m->security_calls))
                security_call_free(list_first(&m->security_calls, SecurityCall, by_manager));
}

/* The bus takes nothing that is no text, and the service quotes certificates. */
static const char *text_of(char *text) {
        utf8_mend(text);
        return text;
}

static int reply_findings(sd_bus_message *message, AuthMessage *answer) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(isst)");
        for (unsigned i = 0; r >= 0 && i < answer->n_findings; i++) {
                AuthFinding *finding = &answer->findings[i];

                r = sd_bus_message_append(reply, "(isst)", finding->result, text_of(finding->subject),
                                          text_of(finding->text), finding->expiry_usec);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);

        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int reply_error(sd_bus_message *message, int result, char *text) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

        (void) bus_error_set(&error, handshake_error(result), "%s", text_of(text));
        return sd_bus_reply_method_error(message, &error);
}

static void call_answered(void *userdata, AuthSession session, AuthMessage *answer) {
        _cleanup_(security_call_freep) SecurityCall *call = userdata;
        int r;

        call->question = 0;
        if (answer->result < 0)
                r = reply_error(call->message, answer->result, answer->text);
        else if (answer->type == AUTH_INSPECTED)
                r = reply_findings(call->message, answer);
        else
                r = sd_bus_reply_method_return(call->message, NULL);

        if (r < 0)
                (void) sd_bus_reply_method_errno(call->message, r, NULL);
}

static bool may_ask(const Manager *m, uid_t uid) {
        unsigned of_user = 0, all = 0;
        const SecurityCall *call;

        list_for_each(call, &m->security_calls, by_manager) {
                of_user += call->uid == uid;
                all++;
        }

        return of_user < SECURITY_CALLS_PER_USER_MAX && all < SECURITY_CALLS_MAX;
}

int security_call_start(Manager *m, sd_bus_message *message, AuthMessage *question, uid_t uid) {
        _cleanup_(security_call_freep) SecurityCall *call = NULL;
        int r;

        call = may_ask(m, uid) ? calloc(1, sizeof(*call)) : NULL;
        if (!call) {
                auth_message_done(question);
                return may_ask(m, uid) ? -ENOMEM : -EDQUOT;
        }

        *call = (SecurityCall) { .manager = m, .uid = uid, .message = sd_bus_message_ref(message) };
        list_init(&call->by_manager);
        list_append(&m->security_calls, &call->by_manager);

        r = auth_link_ask(m->auth, question, NULL, call_answered, call, &call->question);
        if (r < 0)
                return r;

        TAKE_PTR(call);
        return 0;
}
