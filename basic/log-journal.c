/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The journal's native protocol is a datagram of fields. A value without a newline is "NAME=value\n"; any
 * other is "NAME\n", its length as 64 bits little-endian, the value, "\n". What does not fit a datagram is
 * sent as a sealed memfd that holds the same bytes.
 *
 * A socket is made for each message: a daemon at rest writes few, and a descriptor kept open here would be
 * state that forks, descriptor sweeps and sandboxes would all have to know about.
 */

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "basic/cursor.h"
#include "basic/log-journal.h"
#include "basic/log.h"
#include "basic/string.h"

#define DATAGRAM_BYTES_MAX (16U * 1024U)        /* tried on the stack first */
#define FIELD_NAME_BYTES_MAX 64U                /* as the journal has it */

static void append_field(Writer *w, const char *name, const char *value) {
        size_t size = strlen(value);

        writer_bytes(w, name, strlen(name));

        if (strchr(value, '\n')) {
                writer_u8(w, '\n');
                for (unsigned shift = 0; shift < 64; shift += 8)
                        writer_u8(w, (uint8_t) ((uint64_t) size >> shift));
        } else
                writer_u8(w, '=');

        writer_bytes(w, value, size);
        writer_u8(w, '\n');
}

static void append_number(Writer *w, const char *name, int value) {
        char text[sizeof("-2147483648")];

        (void) snprintf(text, sizeof(text), "%d", value);
        append_field(w, name, text);
}

/* A field given as "NAME=value". Names that the journal would refuse are left out, not the message. */
static void append_assignment(Writer *w, const char *assignment) {
        const char *equals = strchr(assignment, '=');
        char name[FIELD_NAME_BYTES_MAX + 1];
        size_t size;

        if (!equals)
                return;

        size = (size_t) (equals - assignment);
        if (size == 0 || size >= sizeof(name) || !isupper((unsigned char) assignment[0]) ||
            strspn(assignment, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != size)
                return;

        memcpy(name, assignment, size);
        name[size] = '\0';
        append_field(w, name, equals + 1);
}

static int journal_pack(const LogMessage *m, void *buffer, size_t size, size_t *ret) {
        Writer w = writer_to(buffer, size);

        append_field(&w, "MESSAGE", m->text);
        append_number(&w, "PRIORITY", m->level);
        append_field(&w, "SYSLOG_IDENTIFIER", program_invocation_short_name);
        append_field(&w, "CODE_FILE", m->file);
        append_number(&w, "CODE_LINE", m->line);
        append_field(&w, "CODE_FUNC", m->function);

        if (m->error > 0) {
                append_number(&w, "ERRNO", m->error);
                append_field(&w, LOG_FIELD_ERROR, strempty(strerrorname_np(m->error)));
        }

        for (size_t i = 0; m->fields && m->fields[i]; i++)
                append_assignment(&w, m->fields[i]);

        if (w.bad)
                return -ENOBUFS;

        *ret = w.written;
        return 0;
}

/* What is too large for a datagram travels as a memfd; journald insists on the seals. */
static int journal_send_memfd(int fd, const struct sockaddr_un *address, const void *data, size_t size) {
        union {
                struct cmsghdr header;
                uint8_t space[CMSG_SPACE(sizeof(int))];
        } control = {};
        struct msghdr message = {
                .msg_name = (void *) address,
                .msg_namelen = sizeof(*address),
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        _cleanup_close_ int memory = -1;
        ssize_t n;

        memory = memfd_create("o7s-log", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (memory < 0)
                return -errno;

        n = write(memory, data, size);
        if (n < 0)
                return -errno;
        if ((size_t) n != size)
                return -EIO;
        if (fcntl(memory, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
                return -errno;

        control.header = (struct cmsghdr) {
                .cmsg_len = CMSG_LEN(sizeof(int)),
                .cmsg_level = SOL_SOCKET,
                .cmsg_type = SCM_RIGHTS,
        };
        memcpy(CMSG_DATA(&control.header), &memory, sizeof(int));

        return sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int journal_send(const char *socket_path, const LogMessage *m) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_free_ uint8_t *large = NULL;
        uint8_t small[DATAGRAM_BYTES_MAX], *data = small;
        size_t size, capacity = sizeof(small);
        _cleanup_close_ int fd = -1;
        int r;

        if (!copy_string(address.sun_path, sizeof(address.sun_path), socket_path))
                return -ENAMETOOLONG;

        while ((r = journal_pack(m, data, capacity, &size)) == -ENOBUFS) {
                free(large);
                capacity *= 2;
                data = large = malloc(capacity);
                if (!large)
                        return -ENOMEM;
        }
        if (r < 0)
                return r;

        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;

        if (sendto(fd, data, size, MSG_NOSIGNAL, (const struct sockaddr *) &address, sizeof(address)) >= 0)
                return 0;
        if (errno != EMSGSIZE && errno != ENOBUFS)
                return -errno;

        return journal_send_memfd(fd, &address, data, size);
}
