/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Values of options that several tools have. All complain by themselves. Returns: 0; the negated exit status. */

#include "apps/common.h"

/* A time that is not 0. */
int argument_time(const char *program, const char *text, uint64_t *ret_usec);

/* A time of at least so much. */
int argument_interval(const char *program, const char *text, uint64_t min_usec, uint64_t *ret_usec);

/* Bits per second, more than 0. */
int argument_rate(const char *program, const char *text, uint64_t *ret_bps);

/* The size of a message. */
int argument_size(const char *program, const char *text, uint64_t min, uint64_t max, uint64_t *ret);

/* The name of a quality of service. */
int argument_qos(const char *program, const char *text, o7s_qos *ret);

/* What is left behind the options: one name; where it is optional, none: *ret is NULL. */
int argument_name(const char *program, int argc, char *argv[], bool optional, const char **ret);

/* After getopt_long() has said what is wrong. */
int argument_unknown(const char *program);

/* --version. Returns: 0. */
int argument_version(const char *program);
