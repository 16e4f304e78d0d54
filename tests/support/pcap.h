/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reading the captures in tests/data: classic pcap files, either byte order, Ethernet or raw IP. */

#include "basic/macro.h"

typedef struct Pcap Pcap;

/* Reads the whole file. Returns: 0; errors of open() and read(); -EBADMSG: not a capture. */
int pcap_open(const char *path, Pcap **ret);
Pcap *pcap_free(Pcap *pcap);
DEFINE_CLEANUP(Pcap, pcap_free);

/* Link type as in the file: 1 is Ethernet. */
uint32_t pcap_link_type(const Pcap *pcap);

/* The next frame, valid until pcap_free(). Returns: 1; 0: no more; -EBADMSG: cut off. */
int pcap_next(Pcap *pcap, const uint8_t **ret, size_t *ret_size);
