/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Whether configuration files are still those that were read, for NeedReload: a number over which files there are and
 * what stat() says of them. Nothing is opened but directories. Taken before reading, so that a change in between shows.
 */

#include <stdint.h>

/* ROOT/directory/name and ROOT/directory/name.d/ *.conf of all configuration roots below "root". 0: there are none. */
uint64_t file_stamp(const char *root, const char *directory, const char *name);

/* The same of all files ROOT/directory/ *suffix together. */
uint64_t file_stamp_all(const char *root, const char *directory, const char *suffix);
