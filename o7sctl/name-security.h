/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The security policy of a name: shown, changed in its file or at run time, taken over from the reference
 * implementation. */

#include "o7sctl/o7sctl.h"

/* Changes what the command line says, in the file of the name as the caller or, with --runtime, at o7s-irm. Complains.
 * Returns: 0; the exit status. */
int name_set_security(Ctl *ctl, const char *name);

/* Prints what holds for the name, of both sides or of one. Complains. Returns: the exit status. */
int name_show_security(Ctl *ctl, const char *name);

/* A directory with crt.pem, key.pem and enc.conf, or some of them, becomes the name's. Complains. Returns: the exit
 * status. */
int name_import(Ctl *ctl, const char *name, const char *directory);

/* Writes settings into the file of a name, checked as the daemons check it. Complains. Returns: 0; the exit status. */
int name_save_settings(Ctl *ctl, const char *name, bool client, const Setting *settings, size_t n);
