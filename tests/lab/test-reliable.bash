#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Reliable flows over a wire that loses, turns bits over, doubles, delays and overtakes, that goes dark and comes back,
# and whose daemons are killed: every byte arrives once, in order, as it was, or both ends are told.
# buses: daemon
# budget: 170
set -uo pipefail
# shellcheck source=tests/lab/checks.bash
source "${LAB_HOME:?}/checks.bash"

RECORDS=/usr/lib/o7s-lab/record-stream

send() { # OPTION...: from alpha, to the end; its lines go to the log too
        lab_exec alpha "$RECORDS" send "$@" sink.example
}

send_in_background() { # UNIT OPTION...
        local unit=$1
        shift
        run_in_background alpha "$unit" "$RECORDS" send "$@" sink.example
}

ended_well() { # N: the server's last line has so many records, and nothing else
        lab_exec beta tail -n 1 /run/serve-sink.example.out | tee /dev/stderr |
                grep -qE "^ended -[0-9]+ records $1 bytes [0-9]+ missing 0 repeated 0 disordered 0 damaged 0\$"
}

closes_well() { # SECONDS UNIT: within that time
        lab_wait "$1" output_has alpha "$2" '^closed'
        lab_exec alpha cat "/run/$2.out"
        output_has alpha "$2" '^closed 0 '
}

n_ended() { # flows that the server saw the end of
        lab_exec beta grep -c '^ended' /run/serve-sink.example.out || :
}

one_more_ended() { # than N
        [[ $(n_ended) -gt $1 ]]
}

arrives() { # WHAT N OPTION...: a check that N records do
        local what=$1 n=$2 before
        shift 2
        before=$(n_ended)
        check "$what" send --records="$n" "$@"
        check '... every byte once and in order' eval "lab_wait 5 one_more_ended $before && ended_well $n"
}

wire() { # OPTION...: from now on
        lab_emulate_set wire delay=0 jitter=0 reorder=0 loss=0 dup=0 corrupt=0 max=0 "$@" >/dev/null
}

lab_install "${1:?build directory}" >&2 || exit
lab_add "$1/tests/lab/record-stream" "$RECORDS"
lab_node alpha beta
lab_emulate wire alpha:eth0 beta:eth0 seed=7 || exit
write_layer alpha lan
write_layer beta lan
lab_boot || exit
start_layer lan alpha beta
for node in alpha beta; do
        check "$node is online" lab_wait 10 layer_is_online "$node" lan
done
serve beta sink.example lan "$RECORDS" serve --whole
serve beta bytes.example lan "$RECORDS" serve
serve beta echo.example lan

arrives 'messages cross a good wire' 3000 --size=20000
arrives 'messages of up to a mebibyte' 60 --size=1048576

wire delay=5 jitter=3 reorder=1 loss=1 dup=1 corrupt=1
arrives 'they cross one that loses, doubles, overtakes and turns bits over' 1500 --size=20000
arrives '... also the largest ones' 15 --size=1048576
check 'a stream of bytes crosses it' lab_exec alpha "$RECORDS" send --stream --records=1500 --size=20000 bytes.example
check '... unharmed' lab_wait 5 lab_exec beta grep -qE \
        '^ended -[0-9]+ records 1500 bytes [0-9]+ missing 0 repeated 0 disordered 0 damaged 0$' /run/serve-bytes.example.out
check 'voice loses some, and stays in order' says ' 0 out of order' ping alpha --qos=voice --timeout=10s -c 50 -i 10ms echo.example

# opening a flow has its own time-outs, and is not what is looked at here: the wire turns bad once it is open
wire delay=2
before=$(n_ended)
send_in_background bad --records=150 --size=4096 --wait=1000
check 'a flow is opened' lab_wait 5 output_has alpha bad '^open'
wire delay=2 loss=30
check 'its messages cross a wire that loses three in ten' closes_well 40 bad
check '... every byte once and in order' eval "lab_wait 5 one_more_ended $before && ended_well 150"

# the program does nothing while its last messages are lost again and again
wire delay=2
before=$(n_ended)
send_in_background resting --records=100 --size=4096 --wait=1000 --rest=600000
check 'a program opens a flow' lab_wait 5 output_has alpha resting '^open'
wire loss=25 delay=5
check '... writes, and then sleeps' lab_wait 20 output_has alpha resting '^written'
arrived() { # the echo of all of it: nothing is left in the sender's hands although it never calls
        lab_exec alpha o7sctl --json=short flows >/dev/null && wire_is_quiet
}
wire_is_quiet() { # no frame but keepalives within a second
        local a b
        a=$(lab_emulate_set wire stat | awk -F'[= ]' '{ sum += $4 } END { print sum }')
        sleep 1
        b=$(lab_emulate_set wire stat | awk -F'[= ]' '{ sum += $4 } END { print sum }')
        echo "$((b - a)) frames in a second"
        ((b - a < 5))
}
check '... what it wrote is acknowledged all the same, and then the wire is quiet' lab_wait 12 arrived
check '... and it has not called since' fails output_has alpha resting '^closed'
lab_exec alpha systemctl kill --signal=USR1 resting.service
check '... the server has every byte' eval "lab_wait 30 one_more_ended $before && ended_well 100"

# dark for a while
wire delay=1
before=$(n_ended)
send_in_background dark --records=8000 --size=8192 --gap=1
lab_wait 5 output_has alpha dark '^open'
wire loss=100
sleep 12
check 'the flow outlives a wire that is dark for 12 s' fails output_has alpha dark '^closed'
wire delay=1
check '... and goes on' closes_well 40 dark
check '... without a byte lost' eval "lab_wait 5 one_more_ended $before && ended_well 8000"

# a path that becomes narrower under a flow
before=$(n_ended)
send_in_background narrow --records=3000 --size=8192 --gap=1
sleep 1
wire delay=1 max=900
check 'the wire takes no large frames any more: the flow goes on with smaller ones' closes_well 40 narrow
check '... without a byte lost' eval "lab_wait 5 one_more_ended $before && ended_well 3000"
wire delay=1

# daemons are killed
for node in alpha beta; do
        before=$(n_ended)
        send_in_background "killed-$node" --records=3000 --size=8192 --gap=1
        sleep 1
        lab_exec "$node" systemctl kill -s KILL --kill-who=main o7s-ipcp@lan.service
        check "the layer's process on $node is killed: the flow goes on" closes_well 40 "killed-$node"
        check '... without a byte lost' eval "lab_wait 5 one_more_ended $before && ended_well 3000"
done
lab_exec alpha systemctl kill -s KILL --kill-who=main o7s-irm.service
check 'the IRM is killed, and knows the layer again' lab_wait 5 layer_is_online alpha lan
arrives '... a new flow is as reliable as before' 500 --size=8192

# a server that dies tells
hears() { # that the server is no more: within two seconds
        local status=0
        lab_wait 5 output_has beta serve-sink.example serving || return
        send_in_background orphan --records=100000 --size=8192 --gap=1
        lab_wait 5 output_has alpha orphan '^open'
        sleep 1
        lab_exec beta systemctl kill -s KILL serve-sink.example.service
        lab_wait_no_longer 2 output_has alpha orphan '^closed -32' || status=1
        lab_wait 5 output_has alpha orphan '^closed'
        lab_exec beta systemctl reset-failed serve-sink.example.service
        lab_exec alpha systemctl reset-failed orphan.service
        ((status == 0)) || run_in_background beta serve-sink.example -p User=nobody "$RECORDS" serve --whole sink.example
        return "$status"
}
check 'the server is killed: the writer hears within two seconds' one_of_three hears

check_nothing_left alpha beta
done_checking
