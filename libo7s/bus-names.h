/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Every bus name, path, interface, error name, socket and directory: the only place where they are written. */

#define BUS_NAME_IRM "org.o7s.irm1"
#define BUS_NAME_IPCP_PREFIX "org.o7s.ipcp1"            /* + "." + escaped layer name */

#define BUS_PATH_IRM "/org/o7s/irm1"
#define BUS_PATH_LAYER "/org/o7s/irm1/layer"            /* + "/" + escaped name */
#define BUS_PATH_NAME "/org/o7s/irm1/name"
#define BUS_PATH_OPERATION "/org/o7s/irm1/operation"
#define BUS_PATH_IPCP "/org/o7s/ipcp1"

#define BUS_INTERFACE_MANAGER "org.o7s.irm1.Manager"
#define BUS_INTERFACE_LAYER "org.o7s.irm1.Layer"
#define BUS_INTERFACE_NAME "org.o7s.irm1.Name"
#define BUS_INTERFACE_OPERATION "org.o7s.irm1.Operation"
#define BUS_INTERFACE_ETHERNET "org.o7s.ipcp1.Ethernet"
#define BUS_INTERFACE_UNICAST "org.o7s.ipcp1.Unicast"
#define BUS_INTERFACE_DIRECTORY "org.o7s.ipcp1.Directory"
#define BUS_INTERFACE_STATISTICS "org.o7s.ipcp1.Statistics"

#define BUS_ERROR_PREFIX "org.o7s.Error."

#define POLKIT_ACTION_PREFIX "org.o7s.irm1."
#define POLKIT_CREATE_NAME POLKIT_ACTION_PREFIX "create-name"
#define POLKIT_BIND POLKIT_ACTION_PREFIX "bind"
#define POLKIT_REGISTER POLKIT_ACTION_PREFIX "register"
#define POLKIT_BOOTSTRAP POLKIT_ACTION_PREFIX "bootstrap"
#define POLKIT_ENROLL POLKIT_ACTION_PREFIX "enroll"
#define POLKIT_MANAGE_LAYER POLKIT_ACTION_PREFIX "manage-layer"
#define POLKIT_OPEN_FLOW POLKIT_ACTION_PREFIX "open-flow"
#define POLKIT_LISTEN POLKIT_ACTION_PREFIX "listen"
#define POLKIT_INSPECT_OTHERS POLKIT_ACTION_PREFIX "inspect-others"
#define POLKIT_CAPTURE POLKIT_ACTION_PREFIX "capture"
#define POLKIT_NAME_POLICY POLKIT_ACTION_PREFIX "name-policy"
#define POLKIT_SAVE POLKIT_ACTION_PREFIX "save"
#define POLKIT_RELOAD POLKIT_ACTION_PREFIX "reload"

#define O7S_RUN_DIRECTORY "/run/o7s"
#define O7S_SOCKET_IRM "/run/o7s/irm.sock"
#define O7S_SOCKET_LAYER "/run/o7s/layer.sock"

/* Configuration roots, strongest first; layers/ and names/ below each. */
#define O7S_CONF_ROOTS "/etc/o7s", "/run/o7s", "/usr/lib/o7s"

#define O7S_UNIT_PREFIX "o7s-ipcp@"
#define O7S_UNIT_SUFFIX ".service"
