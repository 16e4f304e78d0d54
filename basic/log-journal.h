/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One message to the journal: for log.c, and for the test that stands in for the journal. */

#include "basic/macro.h"

typedef struct LogMessage {
        int level;
        int error;              /* positive, or 0 */
        const char *const *fields;
        const char *file;
        int line;
        const char *function;
        const char *text;
} LogMessage;

/* Packs the message and sends it to the socket of this path. Fields that the journal would refuse are left out.
 * Returns: 0; -ENOMEM; errors of socket(), sendmsg() and memfd_create(). */
int journal_send(const char *socket_path, const LogMessage *message);
