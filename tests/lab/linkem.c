/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * linkem: a point-to-point Ethernet link with impairments, in user space. For kernels without sch_netem.
 *
 *   linkem run CONTROL-SOCKET INTERFACE0 INTERFACE1 [OPTION...]
 *   linkem control CONTROL-SOCKET 'OPTION... | stat'
 *
 * Two tap interfaces; frames that a node writes at one end come out at the other after delay, jitter, loss.
 * The interfaces may be moved into other network namespaces after the start. Options hold for both
 * directions, or for one with the prefix "0." (frames that enter at INTERFACE0) or "1.":
 *
 *   delay=MS      fixed delay; fractions are fine
 *   jitter=MS     plus a uniform 0 to MS; frames may overtake each other only with reorder=1
 *   reorder=0|1
 *   loss=PERCENT  independent loss
 *   rate=MBIT     frames leave one after the other, with so many megabits per second; 0: at once
 *   queue=BYTES   with a rate: what waits for it at most; more is lost (250000)
 *   drop=N        drop exactly the next N frames
 *   dup=PERCENT   duplication
 *   corrupt=PERCENT   one bit of the frame's second half is turned over
 *   max=BYTES     larger frames are lost; 0: none are
 *   hold=0|1      1: keep frames back; 0: let them go, in order
 *   carrier=0|1   carrier of both interfaces
 *   seed=N        the same seed and input give the same fate
 *
 * A frame that is due is written out; the others wait in a heap by time. One timer stands for the earliest.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define FRAME_BYTES_MAX 65552U
#define WAITING_MAX (1U << 20)
#define BURST 64U
#define QUEUE_BYTES 250000U
#define NSEC_PER_MSEC UINT64_C(1000000)
#define NSEC_PER_SEC UINT64_C(1000000000)
#define ELEMENTSOF(array) (sizeof(array) / sizeof((array)[0]))

typedef struct Frame {
        uint64_t due_nsec;
        uint64_t number;                /* keeps the order among frames of the same time */
        size_t size;
        uint8_t data[];
} Frame;

typedef struct Direction {
        int in, out;                    /* tap descriptors; "in" is owned, "out" belongs to the other direction */
        uint64_t delay_nsec, jitter_nsec;
        double loss, duplication, corruption;   /* probabilities */
        size_t size_max;                /* 0: any */
        uint64_t rate;                  /* bytes per second; 0: any */
        size_t queue_max;               /* bytes that wait for it */
        uint64_t busy_until_nsec;       /* until then the rate has what to send */
        bool reorder, hold;
        uint64_t drop_next;
        uint64_t random, last_due_nsec, n_frames;
        Frame **waiting;                /* heap, the earliest first */
        size_t n_waiting, n_allocated;
        uint64_t received, sent, lost, dropped, duplicated, corrupted, failed;
} Direction;

typedef struct Link {
        Direction directions[2];
        int timer_fd, listen_fd, epoll_fd;
} Link;

static uint64_t now_nsec(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * NSEC_PER_SEC + (uint64_t) now.tv_nsec;
}

/* 0 to 1, without 1; xorshift64*. */
static double random_fraction(Direction *d) {
        d->random ^= d->random >> 12;
        d->random ^= d->random << 25;
        d->random ^= d->random >> 27;
        return (double) ((d->random * UINT64_C(2685821657736338717)) >> 11) / 9007199254740992.0;
}

/* ------------------------------------------------------------------------------- frames that wait --- */

static bool frame_before(const Frame *a, const Frame *b) {
        return a->due_nsec != b->due_nsec ? a->due_nsec < b->due_nsec : a->number < b->number;
}

static int heap_push(Direction *d, Frame *frame) {
        size_t i;

        if (d->n_waiting == d->n_allocated) {
                size_t n = d->n_allocated > 0 ? d->n_allocated * 2 : 256;
                Frame **larger;

                if (n > WAITING_MAX)
                        return -ENOBUFS;
                larger = realloc(d->waiting, n * sizeof(*larger));
                if (!larger)
                        return -ENOMEM;
                d->waiting = larger;
                d->n_allocated = n;
        }

        for (i = d->n_waiting++; i > 0 && frame_before(frame, d->waiting[(i - 1) / 2]); i = (i - 1) / 2)
                d->waiting[i] = d->waiting[(i - 1) / 2];
        d->waiting[i] = frame;
        return 0;
}

static Frame *heap_pop(Direction *d) {
        Frame *first = d->waiting[0], *last = d->waiting[--d->n_waiting];
        size_t i = 0, child;

        while ((child = 2 * i + 1) < d->n_waiting) {
                if (child + 1 < d->n_waiting && frame_before(d->waiting[child + 1], d->waiting[child]))
                        child++;
                if (!frame_before(d->waiting[child], last))
                        break;
                d->waiting[i] = d->waiting[child];
                i = child;
        }

        d->waiting[i] = last;
        return first;
}

/* -------------------------------------------------------------------------------- what a frame meets --- */

static void frame_write(Direction *d, const uint8_t *data, size_t size) {
        if (write(d->out, data, size) < 0)
                d->failed++;            /* EIO: the interface is down */
        else
                d->sent++;
}

static bool frame_is_lost(Direction *d, size_t size) {
        if (d->size_max > 0 && size > d->size_max)
                return true;
        if (d->drop_next > 0) {
                d->drop_next--;
                return true;
        }

        return d->loss > 0 && random_fraction(d) < d->loss;
}

/* Through the queue in front of the rate. Returns when its last bit has left; 0: there was no room. */
static uint64_t frame_queue(Direction *d, size_t size, uint64_t now) {
        uint64_t begin = d->busy_until_nsec > now ? d->busy_until_nsec : now;

        if (d->rate == 0)
                return now;
        if ((begin - now) * d->rate / NSEC_PER_SEC > d->queue_max)
                return 0;

        d->busy_until_nsec = begin + size * NSEC_PER_SEC / d->rate;
        return d->busy_until_nsec;
}

static void frame_schedule(Direction *d, const uint8_t *data, size_t size, uint64_t now) {
        uint64_t due = frame_queue(d, size, now);
        Frame *frame;

        if (due == 0) {
                d->dropped++;
                return;
        }

        due += d->delay_nsec + (uint64_t) (random_fraction(d) * (double) d->jitter_nsec);
        if (!d->reorder && due < d->last_due_nsec)
                due = d->last_due_nsec;
        d->last_due_nsec = due;

        if (due <= now && d->n_waiting == 0 && !d->hold) {
                frame_write(d, data, size);
                return;
        }

        frame = malloc(sizeof(*frame) + size);
        if (!frame) {
                d->failed++;
                return;
        }

        *frame = (Frame) { .due_nsec = due, .number = d->n_frames++, .size = size };
        memcpy(frame->data, data, size);
        if (heap_push(d, frame) < 0) {
                d->failed++;
                free(frame);
        }
}

/* In the second half: addresses and headers of what is carried have checks of their own. */
static void frame_corrupt(Direction *d, uint8_t *data, size_t size) {
        size_t at = size / 2 + (size_t) (random_fraction(d) * (double) (size - size / 2));

        data[at] ^= (uint8_t) (1U << (unsigned) (random_fraction(d) * 8));
        d->corrupted++;
}

static void frame_take(Direction *d, uint8_t *data, size_t size) {
        uint64_t now = now_nsec();

        d->received++;
        if (frame_is_lost(d, size)) {
                d->lost++;
                return;
        }
        if (d->corruption > 0 && random_fraction(d) < d->corruption)
                frame_corrupt(d, data, size);

        frame_schedule(d, data, size, now);
        if (d->duplication > 0 && random_fraction(d) < d->duplication) {
                d->duplicated++;
                frame_schedule(d, data, size, now);
        }
}

static void link_read(Direction *d) {
        static uint8_t buffer[FRAME_BYTES_MAX];

        for (unsigned i = 0; i < BURST; i++) {
                ssize_t size = read(d->in, buffer, sizeof(buffer));

                if (size <= 0)
                        return;
                frame_take(d, buffer, (size_t) size);
        }
}

/* Writes what is due and sets the timer to the next. */
static void link_release(Link *l) {
        struct itimerspec timer = {};
        uint64_t next = UINT64_MAX;

        for (size_t i = 0; i < ELEMENTSOF(l->directions); i++) {
                Direction *d = &l->directions[i];

                while (!d->hold && d->n_waiting > 0 && d->waiting[0]->due_nsec <= now_nsec()) {
                        Frame *frame = heap_pop(d);

                        frame_write(d, frame->data, frame->size);
                        free(frame);
                }
                if (!d->hold && d->n_waiting > 0 && d->waiting[0]->due_nsec < next)
                        next = d->waiting[0]->due_nsec;
        }

        if (next != UINT64_MAX) {
                timer.it_value.tv_sec = (time_t) (next / NSEC_PER_SEC);
                timer.it_value.tv_nsec = (long) (next % NSEC_PER_SEC);
        }
        (void) timerfd_settime(l->timer_fd, TFD_TIMER_ABSTIME, &timer, NULL);
}

/* ------------------------------------------------------------------------------------------ options --- */

static bool direction_set(Direction *d, const char *key, double value) {
        if (strcmp(key, "delay") == 0)
                d->delay_nsec = (uint64_t) (value * (double) NSEC_PER_MSEC);
        else if (strcmp(key, "jitter") == 0)
                d->jitter_nsec = (uint64_t) (value * (double) NSEC_PER_MSEC);
        else if (strcmp(key, "reorder") == 0)
                d->reorder = value > 0;
        else if (strcmp(key, "loss") == 0)
                d->loss = value / 100;
        else if (strcmp(key, "rate") == 0)
                d->rate = (uint64_t) (value * 125000);
        else if (strcmp(key, "queue") == 0)
                d->queue_max = (size_t) value;
        else if (strcmp(key, "drop") == 0)
                d->drop_next = (uint64_t) value;
        else if (strcmp(key, "dup") == 0)
                d->duplication = value / 100;
        else if (strcmp(key, "corrupt") == 0)
                d->corruption = value / 100;
        else if (strcmp(key, "max") == 0)
                d->size_max = (size_t) value;
        else if (strcmp(key, "hold") == 0)
                d->hold = value > 0;
        else if (strcmp(key, "seed") == 0)
                d->random = ((uint64_t) value + 1) * UINT64_C(0x9E3779B97F4A7C15);
        else if (strcmp(key, "carrier") == 0) {
                int on = value > 0;

                return ioctl(d->in, TUNSETCARRIER, &on) == 0;
        } else
                return false;

        return true;
}

static bool link_set(Link *l, const char *option) {
        size_t from = 0, to = 1;
        char key[16], *end;
        const char *equals;
        double value;

        if ((option[0] == '0' || option[0] == '1') && option[1] == '.') {
                from = to = (size_t) (option[0] - '0');
                option += 2;
        }

        equals = strchr(option, '=');
        if (!equals || (size_t) (equals - option) >= sizeof(key))
                return false;
        (void) snprintf(key, sizeof(key), "%.*s", (int) (equals - option), option);

        value = strtod(equals + 1, &end);
        if (end == equals + 1 || *end != '\0' || value < 0)
                return false;

        for (size_t i = from; i <= to; i++)
                if (!direction_set(&l->directions[i], key, value))
                        return false;
        return true;
}

static void link_say_counters(const Link *l, int fd) {
        for (size_t i = 0; i < ELEMENTSOF(l->directions); i++) {
                const Direction *d = &l->directions[i];

                (void) dprintf(fd,
                               "direction=%zu received=%" PRIu64 " sent=%" PRIu64 " lost=%" PRIu64 " dropped=%" PRIu64
                               " duplicated=%" PRIu64 " corrupted=%" PRIu64 " failed=%" PRIu64 " waiting=%zu\n",
                               i, d->received, d->sent, d->lost, d->dropped, d->duplicated, d->corrupted, d->failed,
                               d->n_waiting);
        }
}

/* One connection, one line of options; answered with "ok" or "error: WORD". */
static void link_command(Link *l) {
        char text[2048], *state = NULL;
        ssize_t size;
        int fd;

        fd = accept4(l->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
                return;

        size = read(fd, text, sizeof(text) - 1);
        text[size > 0 ? size : 0] = '\0';
        for (char *word = strtok_r(text, " \n", &state); word; word = strtok_r(NULL, " \n", &state)) {
                if (strcmp(word, "stat") == 0)
                        link_say_counters(l, fd);
                else if (!link_set(l, word)) {
                        (void) dprintf(fd, "error: %s\n", word);
                        (void) close(fd);
                        return;
                }
        }

        (void) dprintf(fd, "ok\n");
        (void) close(fd);
}

/* --------------------------------------------------------------------------------------- the two uses --- */

static int tap_open(const char *name) {
        struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
        int fd;

        fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        (void) snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
        if (ioctl(fd, TUNSETIFF, &request) < 0) {
                int r = -errno;

                (void) close(fd);
                return r;
        }

        return fd;
}

static int socket_address(const char *path, struct sockaddr_un *ret) {
        *ret = (struct sockaddr_un) { .sun_family = AF_UNIX };
        if (strlen(path) >= sizeof(ret->sun_path))
                return -ENAMETOOLONG;

        memcpy(ret->sun_path, path, strlen(path));
        return 0;
}

static int link_open(Link *l, const char *control, const char *const names[2]) {
        struct sockaddr_un address;
        int r;

        for (size_t i = 0; i < 2; i++) {
                r = tap_open(names[i]);
                if (r < 0)
                        return r;
                l->directions[i].in = l->directions[1 - i].out = r;
                l->directions[i].random = UINT64_C(0x9E3779B97F4A7C15) * (i + 1);
                l->directions[i].queue_max = QUEUE_BYTES;
        }

        r = socket_address(control, &address);
        if (r < 0)
                return r;
        l->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (l->listen_fd < 0 || bind(l->listen_fd, (struct sockaddr *) &address, sizeof(address)) < 0 ||
            listen(l->listen_fd, 8) < 0)
                return -errno;

        l->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
        l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        return l->timer_fd < 0 || l->epoll_fd < 0 ? -errno : 0;
}

static int link_run(Link *l) {
        const int fds[] = { l->directions[0].in, l->directions[1].in, l->timer_fd, l->listen_fd };

        for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
                struct epoll_event event = { .events = EPOLLIN, .data.u32 = (uint32_t) i };

                if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fds[i], &event) < 0)
                        return -errno;
        }

        for (;;) {
                struct epoll_event events[ELEMENTSOF(fds)];
                int n;

                n = epoll_wait(l->epoll_fd, events, ELEMENTSOF(events), -1);
                if (n < 0 && errno != EINTR)
                        return -errno;

                for (int i = 0; i < n; i++)
                        if (events[i].data.u32 < 2)
                                link_read(&l->directions[events[i].data.u32]);
                        else if (events[i].data.u32 == 3)
                                link_command(l);
                link_release(l);
        }
}

static int run(int argc, char *argv[]) {
        static Link l;
        int r;

        (void) signal(SIGPIPE, SIG_IGN);
        (void) prctl(PR_SET_TIMERSLACK, 1UL);
        r = link_open(&l, argv[2], (const char *const[2]) { argv[3], argv[4] });
        if (r < 0) {
                (void) fprintf(stderr, "linkem: %s\n", strerror(-r));
                return 1;
        }

        for (int i = 5; i < argc; i++)
                if (!link_set(&l, argv[i])) {
                        (void) fprintf(stderr, "linkem: bad option %s\n", argv[i]);
                        return 2;
                }

        return link_run(&l) < 0;
}

static int control(const char *path, const char *command) {
        struct sockaddr_un address;
        char answer[4096];
        ssize_t size, n = 0;
        int fd;

        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || socket_address(path, &address) < 0 ||
            connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0 ||
            write(fd, command, strlen(command)) < 0) {
                perror(path);
                return 1;
        }

        while (n < (ssize_t) sizeof(answer) - 1 && (size = read(fd, answer + n, sizeof(answer) - 1 - (size_t) n)) > 0)
                n += size;
        (void) close(fd);
        answer[n] = '\0';
        (void) fputs(answer, stdout);
        return n < 3 || strcmp(answer + n - 3, "ok\n") != 0;
}

int main(int argc, char *argv[]) {
        if (argc == 4 && strcmp(argv[1], "control") == 0)
                return control(argv[2], argv[3]);
        if (argc >= 5 && strcmp(argv[1], "run") == 0)
                return run(argc, argv);

        (void) fprintf(stderr, "linkem run CONTROL-SOCKET INTERFACE0 INTERFACE1 [OPTION...]\n"
                       "linkem control CONTROL-SOCKET 'OPTION... | stat'\n");
        return 2;
}
