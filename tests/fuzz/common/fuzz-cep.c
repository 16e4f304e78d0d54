/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The first message on a flow between members, from whoever opened it. What is accepted survives a round trip; an
 * answer is made for whatever is well formed, and our own side is never done with a peer that says something else
 * than we do.
 */

#include "services/common/cep.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(const CepRecord *record) {
        uint8_t wire[CEP_MESSAGE_BYTES_MAX];
        CepRecord again;
        ssize_t n;

        n = cep_message_pack(record, wire, sizeof(wire));
        if (n == -ENOBUFS)
                return;                 /* came with less, such as a number in fewer bytes than is usual */
        if (n < 0 || cep_message_parse(wire, (size_t) n, &again) < 0 || memcmp(&again, record, sizeof(again)) != 0)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint8_t answer[CEP_MESSAGE_BYTES_MAX];
        size_t n_answer;
        CepRecord record = {};
        Cep cep;
        int r;

        if (cep_message_parse(data, size, &record) >= 0)
                round_trip(&record);

        cep_expect(&cep, (1U << _CEP_COMPONENT_MAX) - 1, 0);
        r = cep_receive(&cep, data, size, 7, "home.a", 1, answer, &n_answer);
        if ((r == -EBADMSG) != (cep.state == CEP_WAITING) || n_answer > sizeof(answer))
                abort();

        if (cep_start(&cep, CEP_MANAGEMENT, 7, "home.a", 0, answer, &n_answer) < 0)
                abort();
        r = cep_receive(&cep, data, size, 7, "home.a", 1, answer, &n_answer);
        if (n_answer != 0 || (r == 0 && (cep.peer.address == 7 || !streq(cep.peer.protocol, "LSP"))))
                abort();

        return 0;
}
