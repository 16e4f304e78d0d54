/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What o7s-ping sends, and gets back unchanged from whoever echoes it. Big-endian:
 *
 *    0               8               16                      24
 *   +---------------+---------------+-----------------------+ - - - - - -
 *   | session       | sequence      | time sent, ns         | filling
 *   +---------------+---------------+-----------------------+ - - - - - -
 *
 * session is drawn by each run, so that an answer to somebody else's message is not taken for ours.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PING_BYTES_MIN 24U

typedef struct PingMessage {
        uint64_t session;
        uint64_t sequence;      /* from 1 */
        uint64_t sent_nsec;     /* the sender's CLOCK_MONOTONIC */
} PingMessage;

/* Fills size bytes, at least PING_BYTES_MIN. */
void ping_message_write(const PingMessage *message, void *buffer, size_t size);

/* Whether it can be one. */
bool ping_message_parse(const void *data, size_t size, PingMessage *ret);

#define PING_WINDOW 4096U

typedef enum PingAnswer {
        PING_ANSWER_OK,
        PING_ANSWER_LATE,       /* after the time-out had declared it lost */
        PING_ANSWER_DUPLICATE,
        PING_ANSWER_FOREIGN,    /* not an answer to anything that we sent, or far too old */
} PingAnswer;

/* What became of the messages sent: the last PING_WINDOW of them one by one, all of them as counters. */
typedef struct PingLedger {
        uint64_t session;
        uint64_t n_sent;
        uint64_t n_received;    /* in time or late */
        uint64_t n_late;
        uint64_t n_duplicates;
        uint64_t n_foreign;
        uint64_t n_out_of_order;
        uint64_t newest;        /* highest sequence received */
        struct {
                uint64_t sent_nsec;
                bool answered;
        } window[PING_WINDOW];
} PingLedger;

/* The next message to send. */
PingMessage ping_ledger_send(PingLedger *ledger, uint64_t now_nsec);

/* Takes the last one back: it did not leave. */
void ping_ledger_unsend(PingLedger *ledger);

/* Messages without an answer that would still be in time. */
uint64_t ping_ledger_under_way(const PingLedger *ledger, uint64_t now_nsec, uint64_t timeout_nsec);

/* Judges what came back. *ret_rtt_nsec is set for OK and LATE. */
PingAnswer ping_ledger_receive(PingLedger *ledger, const PingMessage *message, uint64_t now_nsec,
                               uint64_t timeout_nsec, uint64_t *ret_rtt_nsec);
