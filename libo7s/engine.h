/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What keeps flows going while the program computes or sleeps: one thread per process, started with the first flow that has
 * retransmission or acknowledgements to see to, ended with the last. It sleeps in epoll until a doorbell rings that no thread of
 * the application waits for, or until the earliest time that a flow asked for; an idle flow asks for none. All signals are
 * blocked in it. A forked child has none until it opens flows of its own.
 */

#include "basic/time.h"

typedef struct EngineFlow EngineFlow;
