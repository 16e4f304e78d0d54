/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What flows have of their authentication, see handshake.h. */

#include "services/irm/flow.h"
#include "services/irm/handshake.h"

int handshake_new(Flow *f, Handshake **ret) {
        Handshake *h;

        h = calloc(1, sizeof(*h));
        if (!h)
                return -ENOMEM;

        h->flow = f;
        for (uint32_t i = 0; i < ALLOCATION_ATTEMPTS_MAX; i++)
                h->attempts[i] = (Attempt) { .handshake = h, .lane = -1 };

        *ret = h;
        return 0;
}

void handshake_forget_attempts(Handshake *h) {
        AuthLink *link = h->flow->manager->auth;

        for (uint32_t i = 0; i < h->n_attempts; i++) {
                Attempt *a = &h->attempts[i];

                auth_link_cancel(link, &a->question);
                auth_link_forget(link, &a->session);
                a->lane = safe_close(a->lane);
                *a = (Attempt) { .handshake = h, .lane = -1 };
        }

        h->n_attempts = 0;
}

Handshake *handshake_free(Handshake *h) {
        AuthLink *link;

        if (!h)
                return NULL;

        link = h->flow->manager->auth;
        handshake_forget_attempts(h);
        auth_link_cancel(link, &h->question);
        auth_link_forget(link, &h->session);
        security_policy_done(&h->policy);
        explicit_bzero(h, sizeof(*h));
        return mfree(h);
}

void handshake_keep(Handshake *h, AuthMessage *answer) {
        h->keys = answer->keys;
        h->control.present = answer->control.present;
        memcpy(h->control.send, answer->control.send, sizeof(h->control.send));
        memcpy(h->control.receive, answer->control.receive, sizeof(h->control.receive));
        h->have_reset = answer->have_reset;
        memcpy(h->reset, answer->reset, sizeof(h->reset));
}

int handshake_question(AuthMessageType type, const char *name, const SecurityPolicy *policy,
                       const LayerMessage *message, AuthMessage *ret) {
        AuthMessage question = { .type = type };
        int r;

        if (policy) {
                r = security_policy_copy(policy, &question.policy);
                if (r < 0)
                        return r;
        }

        (void) copy_string(question.name, sizeof(question.name), name);
        if (message) {
                question.binding_size = MIN(message->binding_size, sizeof(question.binding));
                memcpy(question.binding, message->binding, question.binding_size);
        }

        *ret = question;
        return 0;
}

int handshake_add_oap(AuthMessage *question, const uint8_t *oap, size_t size) {
        question->oap = malloc(MAX(size, (size_t) 1));
        if (!question->oap)
                return -ENOMEM;

        memcpy(question->oap, oap, size);
        question->oap_size = size;
        return 0;
}

/* An errno of the channel to the service says nothing to a program; the sentence that comes with it does. */
int handshake_error(int result) {
        switch (result) {
        case -ENOTCONN:
        case -ECONNRESET:
                return -ENOKEY;
        case -EBADMSG:
        case -EOPNOTSUPP:
                return -EPROTO;
        case -EACCES:
        case -EALREADY:
        case -EBADE:
                return -EKEYREJECTED;
        case -ESTALE:
                return -ETIMEDOUT;
        default:
                return result;
        }
}

OapExtension handshake_extension_of(const AuthMessage *answer) {
        OapExtension extension = {
                .present = answer->peer.o7s,
                .capabilities = answer->capabilities,
                .have_token = answer->have_token,
                .have_replaced = answer->have_replaced,
        };

        memcpy(extension.token, answer->token, sizeof(extension.token));
        memcpy(extension.replaced, answer->replaced, sizeof(extension.replaced));
        return extension;
}

/* A name that was only claimed is not shown: people read it as who it is. Then the peer is who the layer says. */
void handshake_take_peer(Flow *f, const AuthPeer *peer) {
        f->verified = peer->verified && peer->identity[0] != '\0';
        if (f->verified) {
                (void) copy_string(f->peer, sizeof(f->peer), peer->identity);
                utf8_mend(f->peer);
        }

        (void) copy_string(f->protection, sizeof(f->protection), peer->protection);
        (void) copy_string(f->key_exchange, sizeof(f->key_exchange), peer->key_exchange);
}
