/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What standard output can show. O7S_COLORS (a boolean) decides on colour, then SYSTEMD_COLORS, then NO_COLOR,
 * then whether there is a terminal; the locale decides on glyphs.
 */

#include "o7sctl/o7sctl.h"

typedef enum Color {
        COLOR_NORMAL,
        COLOR_GREEN,
        COLOR_YELLOW,
        COLOR_RED,
        COLOR_GREY,
        COLOR_BOLD,
        _COLOR_MAX,
} Color;

typedef enum Glyph {
        GLYPH_ACTIVE,           /* ● */
        GLYPH_INACTIVE,         /* ○ */
        GLYPH_FAILED,           /* × */
        GLYPH_CHANGING,         /* ↻ */
        GLYPH_DONE,             /* ✓ */
        GLYPH_MISSING,          /* ✗ */
        GLYPH_ARROW,            /* → */
        GLYPH_UP,               /* ↑ */
        GLYPH_DOWN,             /* ↓ */
        GLYPH_DASH,             /* – */
        _GLYPH_MAX,
} Glyph;

bool terminal_color(void);
bool terminal_unicode(void);

/* The sequence that begins a colour, or "" where there is no colour. COLOR_NORMAL ends all of them. */
const char *terminal_sequence(Color color);

/* The name by which libsmartcols knows it; NULL: none. */
const char *terminal_color_name(Color color);

const char *terminal_glyph(Glyph glyph);

/* How a state of a layer looks: "online", "degraded", ... */
Color state_color(const char *state);
Glyph state_glyph(const char *state);

/* Sends standard output through $O7S_PAGER, $PAGER or less, where that makes sense; ctl_done() waits for it. */
void terminal_page(Ctl *ctl);
void terminal_page_end(Ctl *ctl);
