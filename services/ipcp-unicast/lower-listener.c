/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Flows of others to us. They arrive at a listener on every name that is bound to our unit; while the IRM is away, or
 * does not let us listen, it is asked again, less and less often.
 */

#include "basic/log.h"
#include "services/ipcp-unicast/carrier.h"

static int lower_index(const Lower *l, const char *name) {
        for (unsigned i = 0; i < l->n_names; i++)
                if (streq(l->names[i], name))
                        return (int) i;

        return -ENOENT;
}

/* Takes the flow. Returns: 0; < 0: it is closed. */
static int lower_accept(Lower *l, o7s_flow *o7s) {
        struct o7s_flow_info info = { .size = sizeof(info) };
        _cleanup_(carrier_freep) Carrier *c = NULL;
        int index, r;

        r = carrier_new(l, o7s, &c);
        if (r >= 0)
                r = o7s_flow_info(o7s, &info);
        if (r >= 0)
                r = lower_make_room(l, info.mtu);
        if (r < 0)
                return r;

        index = lower_index(l, info.layer);
        if (index < 0)
                return -EACCES;         /* of this host, or through a layer that we are not on */

        r = unicast_lower_accepted(l->unicast, (unsigned) index, &info.qos_granted, info.mtu, info.peer, time_now(),
                                   &c->flow);
        if (r < 0)
                return r;

        c->up = true;
        c->flow->shell = c;
        TAKE_PTR(c);
        return 0;
}

static int listen_now(Lower *l);

static void listen_later(Lower *l) {
        l->listener_io = sd_event_source_disable_unref(l->listener_io);
        l->listener = o7s_listener_unref(l->listener);

        (void) sd_event_source_set_time_relative(l->listener_retry, l->listener_retry_usec);
        (void) sd_event_source_set_enabled(l->listener_retry, SD_EVENT_ONESHOT);
        l->listener_retry_usec = MIN(l->listener_retry_usec * 2, LOWER_LISTEN_RETRY_MAX_USEC);
}

static int listener_ready(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Lower *l = userdata;

        for (unsigned i = 0; i < LOWER_ACCEPTS_PER_TURN; i++) {
                o7s_flow *o7s = NULL;
                int r;

                r = o7s_flow_accept(l->listener, 0, &o7s);
                if (r == -EAGAIN)
                        return 0;
                if (r < 0) {
                        log_warning_errno(r, "Cannot accept flows of other members, trying again: %m");
                        listen_later(l);
                        return 0;
                }

                r = lower_accept(l, o7s);
                if (r < 0)
                        log_debug_errno(r, "Refused a flow of another member: %m");
        }

        return 0;
}

static int listener_retry_elapsed(sd_event_source *source, uint64_t usec, void *userdata) {
        Lower *l = userdata;
        int r;

        r = listen_now(l);
        if (r >= 0) {
                l->listener_retry_usec = LOWER_LISTEN_RETRY_USEC;
                return 0;
        }

        if (r != l->listener_error)
                log_warning_errno(r, "Cannot listen for other members yet: %m");
        l->listener_error = r;
        listen_later(l);
        return 0;
}

/* On every name that is bound to our unit. Data transfer flows need the long queues; the few others take them along. */
static int listen_now(Lower *l) {
        int fd, r;

        r = o7s_listen(NULL, O7S_TRUNCATE | O7S_BULK, &l->listener);
        if (r < 0)
                return r;

        fd = o7s_listener_fd(l->listener);
        if (fd < 0)
                return fd;

        r = sd_event_add_io(l->event, &l->listener_io, fd, EPOLLIN, listener_ready, l);
        return r < 0 ? r : sd_event_source_set_priority(l->listener_io, LOWER_PRIORITY_MANAGEMENT);
}

/* -- life -- */

int lower_listener_init(Lower *l) {
        int r;

        l->listener_retry_usec = LOWER_LISTEN_RETRY_USEC;
        r = sd_event_add_time_relative(l->event, &l->listener_retry, CLOCK_MONOTONIC, 0, 0, listener_retry_elapsed, l);
        return r < 0 ? r : sd_event_source_set_enabled(l->listener_retry, SD_EVENT_OFF);
}

int lower_start(Lower *l) {
        return sd_event_source_set_enabled(l->listener_retry, SD_EVENT_ONESHOT);
}

void lower_listener_done(Lower *l) {
        l->listener_io = sd_event_source_disable_unref(l->listener_io);
        l->listener = o7s_listener_unref(l->listener);
        l->listener_retry = sd_event_source_disable_unref(l->listener_retry);
}
