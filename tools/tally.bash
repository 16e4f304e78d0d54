# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tally.bash - counts what the stages of "check" report, and prints a line for each.
#
# Every stage speaks TAP: "ok - WHAT", "not ok - WHAT", "ok - WHAT # SKIP WHY"; a number may stand before the
# dash, and lines starting with "#" belong to the line before.

n_passed=0 n_failed=0 n_skipped=0
failures=()     # "STAGE: WHAT" each
skips=()

_tally_line() { # STAGE STATUS WHAT
        local colour='' plain=''
        if [[ -t 1 && -z ${NO_COLOR-} ]]; then
                plain=$'\e[0m'
                case $2 in
                        ok) colour=$'\e[32m' ;;
                        FAILED) colour=$'\e[1;31m' ;;
                        skip) colour=$'\e[33m' ;;
                esac
        fi
        printf '%s%-6s%s %-14s %s\n' "$colour" "$2" "$plain" "$1" "$3"
}

tally_pass() { # STAGE WHAT
        n_passed=$((n_passed + 1))
        _tally_line "$1" ok "$2"
}

tally_fail() { # STAGE WHAT
        n_failed=$((n_failed + 1))
        failures+=("$1: $2")
        _tally_line "$1" FAILED "$2"
}

tally_skip() { # STAGE WHAT WHY
        n_skipped=$((n_skipped + 1))
        skips+=("$1: $2 ($3)")
        _tally_line "$1" skip "$2 ($3)"
}

tally() { # STAGE: TAP on standard input
        local stage=$1 line what
        local skip_pattern='^ok [0-9]* *- (.*) # SKIP *(.*)$' plain_pattern='^(not )?ok [0-9]* *- (.*)$'
        while IFS= read -r line; do
                if [[ $line =~ $skip_pattern ]]; then
                        tally_skip "$stage" "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
                elif [[ $line =~ $plain_pattern ]]; then
                        what=${BASH_REMATCH[2]}
                        if [[ -z ${BASH_REMATCH[1]} ]]; then
                                tally_pass "$stage" "$what"
                        else
                                tally_fail "$stage" "$what"
                        fi
                elif [[ $line == '#'* ]]; then
                        printf '       %-14s %s\n' '' "$line"
                fi
        done
}

tally_total() { # the one closing line; fails where anything did
        local line
        ((n_failed == 0)) || printf '\nFailed:\n'
        for line in ${failures[@]+"${failures[@]}"}; do
                printf '  %s\n' "$line"
        done
        ((n_skipped == 0)) || printf '\nSkipped:\n'
        for line in ${skips[@]+"${skips[@]}"}; do
                printf '  %s\n' "$line"
        done
        line="$n_passed passed, $n_failed failed"
        ((n_skipped == 0)) || line+=", $n_skipped skipped"
        printf '\n%s\n' "$line"
        ((n_failed == 0))
}
