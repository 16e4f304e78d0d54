#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# check-completions.bash PROGRAMS-DIRECTORY COMPLETION - what bash offers, with the programs as they are
# and names as o7sctl would give them.
set -euo pipefail

PATH=$1:$PATH
# shellcheck source=/dev/null
source "$2"

# shellcheck disable=SC2317  # the completion calls these two
o7sctl() {
        printf '%s\n' echo.example web.example
}

# shellcheck disable=SC2317
compopt() {
        :
}

failed=0

offers() { # LINE EXPECTED
        local got
        COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDBREAKS=$' \t\n=' COMPREPLY=()
        _o7s_apps "${1%% *}"
        got=$(printf '%s ' "${COMPREPLY[@]}")
        [[ "${got% }" == "$2" ]] && return
        printf "'%s' offers '%s', not '%s'\n" "$1" "$got" "$2" >&2
        failed=1
}

offers 'o7s-ping ' 'echo.example web.example'
offers 'o7s-ping w' 'web.example'
offers 'o7s-ping --c' '--count='
offers 'o7s-ping --ti' '--timeout= --timestamps'
offers 'o7s-ping --qos=v' 'video voice'
offers 'o7s-perf echo.example --str' '--stream'
offers 'o7s-perf --max' '--max-loss='
offers 'o7s-nc --sh' '--shutdown'
offers 'o7s-cbr --sp' '--spin'
offers 'o7s-echo --th' '--thin'
offers 'o7s-echo --nonsense' ''

exit "$failed"
