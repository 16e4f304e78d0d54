/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * record-stream: is what a reliable flow promises true? Records of varying size, each with its number and a checksum,
 * go one way; the other side looks at every byte.
 *
 *   record-stream serve [--pause=MS] [--whole] NAME    counts what arrives on each flow, a line when it ends
 *   record-stream send [OPTION...] NAME            sends, closes, and says what became of it
 *
 *     --records=N     so many (1000)               --size=BYTES    the largest record (4096; up to 1 MiB)
 *     --stream        as bytes, not as messages    --qos=data|best-effort|raw
 *     --rest=MS       after the last write do nothing at all for so long, or until SIGUSR1: no call into the library
 *     --gap=MS        between records               --wait=MS       between opening and the first record
 *     --close=MS      how long closing may take (150000)
 *     --pause=MS      between reads                --whole         each read has to be one record, else it counts as
 *                                                                  damaged
 *
 * The server's line:   ended ERRNO records N bytes N missing N repeated N disordered N damaged N
 * The sender's lines:  open, written N usec N, and: closed RESULT records N bytes N acknowledged N
 *
 * A record: number u64, size u32 (of all of it), checksum u32 (FNV-1a of number and content), content that follows
 * from the number.
 */

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <o7s.h>

#include "basic/macro.h"

#define RECORD_HEADER_BYTES 16U
#define RECORD_BYTES_MAX ((size_t) 1 << 20)
#define OPEN_USEC UINT64_C(20000000)
#define USEC_PER_MSEC UINT64_C(1000)

typedef struct Options {
        uint64_t n_records;
        size_t size_max;
        bool stream, whole;
        o7s_qos qos;
        uint64_t wait_ms, rest_ms, gap_ms, pause_ms;
        uint64_t close_usec;
        const char *name;
} Options;

typedef struct Tally {
        uint64_t n_records, n_bytes;
        uint64_t next;                  /* the number that is due */
        uint64_t n_missing, n_repeated, n_disordered, n_damaged;
} Tally;

static uint64_t now_usec(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

static void sleep_ms(uint64_t ms) {
        struct timespec left = { .tv_sec = (time_t) (ms / 1000), .tv_nsec = (long) (ms % 1000 * 1000000) };

        while (nanosleep(&left, &left) < 0 && errno == EINTR)
                ;
}

/* -- records -- */

static uint64_t mix(uint64_t x) {
        x ^= x >> 33;
        x *= UINT64_C(0xff51afd7ed558ccd);
        x ^= x >> 33;
        x *= UINT64_C(0xc4ceb9fe1a85ec53);
        return x ^ x >> 33;
}

static size_t record_size(uint64_t number, size_t max) {
        return RECORD_HEADER_BYTES + (size_t) (mix(number) % (max - RECORD_HEADER_BYTES + 1));
}

static uint32_t checksum(uint64_t number, const uint8_t *content, size_t size) {
        uint32_t sum = 2166136261U ^ (uint32_t) mix(number);

        for (size_t i = 0; i < size; i++)
                sum = (sum ^ content[i]) * 16777619U;
        return sum;
}

static size_t record_make(uint8_t *record, uint64_t number, size_t max) {
        uint32_t size = (uint32_t) record_size(number, max), sum;

        for (size_t i = RECORD_HEADER_BYTES; i < size; i += sizeof(uint64_t)) {
                uint64_t word = mix(number * 131 + i);

                memcpy(record + i, &word, MIN(sizeof(word), size - i));
        }

        sum = checksum(number, record + RECORD_HEADER_BYTES, size - RECORD_HEADER_BYTES);
        memcpy(record, &number, sizeof(number));
        memcpy(record + 8, &size, sizeof(size));
        memcpy(record + 12, &sum, sizeof(sum));
        return size;
}

/* One whole record, header included. */
static void tally(Tally *t, const uint8_t *record, size_t size) {
        uint64_t number;
        uint32_t sum;

        t->n_bytes += size;
        memcpy(&number, record, sizeof(number));
        memcpy(&sum, record + 12, sizeof(sum));
        if (checksum(number, record + RECORD_HEADER_BYTES, size - RECORD_HEADER_BYTES) != sum) {
                t->n_damaged++;
                return;
        }

        t->n_records++;
        if (number == t->next) {
                t->next++;
        } else if (number > t->next) {
                t->n_missing += number - t->next;
                t->next = number + 1;
        } else if (number + 1 == t->next) {
                t->n_repeated++;
        } else {
                t->n_disordered++;
        }
}

/* -- the two sides -- */

/* Whole records at the front of what was read so far are taken. Returns what is left; a size that makes no sense is
 * the end. */
static size_t take_records(Tally *t, uint8_t *buffer, size_t filled) {
        size_t begin = 0;

        while (filled - begin >= RECORD_HEADER_BYTES) {
                uint32_t size;

                memcpy(&size, buffer + begin + 8, sizeof(size));
                if (size < RECORD_HEADER_BYTES || size > RECORD_BYTES_MAX) {
                        t->n_damaged++;
                        return 0;
                }
                if (filled - begin < size)
                        break;

                tally(t, buffer + begin, size);
                begin += size;
        }

        memmove(buffer, buffer + begin, filled - begin);
        return filled - begin;
}

/* Messages and bytes alike: a record is complete when it is. */
static void receive_all(o7s_flow *flow, const Options *options) {
        uint8_t *buffer = malloc(2 * RECORD_BYTES_MAX);
        size_t filled = 0;
        Tally t = {};
        ssize_t n;

        while (buffer &&
               ((n = o7s_flow_read(flow, buffer + filled, 2 * RECORD_BYTES_MAX - filled)) >= 0 || n == -EINTR)) {
                if (n > 0)
                        filled = take_records(&t, buffer, filled + (size_t) n);
                if (options->whole && filled > 0) {
                        t.n_damaged++;
                        filled = 0;
                }
                if (options->pause_ms > 0)
                        sleep_ms(options->pause_ms);
        }

        (void) printf("ended %zd records %" PRIu64 " bytes %" PRIu64 " missing %" PRIu64 " repeated %" PRIu64
                      " disordered %" PRIu64 " damaged %" PRIu64 "\n",
                      buffer ? n : -ENOMEM, t.n_records, t.n_bytes, t.n_missing, t.n_repeated, t.n_disordered,
                      t.n_damaged + (filled > 0));
        (void) fflush(stdout);
        free(buffer);
}

static int complain(int error, const char *what) {
        o7s_error last = { .size = sizeof(last) };

        (void) o7s_last_error(&last);
        (void) fprintf(stderr, "record-stream: %s: %s\n", what, last.error == error ? last.text : o7s_strerror(error));
        return error;
}

typedef struct Service {
        o7s_flow *flow;
        const Options *options;         /* not owned */
} Service;

static void *serve_one(void *userdata) {
        Service *service = userdata;

        receive_all(service->flow, service->options);
        o7s_flow_unref(service->flow);
        free(service);
        return NULL;
}

static int serve(const Options *options) {
        o7s_listener *listener;
        int r;

        r = o7s_listen(options->name, 0, &listener);
        if (r < 0)
                return complain(r, "listen");

        (void) printf("serving\n");
        (void) fflush(stdout);
        for (;;) {
                Service *service = malloc(sizeof(*service));
                pthread_t thread;

                if (!service)
                        return -ENOMEM;

                r = o7s_flow_accept(listener, O7S_FOREVER, &service->flow);
                if (r >= 0) {
                        service->options = options;
                        r = -pthread_create(&thread, NULL, serve_one, service);
                }
                if (r < 0) {
                        free(service);
                        break;
                }
                (void) pthread_detach(thread);
        }

        o7s_listener_unref(listener);
        return complain(r, "accept");
}

/* All of it, where a stream takes only a part at a time. */
static int write_all(o7s_flow *flow, const uint8_t *data, size_t size) {
        for (size_t done = 0; done < size;) {
                ssize_t n = o7s_flow_write(flow, data + done, size - done);

                if (n < 0)
                        return (int) n;
                done += (size_t) n;
        }

        return 0;
}

static int send_records(o7s_flow *flow, const Options *options, uint64_t *ret_bytes) {
        uint8_t *record = malloc(RECORD_BYTES_MAX + sizeof(uint64_t));
        int r = record ? 0 : -ENOMEM;

        for (uint64_t i = 0; r >= 0 && i < options->n_records; i++) {
                size_t size = record_make(record, i, options->size_max);

                r = write_all(flow, record, size);
                if (r >= 0)
                        *ret_bytes += size;
                if (options->gap_ms > 0)
                        sleep_ms(options->gap_ms);
        }

        free(record);
        return r;
}

static void rest(uint64_t ms) {
        const struct timespec patience = { .tv_sec = (time_t) (ms / 1000), .tv_nsec = (long) (ms % 1000 * 1000000) };
        sigset_t signals;

        (void) sigemptyset(&signals);
        (void) sigaddset(&signals, SIGUSR1);
        (void) sigtimedwait(&signals, NULL, &patience);
}

static int send_all(const Options *options) {
        struct o7s_flow_stats stats = { .size = sizeof(stats) };
        uint64_t n_bytes = 0, begin;
        o7s_flow *flow;
        int r;

        r = o7s_flow_alloc(options->name, &options->qos, options->stream ? O7S_STREAM : 0, OPEN_USEC, &flow);
        if (r < 0)
                return complain(r, "open");

        (void) printf("open\n");
        (void) fflush(stdout);
        sleep_ms(options->wait_ms);

        begin = now_usec();
        r = send_records(flow, options, &n_bytes);
        if (r < 0)
                (void) complain(r, "write");
        (void) printf("written %" PRIu64 " usec %" PRIu64 "\n", n_bytes, now_usec() - begin);
        (void) fflush(stdout);

        rest(options->rest_ms);
        if (r >= 0) {
                r = o7s_flow_close(flow, options->close_usec);
                if (r < 0)
                        (void) complain(r, "close");
        }

        (void) o7s_flow_stats(flow, &stats);
        (void) printf("closed %d records %" PRIu64 " bytes %" PRIu64 " acknowledged %" PRIu64 "\n", r,
                      options->n_records, n_bytes, stats.acknowledged_bytes);
        o7s_flow_unref(flow);
        return r;
}

/* -- the command line -- */

static bool option_number(const char *argument, const char *name, uint64_t *ret) {
        size_t n = strlen(name);
        char *end;

        if (strncmp(argument, name, n) != 0)
                return false;

        *ret = strtoull(argument + n, &end, 10);
        return end != argument + n && *end == '\0';
}

static bool option_take(Options *o, const char *argument) {
        uint64_t value;

        if (strcmp(argument, "--stream") == 0)
                o->stream = true;
        else if (strcmp(argument, "--whole") == 0)
                o->whole = true;
        else if (strcmp(argument, "--qos=data") == 0)
                o->qos = O7S_QOS_DATA;
        else if (strcmp(argument, "--qos=best-effort") == 0)
                o->qos = O7S_QOS_BEST_EFFORT;
        else if (strcmp(argument, "--qos=raw") == 0)
                o->qos = O7S_QOS_RAW;
        else if (option_number(argument, "--records=", &value))
                o->n_records = value;
        else if (option_number(argument, "--size=", &value))
                o->size_max = (size_t) value;
        else if (option_number(argument, "--rest=", &value))
                o->rest_ms = value;
        else if (option_number(argument, "--wait=", &value))
                o->wait_ms = value;
        else if (option_number(argument, "--gap=", &value))
                o->gap_ms = value;
        else if (option_number(argument, "--pause=", &value))
                o->pause_ms = value;
        else if (option_number(argument, "--close=", &value))
                o->close_usec = value * USEC_PER_MSEC;
        else if (argument[0] != '-' && !o->name)
                o->name = argument;
        else
                return false;

        return true;
}

int main(int argc, char *argv[]) {
        Options options = {
                .n_records = 1000,
                .size_max = 4096,
                .qos = O7S_QOS_DATA,
                .close_usec = UINT64_C(150000000),
        };
        bool good = argc >= 3;
        sigset_t signals;

        /* Of all threads, those of the library too: rest() takes it. */
        (void) sigemptyset(&signals);
        (void) sigaddset(&signals, SIGUSR1);
        (void) sigprocmask(SIG_BLOCK, &signals, NULL);

        for (int i = 2; i < argc; i++)
                good = good && option_take(&options, argv[i]);
        if (!good || !options.name || options.size_max < RECORD_HEADER_BYTES || options.size_max > RECORD_BYTES_MAX) {
                (void) fprintf(stderr, "usage: record-stream serve|send [OPTION...] NAME\n");
                return 2;
        }

        return (strcmp(argv[1], "serve") == 0 ? serve(&options) : send_all(&options)) < 0 ? 1 : 0;
}
