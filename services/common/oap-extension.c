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
 *   request  03 capabilities u32, 08 close token, 09 id of the request that this one replaces
 *   response 82 capabilities u32, 88 close token
 *
 * Bits 0 and 1 of the capabilities (close, extended FRCT) say what a host can and are always shown; bits 2 and 3 (checksum,
 * stream) are wishes for this flow in a request, and grants in its response. Others are of the future, and passed over.
 *
 * Reading is all or nothing: a peer that gets one record wrong is not trusted with the others.
 */

#include "services/common/oap.h"

#define MAGIC "O7sX"
#define VERSION 1U
#define FIXED_BYTES 8U
#define RECORD_HEADER_BYTES 4U

enum {
        REQUEST_CAPABILITIES = 0x03,
        REQUEST_TOKEN = 0x08,
        REQUEST_REPLACED = 0x09,
        RESPONSE_CAPABILITIES = 0x82,
        RESPONSE_TOKEN = 0x88,
};

/* One record; the cursor spans its value and must be used up. Types that we do not know are. */
static void read_record(OapExtension *extension, uint16_t type, bool response, Cursor *value) {
        if (type == (response ? RESPONSE_CAPABILITIES : REQUEST_CAPABILITIES))
                extension->capabilities = cursor_be32(value);
        else if (type == (response ? RESPONSE_TOKEN : REQUEST_TOKEN)) {
                cursor_copy(value, extension->token, sizeof(extension->token));
                extension->have_token = true;
        } else if (type == REQUEST_REPLACED && !response) {
                cursor_copy(value, extension->replaced, sizeof(extension->replaced));
                extension->have_replaced = true;
        } else
                (void) cursor_bytes(value, value->left);
}

int oap_extension_parse(const uint8_t *data, size_t size, bool response, OapExtension *ret) {
        Cursor c = cursor_from(data, size);
        OapExtension extension = {};
        const uint8_t *magic;
        uint8_t version, flags;
        uint16_t length;
        int previous = -1;

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
                read_record(&extension, type, response, &value);
                if (value.bad || value.left > 0)
                        return -EBADMSG;

                previous = type;
        }

        extension.present = true;
        *ret = extension;
        return 0;
}

static void write_record(Writer *w, uint16_t type, const void *value, size_t size) {
        writer_be16(w, type);
        writer_be16(w, (uint16_t) size);
        writer_bytes(w, value, size);
}

ssize_t oap_extension_pack(const OapExtension *extension, bool response, void *buffer, size_t size) {
        uint8_t capabilities[sizeof(uint32_t)];
        Writer w = writer_to(buffer, size), c = writer_to(capabilities, sizeof(capabilities));
        size_t length = RECORD_HEADER_BYTES + sizeof(capabilities);

        assert(extension);

        writer_be32(&c, extension->capabilities);
        if (extension->have_token)
                length += RECORD_HEADER_BYTES + sizeof(extension->token);
        if (extension->have_replaced && !response)
                length += RECORD_HEADER_BYTES + sizeof(extension->replaced);

        writer_bytes(&w, MAGIC, STRLEN(MAGIC));
        writer_u8(&w, VERSION);
        writer_u8(&w, 0);
        writer_be16(&w, (uint16_t) length);

        write_record(&w, response ? RESPONSE_CAPABILITIES : REQUEST_CAPABILITIES, capabilities,
                     sizeof(capabilities));
        if (extension->have_token)
                write_record(&w, response ? RESPONSE_TOKEN : REQUEST_TOKEN, extension->token,
                             sizeof(extension->token));
        if (extension->have_replaced && !response)
                write_record(&w, REQUEST_REPLACED, extension->replaced, sizeof(extension->replaced));

        if (w.bad)
                return -ENOBUFS;

        assert(w.written == FIXED_BYTES + length);
        return (ssize_t) w.written;
}
