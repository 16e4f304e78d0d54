/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What we ask of the service manager, all of it without waiting. Where there is no bus: -ENOTCONN. */

#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "basic/macro.h"

#define UNIT_NAME_BYTES_MAX 255U

/* The unit of a process; the answer's first argument is the unit's path, see systemd_unit_from_reply(). The
 * caller must check that the process still lives when the answer is there: only then was the pid still its. */
int systemd_get_unit(sd_bus *bus, pid_t pid, sd_bus_message_handler_t answered, void *userdata, sd_bus_slot **ret);

/* Returns: 0; -ENOENT: it is in no unit; -EBADMSG. */
int systemd_unit_from_reply(sd_bus_message *reply, char **ret);

/* daemon-reload. */
int systemd_reload(sd_bus *bus, sd_bus_message_handler_t answered, void *userdata, sd_bus_slot **ret);

/* method: "StartUnit" or "StopUnit". The answer holds the job's path. */
int systemd_queue_job(sd_bus *bus, const char *method, const char *unit, sd_bus_message_handler_t answered,
                      void *userdata, sd_bus_slot **ret);

/* Has systemd say when jobs end: JobRemoved(u id, o job, s unit, s result). */
int systemd_watch_jobs(sd_bus *bus, sd_bus_message_handler_t removed, void *userdata, sd_bus_slot **ret);
