/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Directories alone, without a layer to carry their messages: what the directory is like with ten thousand members. Any
 * member reaches any other, through a network that delays, loses and doubles.
 *
 *   join       everybody comes, through somebody who is there, and registers a name
 *   look up    random members look up random names
 *   churn      members die without a word while others come
 *   partition  two halves that do not hear each other, and are joined again
 *
 * After each, once things had time to settle, every name of a living member must be found, and tables must be bounded.
 */

#include "tests/sim/trace.h"
#include "tests/sim/verdict.h"

typedef struct DirectoryRun {
        /* what to do */
        uint64_t seed;
        uint32_t n_members;
        double loss;
        double duplicate;
        double churn;                   /* part of the members that is replaced; 0: no churn and no partition */
        Trace trace;
        Verdict verdict;

        /* what came of it */
        double hops;                    /* rounds of questions per lookup, on average */
        usec_t lookup_median_usec;
        usec_t lookup_p99_usec;
        double found_first;             /* part of the lookups that found it at the first attempt, nothing being
                                         * wrong */
        double found_churn;             /* the same while members come and go */
        double join_messages;           /* per member, until it had joined and registered */
        double idle_messages;           /* per member and minute, when nothing happens */
        double memory_bytes;            /* per member */
        double contacts;                /* per member */
        double entries;                 /* per member */
        usec_t duration;                /* virtual */
} DirectoryRun;

/* Returns: 0: see the verdict; -ENOMEM and the like. */
int directory_run(DirectoryRun *run);
