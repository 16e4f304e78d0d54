# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# checks.bash - what the tests of the lab share: checks in TAP, and o7s on nodes.
#
# A test is "test-NOUN.bash". Its comment says on which system buses it runs ("# buses: daemon broker") and in
# how many seconds ("# budget: N"). It gets the build directory as its argument, boots what it needs, checks
# one behaviour per line, and ends with "done_checking". It runs without "set -e": a step that fails shows in the
# checks that follow it.
#
#   check WHAT CMD...          passes if CMD succeeds; its output goes to $LAB_OUT/log/check.N and, when the
#                              check fails, as comments below it; as does what was late (lab_wait)
#   fails CMD...               succeeds if CMD fails
#   exits STATUS CMD...        succeeds if CMD ends with this status
#   says TEXT CMD...           succeeds if CMD's output, on both channels, contains TEXT; whatever its status
#   fails_saying TEXT CMD...   succeeds if CMD fails, and its output contains TEXT
#   lacks TEXT CMD...          succeeds if CMD does, and its output does not contain TEXT
#   prints TEXT CMD...         succeeds if CMD prints exactly this on standard output
#   within SECONDS CMD...      succeeds if CMD does, in less than that; fractions are fine
#   lasts SECONDS CMD...       succeeds if CMD does, and takes at least that
#   one_of_three CMD...        succeeds if CMD does, the first time, the second or the third
#
# A host that is shared stops for a moment now and then, or is five times slower than itself. What takes time without
# that being the claim is waited for with lab_wait. Where a time is the claim, it stays what it is, and CMD is something
# that can be tried again from its beginning: "one_of_three within 1 CMD" says that we need less than a second, and
# not that the host never takes one from us. It is never for what must not happen.
#
#   skip WHAT WHY
#
#   json EXPRESSION            a Python expression over standard input's JSON document "d"; prints its value

# shellcheck source=tests/lab/lab.bash
source "${LAB_LIBRARY:?run me with tests/lab/lab run}"

n_checks=0 n_failed_checks=0

check() {
        local what=$1 log
        shift
        n_checks=$((n_checks + 1))
        log=$LAB_OUT/log/check.$n_checks
        printf '# %s\n# %s\n' "$what" "$*" >"$log"
        if "$@" >>"$log" 2>&1; then
                echo "ok $n_checks - $what"
                sed -n 's/^late: /# &/p' "$log" | tail -n 1
                return
        fi
        n_failed_checks=$((n_failed_checks + 1))
        echo "not ok $n_checks - $what"
        tail -n +2 "$log" | tail -n 12 | sed 's/^\(# \)\{0,1\}/# /'
}

skip() {
        n_checks=$((n_checks + 1))
        echo "ok $n_checks - $1 # SKIP $2"
}

done_checking() {
        echo "1..$n_checks"
        ((n_failed_checks == 0))
        exit
}

fails() {
        ! "$@"
}

exits() {
        local want=$1 status=0
        shift
        "$@" || status=$?
        echo "exit status $status, expected $want"
        ((status == want))
}

says() {
        local want=$1 output
        shift
        output=$("$@" 2>&1) || :
        printf '%s\n' "$output"
        [[ $output == *"$want"* ]] || { printf 'expected: %s\n' "$want"; return 1; }
}

fails_saying() {
        local want=$1 output
        shift
        output=$("$@" 2>&1) && { printf '%s\nexpected to fail\n' "$output"; return 1; }
        printf '%s\n' "$output"
        [[ $output == *"$want"* ]] || { printf 'expected: %s\n' "$want"; return 1; }
}

lacks() {
        local unwanted=$1 output
        shift
        output=$("$@" 2>&1) || return 1
        printf '%s\n' "$output"
        [[ $output != *"$unwanted"* ]] || { printf 'not expected: %s\n' "$unwanted"; return 1; }
}

prints() {
        local want=$1 output
        shift
        output=$("$@") || :
        [[ $output == "$want" ]] || { printf 'printed: %s\nexpected: %s\n' "$output" "$want"; return 1; }
}

within() {
        local limit=$1 start end status=0
        shift
        start=$(date +%s%N)
        "$@" || status=$?
        end=$(date +%s%N)
        awk -v took="$(((end - start) / 1000000))" -v limit="$limit" \
                'BEGIN { printf "took %d ms, limit %s s\n", took, limit; exit !(took < limit * 1000) }' &&
                ((status == 0))
}

lasts() {
        local least=$1 start end status=0
        shift
        start=$(date +%s%N)
        "$@" || status=$?
        end=$(date +%s%N)
        awk -v took="$(((end - start) / 1000000))" -v least="$least" \
                'BEGIN { printf "took %d ms, at least %s s\n", took, least; exit !(took >= least * 1000) }' &&
                ((status == 0))
}

one_of_three() {
        local try
        for try in first second third; do
                ! "$@" || return 0
                echo "late: not the $try time"
        done
        return 1
}

json() { # EXPRESSION
        python3 -c 'import json, sys
try:
    d = json.load(sys.stdin)
except ValueError as error:
    sys.exit(f"no JSON document: {error}")
value = eval(sys.argv[1])
print(json.dumps(value) if isinstance(value, (dict, list, bool)) else value)' "$1"
}

# ------------------------------------------------------------------------------------- o7s on nodes ---

setup_nodes() { # BUILD NODE...: installed and joined pairwise as eth0, not yet booted
        local build=$1
        shift
        lab_install "$build" >&2 || exit
        lab_add "$build/tests/lab/many-flows" /usr/lib/o7s-lab/many-flows
        lab_add "$build/tests/lab/watch-flow" /usr/lib/o7s-lab/watch-flow
        lab_node "$@"
        [[ $# -ne 2 ]] || lab_wire "$1:eth0" "$2:eth0"
}

write_file() { # NODE PATH: standard input becomes the file
        local file
        file=$(lab_root "$1")$2
        mkdir -p "${file%/*}"
        cat >"$file"
}

write_layer() { # NODE LAYER [LINE of [Ethernet]...]: an Ethernet layer on eth0
        local node=$1 layer=$2
        shift 2
        {
                printf '[Layer]\nType=eth\n\n[Ethernet]\n'
                (($#)) || printf 'Interface=eth0\n'
                (($# == 0)) || printf '%s\n' "$@"
        } | write_file "$node" "/etc/o7s/layers/$layer.layer"
}

write_plain() { # NODE NAME: neither authenticated nor encrypted, whichever side of it the node is
        printf '[%s]\nEncryption=no\nAuthentication=none\n' Server Client | write_file "$1" "/etc/o7s/names/$2.name"
}

write_unicast() { # NODE LAYER OVER [LINE...]: a member of a layer over others
        local node=$1 layer=$2 over=$3
        shift 3
        {
                printf '[Layer]\nType=unicast\nOver=%s\n' "$over"
                (($# == 0)) || printf '%s\n' "$@"
        } | write_file "$node" "/etc/o7s/layers/$layer.layer"
}

layer_is_not_online() { # NODE LAYER: the list can be read, and it is not there or in another state
        lab_exec "$1" o7sctl --json=short layers |
                json "not any(row['layer'] == '$2' and row['state'] == 'online' for row in d)" | grep -x true
}

start_layer() { # LAYER NODE...
        local layer=$1 node
        shift
        for node; do
                lab_exec "$node" systemctl start "o7s-ipcp@$layer.service"
        done
}

layer_property() { # NODE LAYER COLUMN of "o7sctl layers", as in its JSON: state, reason, flows, ...
        lab_exec "$1" o7sctl --json=short layers | json "[row for row in d if row['layer'] == '$2'][0]['$3']"
}

layer_is_online() { # NODE LAYER
        prints online layer_property "$1" "$2" state
}

serve() { # NODE NAME [LAYER [PROGRAM ARGS...]]: by a service of its own, to which the name is bound; o7s-echo by default
        local node=$1 name=$2 layer=${3-} unit=serve-$2
        shift $(($# > 3 ? 3 : $#))
        lab_exec "$node" o7sctl name "$name" "--unit=$unit.service" ${layer:+"--layer=$layer"} >&2
        (($#)) || set -- o7s-echo
        run_in_background "$node" "$unit" -p User=nobody "$@" "$name"
        lab_wait 5 output_has "$node" "$unit" serving
}

ping() { # NODE [-u USER] [OPTION...] NAME: three messages, quickly; a lost request is repeated after 3 s, and again
        local node=$1
        shift
        local -a identity=()
        if [[ $1 == -u ]]; then
                identity=(-u "$2")
                shift 2
        fi
        lab_exec "$node" "${identity[@]}" o7s-ping -c 3 -i 10ms --timeout=10s "$@"
}

run_in_background() { # NODE UNIT [-p PROPERTY...] CMD...: its output goes to /run/UNIT.out of the node
        local node=$1 unit=$2
        shift 2
        local -a properties=()
        while [[ ${1-} == -p ]]; do
                properties+=(-p "$2")
                shift 2
        done
        lab_exec "$node" systemd-run --quiet --unit="$unit" -p LimitNOFILE=20000 \
                -p "StandardOutput=file:/run/$unit.out" "${properties[@]}" "$@"
}

output_has() { # NODE UNIT PATTERN
        lab_exec "$1" grep -qE "$3" "/run/$2.out" 2>/dev/null
}

output_of() { # NODE UNIT WORD: the word after WORD in the last line that has it
        lab_exec "$1" cat "/run/$2.out" |
                awk -v word="$3" '{ for (i = 1; i < NF; i++) if ($i == word) found = $(i + 1) } END { print found }'
}

journal_has() { # NODE UNIT TEXT
        lab_exec "$1" journalctl --sync
        lab_exec "$1" journalctl --quiet --no-pager -o cat -u "$2" | grep -qF -- "$3"
}

status_text() { # NODE UNIT: what STATUS= said last
        lab_exec "$1" systemctl show -P StatusText "$2"
}

# -------------------------------------------------------------------------------------- nothing left ---

_node_pids() { # NODE: as this pid namespace sees them
        local namespace process
        namespace=$(readlink "/proc/$(_lab_leader "$1")/ns/pid")
        for process in /proc/[0-9]*; do
                [[ $(readlink "$process/ns/pid" 2>/dev/null) != "$namespace" ]] || echo "${process#/proc/}"
        done
}

count_memfds() { # NODE: memory files of lanes that any process has open or mapped
        local pid
        for pid in $(_node_pids "$1"); do
                { ls -l "/proc/$pid/fd" 2>/dev/null; cat "/proc/$pid/maps" 2>/dev/null; } |
                        grep -oE '/memfd:o7s-lane[^ ]*' || :
        done | wc -l
}

no_memfds() { # NODE
        local n
        n=$(count_memfds "$1")
        echo "$n memory files of lanes"
        ((n == 0))
}

no_processes() { # NODE PATTERN
        local pid command
        for pid in $(_node_pids "$1"); do
                command=$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) || continue
                [[ ! $command =~ $2 ]] || { echo "still there: $command"; return 1; }
        done
}

no_cgroups() { # NODE: of ours but those of the services that stay, and no mount that keeps a namespace alive
        prints '' lab_exec "$1" sh -c 'find /sys/fs/cgroup/o7s.slice -mindepth 1 -type d ! -name o7s-irm.service \
                        ! -name o7s-auth.service ! -name o7s-keyd.service
                grep " nsfs " /proc/mounts'
}

no_failed_units() { # NODE
        prints '' lab_exec "$1" systemctl --failed --no-legend --quiet
}

# After applications and layers were stopped: what may stay is the IRM, without a flow.
check_nothing_left() { # NODE...
        local node
        for node; do
                # what run_in_background started, and the layers
                # shellcheck disable=SC2016  # the node expands it
                lab_exec "$node" bash -c 'shopt -s nullglob
                        cd /run/systemd/transient 2>/dev/null && units=(*.service) && ((${#units[@]})) &&
                        systemctl stop "${units[@]}"' || :
                lab_exec "$node" systemctl stop 'o7s-ipcp@*.service' || :
                check "$node: no flow is left" lab_wait 3 no_flows "$node"
                check "$node: no memory of a lane is left" lab_wait 3 no_memfds "$node"
                check "$node: no process is left" lab_wait 1 no_processes "$node" 'o7s-(ipcp|echo|ping|perf)|o7s-lab/'
                check "$node: no cgroup or namespace is left" lab_wait 1 no_cgroups "$node"
                check "$node: no unit failed" no_failed_units "$node"
        done
}

n_flows() { # NODE
        lab_exec "$1" o7sctl --json=short flows | json 'len(d)'
}

no_flows() { # NODE
        prints 0 n_flows "$1"
}
