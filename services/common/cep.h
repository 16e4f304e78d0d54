/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Connection establishment: the first message in each direction on every flow between two IPCPs says which component
 * speaks, in which version, and at which address (docs/WIRE.md). The initiator speaks first; the acceptor finds the
 * component by its name and answers with its own record, or with an empty one where there is no such component.
 *
 * Between o7s members the record also has the member's name (field 100), which others skip; having one marks its
 * sender as o7s.
 *
 * cep-message.c is the codec (protobuf), cep.c the exchange on one flow. Pure: bytes in, bytes out, deadlines by
 * number.
 */

#include "basic/string.h"
#include "basic/time.h"

#define CEP_MESSAGE_BYTES_MAX 128U
#define CEP_TIMEOUT_USEC USEC_PER_SEC
#define CEP_TEXT_BYTES_MAX 63U
#define CEP_MEMBER_BYTES_MAX 90U                /* what fits into the message with everything else; cut where longer */

#define CEP_SYNTAX_PROTOBUF 0U
#define CEP_SYNTAX_FIXED 2U

typedef enum CepComponent {
        CEP_ENROLLMENT,         /* "Enrollment",    "OEP", 1, protobuf, address 0 */
        CEP_MANAGEMENT,         /* "Management",    "LSP", 1, protobuf */
        CEP_DATA_TRANSFER,      /* "Data Transfer", "dtp", 1, fixed (unicast); "", 0, 0, address 0 (broadcast) */
        _CEP_COMPONENT_MAX,
        _CEP_COMPONENT_INVALID = -EINVAL,
} CepComponent;

typedef struct CepRecord {
        char component[CEP_TEXT_BYTES_MAX + 1];
        char protocol[CEP_TEXT_BYTES_MAX + 1];
        int32_t version;
        int32_t syntax;
        uint64_t address;
        char member[CEP_MEMBER_BYTES_MAX + 1];  /* "": the peer is not o7s */
} CepRecord;

/* Fills in component, protocol, version and syntax of a unicast layer. */
void cep_record_init(CepRecord *record, CepComponent component, uint64_t address, const char *member);

/* Returns: the component that has this name; _CEP_COMPONENT_INVALID. */
CepComponent cep_record_component(const CepRecord *record);

/* Returns: bytes; -ENOBUFS. */
ssize_t cep_message_pack(const CepRecord *record, void *buffer, size_t size);

/* Returns: 0; -EBADMSG. An all-empty record is well formed. */
int cep_message_parse(const void *data, size_t size, CepRecord *ret);

typedef enum CepState {
        CEP_WAITING,            /* for the peer's record */
        CEP_DONE,
        CEP_FAILED,
} CepState;

/* The exchange on one flow. */
typedef struct Cep {
        CepState state;
        bool initiator;
        unsigned offered;               /* acceptor: of 1 << CepComponent */
        CepComponent component;         /* acceptor: once known */
        CepRecord own;                  /* acceptor: once answered */
        CepRecord peer;                 /* valid when done */
        usec_t started;
        usec_t deadline;
        usec_t rtt_usec;                /* initiator, when done */
} Cep;

/* Begins as initiator: *ret_size bytes of message are to be sent now. */
int cep_start(Cep *cep, CepComponent component, uint64_t address, const char *member, usec_t now,
              uint8_t message[CEP_MESSAGE_BYTES_MAX], size_t *ret_size);

/* Begins as acceptor: waits. Components that are not offered are answered as unknown ones. */
void cep_expect(Cep *cep, unsigned offered, usec_t now);

/* The first message of the peer. As acceptor, *ret_size bytes of answer are to be sent, also where the exchange failed
 * because there is no such component; 0: nothing. address and member: ours, as acceptor.
 * Returns: 0: done; -EBADMSG: no record, the exchange goes on; -EPROTO: another protocol, version or syntax, or it is
 * over already; -ENOENT: no such component here or there; -EADDRINUSE: the peer has our own address (nonzero). */
int cep_receive(Cep *cep, const void *data, size_t size, uint64_t address, const char *member, usec_t now,
                uint8_t answer[CEP_MESSAGE_BYTES_MAX], size_t *ret_size);
