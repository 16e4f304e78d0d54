/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Logging. A message goes to the journal in its native protocol when standard error *is* the journal, which
 * systemd says in JOURNAL_STREAM (device and inode): only then does it carry fields. A line on a terminal or
 * in a file is for the person or the pipe that asked for it.
 */

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "basic/enum.h"
#include "basic/log-journal.h"
#include "basic/log.h"
#include "basic/string.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define MESSAGE_BYTES_MAX 4096U         /* one sentence, cut beyond */

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
                log_warning("O7S_LOG_LEVEL=%s is no level (debug, info, notice, ...), ignored", text);
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

        errno = m->error > 0 ? m->error : saved;        /* for %m */
        (void) vsnprintf(text, sizeof(text), format, arguments);

        if (!stderr_is_journal() || journal_send(JOURNAL_SOCKET, m) < 0)
                stderr_send(m);

        errno = saved;
        return -m->error;
}

int log_internal(int level, int error, const char *file, int line, const char *function, const char *format,
                 ...) {
        LogMessage m = { .level = level, .file = file, .line = line, .function = function };
        va_list arguments;
        int r;

        va_start(arguments, format);
        r = log_valist(&m, error, format, arguments);
        va_end(arguments);

        return r;
}

int log_struct(int level, int error, const char *const *fields, const char *file, int line,
               const char *function, const char *format, ...) {
        LogMessage m = { .level = level, .fields = fields, .file = file, .line = line, .function = function };
        va_list arguments;
        int r;

        va_start(arguments, format);
        r = log_valist(&m, error, format, arguments);
        va_end(arguments);

        return r;
}
