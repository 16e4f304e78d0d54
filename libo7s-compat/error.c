/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Errors of <o7s.h> in the numbers that programs for Ouroboros know. What is not in the table means the same on both
 * sides and is passed on: -EINVAL, -EPERM, -ENOMEM, -ETIMEDOUT, -EOPNOTSUPP (which is -ENOTSUP).
 */

#include "libo7s-compat/compat.h"

static const struct {
        int error;
        int translated[_DOING_MAX];
} table[] = {
        /*                 flow_alloc()  flow_accept()  flow_join() */
        { ENOENT,        { ENAME,        ENAME,         EIPCP } },      /* no layer knows it */
        { ECONNREFUSED,  { EIPCP,        EIPCP,         ENOTALLOC } },  /* the other side, or the layer, refused */
        { EHOSTUNREACH,  { EIPCP,        EIPCP,         EIPCP } },
        { ENETDOWN,      { EIPCP,        EIPCP,         EIPCP } },
        { ERANGE,        { EIPCP,        EIPCP,         EIPCP } },      /* no layer is as good as was asked */
        { EOPNOTSUPP,    { ENOTSUP,      ENOTSUP,       EIPCP } },      /* there are no broadcast layers */
        { EKEYREJECTED,  { EAUTH,        EAUTH,         EAUTH } },
        { ETIME,         { EAUTH,        EAUTH,         EAUTH } },      /* what they show is not valid now */
        { EPROTO,        { ECRYPT,       ECRYPT,        ECRYPT } },
        { ENOKEY,        { ECRYPT,       ECRYPT,        ECRYPT } },     /* this host has nothing to agree with */
        { EACCES,        { EPERM,        EPERM,         EPERM } },
        { EAGAIN,        { ETIMEDOUT,    ETIMEDOUT,     ETIMEDOUT } },
        { EMFILE,        { EBADF,        EBADF,         EBADF } },      /* no flow or descriptor left */
        { ENFILE,        { EBADF,        EBADF,         EBADF } },
        { EDQUOT,        { EBADF,        EBADF,         EBADF } },
        { EHOSTDOWN,     { EIRMD,        EIRMD,         EIRMD } },
        { EPIPE,         { EIRMD,        EIRMD,         EIRMD } },
        { ENOTCONN,      { EIRMD,        EIRMD,         EIRMD } },
        { EBADMSG,       { EIRMD,        EIRMD,         EIRMD } },
        { EPROTONOSUPPORT, { EIRMD,      EIRMD,         EIRMD } },
        { ECANCELED,     { EIRMD,        EIRMD,         EIRMD } },
        { ECHILD,        { EIRMD,        EIRMD,         EIRMD } },      /* fork() came in between */
};

int error_translate(Doing doing, int error) {
        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (table[i].error == -error)
                        return -table[i].translated[doing];

        return error;
}
