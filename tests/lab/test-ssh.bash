#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# ssh over flows: sshd at one end, o7s-nc as its ProxyCommand at the other, over an authenticated and encrypted stream
# of bytes. Neither of them knows anything but standard input and output.
# buses: daemon
# budget: 90
set -uo pipefail
# shellcheck source=tests/lab/checks.bash
source "${LAB_HOME:?}/checks.bash"

FILE_BYTES=10485760

over_flow() { # COMMAND ARGS...: ssh or scp, from alpha
        local command=$1
        shift
        lab_exec alpha timeout 120 "$command" -o ProxyCommand='o7s-nc -w 20s shell.beta' -o BatchMode=yes \
                -o UserKnownHostsFile=/root/known_hosts -o StrictHostKeyChecking=accept-new -o LogLevel=ERROR "$@"
}

sum_of() { # NODE PATH
        lab_exec "$1" sha256sum "$2" | cut -d ' ' -f 1
}

same_sums() { # PATH of alpha, PATH of beta
        local here there
        here=$(sum_of alpha "$1")
        there=$(sum_of beta "$2")
        echo "$here $there"
        [[ -n $here && $here == "$there" ]]
}

stdin_of() { # TEXT COMMAND...
        local text=$1
        shift
        printf '%s' "$text" | "$@"
}

setup_nodes "${1:?build directory}" alpha beta
for node in alpha beta; do
        write_layer "$node" lan
done
# One sshd for each flow, as inetd would have it: it begins to speak when it is started, and waits until somebody listens.
write_file beta /usr/lib/o7s-lab/sshd-over-flows <<'SCRIPT'
#!/bin/bash
mkdir -p /run/sshd
for (( ; ; )); do
        coproc SSHD { exec /usr/sbin/sshd -i -o LoginGraceTime=0 -o PermitRootLogin=prohibit-password; }
        o7s-nc -v --listen --shutdown "$1" <&"${SSHD[0]}" >&"${SSHD[1]}"
        exec {SSHD[0]}<&- {SSHD[1]}>&-
        wait
done
SCRIPT
chmod +x "$(lab_root beta)/usr/lib/o7s-lab/sshd-over-flows"
check 'two nodes' lab_boot
check 'the layer is there' start_layer lan alpha beta
lab_wait 5 layer_is_online alpha lan && lab_wait 5 layer_is_online beta lan

check 'a key for root' lab_exec alpha ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
write_file beta /root/.ssh/authorized_keys <"$(lab_root alpha)/root/.ssh/id_ed25519.pub"
chmod 700 "$(lab_root beta)/root/.ssh"
check 'an authority' lab_exec beta o7sctl ca init
check '... certifies the name' lab_exec beta o7sctl ca issue shell.beta
cp "$(lab_root beta)/etc/o7s/ca/ca.pem" "$(lab_root alpha)/root/ca.pem"
check '... and is believed' lab_exec alpha o7sctl ca trust /root/ca.pem
lab_exec beta o7sctl name shell.beta --unit=sshd-over-flows.service --layer=lan >/dev/null
run_in_background beta sshd-over-flows -p StandardError=file:/run/sshd-over-flows.out \
        /usr/lib/o7s-lab/sshd-over-flows shell.beta
check 'sshd is served under a name' lab_wait 5 output_has beta sshd-over-flows serving

check 'a command there' over_flow ssh root@beta true
check '... and what it says' prints beta over_flow ssh root@beta hostname
check '... and its status' exits 7 over_flow ssh root@beta exit 7
# shellcheck disable=SC2016  # for the shell over there
check '... and the rest of what it says, after our input has ended' \
        prints 'abc 3' stdin_of abc over_flow ssh root@beta 'text=$(cat); sleep 0.5; echo "$text ${#text}"'
check 'the flow is protected, and the name was proven' \
        lab_wait 3 output_has beta sshd-over-flows 'flow to shell.beta.*aes-128-gcm'

lab_exec alpha sh -c "head -c $FILE_BYTES /dev/urandom >/root/there"
check '10 MB there' over_flow scp -q /root/there root@beta:/root/there
check '... as they were' same_sums /root/there /root/there
lab_exec beta sh -c "head -c $FILE_BYTES /dev/urandom >/root/back"
check '10 MB back' over_flow scp -q root@beta:/root/back /root/back
check '... as they were' same_sums /root/back /root/back

over_flow ssh root@beta 'sleep 30' &
check 'a session that lasts' lab_wait 5 says shell.beta lab_exec alpha o7sctl flows
lab_exec beta systemctl stop sshd-over-flows.service
check '... ends with the other side' lab_wait 5 no_flows alpha
check '... and then there is nobody' exits 255 over_flow ssh root@beta true

check_nothing_left alpha beta
done_checking
