/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Streams of packets, see capture.h. What waits is a piece of one flat buffer; where there is no room behind it, it
 * moves to the front, but only once that makes at least half of the buffer free, so that a byte is moved once at most
 * on average.
 */

#include <fcntl.h>
#include <stdio.h>

#include "basic/list.h"
#include "basic/log.h"
#include "basic/string.h"
#include "basic/time.h"
#include "services/common/capture.h"
#include "services/common/daemon.h"

typedef struct StreamCounters {
        uint64_t n_packets;
        uint64_t n_lost;
        uint64_t n_untold;              /* lost since the last packet that was kept */
} StreamCounters;

typedef struct Stream {
        Capture *capture;               /* not owned */
        int fd;
        sd_event_source *io;
        uint32_t snap;
        size_t first, end;              /* of what waits in bytes */
        bool lost;                      /* since the last statistics */
        StreamCounters counters[CAPTURE_INTERFACES_MAX];
        ListNode by_capture;            /* Capture.streams */
        uint8_t bytes[CAPTURE_BUFFER_BYTES];
} Stream;

struct Capture {
        sd_event *event;
        char *name;
        const PcapngInterface *interfaces;      /* not owned */
        unsigned n_interfaces;
        capture_watch_t watch;
        void *userdata;
        List streams;                   /* Stream.by_capture */
        unsigned n_streams;
};

/* -- the buffer -- */

/* Room for a block of this size at most. Where there is none w is bad from the start. */
static Writer stream_begin(Stream *s, size_t size) {
        if (sizeof(s->bytes) - s->end < size && s->first >= sizeof(s->bytes) / 2) {
                memmove(s->bytes, s->bytes + s->first, s->end - s->first);
                s->end -= s->first;
                s->first = 0;
        }
        if (sizeof(s->bytes) - s->end < size)
                return (Writer) { .bad = true };

        return writer_to(s->bytes + s->end, sizeof(s->bytes) - s->end);
}

/* Returns whether it is there. */
static bool stream_commit(Stream *s, const Writer *w) {
        if (w->bad)
                return false;

        if (s->first == s->end && s->io)
                (void) sd_event_source_set_io_events(s->io, EPOLLOUT);
        s->end += w->written;
        return true;
}

static void stream_tell_losses(Stream *s) {
        Writer w = stream_begin(s, s->capture->n_interfaces * PCAPNG_STATISTICS_BYTES);
        uint64_t now = time_realtime_nsec();

        for (unsigned i = 0; i < s->capture->n_interfaces && !w.bad; i++)
                pcapng_write_statistics(&w, i, now, s->counters[i].n_packets, s->counters[i].n_lost);
        if (stream_commit(s, &w))
                s->lost = false;
}

static void stream_packet(Stream *s, PcapngPacket *packet) {
        StreamCounters *counters = &s->counters[packet->interface];
        Writer w;

        packet->snap = s->snap;
        packet->n_lost = counters->n_untold;
        w = stream_begin(s, MIN(packet->size, packet->snap) + PCAPNG_PACKET_BYTES);
        if (!w.bad)
                pcapng_write_packet(&w, packet);

        counters->n_packets++;
        if (stream_commit(s, &w)) {
                counters->n_untold = 0;
                return;
        }

        counters->n_lost++;
        counters->n_untold++;
        s->lost = true;
}

void capture_packets(Capture *c, unsigned interface, bool outgoing, Packet *const *packets, unsigned n) {
        uint64_t now = time_realtime_nsec();
        Stream *s;

        assert(interface < c->n_interfaces);

        list_for_each(s, &c->streams, by_capture)
                for (unsigned i = 0; i < n; i++) {
                        PcapngPacket packet = {
                                .interface = interface,
                                .outgoing = outgoing,
                                .time_nsec = now,
                                .data = packets[i]->head,
                                .size = packet_size(packets[i]),
                        };

                        stream_packet(s, &packet);
                }
}

/* -- the pipe -- */

static Stream *stream_free(Stream *s) {
        if (!s)
                return NULL;

        if (list_is_linked(&s->by_capture)) {
                list_unlink(&s->by_capture);
                s->capture->n_streams--;
        }
        s->io = sd_event_source_disable_unref(s->io);
        s->fd = safe_close(s->fd);
        return mfree(s);
}
DEFINE_CLEANUP(Stream, stream_free);

/* Returns: 0; -EAGAIN: the pipe is full; other errors: nobody reads it any more. */
static int stream_flush(Stream *s) {
        while (s->first < s->end) {
                ssize_t n;

                n = write(s->fd, s->bytes + s->first, s->end - s->first);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;

                s->first += (size_t) n;
        }

        s->first = s->end = 0;
        return 0;
}

static void stream_end(Stream *s) {
        Capture *c = s->capture;

        log_notice("A capture of the packets of layer %s has ended.", c->name);
        stream_free(s);
        if (c->n_streams == 0)
                c->watch(c->userdata, NULL);
}

static int stream_ready(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Stream *s = userdata;
        int r;

        if (revents & (EPOLLERR | EPOLLHUP)) {
                stream_end(s);
                return 0;
        }

        r = stream_flush(s);
        if (r >= 0 && s->lost) {
                stream_tell_losses(s);
                r = stream_flush(s);
        }
        if (r >= 0)
                (void) sd_event_source_set_io_events(s->io, 0);
        else if (r != -EAGAIN)
                stream_end(s);
        return 0;
}

/* What every pcapng stream begins with. */
static void stream_write_head(Stream *s) {
        Capture *c = s->capture;
        Writer w = stream_begin(s, sizeof(s->bytes));
        char name[LAYER_NAME_BYTES_MAX + 64];

        pcapng_write_section(&w, "o7s " O7S_VERSION);
        for (unsigned i = 0; i < c->n_interfaces; i++) {
                PcapngInterface interface = c->interfaces[i];

                (void) snprintf(name, sizeof(name), "%s%s", c->name, interface.name);
                interface.name = name;
                pcapng_write_interface(&w, &interface, s->snap);
        }
        (void) stream_commit(s, &w);
}

int capture_add(Capture *c, int fd, uint32_t snap) {
        _cleanup_close_ int owned = fd;
        _cleanup_(stream_freep) Stream *s = NULL;
        int flags, r;

        if (c->n_streams >= CAPTURE_STREAMS_MAX)
                return -EBUSY;

        s = malloc(sizeof(*s));
        if (!s)
                return -ENOMEM;

        /* Not the bytes: pages that are never used are never touched. */
        memset(s, 0, offsetof(Stream, bytes));
        list_init(&s->by_capture);
        s->capture = c;
        s->fd = TAKE_FD(owned);
        s->snap = snap == 0 || snap > CAPTURE_SNAP_MAX ? CAPTURE_SNAP_MAX : snap;

        flags = fcntl(s->fd, F_GETFL);
        if (flags < 0 || fcntl(s->fd, F_SETFL, flags | O_NONBLOCK) < 0)
                return -errno;

        stream_write_head(s);
        r = sd_event_add_io(c->event, &s->io, s->fd, EPOLLOUT, stream_ready, s);
        if (r < 0)
                return r;
        r = sd_event_source_set_priority(s->io, DAEMON_PRIORITY_DATA);
        if (r < 0)
                return r;

        list_append(&c->streams, &s->by_capture);
        c->n_streams++;
        TAKE_PTR(s);
        c->watch(c->userdata, c);
        return 0;
}

/* -- the object -- */

Capture *capture_free(Capture *c) {
        if (!c)
                return NULL;

        while (!list_is_empty(&c->streams)) {
                Stream *s = list_first(&c->streams, Stream, by_capture);

                stream_tell_losses(s);
                (void) stream_flush(s);
                stream_free(s);
        }

        c->event = sd_event_unref(c->event);
        free(c->name);
        return mfree(c);
}

int capture_new(sd_event *event, const char *name, const PcapngInterface *interfaces, unsigned n_interfaces,
                capture_watch_t watch, void *userdata, Capture **ret) {
        _cleanup_(capture_freep) Capture *c = NULL;

        assert(n_interfaces <= CAPTURE_INTERFACES_MAX);

        c = malloc(sizeof(*c));
        if (!c)
                return -ENOMEM;

        *c = (Capture) {
                .event = sd_event_ref(event),
                .interfaces = interfaces,
                .n_interfaces = n_interfaces,
                .watch = watch,
                .userdata = userdata,
        };
        list_init(&c->streams);
        c->name = strdup(name);
        if (!c->name)
                return -ENOMEM;

        *ret = TAKE_PTR(c);
        return 0;
}
