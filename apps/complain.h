/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How a tool ends: errors as a sentence on standard error (what failed, why, what to do), and the exit status. */

#define COMPLAIN_FORMAT __attribute__((format(printf, 2, 3)))

/* SIGINT and SIGTERM as a descriptor to poll, so that a tool ends in order and with its summary. Returns: the
 * descriptor, the caller's; a negative errno. */
int signals_to_fd(void);

/* The exit status for a negative errno of <o7s.h>. */
int exit_status_of(int error);

/* "what: why", with the library's account of this thread's last failure where it has one for this error. */
int complain_error(int error, const char *format, ...) COMPLAIN_FORMAT;

/* A command line that makes no sense: "text", then where to find help. Returns EXIT_USAGE. */
int complain_usage(const char *program, const char *format, ...) COMPLAIN_FORMAT;
