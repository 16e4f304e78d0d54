/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef OUROBOROS_NAME_H
#define OUROBOROS_NAME_H

/* Names as the management calls see them. */

#define NAME_SIZE 255
#define BIND_AUTO 1             /* start the program for flows to the name; refused, see o7s-compat(7) */

enum pol_balance {
        LB_RR,                  /* who has waited longest */
        LB_SPILL,               /* who came last */
        LB_INVALID
};

/* Paths of configuration, key and certificate; "": none. */
struct name_sec_paths {
        char enc[512];
        char key[512];
        char crt[512];
};

struct name_info {
        char name[256];
        enum pol_balance pol_lb;
        struct name_sec_paths s;        /* of who serves it */
        struct name_sec_paths c;        /* of who asks for it */
};

#endif
