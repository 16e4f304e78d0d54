/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Enrollment against a hostile peer, as a sequence of { length, message } records, on either side (first byte). Ends
 * with a configuration only where that is one that we can live with.
 */

#include "basic/cursor.h"
#include "services/common/enrollment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(const uint8_t *data, size_t size) {
        uint8_t wire[ENROLLMENT_MESSAGE_BYTES_MAX];
        EnrollmentResponse response = {}, again = {};
        ssize_t n;

        if (enrollment_response_parse(data, size, &response) < 0)
                return;

        n = enrollment_response_pack(&response, wire, sizeof(wire));
        if (n == -ENOBUFS)
                return;
        if (n < 0 || enrollment_response_parse(wire, (size_t) n, &again) < 0 ||
            memcmp(&again, &response, sizeof(again)) != 0)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint8_t answer[ENROLLMENT_MESSAGE_BYTES_MAX];
        Cursor c = cursor_from(data, size);
        const char *problem = NULL;
        bool enrollee = cursor_u8(&c) & 1;
        LayerConfig own;
        Enrollment e;
        size_t n;

        layer_config_init(&own, "net");
        if (enrollee)
                (void) enrollment_start(&e, (const uint8_t *) "12345678", 0, answer, &n);
        else
                enrollment_expect(&e, 0);

        while (c.left > 0) {
                size_t length = MIN((size_t) cursor_u8(&c), c.left);
                const uint8_t *message = cursor_bytes(&c, length);

                round_trip(message, length);
                (void) enrollment_receive(&e, message, length, &own, 1, 1, answer, &n);
                if (n > sizeof(answer) || (e.state == ENROLLMENT_FAILED) != (e.problem != NULL))
                        abort();
        }

        if (enrollee && e.state == ENROLLMENT_DONE && layer_config_check(&e.config, &problem) < 0)
                abort();

        return 0;
}
