/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>
#include <stdio.h>

#include "basic/string.h"
#include "tests/attack/attack.h"

void attack_figure(Attack *attack, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        (void) vsnprintf(attack->figure, sizeof(attack->figure), format, arguments);
        va_end(arguments);
}

bool attack_broken(Attack *attack, const char *format, ...) {
        va_list arguments;

        fprintf(stderr, "%s: ", attack->id);
        va_start(arguments, format);
        (void) vfprintf(stderr, format, arguments);
        va_end(arguments);
        fputc('\n', stderr);
        return false;
}

uint64_t attack_random(Attack *attack) {
        uint64_t x = attack->seed += UINT64_C(0x9e3779b97f4a7c15);

        x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
        return x ^ x >> 31;
}

void attack_random_bytes(Attack *attack, void *ret, size_t size) {
        uint8_t *bytes = ret;

        for (size_t i = 0; i < size; i++)
                bytes[i] = (uint8_t) attack_random(attack);
}

static bool is_wanted(const char *id, int n_words, char *words[]) {
        bool named = false;

        for (int i = 1; i < n_words; i++)
                if (words[i][0] != '-') {
                        named = true;
                        if (streq(words[i], id))
                                return true;
                }

        return !named;
}

/* Several claims may come down to one attack, which is then made once. */
static bool run(Attack *attacks, size_t i, bool *held) {
        for (size_t k = 0; k < i; k++)
                if (attacks[k].run == attacks[i].run && attacks[k].figure[0] != '\0') {
                        memcpy(attacks[i].figure, attacks[k].figure, sizeof(attacks[i].figure));
                        return held[i] = held[k];
                }

        return held[i] = attacks[i].run(attacks + i);
}

int attack_main(int argc, char *argv[], Attack *attacks, size_t n) {
        bool held[ATTACKS_MAX] = {};
        unsigned n_run = 0, n_broken = 0;
        uint64_t seed = 1;
        bool full = false;

        assert(n <= ATTACKS_MAX);

        for (int i = 1; i < argc; i++) {
                if (streq(argv[i], "--full"))
                        full = true;
                else if (startswith(argv[i], "--seed=") &&
                         parse_u64(argv[i] + STRLEN("--seed="), UINT64_MAX, &seed) < 0)
                        return EXIT_FAILURE;
        }

        for (size_t i = 0; i < n; i++) {
                if (!is_wanted(attacks[i].id, argc, argv))
                        continue;

                attacks[i].full = full;
                attacks[i].seed = seed;
                n_broken += !run(attacks, i, held);
                printf("claim %s | %s | %s\n", attacks[i].id, attacks[i].figure, held[i] ? "held" : "broken");
                (void) fflush(stdout);
                n_run++;
        }

        return n_run > 0 && n_broken == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
