/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Quantities as people write and read them. Formatting returns its buffer; UNIT_CHARS_MAX bytes always suffice. */

#include <stddef.h>
#include <stdint.h>

#define UNIT_CHARS_MAX 32U

#define NSEC_PER_USEC 1000U
#define NSEC_PER_MSEC 1000000U
#define NSEC_PER_SEC 1000000000U
#define USEC_PER_SEC 1000000U

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t clock_nsec(void);

/* "2", "0.2", "200ms", "50us", "1min"; a bare number is in seconds. Returns: 0; -EINVAL; -ERANGE: over a day. */
int duration_parse(const char *text, uint64_t *ret_usec);

/* "64", "1400", "16K", "1M" (powers of 1024). Returns: 0; -EINVAL; -ERANGE: over max. */
int size_parse(const char *text, uint64_t max, uint64_t *ret);

/* Bits per second: "800K", "10M", "1.5G" (powers of 1000). Returns: 0; -EINVAL; -ERANGE. */
int rate_parse(const char *text, uint64_t *ret);

/* "870 ns", "22.4 µs", "1.31 ms", "2.00 s": three digits that mean something. */
char *duration_format(char *buffer, size_t size, uint64_t nsec);

/* "941 Mb/s", "1.17 GB", "81.8 kpkt/s": value with a prefix of 1000 and the unit. */
char *quantity_format(char *buffer, size_t size, double value, const char *unit);
