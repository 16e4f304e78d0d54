/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A host for tests: the authentication service as an object, files below a directory of its own, and a stand-in for
 * o7s-keyd that signs with the keys of test identities. It is asked by messages only, as the resource manager asks;
 * time is the test's.
 */

#include <pthread.h>

#include "services/auth/service.h"
#include "tests/support/handshake-side.h"

typedef enum TestKeydMood {
        TEST_KEYD_SIGNS,
        TEST_KEYD_DIES,                 /* takes a question and hangs up */
        TEST_KEYD_REFUSES,
        TEST_KEYD_LIES,                 /* signs, and the signature is another's */
        TEST_KEYD_SILENT,
} TestKeydMood;

typedef struct TestKeyd {
        int fd;                         /* its end; -1: it does not run */
        pthread_t thread;
        TestKeydMood mood;              /* set before it starts */
        unsigned n_questions;           /* read after it ended */
        const TestIdentity *server, *client;    /* whose keys it has */
} TestKeyd;

typedef struct TestHost {
        char root[64];
        Service *service;
        ServicePeer peer;
        TestKeyd keyd;
        const char *source;             /* who causes what is asked; NULL: nobody knows */
        ServiceTime now;
} TestHost;

/* Files: the authority as an anchor where it is not NULL, certificates for name at either side where they are not NULL.
 * Returns: 0; -errno. */
int test_host_init(TestHost *host, const char *name, const TestIdentity *authority, const TestIdentity *server,
                   const TestIdentity *client);
void test_host_done(TestHost *host);

/* A file below the directory. Returns: 0; -errno. */
int test_host_write(TestHost *host, const char *path, const void *data, size_t size);

/* Somebody's certificate below /etc/o7s/security. Returns: 0; -errno. */
int test_host_write_authority(TestHost *host, const char *path, const TestIdentity *authority);

/* Starts the stand-in, and hands its connection over as the IRM does. Returns: 0; -errno. */
int test_host_connect_keyd(TestHost *host, TestKeydMood mood);
void test_host_stop_keyd(TestHost *host);

/* One question; the message is done with. Returns: as service_handle(); *ret is for auth_message_done(). */
int test_host_ask(TestHost *host, AuthMessage *message, AuthMessage *ret);

/* settings: as test_side_init(). The question of each step; what it is about follows from the arguments. Return the
 * answer's result. */
int test_host_build_request(TestHost *host, const char *name, const char *const *settings, AuthMessage *ret);
int test_host_check_request(TestHost *host, const char *name, const char *const *settings, const uint8_t *oap,
                            size_t size, AuthMessage *ret);
int test_host_build_response(TestHost *host, uint64_t session, AuthMessage *ret);
int test_host_check_response(TestHost *host, uint64_t session, const uint8_t *oap, size_t size, AuthMessage *ret);

/* What the layers of both ends saw; tests of bindings change it. */
extern const uint8_t test_request_binding[8], test_response_binding[8];
