/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the halves of "ca" share: verb-ca.c works with the authority of this host, verb-ca-trust.c with those that it
 * trusts. */

#include "o7sctl/o7sctl.h"

/* "2027-11-22"; returns buffer. */
char *ca_date_format(char *buffer, size_t size, uint64_t sec);

uint64_t ca_now_sec(void);

/* Says why something with the authority's files failed; line: of its list, 0: none. Returns: the exit status. */
int ca_complain(const Options *o, int r, unsigned line, const char *what);

int ca_trust(Ctl *ctl, int argc, char *argv[]);
int ca_list(Ctl *ctl, int argc, char *argv[]);
