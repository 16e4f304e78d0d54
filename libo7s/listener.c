/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Serving a name. A listener has a connection to the IRM of its own, on which offers arrive: somebody asks
 * for a flow. Each is answered at once with a lane of ours, and when the other side's lane comes as well
 * the flow is established. An offer that comes to nothing (WITHDRAWN) is forgotten; the application never
 * hears of it.
 *
 * All of that happens inside accept, or when an event loop asks what is the case: the library has no
 * thread. One flow at a time is taken off the connection: what lies behind it keeps the descriptor
 * readable.
 *
 * When the IRM goes away, a timer takes the place of the connection inside the descriptor, so that whoever
 * waits, in whatever way, comes back now and then and connects again.
 */

#include <poll.h>
#include <sys/timerfd.h>

#include "libo7s/flow.h"
#include "libo7s/irm-client.h"
#include "libo7s/listener.h"
#include "libo7s/qos.h"

/* Lanes made for offers that nobody answered yet; each may be half a megabyte. Further offers wait for
 * their lane. */
#define OFFER_LANES_MAX 64U

/* Offers remembered without a lane. An IRM that sends more gets no answer to them. */
#define OFFERS_MAX 1024U

#define RECONNECT_USEC (100 * USEC_PER_MSEC)

typedef struct Offer {
        ListNode by_listener;
        uint64_t flow_id;
        LaneClass lane_class;
        Lane *own_lane;                 /* NULL: not made yet, too many others */
        IrmFlowInfo info;
} Offer;

struct o7s_listener {
        Handle handle;
        unsigned n_refs;                /* atomic */
        uint64_t flags;                 /* of the flows to come */
        Pollable pollable;
        pthread_mutex_t mutex;          /* guards all that follows */
        int fd;                         /* the connection; -1: the IRM is away */
        int timer_fd;                   /* while it is away */
        bool heard;                     /* this connection has said something */
        int error;                      /* the IRM no longer lets us serve the name: what accept says from now on */
        List offers;
        unsigned n_offers;
        unsigned n_lanes;
        o7s_flow *ready;                /* established and not accepted yet */
        char name[FLOW_NAME_WIRE_BYTES_MAX + 1];
        char text[IRM_TEXT_BYTES_MAX];
};

static const char serving[] = "Serving the name";

/* -- offers -- */

static Offer *offer_free(o7s_listener *l, Offer *offer) {
        list_unlink(&offer->by_listener);
        l->n_offers--;
        if (offer->own_lane)
                l->n_lanes--;
        (void) (handle_is_foreign(&l->handle) ? lane_forget(offer->own_lane) : lane_free(offer->own_lane));
        return mfree(offer);
}

static Offer *offer_find(o7s_listener *l, uint64_t flow_id) {
        Offer *offer;

        list_for_each(offer, &l->offers, by_listener)
                if (offer->flow_id == flow_id)
                        return offer;

        return NULL;
}

/* Answers an offer with our lane. Returns: 0; -EPIPE: the connection ended; what lane_new() says. */
static int offer_answer(o7s_listener *l, Offer *offer) {
        IrmMessage message = { .type = IRM_LANE, .flow_id = offer->flow_id };
        _cleanup_close_ int fd = -1;
        int r;

        r = lane_new(offer->lane_class, &offer->own_lane, &fd);
        if (r < 0)
                return r;

        l->n_lanes++;
        return irm_send(l->fd, &message, &fd, 1, usec_add(time_now(), IRM_REPLY_USEC));
}

/* Answers offers that waited for their turn. One that cannot be answered goes to somebody else. */
static void offers_answer(o7s_listener *l) {
        Offer *offer, *following;

        list_for_each_safe(offer, following, &l->offers, by_listener) {
                if (l->n_lanes >= OFFER_LANES_MAX)
                        return;
                if (!offer->own_lane && offer_answer(l, offer) < 0)
                        offer_free(l, offer);
        }
}

static void offer_receive(o7s_listener *l, const IrmMessage *message) {
        Offer *offer;

        /* The IRM sees to it that none is out of range. */
        if (l->n_offers >= OFFERS_MAX || offer_find(l, message->flow_id) || qos_check(&message->info.qos) < 0)
                return;

        offer = malloc(sizeof(*offer));
        if (!offer)
                return;

        *offer = (Offer) {
                .flow_id = message->flow_id,
                .lane_class = message->lane_class,
                .info = message->info,
        };
        list_init(&offer->by_listener);
        list_append(&l->offers, &offer->by_listener);
        l->n_offers++;
}

/* Makes a flow of an offer and what the other side brought. Takes the doorbell, also on failure. */
static int offer_establish(o7s_listener *l, Offer *offer, const IrmMessage *message, int lane_fd, int doorbell_fd,
                           o7s_flow **ret) {
        _cleanup_(o7s_flow_unrefp) o7s_flow *flow = NULL;
        _cleanup_(lane_freep) Lane *peer = NULL;
        _cleanup_close_ int fd = doorbell_fd;
        IrmFlowInfo info = message->info;
        int r;

        r = lane_open(offer->lane_class, lane_fd, &peer);
        if (r < 0) {
                doorbell_close(fd, CLOSE_VIOLATION);
                return r;
        }

        r = flow_new(flow_get(&l->flags), &offer->info.qos, &flow);
        if (r < 0)
                return r;

        if (isempty(info.name))
                (void) copy_string(info.name, sizeof(info.name), offer->info.name);

        flow->lane_class = offer->lane_class;
        flow->handle.flow_id = offer->flow_id;
        r = process_add(&flow->handle);
        if (r < 0)
                return r;

        r = flow_need_transfer(flow, &info, &message->keys);
        if (r < 0)
                return r;

        l->n_lanes--;
        r = flow_set_up(flow, TAKE_PTR(offer->own_lane), TAKE_PTR(peer), TAKE_FD(fd), &info);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(flow);
        return 0;
}

/* -- the connection; mutex held -- */

static void listener_disconnect(o7s_listener *l) {
        Offer *offer, *following;

        pollable_remove(&l->pollable, l->fd);
        l->fd = safe_close(l->fd);
        list_for_each_safe(offer, following, &l->offers, by_listener)
                offer_free(l, offer);
}

/* Comes back later. Where no timer can be had, whoever waits does so in short steps anyway. */
static void listener_retry_later(o7s_listener *l) {
        const struct itimerspec after = { .it_value.tv_nsec = RECONNECT_USEC * NSEC_PER_USEC };

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

static IrmMessage listen_message(const o7s_listener *l) {
        IrmMessage message = { .type = IRM_LISTEN, .version = IRM_PROTOCOL_VERSION, .flags = flow_get(&l->flags) };

        (void) copy_string(message.info.name, sizeof(message.info.name), l->name);
        (void) copy_string(message.program, sizeof(message.program), program_invocation_short_name);
        if (!utf8_is_valid(message.program, strlen(message.program)))
                message.program[0] = '\0';

        return message;
}

/* Connects again and asks to serve. The answer comes like everything else. */
static int listener_reconnect(o7s_listener *l) {
        IrmMessage message = listen_message(l);
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

/* Takes messages until there is a flow, or nothing more. */
static void listener_pump(o7s_listener *l) {
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
                offers_answer(l);
        pollable_signal(&l->pollable, l->ready || l->error != 0);
}

/* -- lifecycle -- */

static void listener_forget(Handle *handle) {
        o7s_listener *l = container_of(handle, o7s_listener, handle);

        pollable_done(&l->pollable);
        l->fd = safe_close(l->fd);
        l->timer_fd = safe_close(l->timer_fd);
}

static o7s_listener *listener_free(o7s_listener *l) {
        Offer *offer, *following;

        if (!l)
                return NULL;

        process_remove(&l->handle);
        list_for_each_safe(offer, following, &l->offers, by_listener)
                offer_free(l, offer);
        o7s_flow_unref(l->ready);
        listener_forget(&l->handle);
        if (!handle_is_foreign(&l->handle))
                (void) pthread_mutex_destroy(&l->mutex);
        return mfree(l);
}
DEFINE_CLEANUP(o7s_listener, listener_free);

static int listener_new(const char *name, uint64_t flags, o7s_listener **ret) {
        _cleanup_(listener_freep) o7s_listener *l = NULL;
        int r;

        l = malloc(sizeof(*l));
        if (!l)
                return -ENOMEM;

        *l = (o7s_listener) {
                .n_refs = 1,
                .flags = flags,
                .pollable = POLLABLE_INIT,
                .fd = -1,
                .timer_fd = -1,
                .handle.forget = listener_forget,
        };
        list_init(&l->handle.by_process);
        list_init(&l->offers);
        l->handle.generation = process_generation();
        (void) pthread_mutex_init(&l->mutex, NULL);
        (void) copy_string(l->name, sizeof(l->name), strempty(name));

        r = pollable_make(&l->pollable);
        if (r < 0)
                return r;

        r = process_add(&l->handle);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(l);
        return 0;
}

/* The first time the answer is waited for: most mistakes are found here. */
static int listener_start(o7s_listener *l, char ret_text[IRM_TEXT_BYTES_MAX]) {
        IrmMessage request = listen_message(l), reply;
        _cleanup_close_ int fd = -1, no_fd = -1;
        int r;

        r = irm_connect(&fd);
        if (r < 0)
                return r;

        r = irm_request(fd, &request, &reply, &no_fd);
        if (r < 0)
                return r == -EPIPE ? -EHOSTDOWN : r;
        if (reply.result < 0) {
                memcpy(ret_text, reply.text, sizeof(reply.text));
                return reply.result;
        }

        r = pollable_add(&l->pollable, fd);
        if (r < 0)
                return r;

        l->fd = TAKE_FD(fd);
        l->heard = true;
        return 0;
}

int o7s_listen(const char *name, uint64_t flags, o7s_listener **ret) {
        _cleanup_(listener_freep) o7s_listener *l = NULL;
        char text[IRM_TEXT_BYTES_MAX] = "";
        int r;

        if (!ret || (flags & ~(FLOW_FLAGS_SETTABLE | O7S_BULK | O7S_THIN)) || (flags & O7S_BULK && flags & O7S_THIN) ||
            (name && !flow_name_is_valid(name)))
                return process_fail(-EINVAL, serving, name, NULL, NULL, NULL);

        r = listener_new(name, flags, &l);
        if (r >= 0)
                r = listener_start(l, text);
        if (r < 0)
                return process_fail(r, serving, name, NULL, NULL, text);

        *ret = TAKE_PTR(l);
        return 0;
}

o7s_listener *o7s_listener_ref(o7s_listener *listener) {
        if (listener)
                (void) __atomic_add_fetch(&listener->n_refs, 1, __ATOMIC_RELAXED);

        return listener;
}

o7s_listener *o7s_listener_unref(o7s_listener *listener) {
        if (!listener || __atomic_sub_fetch(&listener->n_refs, 1, __ATOMIC_ACQ_REL) > 0)
                return NULL;

        return listener_free(listener);
}

/* -- accepting -- */

bool listener_is_foreign(const o7s_listener *listener) {
        return handle_is_foreign(&listener->handle);
}

int listener_fd(const o7s_listener *listener) {
        return listener->pollable.epoll_fd;
}

uint32_t listener_events(o7s_listener *listener) {
        uint32_t events;

        if (listener_is_foreign(listener))
                return 0;

        (void) pthread_mutex_lock(&listener->mutex);
        listener_pump(listener);
        events = listener->ready || listener->error != 0 ? O7S_READABLE : 0;
        (void) pthread_mutex_unlock(&listener->mutex);

        return events;
}

int o7s_listener_fd(o7s_listener *listener) {
        if (!listener || listener_is_foreign(listener))
                return process_fail(listener ? -ECHILD : -EINVAL, serving, NULL, NULL, NULL, NULL);

        return listener_fd(listener);
}

/* Returns: 0; -EAGAIN; why the name is no longer ours. *ret_short: nothing would wake us, look again soon. */
static int accept_one(o7s_listener *l, o7s_flow **ret, bool *ret_short) {
        int r;

        (void) pthread_mutex_lock(&l->mutex);

        listener_pump(l);
        r = l->ready ? 0 : l->error != 0 ? l->error : -EAGAIN;
        if (l->ready)
                *ret = TAKE_PTR(l->ready);
        *ret_short = l->fd < 0 && l->timer_fd < 0;
        pollable_signal(&l->pollable, l->error != 0);

        (void) pthread_mutex_unlock(&l->mutex);
        return r;
}

int o7s_flow_accept(o7s_listener *listener, uint64_t timeout_usec, o7s_flow **ret) {
        static const char what[] = "Accepting a flow for";
        usec_t deadline = usec_add(time_now(), timeout_usec);

        if (!listener || !ret)
                return process_fail(-EINVAL, what, NULL, NULL, NULL, NULL);
        if (listener_is_foreign(listener))
                return process_fail(-ECHILD, what, NULL, NULL, NULL, NULL);

        for (;;) {
                o7s_flow *flow = NULL;
                bool soon;
                int r;

                r = accept_one(listener, &flow, &soon);
                if (r >= 0) {
                        *ret = flow;
                        return 0;
                }
                if (r != -EAGAIN)
                        return process_fail(r, what, listener->name, NULL, NULL, listener->text);
                if (timeout_usec == 0)
                        return process_fail(r, what, NULL, NULL, NULL, NULL);

                r = wait_for_fd(listener_fd(listener), POLLIN,
                                soon ? MIN(deadline, usec_add(time_now(), RECONNECT_USEC)) : deadline);
                if (r < 0 && (r != -ETIMEDOUT || time_now() >= deadline))
                        return process_fail(r, what, listener->name, NULL, NULL, NULL);
        }
}
