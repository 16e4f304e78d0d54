/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/stat.h>

#include "basic/cursor.h"
#include "tests/support/pcap.h"

#define PCAP_MAGIC 0xA1B2C3D4U
#define PCAP_BYTES_MAX (16U * 1024 * 1024)

struct Pcap {
        uint8_t *data;
        Cursor cursor;
        bool little_endian;
        uint32_t link_type;
};

static uint32_t read_u32(Pcap *pcap) {
        return (uint32_t) (pcap->little_endian ? cursor_le(&pcap->cursor, 4) : cursor_be(&pcap->cursor, 4));
}

Pcap *pcap_free(Pcap *pcap) {
        if (!pcap)
                return NULL;

        free(pcap->data);
        return mfree(pcap);
}

static int read_file(const char *path, uint8_t **ret, size_t *ret_size) {
        _cleanup_close_ int fd = -1;
        _cleanup_free_ uint8_t *data = NULL;
        struct stat st;
        size_t size = 0;

        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (st.st_size <= 0 || st.st_size > PCAP_BYTES_MAX)
                return -EBADMSG;

        data = malloc((size_t) st.st_size);
        if (!data)
                return -ENOMEM;

        while (size < (size_t) st.st_size) {
                ssize_t n = read(fd, data + size, (size_t) st.st_size - size);

                if (n < 0)
                        return -errno;
                if (n == 0)
                        return -EBADMSG;
                size += (size_t) n;
        }

        *ret = TAKE_PTR(data);
        *ret_size = size;
        return 0;
}

int pcap_open(const char *path, Pcap **ret) {
        _cleanup_(pcap_freep) Pcap *pcap = NULL;
        size_t size = 0;
        int r;

        pcap = calloc(1, sizeof(*pcap));
        if (!pcap)
                return -ENOMEM;

        r = read_file(path, &pcap->data, &size);
        if (r < 0)
                return r;

        pcap->cursor = cursor_from(pcap->data, size);
        if (read_u32(pcap) != PCAP_MAGIC) {
                pcap->little_endian = true;
                pcap->cursor = cursor_from(pcap->data, size);
                if (read_u32(pcap) != PCAP_MAGIC)
                        return -EBADMSG;
        }

        (void) cursor_bytes(&pcap->cursor, 16);         /* version, time zone, accuracy, snapshot length */
        pcap->link_type = read_u32(pcap);
        if (pcap->cursor.bad)
                return -EBADMSG;

        *ret = TAKE_PTR(pcap);
        return 0;
}

uint32_t pcap_link_type(const Pcap *pcap) {
        return pcap->link_type;
}

int pcap_next(Pcap *pcap, const uint8_t **ret, size_t *ret_size) {
        const uint8_t *data;
        uint32_t size;

        if (pcap->cursor.left == 0 && !pcap->cursor.bad)
                return 0;

        (void) cursor_bytes(&pcap->cursor, 8);          /* time stamp */
        size = read_u32(pcap);
        (void) read_u32(pcap);                          /* length on the wire */
        data = cursor_bytes(&pcap->cursor, size);
        if (!data)
                return -EBADMSG;

        *ret = data;
        *ret_size = size;
        return 1;
}
