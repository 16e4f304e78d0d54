/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * hostile-application NAME ATTACK COUNT: opens flows to NAME, one after the other, and breaks the rules of each at full
 * speed until the other side ends it.
 *
 * An attack is a row of a table: which lane it hands in, what it does again and again. It prints "ATTACK: COUNT ended,
 * N for violation, slowest S ms"; a flow that still lives after ten seconds of this is a failure.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "libo7s/irm-client.h"
#include "libo7s/lane-internal.h"
#include "tests/lab/hostile-victim.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL)

static uint64_t victim_random(Victim *v) {
        v->seed ^= v->seed << 13;
        v->seed ^= v->seed >> 7;
        v->seed ^= v->seed << 17;
        return v->seed;
}

/* -- what is written into our own lane -- */

/* A legal head, so that the reader gets far, over descriptors and contents that change while it reads. */
static void write_politely(Victim *v) {
        uint64_t x = victim_random(v);
        uint32_t n = lane_class_slots(v->class), slot = v->head % n;
        LaneMemory *m = v->own->memory;

        lane_store_descriptor(m->descriptors + slot, 1 + (x >> 16) % LANE_SLOT_BYTES);
        memset(m->slots[slot], (int) x, 64);
        if (v->head - lane_load_acquire(&v->peer->memory->tail) < n)
                lane_store_release(&m->head, ++v->head);
        lane_store_descriptor(m->descriptors + (x >> 8) % n, 1 + (x >> 32) % LANE_SLOT_BYTES);
}

/* Everything that there is, mostly a little wrong. */
static void scribble(Victim *v) {
        uint64_t x = victim_random(v);
        uint32_t n = lane_class_slots(v->class);
        LaneMemory *m = v->own->memory;
        uint64_t *descriptor = m->descriptors + (x >> 8) % LANE_SLOTS_MAX;

        switch (x % 8) {
        case 0:
                lane_store_release(&m->head, v->head += (uint32_t) (x >> 32) % 4);
                break;
        case 1:
                lane_store_release(&m->tail, (uint32_t) (x >> 32) % n);
                break;
        case 2:
                lane_store(&m->armed_read, (uint32_t) (x >> 32));
                lane_store(&m->armed_write, (uint32_t) (x >> 16));
                break;
        case 3:
                lane_store_descriptor(descriptor, victim_random(v));
                break;
        case 4:
                memset(m->slots[(x >> 8) % n], (int) x, LANE_SLOT_BYTES);
                break;
        default:
                /* A flicker around what is legal: what a double fetch falls over. */
                lane_store_descriptor(descriptor, 1 + (x >> 16) % LANE_SLOT_BYTES);
                lane_store_descriptor(descriptor, LANE_SLOT_BYTES | LANE_DESCRIPTOR_MORE);
                lane_store_descriptor(descriptor, LANE_DESCRIPTOR_LENGTH_MASK);
                lane_store_descriptor(descriptor, 1 + (x >> 24) % LANE_SLOT_BYTES);
        }
}

/* Only lengths are wrong, and only for an instant: longer than a slot, not longer than a message may be. */
static void flicker(Victim *v) {
        uint64_t *descriptor = v->own->memory->descriptors + v->head % lane_class_slots(v->class);

        write_politely(v);
        lane_store_descriptor(descriptor, LANE_SLOT_BYTES + 1 + (v->seed >> 16) % (16 * LANE_SLOT_BYTES));
}

/* Chains that have no end. */
static void write_endless(Victim *v) {
        for (uint32_t slot = 0; slot < LANE_SLOTS_MAX; slot++)
                lane_store_descriptor(v->own->memory->descriptors + slot, LANE_SLOT_BYTES | LANE_DESCRIPTOR_MORE);
        if (v->head - lane_load_acquire(&v->peer->memory->tail) < lane_class_slots(v->class))
                lane_store_release(&v->own->memory->head, ++v->head);
}

static void jump(Victim *v) {
        lane_store_release(&v->own->memory->head, (uint32_t) victim_random(v));
        lane_store_release(&v->own->memory->tail, (uint32_t) victim_random(v));
}

/* -- what is sent over the doorbell -- */

static void send_record(Victim *v, const void *record, size_t size, int fd) {
        union {
                struct cmsghdr header;
                uint8_t bytes[CMSG_SPACE(sizeof(int))];
        } control = {};
        struct iovec part = { .iov_base = (void *) (uintptr_t) record, .iov_len = size };
        struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

        if (fd >= 0) {
                message.msg_control = &control;
                message.msg_controllen = sizeof(control);
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(sizeof(int));
                memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
        }

        (void) sendmsg(v->doorbell, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void ring(Victim *v) {
        send_record(v, (uint8_t[]) { DOORBELL_RING }, 1, -1);
}

static void ring_wrongly(Victim *v) {
        uint64_t record[] = { victim_random(v), victim_random(v), victim_random(v) };

        send_record(v, record, 1 + (v->seed >> 50) % sizeof(record), -1);
}

static void pass_descriptor(Victim *v) {
        send_record(v, (uint8_t[]) { DOORBELL_RING }, 1, v->doorbell);
}

static void claim_outcome(Victim *v) {
        send_record(v, (uint8_t[]) { DOORBELL_OUTCOME, 0x08, 0x06 }, 3, -1);
}

/* -- both -- */

static void scribble_and_ring(Victim *v) {
        scribble(v);
        if (v->seed % 512 == 0)
                ring(v);
}

static void jump_and_ring(Victim *v) {
        jump(v);
        ring(v);
}

static void flicker_and_ring(Victim *v) {
        flicker(v);
        if (v->seed % 16 == 0)
                ring(v);
}

static void write_endless_and_ring(Victim *v) {
        write_endless(v);
        ring(v);
}

/* The lane never becomes empty while the doorbell says that this is not an honest application. */
static void write_and_pass_descriptor(Victim *v) {
        write_politely(v);
        if (v->seed % 64 == 0)
                pass_descriptor(v);
}

/* Says that this is the end, and goes on. */
static void write_and_close(Victim *v) {
        write_politely(v);
        if (v->seed % 64 == 0)
                send_record(v, (uint8_t[]) { DOORBELL_CLOSED, 0, CLOSE_NORMAL }, 3, -1);
}

/* -- what is handed in for a lane; each returns the descriptor -- */

static int memory(const Victim *v, unsigned flags, off_t size, bool allocate, int seals) {
        _cleanup_close_ int fd = memfd_create("o7s-lane", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);

        if (fd < 0 || ftruncate(fd, size) < 0)
                return -errno;
        if (allocate && fallocate(fd, 0, 0, size) < 0)
                return -errno;
        if (seals && fcntl(fd, F_ADD_SEALS, seals) < 0)
                return -errno;

        return TAKE_FD(fd);
}

static off_t right_size(const Victim *v) {
        return (off_t) lane_class_bytes(v->class);
}

static int hand_in_unsealed(const Victim *v) {
        return memory(v, 0, right_size(v), true, 0);
}

static int hand_in_writable(const Victim *v) {
        return memory(v, 0, right_size(v), true, SEALS & ~F_SEAL_FUTURE_WRITE);
}

static int hand_in_shrinking(const Victim *v) {
        return memory(v, 0, right_size(v), true, SEALS & ~F_SEAL_SHRINK);
}

static int hand_in_small(const Victim *v) {
        return memory(v, 0, right_size(v) - 4096, true, SEALS);
}

static int hand_in_large(const Victim *v) {
        return memory(v, 0, right_size(v) + 4096, true, SEALS);
}

static int hand_in_sparse(const Victim *v) {
        return memory(v, 0, right_size(v), false, SEALS);
}

/* Its pages are taken from a pool that is empty on most hosts: reading would be SIGBUS. */
static int hand_in_huge(const Victim *v) {
        int fd = memory(v, MFD_HUGETLB, 2 * 1024 * 1024, false, SEALS);

        return fd >= 0 ? fd : hand_in_sparse(v);
}

static int hand_in_file(const Victim *v) {
        _cleanup_close_ int fd = open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

        return fd >= 0 && fallocate(fd, 0, 0, right_size(v)) >= 0 ? TAKE_FD(fd) : -errno;
}

static int hand_in_device(const Victim *v) {
        int fd = open("/dev/zero", O_RDWR | O_CLOEXEC);

        return fd >= 0 ? fd : -errno;
}

static int hand_in_directory(const Victim *v) {
        int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd >= 0 ? fd : -errno;
}

/* A descriptor that travels over the very socket that it is. */
static int hand_in_doorbell(const Victim *v) {
        int fd = fcntl(v->doorbell, F_DUPFD_CLOEXEC, 3);

        return fd >= 0 ? fd : -errno;
}

typedef struct Attack {
        const char *name;
        victim_hand_in_t hand_in;       /* NULL: an honest lane */
        victim_repeat_t repeat;         /* NULL: waits only */
} Attack;

static const Attack attacks[] = {
        { "scribble",           NULL, scribble_and_ring },
        { "jump",               NULL, jump_and_ring },
        { "flicker",            NULL, flicker_and_ring },
        { "endless",            NULL, write_endless_and_ring },
        { "ring",               NULL, ring },
        { "ring-wrongly",       NULL, ring_wrongly },
        { "pass-descriptor",    NULL, pass_descriptor },
        { "claim-outcome",      NULL, claim_outcome },
        { "write-and-pass",     NULL, write_and_pass_descriptor },
        { "write-and-close",    NULL, write_and_close },
        { "lane-unsealed",      hand_in_unsealed, NULL },
        { "lane-writable",      hand_in_writable, NULL },
        { "lane-shrinking",     hand_in_shrinking, NULL },
        { "lane-small",         hand_in_small, NULL },
        { "lane-large",         hand_in_large, NULL },
        { "lane-sparse",        hand_in_sparse, NULL },
        { "lane-huge",          hand_in_huge, NULL },
        { "lane-file",          hand_in_file, NULL },
        { "lane-device",        hand_in_device, NULL },
        { "lane-directory",     hand_in_directory, NULL },
        { "lane-doorbell",      hand_in_doorbell, NULL },
};

/* -- one flow after the other -- */

static int attack_one(int irm, const char *name, const Attack *attack, uint64_t seed, CloseReason *ret_reason,
                      usec_t *ret_usec) {
        _cleanup_(victim_done) Victim v = { .doorbell = -1, .seed = seed };
        usec_t begun;
        int r;

        r = victim_open(&v, irm, name, attack->hand_in);
        if (r < 0) {
                (void) fprintf(stderr, "%s: cannot open a flow: %s\n", attack->name, strerror(-r));
                return r;
        }

        begun = time_now();
        r = victim_attack(&v, attack->repeat, ret_reason);
        *ret_usec = usec_sub(time_now(), begun);
        if (r < 0)
                (void) fprintf(stderr, "%s: the flow still lives\n", attack->name);
        return r;
}

static int run(const char *name, const Attack *attack, unsigned count) {
        _cleanup_close_ int irm = -1;
        unsigned n_violations = 0;
        usec_t slowest = 0;
        int r;

        r = irm_connect(&irm);
        if (r < 0) {
                (void) fprintf(stderr, "Cannot connect to the IRM: %s\n", strerror(-r));
                return r;
        }

        for (unsigned i = 0; i < count; i++) {
                CloseReason reason = CLOSE_NORMAL;
                usec_t usec;

                r = attack_one(irm, name, attack, (i + 1) * UINT64_C(0x9e3779b97f4a7c15), &reason, &usec);
                if (r < 0)
                        return r;

                n_violations += reason == CLOSE_VIOLATION;
                slowest = MAX(slowest, usec);
        }

        (void) printf("%s: %u ended, %u for violation, slowest %" PRIu64 " ms\n", attack->name, count, n_violations,
                      slowest / USEC_PER_MSEC);
        return 0;
}

int main(int argc, char *argv[]) {
        unsigned long count = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;

        if (argc == 4 && count > 0 && count <= UINT32_MAX)
                for (size_t i = 0; i < ELEMENTSOF(attacks); i++)
                        if (streq(argv[2], attacks[i].name))
                                return run(argv[1], attacks + i, (unsigned) count) < 0 ? 1 : 0;

        (void) fprintf(stderr, "hostile-application NAME ATTACK COUNT, with an ATTACK of:\n");
        for (size_t i = 0; i < ELEMENTSOF(attacks); i++)
                (void) fprintf(stderr, "  %s\n", attacks[i].name);
        return 2;
}
