# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# rounds.bash - what the benchmarks on nodes share, sourced after checks.bash. ROUNDS and SECONDS_EACH are the
# benchmark's to set.

alternate() { # NAME UNIT BASELINE-NAME SUBJECT-FUNCTION BASELINE-FUNCTION [ARGS...]
        local name=$1 unit=$2 against=$3 subject=$4 baseline=$5
        shift 5
        for ((round = 0; round < ROUNDS; round++)); do
                echo "$("$subject" "$@") $("$baseline" "$@")"
        done | python3 -c '
import statistics, sys
name, unit, against = sys.argv[1:]
rounds = [tuple(map(float, line.split())) for line in sys.stdin if len(line.split()) == 2]
if not rounds:
    sys.exit(f"{name}: no round was measured")
value = statistics.median(subject for subject, _ in rounds)
ratio = statistics.median(subject / baseline for subject, baseline in rounds)
print(f"bench {name} {value:.{0 if value >= 1000 else 3}f} {unit} ratio {ratio:.3f} of {against}")' "$name" "$unit" "$against"
}

flow_rate() { # NODE NAME SIZE: messages per second that arrive
        lab_exec "$1" o7s-perf --json -s "$3" -t "${SECONDS_EACH}s" "$2" | tail -n 1 | json 'd["forward"]["goodput_pps"]'
}

flow_rtt() { # NODE NAME: median, ns
        lab_exec "$1" o7s-perf --json -l -t "${SECONDS_EACH}s" "$2" | grep '"latency"' | json 'd["rtt_usec"]["p50"] * 1000'
}
