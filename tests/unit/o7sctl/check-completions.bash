#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# check-completions.bash PROGRAM-DIRECTORY COMPLETION - what bash offers, with the program as it is and nobody to ask
# for names.
set -euo pipefail

PATH=$1:$PATH
export DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent/bus
# shellcheck source=/dev/null
source "$2"

# shellcheck disable=SC2317  # the completion calls it
compopt() {
        :
}

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
touch "$directory/one.pem" "$directory/two.pem"
cd "$directory"
failed=0

offers() { # LINE EXPECTED
        local got
        COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDBREAKS=$' \t\n' COMPREPLY=()
        _o7sctl || :
        got=$(printf '%s ' "${COMPREPLY[@]}")
        [[ "${got% }" == "$2" ]] && return
        printf "'%s' offers '%s', not '%s'\n" "$1" "$got" "$2" >&2
        failed=1
}

offers 'o7sctl do' 'doctor down'
offers 'o7sctl ca ' 'init issue trust revoke crl list'
offers 'o7sctl ca i' 'init issue'
offers 'o7sctl ca issue web.example --c' '--client'
offers 'o7sctl ca issue web.example --key-type=ed' '--key-type=ed25519 --key-type=ed448'
offers 'o7sctl ca trust o' 'one.pem'
offers 'o7sctl ca issue web.example --out=t' '--out=two.pem'
offers 'o7sctl name web.example --auth' '--authentication='
offers 'o7sctl name web.example --authentication=' '--authentication=none --authentication=server --authentication=mutual'
offers 'o7sctl name web.example --encryption=o' '--encryption=opportunistic'
offers 'o7sctl name web.example --side=c' '--side=client'
offers 'o7sctl name web.example --cert=' '--cert=one.pem --cert=two.pem'
offers 'o7sctl name web.example import o' 'one.pem'
offers 'o7sctl flow --' '--help --version --no-pager --no-legend --full --json= --host= --machine= --no-ask-password --no-block --timeout= --quiet'
offers 'o7sctl capture lan -w o' 'one.pem'

exit "$failed"
