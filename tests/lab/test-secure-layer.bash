#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Members of a routed layer and certificates: a host that begins to trust an authority for the names of programs does
# not end its layers, and a layer that asks its members who they are lets nobody in who cannot say. buses: daemon
# budget: 120
set -uo pipefail
# shellcheck source=tests/lab/checks.bash
source "${LAB_HOME:?}/checks.bash"

write_home() { # NODE [LINE of [Security]...]
        local node=$1
        shift
        local -a lines=('[Enroll]' Via=home)
        [[ $node != alpha ]] || lines=('[Bootstrap]' Bootstrap=yes)
        (($# == 0)) || lines+=('[Security]' "$@")
        write_unicast "$node" home lan "${lines[@]}"
}

with_certificate() { # NODE [LINE...]: of [Security], with what "ca issue" says
        local directory=/etc/o7s/security/server/home.$1
        shift
        printf '%s\n' "Certificate=$directory/crt.pem" "PrivateKey=$directory/key.pem" "$@"
}

write_home_with() { # NODE LINE...
        local -a lines
        mapfile -t lines < <(with_certificate "$@")
        write_home "$1" "${lines[@]}"
}

restart_home() { # everywhere, from nothing
        local node
        for node in alpha beta; do
                lab_exec "$node" systemctl stop o7s-ipcp@home.service
                lab_exec "$node" systemctl daemon-reload
                lab_exec "$node" busctl call org.o7s.irm1 /org/o7s/irm1 org.o7s.irm1.Manager Reload
        done
        for node in alpha beta; do
                lab_exec "$node" systemctl start o7s-ipcp@home.service
        done
}

both_joined() {
        lab_wait 5 layer_is_online alpha home && lab_wait 10 layer_is_online beta home
}

stays_out() { # beta, for as long as it would have needed
        fails lab_wait_no_longer 4 layer_is_online beta home
}

carry() { # FROM PATH TO PATH
        cp -r "$(lab_root "$1")$2" "$(lab_root "$3")$4"
}

setup_nodes "${1:?build directory}" alpha beta
for node in alpha beta; do
        write_layer "$node" lan
        write_home "$node"
done
check 'two nodes' lab_boot
check 'the layers are started' restart_home
check 'the second has joined' both_joined
serve beta known.example home
serve beta unknown.example home

# -- an authority for the names of programs --

check 'an authority is made' lab_exec alpha o7sctl ca init
check '... and signs for a name' lab_exec alpha o7sctl ca issue known.example --out=/root/known
carry alpha /root/known beta /root/known
check '... which has it then' lab_exec beta o7sctl name known.example import /root/known
carry alpha /etc/o7s/ca/ca.pem beta /root/ca.pem
check 'one host trusts it' lab_exec alpha o7sctl ca trust
check '... and so does the other' lab_exec beta o7sctl ca trust /root/ca.pem
check 'the layer starts as before' restart_home
check '... and has both members' both_joined
check '... and carries flows to who can prove his name' \
        lab_wait 5 says 'o7s:name:known.example (authenticated)' ping alpha known.example
check '... and none to who cannot' fails_saying certificate ping alpha unknown.example

# -- a layer that asks --

for node in alpha beta; do
        write_home "$node" Authentication=mutual
done
restart_home >/dev/null 2>&1
check 'R-23: a layer that asks for certificates lets nobody in without one' stays_out
check '... and says why' says certificate layer_property beta home reason
check 'a member gets one in one command' lab_exec alpha o7sctl ca issue home.alpha --layer=home
check '... that says what the file has to say' \
        says PrivateKey=/etc/o7s/security/server/home.beta/key.pem \
        lab_exec alpha o7sctl ca issue home.beta --layer=home --out=/root/home.beta
write_home_with alpha Authentication=mutual
restart_home >/dev/null 2>&1
check 'whoever has none still stays out' stays_out
carry alpha /root/home.beta beta /root/home.beta
check 'the other one is taken over' lab_exec beta o7sctl name home.beta import /root/home.beta
write_home_with beta Authentication=mutual
check 'with it, the layer starts' restart_home
check '... and has both members' both_joined
check '... each of which knows the other' says o7s:name:home.beta lab_exec alpha o7sctl flows
check '... and carries flows' lab_wait 5 says '3 received' ping alpha known.example

# -- an authority of the layer's own --

check 'another authority' lab_exec beta o7sctl --root=/root/other ca init
check '... signs for a member' lab_exec beta o7sctl --root=/root/other ca issue home.beta --layer=home --out=/root/stranger
lab_exec beta sh -c 'rm -rf /etc/o7s/security/server/home.beta && o7sctl name home.beta import /root/stranger' >/dev/null
restart_home >/dev/null 2>&1
check 'R-23: whoever has the certificate of another authority stays out' stays_out
for node in alpha beta; do
        carry beta /root/other/etc/o7s/ca/ca.pem "$node" /etc/o7s/home-members.pem
        write_home_with "$node" TrustAnchor=/etc/o7s/home-members.pem
done
lab_exec beta o7sctl --root=/root/other ca issue home.alpha --layer=home --out=/root/for-alpha >/dev/null
carry beta /root/for-alpha alpha /root/for-alpha
lab_exec alpha sh -c 'rm -rf /etc/o7s/security/server/home.alpha && o7sctl name home.alpha import /root/for-alpha' >/dev/null
restart_home >/dev/null 2>&1
check 'unless it is the one that the layer names' both_joined
check '... which is asked of both by that alone' says o7s:name:home.beta lab_exec alpha o7sctl flows

check_nothing_left alpha beta
done_checking
