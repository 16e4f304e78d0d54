/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The messages of o7s-ping, and the account of what became of them. No I/O, no clock. */

#include "apps/message.h"
#include "apps/ping-message.h"

void ping_message_write(const PingMessage *message, void *buffer, size_t size) {
        uint8_t *p = buffer;

        p = message_store(p, message->session, 8);
        p = message_store(p, message->sequence, 8);
        p = message_store(p, message->sent_nsec, 8);

        /* A pattern rather than zeroes: a layer that compresses or pads wrongly shows. */
        for (size_t i = PING_BYTES_MIN; i < size; i++)
                *p++ = (uint8_t) i;
}

bool ping_message_parse(const void *data, size_t size, PingMessage *ret) {
        const uint8_t *p = data;

        if (size < PING_BYTES_MIN)
                return false;

        ret->session = message_load(&p, 8);
        ret->sequence = message_load(&p, 8);
        ret->sent_nsec = message_load(&p, 8);
        return true;
}

PingMessage ping_ledger_send(PingLedger *ledger, uint64_t now_nsec) {
        uint64_t sequence = ++ledger->n_sent;

        ledger->window[sequence % PING_WINDOW].sent_nsec = now_nsec;
        ledger->window[sequence % PING_WINDOW].answered = false;

        return (PingMessage) { .session = ledger->session, .sequence = sequence, .sent_nsec = now_nsec };
}

void ping_ledger_unsend(PingLedger *ledger) {
        if (ledger->n_sent > 0)
                ledger->n_sent--;
}

uint64_t ping_ledger_under_way(const PingLedger *ledger, uint64_t now_nsec, uint64_t timeout_nsec) {
        uint64_t n = 0;

        for (uint64_t back = 0; back < PING_WINDOW && back < ledger->n_sent; back++) {
                size_t slot = (size_t) ((ledger->n_sent - back) % PING_WINDOW);

                if (now_nsec - ledger->window[slot].sent_nsec > timeout_nsec)
                        break;                  /* older ones are over, too */
                if (!ledger->window[slot].answered)
                        n++;
        }

        return n;
}

PingAnswer ping_ledger_receive(PingLedger *ledger, const PingMessage *message, uint64_t now_nsec,
                               uint64_t timeout_nsec, uint64_t *ret_rtt_nsec) {
        size_t slot = (size_t) (message->sequence % PING_WINDOW);
        uint64_t rtt;

        /* The time in the message is not believed, it only has to be the one that was sent. */
        if (message->session != ledger->session || message->sequence == 0 || message->sequence > ledger->n_sent ||
            ledger->n_sent - message->sequence >= PING_WINDOW ||
            ledger->window[slot].sent_nsec != message->sent_nsec) {
                ledger->n_foreign++;
                return PING_ANSWER_FOREIGN;
        }

        if (ledger->window[slot].answered) {
                ledger->n_duplicates++;
                return PING_ANSWER_DUPLICATE;
        }

        ledger->window[slot].answered = true;
        ledger->n_received++;
        if (message->sequence < ledger->newest)
                ledger->n_out_of_order++;
        else
                ledger->newest = message->sequence;

        rtt = now_nsec - message->sent_nsec;
        *ret_rtt_nsec = rtt;
        if (rtt <= timeout_nsec)
                return PING_ANSWER_OK;

        ledger->n_late++;
        return PING_ANSWER_LATE;
}
