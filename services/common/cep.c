/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Connection establishment on one flow: who speaks first, what must agree, and until when. See cep.h.
 *
 * What cannot be read changes nothing: below is a datagram flow, where the first packets of data may overtake the
 * record. The exchange then fails by its deadline.
 */

#include "services/common/cep.h"

static const struct {
        const char *component;
        const char *protocol;
        int32_t version;
        int32_t syntax;
} components[_CEP_COMPONENT_MAX] = {
        [CEP_ENROLLMENT]    = { "Enrollment",    "OEP", 1, CEP_SYNTAX_PROTOBUF },
        [CEP_MANAGEMENT]    = { "Management",    "LSP", 1, CEP_SYNTAX_PROTOBUF },
        [CEP_DATA_TRANSFER] = { "Data Transfer", "dtp", 1, CEP_SYNTAX_FIXED    },
};

void cep_record_init(CepRecord *record, CepComponent component, uint64_t address, const char *member) {
        assert(component >= 0 && component < _CEP_COMPONENT_MAX);

        *record = (CepRecord) {
                .version = components[component].version,
                .syntax = components[component].syntax,
                .address = component == CEP_ENROLLMENT ? 0 : address,
        };
        (void) copy_string(record->component, sizeof(record->component), components[component].component);
        (void) copy_string(record->protocol, sizeof(record->protocol), components[component].protocol);
        (void) copy_string(record->member, sizeof(record->member), strempty(member));
        utf8_mend(record->member);      /* it may have been cut in the middle of a character */
}

CepComponent cep_record_component(const CepRecord *record) {
        for (CepComponent c = 0; c < _CEP_COMPONENT_MAX; c++)
                if (streq(record->component, components[c].component))
                        return c;

        return _CEP_COMPONENT_INVALID;
}

static int pack(const CepRecord *record, uint8_t message[CEP_MESSAGE_BYTES_MAX], size_t *ret_size) {
        ssize_t n = cep_message_pack(record, message, CEP_MESSAGE_BYTES_MAX);

        if (n < 0)
                return (int) n;

        *ret_size = (size_t) n;
        return 0;
}

int cep_start(Cep *cep, CepComponent component, uint64_t address, const char *member, usec_t now,
              uint8_t message[CEP_MESSAGE_BYTES_MAX], size_t *ret_size) {
        *cep = (Cep) {
                .state = CEP_WAITING,
                .initiator = true,
                .component = component,
                .started = now,
                .deadline = usec_add(now, CEP_TIMEOUT_USEC),
        };
        cep_record_init(&cep->own, component, address, member);

        return pack(&cep->own, message, ret_size);
}

void cep_expect(Cep *cep, unsigned offered, usec_t now) {
        *cep = (Cep) {
                .state = CEP_WAITING,
                .component = _CEP_COMPONENT_INVALID,
                .offered = offered,
                .started = now,
                .deadline = usec_add(now, CEP_TIMEOUT_USEC),
        };
}

/* What the peer says against what we say: both sides must mean the same. */
static int compare(const CepRecord *own, const CepRecord *peer) {
        if (!streq(own->component, peer->component))
                return peer->component[0] == '\0' ? -ENOENT : -EPROTO;
        if (!streq(own->protocol, peer->protocol) || own->version != peer->version || own->syntax != peer->syntax)
                return -EPROTO;
        if (peer->address != 0 && own->address == peer->address)
                return -EADDRINUSE;

        return 0;
}

static int finish(Cep *cep, int r) {
        cep->state = r < 0 ? CEP_FAILED : CEP_DONE;
        return r;
}

static int asked(Cep *cep, uint64_t address, const char *member, uint8_t answer[CEP_MESSAGE_BYTES_MAX],
                 size_t *ret_size) {
        CepComponent component = cep_record_component(&cep->peer);
        int r;

        cep->component = component;
        if (component < 0 || !(cep->offered & 1U << component)) {
                cep->own = (CepRecord) {};
                (void) pack(&cep->own, answer, ret_size);
                return -ENOENT;
        }

        cep_record_init(&cep->own, component, address, member);
        r = pack(&cep->own, answer, ret_size);
        return r < 0 ? r : compare(&cep->own, &cep->peer);
}

int cep_receive(Cep *cep, const void *data, size_t size, uint64_t address, const char *member, usec_t now,
                uint8_t answer[CEP_MESSAGE_BYTES_MAX], size_t *ret_size) {
        int r;

        *ret_size = 0;
        if (cep->state != CEP_WAITING)
                return -EPROTO;

        r = cep_message_parse(data, size, &cep->peer);
        if (r < 0)
                return r;

        if (!cep->initiator)
                return finish(cep, asked(cep, address, member, answer, ret_size));

        cep->rtt_usec = usec_sub(now, cep->started);
        return finish(cep, compare(&cep->own, &cep->peer));
}
