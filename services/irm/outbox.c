/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Bounded queues to slow readers, see outbox.h. */

#include <fcntl.h>

#include "services/irm/outbox.h"

typedef struct Parcel {
        ListNode by_outbox;     /* Outbox.waiting */
        int fds[OUTBOX_FDS_MAX];
        unsigned n_fds;
        size_t size;
        uint64_t message[];     /* its bytes, aligned for it; it may hold keys */
} Parcel;

static Parcel *parcel_free(Parcel *p) {
        if (!p)
                return NULL;

        list_unlink(&p->by_outbox);
        for (unsigned i = 0; i < p->n_fds; i++)
                p->fds[i] = safe_close(p->fds[i]);

        explicit_bzero(p->message, p->size);
        return mfree(p);
}
DEFINE_CLEANUP(Parcel, parcel_free);

static int parcel_new(const void *message, size_t size, const int *fds, unsigned n_fds, Parcel **ret) {
        _cleanup_(parcel_freep) Parcel *p = NULL;

        assert(n_fds <= OUTBOX_FDS_MAX);

        p = calloc(1, sizeof(*p) + size);
        if (!p)
                return -ENOMEM;

        list_init(&p->by_outbox);
        p->size = size;
        memcpy(p->message, message, size);

        for (; p->n_fds < n_fds; p->n_fds++) {
                p->fds[p->n_fds] = fcntl(fds[p->n_fds], F_DUPFD_CLOEXEC, 3);
                if (p->fds[p->n_fds] < 0)
                        return -errno;
        }

        *ret = TAKE_PTR(p);
        return 0;
}

void outbox_init(Outbox *outbox, outbox_send_t send, size_t message_size, unsigned limit) {
        *outbox = (Outbox) { .send = send, .message_size = message_size, .limit = limit };
        list_init(&outbox->waiting);
}

void outbox_done(Outbox *outbox) {
        Parcel *p, *following;

        list_for_each_safe(p, following, &outbox->waiting, by_outbox)
                parcel_free(p);

        outbox->n = 0;
}

int outbox_send(Outbox *outbox, int fd, const void *message, const int *fds, unsigned n_fds) {
        Parcel *p = NULL;
        int r;

        if (outbox->n == 0) {
                r = outbox->send(fd, message, fds, n_fds);
                if (r != -EAGAIN)
                        return MIN(r, 0);
        }

        if (outbox->n >= outbox->limit)
                return -ENOBUFS;

        r = parcel_new(message, outbox->message_size, fds, n_fds, &p);
        if (r < 0)
                return r;

        list_append(&outbox->waiting, &p->by_outbox);
        outbox->n++;
        return 1;
}

int outbox_flush(Outbox *outbox, int fd) {
        Parcel *p, *following;

        list_for_each_safe(p, following, &outbox->waiting, by_outbox) {
                int r;

                r = outbox->send(fd, p->message, p->fds, p->n_fds);
                if (r == -EAGAIN)
                        return 1;
                if (r < 0)
                        return r;

                parcel_free(p);
                outbox->n--;
        }

        return 0;
}
