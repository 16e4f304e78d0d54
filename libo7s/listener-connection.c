/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A listener's connection to the IRM, on which offers arrive. One flow at a time is taken off it: what lies behind it
 * keeps the descriptor readable.
 *
 * When the IRM goes away, a timer takes the place of the connection inside the descriptor, so that whoever waits, in
 * whatever way, comes back now and then and connects again.
 */

#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>

#include "libo7s/irm-client.h"
#include "libo7s/listener-internal.h"

static void listener_disconnect(o7s_listener *l) {
        pollable_remove(&l->pollable, l->fd);
        l->fd = safe_close(l->fd);
        listener_forget_offers(l);
}

/* Comes back later. Where no timer can be had, whoever waits does so in short steps anyway. */
static void listener_retry_later(o7s_listener *l) {
        const struct itimerspec after = { .it_value.tv_nsec = LISTENER_RECONNECT_USEC * NSEC_PER_USEC };

        if (l->timer_fd < 0) {
                l->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
                if (l->timer_fd < 0)
                        return;
                (void) pollable_add(&l->pollable, l->timer_fd);
        }

        (void) timerfd_settime(l->timer_fd, 0, &after, NULL);
}

static void listener_retry_stop(o7s_listener *l) {
        pollable_remove(&l->pollable, l->timer_fd);
        l->timer_fd = safe_close(l->timer_fd);
}

IrmMessage listener_message(const o7s_listener *l) {
        IrmMessage message = { .type = IRM_LISTEN, .version = IRM_PROTOCOL_VERSION, .flags = flow_get(&l->flags) };

        (void) copy_string(message.info.name, sizeof(message.info.name), l->name);
        (void) copy_string(message.program, sizeof(message.program), program_invocation_short_name);
        if (!utf8_is_valid(message.program, strlen(message.program)))
                message.program[0] = '\0';

        return message;
}

/* Connects again and asks to serve. The answer comes like everything else. */
static int listener_reconnect(o7s_listener *l) {
        IrmMessage message = listener_message(l);
        _cleanup_close_ int fd = -1;
        int r;

        r = irm_connect(&fd);
        if (r < 0)
                return r;

        r = irm_send(fd, &message, NULL, 0, usec_add(time_now(), IRM_REPLY_USEC));
        if (r < 0)
                return r;

        r = pollable_add(&l->pollable, fd);
        if (r < 0)
                return r;

        l->fd = TAKE_FD(fd);
        l->heard = false;
        return 0;
}

/* Has a connection, or a time to try again. Returns: 0; -EAGAIN: not now. */
static int listener_need(o7s_listener *l) {
        if (l->fd >= 0)
                return 0;

        /* Each waiting thread and each event comes by here: the timer says who may try. */
        if (l->timer_fd >= 0) {
                struct itimerspec left;

                if (timerfd_gettime(l->timer_fd, &left) >= 0 &&
                    (left.it_value.tv_sec > 0 || left.it_value.tv_nsec > 0))
                        return -EAGAIN;
        }

        if (listener_reconnect(l) < 0) {
                listener_retry_later(l);
                return -EAGAIN;
        }

        listener_retry_stop(l);
        process_resume();
        return 0;
}

static void listener_take(o7s_listener *l, const IrmMessage *message, int fds[IRM_FDS_MAX]) {
        Offer *offer = offer_find(l, message->flow_id);

        switch (message->type) {
        case IRM_REPLY:                                 /* to our LISTEN after a restart */
                if (message->result < 0) {
                        l->error = message->result;
                        (void) copy_string(l->text, sizeof(l->text), message->text);
                }
                break;
        case IRM_OFFER:
                offer_receive(l, message);
                break;
        case IRM_ESTABLISHED:
                if (!offer || !offer->own_lane)
                        break;
                (void) offer_establish(l, offer, message, fds[0], TAKE_FD(fds[1]), &l->ready);
                offer_free(l, offer);
                break;
        case IRM_WITHDRAWN:
                if (offer)
                        offer_free(l, offer);
                break;
        case IRM_ALLOCATE:
        case IRM_LANE:
        case IRM_LISTEN:
        case IRM_DEALLOCATE:
        case IRM_RESUME:
        case IRM_OUTCOME:
        case IRM_REATTACH:
        case _IRM_MESSAGE_TYPE_MAX:
        case _IRM_MESSAGE_TYPE_INVALID:
                break;                                  /* not ours to hear; of a newer IRM, perhaps */
        }
}

/* Takes one message. Returns: as irm_message_receive(). */
static int listener_receive(o7s_listener *l) {
        _cleanup_(irm_message_wipe) IrmMessage message = {};
        int fds[IRM_FDS_MAX] = { -1, -1 };
        int r;

        /* From here until a flow has it, a doorbell is in no handle, and a forked child would keep it. */
        process_hold_forks();

        r = irm_message_receive(l->fd, &message, fds);
        if (r >= 0) {
                listener_take(l, &message, fds);
                (void) safe_close(fds[0]);
                (void) safe_close(fds[1]);
        }

        process_release_forks();
        return r;
}

void listener_pump(o7s_listener *l) {
        while (!l->ready && l->error == 0 && listener_need(l) >= 0) {
                int r;

                r = listener_receive(l);
                if (r == -EAGAIN)
                        break;
                if (r == -EPROTO)                       /* an unknown type */
                        continue;
                if (r < 0) {
                        listener_disconnect(l);

                        /* A restarted IRM is back at once; one that hangs up on us without a word is not to be
                         * asked again without a pause. */
                        if (r != -EPIPE || !l->heard)
                                listener_retry_later(l);
                        continue;
                }

                l->heard = true;
        }

        if (l->fd >= 0)
                listener_answer_offers(l);
        pollable_signal(&l->pollable, l->ready || l->error != 0);
}
