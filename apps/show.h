/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the tools print about a flow and about times, for people and as one JSON object per line. */

#include <json-c/json.h>

#include "apps/common.h"
#include "apps/histogram.h"

#define FLOW_CHARS_MAX 512

/* Who is at the other end, and how the flow is protected: "via lan, beta (authenticated), aes-128-gcm (X25519)". */
void flow_format(char *buffer, size_t size, const struct o7s_flow_info *info);

/* The same after the name, without an end of line. */
void show_flow(const char *name, const struct o7s_flow_info *info);

/* " min 1.28  p50 1.29  p99 1.31  max 1.31 ms" after the title, nothing where there are no values (nanoseconds). */
void show_histogram(const char *title, const Histogram *h);

/* One line for each power of two that has values, with a bar. */
void show_histogram_bars(const Histogram *h);

/* "serving NAME", NULL: every name that is bound to us; whoever started the program may wait for this line. */
void show_serving(const char *name, bool json);

/* JSON: begin a line, add members, print it. An allocation that fails loses that member, never more. */
json_object *show_event(const char *event);
void show_add(json_object *line, const char *key, json_object *value);          /* takes value */
void show_add_number(json_object *line, const char *key, double value);
void show_flow_json(json_object *line, const struct o7s_flow_info *info);
void show_histogram_json(json_object *line, const char *key, const Histogram *h);
void show_line(json_object *line);                                              /* takes line */
