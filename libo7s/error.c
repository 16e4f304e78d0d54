/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The one table of errors. The first row of an errno is what a program that only has the number is told, so
 * it is the one that the calls of <o7s.h> mean; rows further down that share it belong to the bus. */

#include "libo7s/bus-names.h"
#include "libo7s/error.h"
#include "libo7s/o7s.h"

enum {
        EXIT_FAILED = 1,
        EXIT_UNREACHABLE = 3,
        EXIT_PERMISSION = 4,
        EXIT_TIMEOUT = 5,
        EXIT_NOT_RUNNING = 69,
        EXIT_CONFIGURATION = 78,
};

const ErrorRow error_table[] = {
        { ENOENT, "NoSuchName", "No layer on this host knows this name",
          "See which names there are with: o7sctl names", EXIT_UNREACHABLE },
        { ENOENT, "NoSuchLayer", "There is no layer of this name",
          "See which layers there are with: o7sctl layers. Make one with: o7sctl new NAME", EXIT_FAILED },
        { ENOTCONN, "FlowEnded", "The flow has ended, and everything that arrived was read",
          "Open a new flow", EXIT_FAILED },
        { ECONNRESET, "FlowCutOff", "The flow ended before the other side had sent everything; what arrived was read",
          "Open a new flow, and ask for what is missing", EXIT_FAILED },
        { ENOTCONN, "NotRegistered", "The name is not registered in a layer",
          "Register it with: o7sctl name NAME --layer=LAYER", EXIT_UNREACHABLE },
        { ENOTCONN, "NotBound", "No program is bound to the name",
          "Bind one with: o7sctl name NAME --unit=UNIT, or --user=USER", EXIT_UNREACHABLE },
        { EEXIST, "NameExists", "The name exists already", "See whose it is with: o7sctl names", EXIT_FAILED },
        { EEXIST, "LayerExists", "The layer exists already",
          "See its state with: o7sctl status LAYER", EXIT_FAILED },
        { EBUSY, "WrongState", "Not possible in the present state",
          "See the state and its reason with: o7sctl status", EXIT_FAILED },
        { ENETDOWN, "NoLowerLayer", "The layer below is not up",
          "See which one, and why, with: o7sctl status LAYER", EXIT_UNREACHABLE },
        { EHOSTUNREACH, "NoRoute", "The layer has no way to the other side",
          "See the state of the layer with: o7sctl status LAYER", EXIT_UNREACHABLE },
        { ECONNREFUSED, "PeerRefused", "The other side refused the flow",
          "Check that the program that serves the name runs there and accepts", EXIT_UNREACHABLE },
        { EKEYREJECTED, "AuthenticationFailed", "The other side could not prove who it is",
          "Check certificates and clocks of both sides, and the [Security] section of the layer or name",
          EXIT_PERMISSION },
        { ENOKEY, "NoCredentials", "This host can neither prove itself nor check others just now",
          "See which certificate, key or service is missing with: o7sctl doctor", EXIT_FAILED },
        { ETIME, "ClockSkew", "The clocks of the two sides differ too much, or somebody replayed an old message",
          "Compare the clocks of both sides: timedatectl", EXIT_PERMISSION },
        { EPROTO, "NoCommonCipher", "The two sides agree on no protection for the flow",
          "Compare Encryption= in the files of both sides", EXIT_FAILED },
        { EPROTO, "ProtocolViolated", "The other side broke the protocol",
          "Compare the versions of both sides; details are in the journal", EXIT_FAILED },
        { ERANGE, "QosUnsatisfiable", "No layer offers this quality of service",
          "Ask for less, or see what layers offer with: o7sctl layers", EXIT_FAILED },
        { EMFILE, "FlowLimit", "Too many open flows or files in this process",
          "Close flows, or raise LimitNOFILE= of the unit", EXIT_FAILED },
        { EDQUOT, "QuotaExceeded", "A limit of this user is reached",
          "Close flows, or raise the limit in irm.conf", EXIT_FAILED },
        { ETIMEDOUT, "PeerTimeout", "The other side did not answer in time",
          "Check that it is up, or allow more time", EXIT_TIMEOUT },
        { EPIPE, "FlowDown", "The flow has ended",
          "Open a new flow; o7s_last_error() and the journal say what ended this one", EXIT_FAILED },
        { EINVAL, "InvalidArgument", "An argument is not valid", "See the manual page of the call or command",
          EXIT_FAILED },
        { EINVAL, "ConfigInvalid", "The configuration is not valid",
          "Check the file with: o7sctl verify FILE", EXIT_CONFIGURATION },
        { EPROTONOSUPPORT, "VersionMismatch", "The two sides speak different versions of the protocol",
          "Install the same version on both sides; restart what still runs the old one", EXIT_FAILED },
        { EPERM, "NotPermitted", "The caller may not do this",
          "Run the command with sudo, or let an administrator add a polkit rule or a binding", EXIT_PERMISSION },
        { EACCES, "AccessDenied", "Access is denied",
          "Run the command with sudo, or let an administrator add a polkit rule", EXIT_PERMISSION },
        { EHOSTDOWN, "ManagerNotRunning", "The IRM does not run on this host",
          "Start it with: systemctl start o7s-irm.socket", EXIT_NOT_RUNNING },
        { EOPNOTSUPP, "NotSupported", "This version cannot do that yet",
          "Ask for a raw flow (no QoS), or install a newer version", EXIT_FAILED },
        { ESTALE, "Stale", "The other side no longer knows this flow", "Open a new flow", EXIT_FAILED },
        { EAGAIN, "WouldBlock", "Nothing can be done without waiting",
          "Wait for the descriptor, or allow time", EXIT_TIMEOUT },
        { EINPROGRESS, "InProgress", "The flow is still being allocated",
          "Wait for O7S_UP, then call o7s_flow_alloc_finish()", EXIT_FAILED },
        { EMSGSIZE, "MessageTooLong", "The message is longer than the flow carries",
          "See mtu in o7s_flow_info(), and send less at a time", EXIT_FAILED },
        { EBADMSG, "Malformed", "The other side broke the rules",
          "Close the flow; details are in the journal", EXIT_FAILED },
        { ECHILD, "ForeignProcess", "The flow belongs to the parent process",
          "Open flows after fork(), in the process that uses them", EXIT_FAILED },
        { ECANCELED, "Cancelled", "It was cancelled", "Try again", EXIT_FAILED },
        { EINTR, "Interrupted", "A signal came first", "Try again", EXIT_FAILED },
        { ENOMEM, "NoMemory", "Out of memory", "Close flows, or raise MemoryMax= of the unit", EXIT_FAILED },
        { ENOSPC, "NoSpace", "There is no room left", "Make room where the journal says that it is missing",
          EXIT_FAILED },
        { ENODEV, "NoSuchDevice", "There is no such network interface", "See which there are with: ip link",
          EXIT_CONFIGURATION },
        { EIO, "Failed", "It failed", "Details are in the journal: journalctl -u 'o7s-*'", EXIT_FAILED },
        {},
};

const ErrorRow *error_row(int error) {
        const ErrorRow *row;

        for (row = error_table; row[1].bus_name; row++)
                if (row->error == error || -row->error == error)
                        break;

        return row;     /* the last one where none matched */
}

const ErrorRow *error_row_by_name(const char *bus_name) {
        assert(bus_name);

        if (strncmp(bus_name, BUS_ERROR_PREFIX, STRLEN(BUS_ERROR_PREFIX)) == 0)
                bus_name += STRLEN(BUS_ERROR_PREFIX);

        for (const ErrorRow *row = error_table; row->bus_name; row++)
                if (streq(row->bus_name, bus_name))
                        return row;

        return NULL;
}

const char *o7s_strerror(int error) {
        return error == 0 ? "Success" : error_row(error)->sentence;
}

const char *o7s_version(void) {
        return O7S_VERSION;
}
