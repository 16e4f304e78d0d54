/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Changes keys of one section in the text of a configuration file and leaves the rest as it is: comments, blank lines,
 * other keys and sections, their order.
 */

#include "o7sctl/options.h"

/* The text with each key among the settings having the values given there, in order; a key whose values are all empty
 * goes. What replaces something stands where that was, what is new at the end of the section, a new section at the end
 * of the file. Returns: 0; -ENOMEM. */
int conf_edit(const char *text, const char *section, const Setting *settings, size_t n, char **ret);
