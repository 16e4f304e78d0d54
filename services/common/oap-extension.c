/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What o7s hosts say to each other in the data field of OAP. Hosts of the reference carry it along unread,
 * so it costs nothing to say it to everybody, and its absence in an answer says that the peer is not one of
 * ours.
 *
 *   offset size  field
 *        0    4  magic "O7sX"
 *        4    1  version, 1
 *        5    1  flags, 0
 *        6    2  length of all that follows
 *        8       records: type u16 | length u16 | value, in strictly ascending order of types
 *
 *   request   01 destination 32        the name that is called: SHA-256("o7s name" || name)
 *             02 binding 32            what the layer's message says: SHA-256("o7s binding" || bytes)
 *             03 capabilities u32      08 close token 8      09 id of the request that this one replaces 16
 *             04 suites u16 each       ways to protect the flow, by preference: id of a cipher, bit 15: MAC only
 *             05 nonce 32              06 share: a public key, where the header has none
 *   response  81 binding 32            82 capabilities u32   88 close token 8
 *             83 share                 84 epoch 16           85 confirmation 32
 *             86 reset token 16        87 the suite chosen u16
 *
 * Bits 0 and 1 of the capabilities (close, extended FRCT) say what a host can and are always shown; bits 2 and 3
 * (checksum, stream) are wishes for this flow in a request, and grants in its response. Others are of the future, and
 * passed over.
 *
 * Reading is all or nothing: a peer that gets one record wrong is not trusted with the others. A record's bytes are
 * bounded by the record, the records by the length in front, and that by the data field.
 */

#include "services/common/oap.h"

#define MAGIC "O7sX"
#define VERSION 1U
#define FIXED_BYTES 8U

#define TYPE_CRITICAL 0x8000U

enum {
        REQUEST_DESTINATION = 0x01,
        REQUEST_BINDING = 0x02,
        REQUEST_CAPABILITIES = 0x03,
        REQUEST_SUITES = 0x04,
        REQUEST_NONCE = 0x05,
        REQUEST_SHARE = 0x06,
        REQUEST_TOKEN = 0x08,
        REQUEST_REPLACED = 0x09,
        RESPONSE_BINDING = 0x81,
        RESPONSE_CAPABILITIES = 0x82,
        RESPONSE_SHARE = 0x83,
        RESPONSE_EPOCH = 0x84,
        RESPONSE_CONFIRMATION = 0x85,
        RESPONSE_RESET = 0x86,
        RESPONSE_SUITE = 0x87,
        RESPONSE_TOKEN = 0x88,
};

static void read_fixed(Cursor *value, uint8_t *to, size_t size, bool *ret_have) {
        cursor_copy(value, to, size);
        *ret_have = true;
}

static void read_share(OapExtension *extension, Cursor *value) {
        if (value->left == 0 || value->left > OAP_SHARE_BYTES_MAX)
                value->bad = true;

        extension->share_size = value->left;
        extension->share = cursor_bytes(value, value->left);
}

static void read_suites(OapExtension *extension, Cursor *value, size_t n_max) {
        if (value->left == 0 || value->left > n_max * sizeof(uint16_t))
                value->bad = true;

        while (!value->bad && value->left > 0)
                extension->suites[extension->n_suites++] = cursor_be16(value);
}

/* Returns: whether the type is one of a request's; the cursor spans its value. */
static bool read_request_record(OapExtension *extension, uint16_t type, Cursor *value) {
        switch (type) {

        case REQUEST_DESTINATION:
                read_fixed(value, extension->destination, sizeof(extension->destination), &extension->have_destination);
                return true;

        case REQUEST_BINDING:
                read_fixed(value, extension->binding, sizeof(extension->binding), &extension->have_binding);
                return true;

        case REQUEST_CAPABILITIES:
                extension->capabilities = cursor_be32(value);
                return true;

        case REQUEST_SUITES:
                read_suites(extension, value, OAP_SUITES_MAX);
                return true;

        case REQUEST_NONCE:
                read_fixed(value, extension->nonce, sizeof(extension->nonce), &extension->have_nonce);
                return true;

        case REQUEST_SHARE:
                read_share(extension, value);
                return true;

        case REQUEST_TOKEN:
                read_fixed(value, extension->token, sizeof(extension->token), &extension->have_token);
                return true;

        case REQUEST_REPLACED:
                read_fixed(value, extension->replaced, sizeof(extension->replaced), &extension->have_replaced);
                return true;
        }

        return false;
}

static bool read_response_record(OapExtension *extension, uint16_t type, Cursor *value) {
        switch (type) {

        case RESPONSE_BINDING:
                read_fixed(value, extension->binding, sizeof(extension->binding), &extension->have_binding);
                return true;

        case RESPONSE_CAPABILITIES:
                extension->capabilities = cursor_be32(value);
                return true;

        case RESPONSE_SHARE:
                read_share(extension, value);
                return true;

        case RESPONSE_EPOCH:
                read_fixed(value, extension->epoch, sizeof(extension->epoch), &extension->have_epoch);
                return true;

        case RESPONSE_CONFIRMATION:
                extension->confirmation_place = value->p;
                read_fixed(value, extension->confirmation, sizeof(extension->confirmation),
                           &extension->have_confirmation);
                return true;

        case RESPONSE_RESET:
                read_fixed(value, extension->reset, sizeof(extension->reset), &extension->have_reset);
                return true;

        case RESPONSE_SUITE:
                read_suites(extension, value, 1);
                return true;

        case RESPONSE_TOKEN:
                read_fixed(value, extension->token, sizeof(extension->token), &extension->have_token);
                return true;
        }

        return false;
}

/* One record, whose value must be used up. Returns: 0; -EBADMSG; -EOPNOTSUPP: unknown, and that matters. */
static int read_record(OapExtension *extension, uint16_t type, bool response, Cursor *value) {
        bool known =
                response ? read_response_record(extension, type, value) : read_request_record(extension, type, value);

        if (!known)
                return type & TYPE_CRITICAL ? -EOPNOTSUPP : 0;

        return value->bad || value->left > 0 ? -EBADMSG : 0;
}

int oap_extension_parse(const uint8_t *data, size_t size, bool response, OapExtension *ret) {
        Cursor c = cursor_from(data, size);
        OapExtension extension = {};
        const uint8_t *magic;
        uint8_t version, flags;
        uint16_t length;
        int previous = -1, r = 0;

        assert(data || size == 0);
        assert(ret);

        magic = cursor_bytes(&c, STRLEN(MAGIC));
        if (!magic || memcmp(magic, MAGIC, STRLEN(MAGIC)) != 0) {
                *ret = extension;
                return 0;
        }

        version = cursor_u8(&c);
        flags = cursor_u8(&c);
        length = cursor_be16(&c);
        if (c.bad || length != c.left)
                return -EBADMSG;
        if (version != VERSION || flags != 0)
                return -EBADMSG;        /* from a future whose rules we do not know */

        while (c.left > 0) {
                uint16_t type, value_size;
                const uint8_t *bytes;
                Cursor value;

                type = cursor_be16(&c);
                value_size = cursor_be16(&c);
                bytes = cursor_bytes(&c, value_size);
                if (c.bad || type <= previous)
                        return -EBADMSG;

                value = cursor_from(bytes, value_size);
                if (r == 0)
                        r = read_record(&extension, type, response, &value);
                if (r == -EBADMSG)
                        return r;

                previous = type;
        }

        /* Only what is well formed all over is refused for what it asks. */
        if (r < 0)
                return r;

        extension.present = true;
        *ret = extension;
        return 0;
}

static void write_record(Writer *w, bool have, uint16_t type, const void *value, size_t size) {
        if (!have)
                return;

        writer_be16(w, type);
        writer_be16(w, (uint16_t) size);
        writer_bytes(w, value, size);
}

static void write_suites(Writer *w, const OapExtension *extension, uint16_t type, unsigned n) {
        if (n == 0)
                return;

        writer_be16(w, type);
        writer_be16(w, (uint16_t) (n * sizeof(uint16_t)));
        for (unsigned i = 0; i < n; i++)
                writer_be16(w, extension->suites[i]);
}

static void write_request(Writer *w, const OapExtension *e, const uint8_t capabilities[sizeof(uint32_t)]) {
        write_record(w, e->have_destination, REQUEST_DESTINATION, e->destination, sizeof(e->destination));
        write_record(w, e->have_binding, REQUEST_BINDING, e->binding, sizeof(e->binding));
        write_record(w, true, REQUEST_CAPABILITIES, capabilities, sizeof(uint32_t));
        write_suites(w, e, REQUEST_SUITES, e->n_suites);
        write_record(w, e->have_nonce, REQUEST_NONCE, e->nonce, sizeof(e->nonce));
        write_record(w, e->share_size > 0, REQUEST_SHARE, e->share, e->share_size);
        write_record(w, e->have_token, REQUEST_TOKEN, e->token, sizeof(e->token));
        write_record(w, e->have_replaced, REQUEST_REPLACED, e->replaced, sizeof(e->replaced));
}

static void write_response(Writer *w, const OapExtension *e, const uint8_t capabilities[sizeof(uint32_t)]) {
        write_record(w, e->have_binding, RESPONSE_BINDING, e->binding, sizeof(e->binding));
        write_record(w, true, RESPONSE_CAPABILITIES, capabilities, sizeof(uint32_t));
        write_record(w, e->share_size > 0, RESPONSE_SHARE, e->share, e->share_size);
        write_record(w, e->have_epoch, RESPONSE_EPOCH, e->epoch, sizeof(e->epoch));
        write_record(w, e->have_confirmation, RESPONSE_CONFIRMATION, e->confirmation, sizeof(e->confirmation));
        write_record(w, e->have_reset, RESPONSE_RESET, e->reset, sizeof(e->reset));
        write_suites(w, e, RESPONSE_SUITE, MIN(e->n_suites, 1U));
        write_record(w, e->have_token, RESPONSE_TOKEN, e->token, sizeof(e->token));
}

ssize_t oap_extension_pack(const OapExtension *extension, bool response, void *buffer, size_t size) {
        uint8_t capabilities[sizeof(uint32_t)];
        Writer w = writer_to(buffer, size), c = writer_to(capabilities, sizeof(capabilities)), length;

        assert(extension);
        assert(extension->n_suites <= OAP_SUITES_MAX);
        assert(extension->share_size <= OAP_SHARE_BYTES_MAX);

        writer_be32(&c, extension->capabilities);

        writer_bytes(&w, MAGIC, STRLEN(MAGIC));
        writer_u8(&w, VERSION);
        writer_u8(&w, 0);
        length = w;                     /* written last, when it is known */
        writer_zero(&w, sizeof(uint16_t));
        if (response)
                write_response(&w, extension, capabilities);
        else
                write_request(&w, extension, capabilities);

        if (w.bad)
                return -ENOBUFS;

        writer_be16(&length, (uint16_t) (w.written - FIXED_BYTES));
        return (ssize_t) w.written;
}
