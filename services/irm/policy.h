/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which security policy holds for a flow: that of the name, for the side that we are on, and with it that of the
 * layer whose member is the program at our end, if it is one; of both, the stricter. Members of a layer authenticate
 * because their layer's file says so or names whom to trust, not because the host trusts somebody. Fail closed: where a
 * file that may say something about it cannot be read, or two of them leave nothing that both allow, there is no policy
 * and no flow.
 */

#include "libo7s/irm-message.h"
#include "services/irm/flow.h"

/* Both: the caller's to empty. text: why not, a sentence. Returns: 0; -EKEYREJECTED: no flow may be opened; -ENOMEM. */
int policy_of_call(Manager *m, const char *name, const Process *caller, SecurityPolicy *ret,
                   char text[IRM_TEXT_BYTES_MAX]);
int policy_of_service(const Name *n, SecurityPolicy *ret, char text[IRM_TEXT_BYTES_MAX]);

/* Whether these are still what they were, before anybody is let in who was checked by them. digest:
 * security_policy_digest(). Return: 0; -EKEYREJECTED, text: try again; -ENOMEM. */
int policy_check_call(Manager *m, const char *name, const Process *caller, const SecurityPolicy *before,
                      char text[IRM_TEXT_BYTES_MAX]);
int policy_check_service(const Name *n, uint64_t digest, char text[IRM_TEXT_BYTES_MAX]);

/* For people: what would hold for a name, known here or not. */
int policy_of_name(Manager *m, const char *name, SecuritySide side, SecurityPolicy *ret, char text[IRM_TEXT_BYTES_MAX]);
