/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef OUROBOROS_IRM_H
#define OUROBOROS_IRM_H

/*
 * Management: names, who serves them, and in which layers they are registered. Calls return 0 or a negative errno,
 * those of <ouroboros/errno.h> among them: all of them -EIRMD where o7s-irm cannot be reached, -EPERM where polkit
 * refuses, -EINVAL and -ENOMEM. See o7s-compat(7).
 */

#include <ouroboros/ipcp.h>
#include <ouroboros/name.h>
#include <ouroboros/qos.h>

#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A name that exists stays as it is: 0. -ENOENT: a path to nothing; -EINVAL: a key without a certificate, or one
 * without a key; -ENOTSUP: an enc.conf. */
int irm_create_name(struct name_info *info);

/* -ENAME: there is none. */
int irm_destroy_name(const char *name);

/* *names: to be freed by the caller; NULL where there are none. Returns: how many. */
ssize_t irm_list_names(struct name_info **names);

/* The program, looked for in PATH. Makes the name where there is none. opts: 0; BIND_AUTO is -ENOTSUP.
 * -ENOENT: no such program; -EPERM: it cannot be executed. */
int irm_bind_program(const char *prog, const char *name, uint16_t opts, int argc, char **argv);

/* name NULL: from all. -ENOENT: it is not bound. */
int irm_unbind_program(const char *prog, const char *name);

/* -ENAME; -ESRCH: no such process. */
int irm_bind_process(pid_t pid, const char *name);

/* name NULL: from all. -ENOENT: it is not bound. */
int irm_unbind_process(pid_t pid, const char *name);

/* In the layer whose process ipcp is. reg makes the name where there is none. -EIPCP: that process is no layer's;
 * unreg: -ENAME; -ENOENT: it is not registered there. */
int irm_reg_name(const char *name, pid_t ipcp);
int irm_unreg_name(const char *name, pid_t ipcp);

/* A member of a layer that is not known yet, of this program alone; its number is in the list. Returns: 0; -EIPCPTYPE;
 * -ENOTSUP: of another type than IPCP_UNICAST. */
pid_t irm_create_ipcp(const char *name, enum ipcp_type type);

/* Stops it; what was created is removed. -EIPCP: that is no IPCP. */
int irm_destroy_ipcp(pid_t pid);

/* *ipcps: to be freed by the caller; NULL where there are none. Returns: how many. */
ssize_t irm_list_ipcps(struct ipcp_list_info **ipcps);

/* -ENOTSUP: configurations are files. -EIPCP, -EIPCPSTATE: it is a member already. */
int irm_bootstrap_ipcp(pid_t pid, const struct ipcp_config *conf);

/* dst: of one that was created, the layer; of another, a member. -EIPCP, -EIPCPSTATE, -ETIMEDOUT; -EEXIST: the host
 * has a member of it; -ENOTSUP: nothing that could be enrolled. */
int irm_enroll_ipcp(pid_t pid, const char *dst);

/* component: "Data Transfer", "Management". qs is not looked at. -EIPCP, -EIPCPSTATE, -ETIMEDOUT; -ENAME: there is no
 * such neighbour. */
int irm_connect_ipcp(pid_t pid, const char *component, const char *dst, qosspec_t qs);
int irm_disconnect_ipcp(pid_t pid, const char *component, const char *dst);

#ifdef __cplusplus
}
#endif

#endif
