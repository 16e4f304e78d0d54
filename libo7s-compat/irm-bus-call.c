/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Connections to the bus, calls, and errors as numbers, see irm-bus-call.h. */

#include <errno.h>
#include <stdlib.h>

#include <ouroboros/errno.h>

#include "libo7s/bus-names.h"
#include "libo7s-compat/irm-bus-call.h"

/* Errors of the bus and, with BUS_ERROR_PREFIX, of o7s-irm. Those without a row are -EIRMD: nothing was done, for
 * reasons that lie there. */
static const struct {
        const char *name;
        int error;
} errors[] = {
        { BUS_ERROR_PREFIX "NoSuchName", ENAME },
        { BUS_ERROR_PREFIX "NoSuchLayer", EIPCP },
        { BUS_ERROR_PREFIX "NameExists", EEXIST },
        { BUS_ERROR_PREFIX "LayerExists", EEXIST },
        { BUS_ERROR_PREFIX "NotBound", ENOENT },
        { BUS_ERROR_PREFIX "NotRegistered", ENOENT },
        { BUS_ERROR_PREFIX "WrongState", EPERM },               /* the name is a file's, or a layer's own */
        { BUS_ERROR_PREFIX "NotPermitted", EPERM },
        { BUS_ERROR_PREFIX "AccessDenied", EPERM },
        { BUS_ERROR_PREFIX "InvalidArgument", EINVAL },
        { BUS_ERROR_PREFIX "QuotaExceeded", EDQUOT },
        { BUS_ERROR_PREFIX "NotSupported", ENOTSUP },
        { BUS_ERROR_PREFIX "NoMemory", ENOMEM },
        { BUS_ERROR_PREFIX "ConfigInvalid", EINVAL },
        { BUS_ERROR_PREFIX "PeerTimeout", ETIMEDOUT },
        { SD_BUS_ERROR_ACCESS_DENIED, EPERM },
        { SD_BUS_ERROR_AUTH_FAILED, EPERM },
        { SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, EPERM },
        { SD_BUS_ERROR_INVALID_ARGS, EINVAL },
        { SD_BUS_ERROR_NO_MEMORY, ENOMEM },
};

int irm_bus_error_number(const sd_bus_error *error, int r) {
        for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
                if (sd_bus_error_has_name(error, errors[i].name))
                        return -errors[i].error;

        /* What the bus itself refuses comes without a name, too. */
        return r == -ENOMEM || r == -EINVAL || r == -EPERM ? r : -EIRMD;
}

int irm_bus_open(IrmBus **ret) {
        IrmBus *bus;

        bus = calloc(1, sizeof(*bus));
        if (!bus)
                return -ENOMEM;

        if (sd_bus_open_system(&bus->bus) < 0) {
                free(bus);
                return -EIRMD;
        }

        *ret = bus;
        return 0;
}

IrmBus *irm_bus_close(IrmBus *bus) {
        if (bus)
                (void) sd_bus_flush_close_unref(bus->bus);

        free(bus);
        return NULL;
}

int irm_bus_call_new(IrmBus *bus, const char *member, sd_bus_message **ret) {
        int r;

        r = sd_bus_message_new_method_call(bus->bus, ret, BUS_NAME_IRM, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, member);
        return r < 0 ? -ENOMEM : 0;
}

int irm_bus_call_send(IrmBus *bus, sd_bus_message *call, int appended, sd_bus_message **ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        if (appended < 0)
                return appended == -ENOMEM ? -ENOMEM : -EINVAL;         /* such as text that is not UTF-8 */

        r = sd_bus_call(bus->bus, call, 0, &error, ret);
        return r < 0 ? irm_bus_error_number(&error, r) : 0;
}
