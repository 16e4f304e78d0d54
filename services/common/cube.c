/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From a quality of service to one of three cubes, and what a cube stands for. */

#include "services/common/cube.h"

static const char *const cube_table[_CUBE_MAX] = {
        [CUBE_BEST_EFFORT] = "best-effort",
        [CUBE_VIDEO] = "video",
        [CUBE_VOICE] = "voice",
};

DEFINE_ENUM_NAMES(cube, Cube);

/* What a cube is good for: the bounds that the reference sorts by (docs/WIRE.md). */
typedef struct CubeBounds {
        uint32_t delay_ms;
        uint64_t bandwidth_bps;         /* at most; UINT64_MAX: any */
        uint8_t availability_nines;     /* at least */
        uint32_t max_gap_ms;
        uint64_t rate_max_bps;          /* of what a flow sends */
} CubeBounds;

static const CubeBounds cube_bounds[_CUBE_MAX] = {
        [CUBE_BEST_EFFORT] = { UINT32_MAX, UINT64_MAX, 0, UINT32_MAX, 0 },
        [CUBE_VIDEO] = { 100, UINT64_MAX, 3, 100, 25000000 },           /* a film in 4K */
        [CUBE_VOICE] = { 50, 100000, 5, 50, 100000 },
};

static bool is_within(const o7s_qos *qos, const CubeBounds *bounds) {
        return qos->delay_ms <= bounds->delay_ms && qos->bandwidth_bps <= bounds->bandwidth_bps &&
               qos->availability_nines >= bounds->availability_nines && qos->max_gap_ms <= bounds->max_gap_ms;
}

Cube cube_from_qos(const o7s_qos *qos) {
        for (Cube cube = CUBE_VOICE; cube > CUBE_BEST_EFFORT; cube--)
                if (is_within(qos, &cube_bounds[cube]))
                        return cube;

        return CUBE_BEST_EFFORT;
}

o7s_qos cube_lower_qos(Cube cube) {
        o7s_qos qos = O7S_QOS_RAW;

        if (cube == CUBE_BEST_EFFORT)
                return qos;

        qos.delay_ms = cube_bounds[cube].delay_ms;
        qos.bandwidth_bps = cube_bounds[cube].bandwidth_bps;
        qos.availability_nines = cube_bounds[cube].availability_nines;
        qos.max_gap_ms = cube_bounds[cube].max_gap_ms;
        return qos;
}

o7s_qos cube_granted_qos(const o7s_qos *asked) {
        Cube cube = cube_from_qos(asked);
        const CubeBounds *bounds = &cube_bounds[cube];
        o7s_qos granted = *asked;

        /* A cube is a place in the queue, not a reservation: it bounds delay, and promises no bandwidth. */
        granted.delay_ms = MAX(asked->delay_ms, bounds->delay_ms);
        granted.max_gap_ms = MAX(asked->max_gap_ms, bounds->max_gap_ms);
        granted.availability_nines = MIN(asked->availability_nines, bounds->availability_nines);
        granted.bandwidth_bps = cube == CUBE_VOICE ? asked->bandwidth_bps : 0;
        granted.loss = MAX(asked->loss, 1U);
        return granted;
}

uint64_t cube_rate_bps(const o7s_qos *qos) {
        uint64_t rate_max = cube_bounds[cube_from_qos(qos)].rate_max_bps;

        return qos->bandwidth_bps == 0 ? rate_max : MIN(qos->bandwidth_bps, rate_max);
}
