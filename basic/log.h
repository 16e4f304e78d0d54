/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Logging for programs; libraries return errors and log nothing above debug. Goes to the journal in its
 * native protocol where standard error is the journal (JOURNAL_STREAM), else to standard error with a
 * <N> priority prefix only when that is not a terminal. %m is the error passed to log_*_errno().
 *
 * Fields: extra journal fields, "NAME=value" strings, names without digits (OUROBOROS_LAYER=...), which
 * the journal catalogue needs. See log_struct().
 */

#include <stdarg.h>
#include <syslog.h>

#include "basic/macro.h"

/* Field names. One list, used by everything that logs and by the tests that read the journal. */
#define LOG_FIELD_LAYER "OUROBOROS_LAYER"
#define LOG_FIELD_NAME "OUROBOROS_NAME"
#define LOG_FIELD_FLOW "OUROBOROS_FLOW"
#define LOG_FIELD_PEER "OUROBOROS_PEER"
#define LOG_FIELD_OPERATION "OUROBOROS_OPERATION"
#define LOG_FIELD_ERROR "OUROBOROS_ERROR"
#define LOG_FIELD_UID "OUROBOROS_UID"
#define LOG_FIELD_REASON "OUROBOROS_REASON"

/* Reads O7S_LOG_LEVEL (a name or a number); call once at the start of main(). */
void log_open(void);
void log_set_max_level(int level);
int log_get_max_level(void);

/* "debug" ... "emerg" or "7" ... "0". Returns: the level, or -EINVAL. */
int log_level_from_string(const char *text);
const char *log_level_to_string(int level);

/* Returns error, made negative, so that "return log_error_errno(r, ...)" is one statement. */
int log_internal(int level, int error, const char *file, int line, const char *function, const char *format, ...)
        _printf_(6, 7);

/* The same with a field or two: fields is a NULL-terminated array of "NAME=value". */
int log_struct(int level, int error, const char *const *fields, const char *file, int line, const char *function,
               const char *format, ...) _printf_(7, 8);

#define log_full_errno(level, error, ...)                                                                         \
        (log_get_max_level() >= (level)                                                                           \
                 ? log_internal(level, error, __FILE__, __LINE__, __func__, __VA_ARGS__)                          \
                 : -abs(error))
#define log_full(level, ...) ((void) log_full_errno(level, 0, __VA_ARGS__))

#define log_debug(...) log_full(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_full(LOG_INFO, __VA_ARGS__)
#define log_notice(...) log_full(LOG_NOTICE, __VA_ARGS__)
#define log_warning(...) log_full(LOG_WARNING, __VA_ARGS__)
#define log_error(...) log_full(LOG_ERR, __VA_ARGS__)

#define log_debug_errno(error, ...) log_full_errno(LOG_DEBUG, error, __VA_ARGS__)
#define log_info_errno(error, ...) log_full_errno(LOG_INFO, error, __VA_ARGS__)
#define log_notice_errno(error, ...) log_full_errno(LOG_NOTICE, error, __VA_ARGS__)
#define log_warning_errno(error, ...) log_full_errno(LOG_WARNING, error, __VA_ARGS__)
#define log_error_errno(error, ...) log_full_errno(LOG_ERR, error, __VA_ARGS__)

/* log_with(LOG_INFO, LOG_FIELDS(LOG_FIELD_LAYER "=lan"), "Layer is online") */
#define LOG_FIELDS(...)                                                                                           \
        ((const char *const[]) { __VA_ARGS__, NULL })
#define log_with(level, fields, ...)                                                                              \
        ((void) (log_get_max_level() >= (level) &&                                                                \
                 log_struct(level, 0, fields, __FILE__, __LINE__, __func__, __VA_ARGS__)))
#define log_with_errno(level, error, fields, ...)                                                                 \
        (log_get_max_level() >= (level)                                                                           \
                 ? log_struct(level, error, fields, __FILE__, __LINE__, __func__, __VA_ARGS__)                    \
                 : -abs(error))
