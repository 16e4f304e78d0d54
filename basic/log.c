/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Logging. A message goes to the journal in its native protocol when standard error *is* the journal, which systemd
 * says in JOURNAL_STREAM (device and inode): only then does it carry fields. A line on a terminal or in a
 * file is for the person or the pipe that asked for it.
 *
 * The protocol is a datagram of fields. A value without a newline is "NAME=value\n"; any other is
 * "NAME\n", its length as 64 bits little-endian, the value, "\n". What does not fit a datagram is sent as
 * a sealed memfd that holds the same bytes.
 *
 * A socket is made for each message: a daemon at rest writes few, and a descriptor kept open here would be state
 * that forks, descriptor sweeps and sandboxes would all have to know about.
 */

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "basic/cursor.h"
#include "basic/enum.h"
#include "basic/log.h"
#include "basic/string.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define MESSAGE_BYTES_MAX 4096U         /* one sentence, cut beyond */
#define DATAGRAM_BYTES_MAX (16U * 1024U)

/* The one variable of this folder: the level is asked for at every place that logs, before any object exists
 * that could carry it, and it decides nothing but how much is said. */
static int max_level = LOG_INFO;

static const char *const log_level_table[] = {
        [LOG_EMERG]   = "emerg",
        [LOG_ALERT]   = "alert",
        [LOG_CRIT]    = "crit",
        [LOG_ERR]     = "err",
        [LOG_WARNING] = "warning",
        [LOG_NOTICE]  = "notice",
        [LOG_INFO]    = "info",
        [LOG_DEBUG]   = "debug",
};

int log_level_from_string(const char *text) {
        uint64_t number;

        if (text && parse_u64(text, LOG_DEBUG, &number) >= 0)
                return (int) number;

        return enum_from_string(log_level_table, ELEMENTSOF(log_level_table), text);
}

const char *log_level_to_string(int level) {
        return level >= 0 && level <= LOG_DEBUG ? log_level_table[level] : NULL;
}

void log_set_max_level(int level) {
        __atomic_store_n(&max_level, CLAMP(level, LOG_EMERG, LOG_DEBUG), __ATOMIC_RELAXED);
}

int log_get_max_level(void) {
        return __atomic_load_n(&max_level, __ATOMIC_RELAXED);
}

void log_open(void) {
        const char *text = secure_getenv("O7S_LOG_LEVEL");
        int level;

        if (!text)
                return;

        level = log_level_from_string(text);
        if (level < 0)
                log_warning("O7S_LOG_LEVEL=%s is not a level (debug, info, notice, warning, err ...), ignored", text);
        else
                log_set_max_level(level);
}

static bool stderr_is_journal(void) {
        const char *text = getenv("JOURNAL_STREAM");
        uintmax_t device, inode;
        struct stat st;

        return text && sscanf(text, "%ju:%ju", &device, &inode) == 2 && fstat(STDERR_FILENO, &st) >= 0 &&
               st.st_dev == device && st.st_ino == inode;
}

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

/* A field given as "NAME=value". Names that the journal would refuse are left out, rather than the message. */
static void append_assignment(Writer *w, const char *assignment) {
        const char *equals = strchr(assignment, '=');
        char name[65];
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

typedef struct LogMessage {
        int level;
        int error;              /* positive, or 0 */
        const char *const *fields;
        const char *file;
        int line;
        const char *function;
        const char *text;
} LogMessage;

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

static int journal_send(const LogMessage *m) {
        static const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET };
        _cleanup_free_ uint8_t *large = NULL;
        uint8_t small[DATAGRAM_BYTES_MAX], *data = small;
        size_t size, capacity = sizeof(small);
        _cleanup_close_ int fd = -1;
        int r;

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

static void stderr_send(const LogMessage *m) {
        char prefix[sizeof("<7>")] = "";

        if (!isatty(STDERR_FILENO))
                (void) snprintf(prefix, sizeof(prefix), "<%d>", m->level & LOG_DEBUG);

        /* One call, so that lines of several processes do not mix. */
        (void) dprintf(STDERR_FILENO, "%s%s\n", prefix, m->text);
}

static int log_valist(LogMessage *m, int error, const char *format, va_list arguments) _printf_(3, 0);
static int log_valist(LogMessage *m, int error, const char *format, va_list arguments) {
        char text[MESSAGE_BYTES_MAX];
        int saved = errno;

        m->error = abs(error);
        m->text = text;

        errno = m->error;               /* for %m */
        (void) vsnprintf(text, sizeof(text), format, arguments);

        if (!stderr_is_journal() || journal_send(m) < 0)
                stderr_send(m);

        errno = saved;
        return -m->error;
}

int log_internal(int level, int error, const char *file, int line, const char *function, const char *format, ...) {
        LogMessage m = { .level = level, .file = file, .line = line, .function = function };
        va_list arguments;
        int r;

        va_start(arguments, format);
        r = log_valist(&m, error, format, arguments);
        va_end(arguments);

        return r;
}

int log_struct(int level, int error, const char *const *fields, const char *file, int line, const char *function,
               const char *format, ...) {
        LogMessage m = { .level = level, .fields = fields, .file = file, .line = line, .function = function };
        va_list arguments;
        int r;

        va_start(arguments, format);
        r = log_valist(&m, error, format, arguments);
        va_end(arguments);

        return r;
}
