/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What layer files and name files have in common: values that both hold, checks of their names, and the keys of
 * features that come later. Such a key is known but refused, never ignored: a host must not look protected, or set
 * up, when it is not.
 */

#include "basic/conf.h"

/* Value parsers for tables of keys. Strings are char *, lists are ConfStrings; an empty value empties. */
int check_parse_layer_names(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);
int check_parse_flow_names(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);
int check_parse_user_names(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);
int check_parse_unit_names(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);
int check_parse_programs(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);
int check_parse_description(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);
int check_parse_log_level(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);

/* A key of a later feature: an error, with what the feature is (key->data) in the sentence. */
int check_parse_later(ConfFile *, const ConfAssignment *, void *field, const ConfKey *);

/* Where a key was given last, or, where it was not, the first file as a whole. */
ConfPlace check_place(const ConfFile *file, const char *section, const char *key);

/* The last assignment of the key, or NULL. An empty value counts as not given. */
const ConfAssignment *check_find(const ConfFile *file, const char *section, const char *key);

bool check_has_errors(const ConfFile *file);

/* The first message that is an error, or NULL. */
const ConfMessage *check_first_error(const ConfFile *file);

/* "path:line:column: text", or "path: text" for a whole file. Returns: 0; -ENOMEM. */
int check_message_text(const ConfMessage *message, char **ret);

/* The three configuration roots below "root", strongest first, NULL at the end. */
typedef struct ConfRoots {
        char *paths[4];
} ConfRoots;

int conf_roots_init(ConfRoots *roots, const char *root);
void conf_roots_done(ConfRoots *roots);

/* Reads directory/NAME+suffix of the roots below "root" into file. Returns: as conf_load(). */
int check_load(ConfFile *file, const char *root, const char *directory, const char *name, const char *suffix);
