/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What o7s-keyd is asked on /run/o7s/keyd.sock (SEQPACKET, protobuf; key.proto is private to key-message.c). Who asks
 * is the IRM, or o7s-auth on a connection that the IRM handed to it: a few questions at a time, one answer each, in
 * order.
 *
 *   SIGN(key, header)      ->      a transcript of OAP in parsed form; o7s-keyd writes its bytes itself, checks that
 *                                  they are a handshake message that carries the certificate of just this key, and
 *                                  signs those. It never signs bytes that it is given.
 *                          <-      SIGNED(result, text, signature)
 *   PUBLIC(key)            ->
 *                          <-      PUBLIC_IS(result, text, public key as DER SubjectPublicKeyInfo)
 *   RELOAD                 ->      keys are read again, at once
 *                          <-      RELOADED(result, text)
 *
 * key: "credential:NAME" (of the service's own systemd credentials), an absolute path, or "pkcs11:..." .
 */

#include "basic/string.h"
#include "services/common/oap.h"

#define KEY_SOCKET_PATH "/run/o7s/keyd.sock"
#define KEY_PROTOCOL_VERSION 1U
#define KEY_MESSAGE_BYTES_MAX 65536U
#define KEY_URL_BYTES_MAX 512U
#define KEY_TEXT_BYTES_MAX 512U
#define KEY_SIGNATURE_BYTES_MAX 1024U
#define KEY_PUBLIC_BYTES_MAX 2048U

typedef enum KeyMessageType {
        KEY_SIGN,
        KEY_SIGNED,
        KEY_PUBLIC,
        KEY_PUBLIC_IS,
        KEY_RELOAD,
        KEY_RELOADED,
        _KEY_MESSAGE_TYPE_MAX,
        _KEY_MESSAGE_TYPE_INVALID = -EINVAL,
} KeyMessageType;

typedef struct KeyMessage {
        KeyMessageType type;
        int32_t result;                         /* 0; -ENOENT, -EACCES: the key is not there, or its owner or mode are
                                                 * wrong; -EKEYREJECTED: not this key's certificate; -EBADMSG: no
                                                 * handshake; -EOPNOTSUPP: algorithm; -EBUSY: too many questions;
                                                 * -EIO: its token fails */
        char key[KEY_URL_BYTES_MAX];
        char text[KEY_TEXT_BYTES_MAX];
        OapHeader header;                       /* SIGN: without a signature; its parts point into .buffer */
        size_t signature_size;
        uint8_t signature[KEY_SIGNATURE_BYTES_MAX];
        size_t public_size;
        uint8_t public_key[KEY_PUBLIC_BYTES_MAX];
        uint8_t *buffer;                        /* owned: key_message_done(); where a parsed .header points */
} KeyMessage;

void key_message_done(KeyMessage *message);

/* As auth_message_*(), without descriptors: never waits. */
ssize_t key_message_pack(const KeyMessage *message, void *buffer, size_t size);
int key_message_parse(const void *data, size_t size, KeyMessage *ret);
int key_message_send(int socket_fd, const KeyMessage *message);
int key_message_receive(int socket_fd, KeyMessage *ret);
