/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef OUROBOROS_FCCNTL_H
#define OUROBOROS_FCCNTL_H

/* Settings of a flow. */

#include <ouroboros/qos.h>

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Flags of a flow, in octal as in fcntl.h. */
#define FLOWFRDONLY 00000000
#define FLOWFWRONLY 00000001
#define FLOWFRDWR 00000002
#define FLOWFACCMODE 00000003
#define FLOWFDOWN 00000004              /* our end is down */
#define FLOWFRNOBLOCK 00001000          /* reads do not wait */
#define FLOWFWNOBLOCK 00002000          /* writes do not wait */
#define FLOWFNONBLOCK (FLOWFRNOBLOCK | FLOWFWNOBLOCK)
#define FLOWFRNOPART 00010000           /* a read that does not take the whole message drops it: -EMSGSIZE */
#define FLOWFWNOPART 00020000           /* writes are whole; they always are */
#define FLOWFDEFAULT (FLOWFRDWR | FLOWFWNOPART)
#define FLOWFINVALID (FLOWFWRONLY | FLOWFRDWR)

/* Flags of flow and retransmission control. */
#define FRCTFRTX 00000001               /* reliable; as the QoS says */
#define FRCTFRESCNTL 00000002           /* the receiver's window holds the sender back */
#define FRCTFLINGER 00000004            /* flow_dealloc() waits until everything is acknowledged */

/* Commands. */
#define FLOWSRCVTIMEO 00000001          /* const struct timespec *: of reads; NULL: none */
#define FLOWGRCVTIMEO 00000002          /* struct timespec * */
#define FLOWSSNDTIMEO 00000003          /* const struct timespec *: of writes; NULL: none */
#define FLOWGSNDTIMEO 00000004          /* struct timespec * */
#define FLOWGQOSSPEC 00000005           /* qosspec_t * */
#define FLOWSFLAGS 00000006             /* uint32_t: all of them */
#define FLOWGFLAGS 00000007             /* uint32_t * */
#define FLOWGRXQLEN 00000010            /* size_t *: packets to be read */
#define FLOWGTXQLEN 00000011            /* size_t *: packets that wait to leave */
#define FRCTSFLAGS 00001000             /* uint16_t */
#define FRCTGFLAGS 00002000             /* uint16_t * */

/* Returns: 0; -EBADF, -ENOTALLOC; -ENOTSUP: no such command; -EINVAL; -EPERM: no time-out is set, or no FRCT. */
int fccntl(int fd, int cmd, ...);

#ifdef __cplusplus
}
#endif

#endif
