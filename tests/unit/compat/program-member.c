/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A manager as its author would have written it for Ouroboros: a program is bound to a name, which is registered in the
 * layer of an IPCP. All of that is taken back when its input ends. It knows nothing of o7s.
 *
 *   program-member IPCP NAME PROGRAM
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ouroboros/errno.h>
#include <ouroboros/irm.h>

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

        if (argc != 4)
                return complain("Usage: program-member IPCP NAME PROGRAM", argc);

        pid = find(argv[1]);
        if (pid < 0)
                return complain("irm_list_ipcps", (int) pid);

        memset(&info, 0, sizeof(info));
        info.pol_lb = LB_SPILL;
        strncpy(info.name, argv[2], NAME_SIZE);
        r = irm_create_name(&info);
        if (r == 0)
                r = irm_bind_program(argv[3], argv[2], 0, 0, NULL);
        if (r == 0)
                r = irm_reg_name(argv[2], pid);
        if (r < 0)
                return complain("names", r);

        printf("serving\n");
        fflush(stdout);
        while (getchar() != EOF)
                ;

        r = irm_unreg_name(argv[2], pid);
        if (r == 0)
                r = irm_destroy_name(argv[2]);

        return r == 0 ? EXIT_SUCCESS : complain("taking back", r);
}
