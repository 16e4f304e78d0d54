/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A manager as its author would have written it for Ouroboros: an IPCP becomes a member of a layer, a program is bound to
 * a name, which is registered there. All of that is taken back when its input ends. It knows nothing of o7s.
 *
 *   program-member IPCP LAYER NAME PROGRAM
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ouroboros/errno.h>
#include <ouroboros/irm.h>

/* What creating says does not tell which it is. */
static pid_t find(const char *name) {
        struct ipcp_list_info *ipcps = NULL;
        pid_t pid = -1;
        ssize_t n, i;

        n = irm_list_ipcps(&ipcps);
        for (i = 0; i < n; i++) {
                printf("%s in %s\n", ipcps[i].name, ipcps[i].layer);
                if (strcmp(ipcps[i].name, name) == 0)
                        pid = ipcps[i].pid;
        }

        free(ipcps);
        return pid;
}

static int complain(const char *what, int error) {
        fprintf(stderr, "%s: %d\n", what, error);
        return EXIT_FAILURE;
}

int main(int argc, char **argv) {
        struct name_info info;
        pid_t pid;
        int r;

        if (argc != 5)
                return complain("Usage: program-member IPCP LAYER NAME PROGRAM", argc);

        r = (int) irm_create_ipcp(argv[1], IPCP_UNICAST);
        if (r < 0)
                return complain("irm_create_ipcp", r);
        pid = find(argv[1]);
        r = irm_enroll_ipcp(pid, argv[2]);
        if (r < 0)
                return complain("irm_enroll_ipcp", r);
        (void) find(argv[1]);

        memset(&info, 0, sizeof(info));
        info.pol_lb = LB_SPILL;
        strncpy(info.name, argv[3], NAME_SIZE);
        r = irm_create_name(&info);
        if (r == 0)
                r = irm_bind_program(argv[4], argv[3], 0, 0, NULL);
        if (r == 0)
                r = irm_reg_name(argv[3], pid);
        if (r < 0)
                return complain("names", r);

        printf("serving\n");
        fflush(stdout);
        while (getchar() != EOF)
                ;

        r = irm_unreg_name(argv[3], pid);
        if (r == 0)
                r = irm_destroy_name(argv[3]);
        if (r == 0)
                r = irm_destroy_ipcp(pid);
        if (r < 0)
                return complain("taking back", r);

        return find(argv[1]) == -1 ? EXIT_SUCCESS : complain("still there", 0);
}
