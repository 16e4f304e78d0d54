/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Link-state messages to bytes and back; lsa.h has the diagrams. The length tells the two forms apart, as it does for
 * the prototype. */

#include "basic/cursor.h"
#include "services/ipcp-unicast/lsa.h"
#include "services/ipcp-unicast/routing.h"

#define LSA_MAGIC 0x6f374c53U           /* "o7LS" */
#define LSA_VERSION 1U

enum {
        LSA_KIND_LINK,
        LSA_KIND_WITHDRAWN,
};

/* What is in front of the 24 bytes in the longer form. */
static int extension_parse(Cursor *c, Lsa *lsa) {
        uint32_t magic;
        uint8_t version, kind;

        magic = cursor_be32(c);
        version = cursor_u8(c);
        kind = cursor_u8(c);
        lsa->cost = cursor_be16(c);

        if (c->bad || magic != LSA_MAGIC || version != LSA_VERSION)
                return -EBADMSG;
        if (kind > LSA_KIND_WITHDRAWN)
                return -EPROTO;

        lsa->extended = true;
        lsa->withdrawn = kind == LSA_KIND_WITHDRAWN;
        if (lsa->withdrawn != (lsa->cost == 0))
                return -EPROTO;

        return 0;
}

int lsa_parse(const uint8_t *data, size_t size, Lsa *ret) {
        Cursor c = cursor_from(data, size);
        Lsa lsa = { .cost = ROUTING_COST_DEFAULT };
        int r;

        assert(ret);

        if (size != LSA_BYTES && size != LSA_EXTENDED_BYTES)
                return -EBADMSG;

        if (size == LSA_EXTENDED_BYTES) {
                r = extension_parse(&c, &lsa);
                if (r < 0)
                        return r;
        }

        lsa.to = cursor_be64(&c);
        lsa.from = cursor_be64(&c);
        lsa.sequence = cursor_be64(&c);

        if (c.bad)
                return -EBADMSG;
        if (lsa.to == 0 || lsa.from == 0 || lsa.to == lsa.from || lsa.sequence > LSA_SEQUENCE_MAX)
                return -EPROTO;

        *ret = lsa;
        return 0;
}

size_t lsa_write(const Lsa *lsa, uint8_t buffer[LSA_BYTES_MAX]) {
        Writer w = writer_to(buffer, LSA_BYTES_MAX);

        assert(lsa);
        assert(lsa->cost <= ROUTING_COST_MAX);
        assert(lsa->extended || !lsa->withdrawn);

        if (lsa->extended) {
                writer_be32(&w, LSA_MAGIC);
                writer_u8(&w, LSA_VERSION);
                writer_u8(&w, lsa->withdrawn ? LSA_KIND_WITHDRAWN : LSA_KIND_LINK);
                writer_be16(&w, lsa->withdrawn ? 0 : (uint16_t) lsa->cost);
        }

        writer_be64(&w, lsa->to);
        writer_be64(&w, lsa->from);
        writer_be64(&w, lsa->sequence);
        assert(!w.bad);
        return w.written;
}
