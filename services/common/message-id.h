/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What can be looked for in the journal: the MESSAGE_ID of each kind of entry, as a field of log_with(). They never
 * change, and whoever adds one explains it in units/o7s.catalog, by which "journalctl -x" says what happened and what
 * to do; tools/check-catalog.py compares the two. A new one: systemd-id128 new.
 */

/* Flows and handshakes */
#define MESSAGE_REFUSED_AUTHENTICATION "MESSAGE_ID=6e1e1d9fd5a94f3c8b8c0f5f3f0b9a41"
#define MESSAGE_REFUSED_POLICY "MESSAGE_ID=0c7f3a0d8a0f4d0e9f5b3f1d8f6f2c52"
#define MESSAGE_REFUSED_REPLAY "MESSAGE_ID=f2c1b7a69d5e4b6fa3c27e1be0d41863"
#define MESSAGE_REFUSED_CLOCK "MESSAGE_ID=21723764691c491baa16995add25898d"
#define MESSAGE_REFUSED_CREDENTIALS "MESSAGE_ID=93d4a85e7c1b4e0db6f9a2c8570e3d74"
#define MESSAGE_HANDSHAKE_FAILED "MESSAGE_ID=6bd1a4a0c28e4b0f9d2a5f9d3c1e7a84"
#define MESSAGE_HANDSHAKES_BUSY "MESSAGE_ID=c0a3d7c2b3fd4c0c8f1b7be2a9d54e61"

/* Certificates, keys, and who uses them */
#define MESSAGE_CERTIFICATE_EXPIRING "MESSAGE_ID=2f6f0e7b94d845fcb3f7f8c1d6a0e935"
#define MESSAGE_CREDENTIALS_RELOADED "MESSAGE_ID=91e5c8d04b7a4a3ab0d4e6c2f7183b5c"
#define MESSAGE_AUTH_LOST "MESSAGE_ID=9c4c3f7ba5474970b91a0a4af37f03e5"
#define MESSAGE_KEYD_STRANGER "MESSAGE_ID=cdfde419436441609634b8ed6b2d44f5"
#define MESSAGE_KEYD_BUSY "MESSAGE_ID=ded287385e674e24ac1f7a236e5a5286"

/* Configuration */
#define MESSAGE_CONFIGURATION_BAD "MESSAGE_ID=16bea64501114486af14ca9330b0456d"
#define MESSAGE_NAME_FILE_BAD "MESSAGE_ID=33061ec0b61a43d6b3d0bb5f03a03555"
#define MESSAGE_NAME_POLICY_BAD "MESSAGE_ID=f2b79c8ac67648918fa47ee1adacf1a4"

/* Layers */
#define MESSAGE_LAYER_STATE "MESSAGE_ID=5f45ae3247a64db0bdb6054f7b88c870"
#define MESSAGE_LAYER_PROBLEM "MESSAGE_ID=12aa3b5ea08546208ef5bc5478662b17"

/* Programs that break rules, and want of resources */
#define MESSAGE_PROGRAM_CLOSED "MESSAGE_ID=dad35cb2d41f453bb09177e8f1a481e1"
#define MESSAGE_LAYER_CLOSED "MESSAGE_ID=2a643273849c4c6d9a12f11c3e8bbeee"
#define MESSAGE_DESCRIPTORS_OUT "MESSAGE_ID=7cf65fa077944c2ba1635bc2d2e83d77"

/* Restarts, and the host */
#define MESSAGE_FLOWS_KEPT "MESSAGE_ID=cc861050525b450f9ea9c0d17c32505d"
#define MESSAGE_STATE_LOST "MESSAGE_ID=682c77560d334ca08a4b6260c4f9bbd6"
#define MESSAGE_CLOCK_SET_BACK "MESSAGE_ID=6d5383906ff2421ab9198e1530696472"
#define MESSAGE_BUS_MISSING "MESSAGE_ID=7c6d9252e97d40aa847791088479dd98"
