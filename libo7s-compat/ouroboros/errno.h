/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef OUROBOROS_ERRNO_H
#define OUROBOROS_ERRNO_H

/* Error numbers beyond those of <errno.h>. */

#include <errno.h>

#define ENOTALLOC 1000          /* no flow has this descriptor */
#define EIPCPTYPE 1001          /* no such type of layer */
#define EIRMD 1002              /* the resource manager does not answer */
#define EIPCP 1003              /* no layer can do it */
#define EIPCPSTATE 1004         /* the layer is in the wrong state */
#define EFLOWDOWN 1005          /* the flow has ended, or its link is down */
#define EFLOWPEER 1006          /* the other side is gone */
#define ENAME 1007              /* no such name */
#define ECRYPT 1008             /* no agreement on encryption */
#define EAUTH 1009              /* authentication failed */

#endif
