#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Authenticated and protected flows between two hosts, as operators and programs meet them, and with somebody on the
# wire between: who strips, meets, changes, repeats, reflects and invents. Named after the requirements that they show.
# buses: daemon
# budget: 200
set -uo pipefail
# shellcheck source=tests/lab/checks.bash
source "${LAB_HOME:?}/checks.bash"

CERTIFICATES=$LAB_DIR/certificates

on_the_wire() { # HOW...: from now on
        printf '%s\n' "$*" >"$LAB_DIR/how"
        : >"$LAB_DIR/mallory"
        if [[ -s $LAB_DIR/mallory.pid ]]; then
                kill -HUP "$(<"$LAB_DIR/mallory.pid")"
        else
                (
                        ip netns exec wire /usr/bin/python3 -B "$LAB_HOME/mallory.py" run eth0 eth1 "$LAB_DIR/how" \
                                >>"$LAB_DIR/mallory" 2>&1 &
                        echo $! >"$LAB_DIR/mallory.pid"
                )
        fi
        lab_wait 5 grep -q 'on the wire' "$LAB_DIR/mallory"
}

wire_did() { # WORD: it did that at least once
        lab_wait 3 grep -qE "$1 [1-9]" "$LAB_DIR/mallory"
}

alpha_sees() { # TEXT NAME [OPTION...]: in what o7s-ping prints, and it is answered
        local text=$1 output
        shift
        output=$(ping alpha "$@" 2>&1) || { printf '%s\n' "$output"; return 1; }
        printf '%s\n' "$output"
        [[ $output == *"$text"* && $output == *' 3 received'* ]]
}

refused() { # TEXT NAME: with these words
        fails_saying "$1" ping alpha "$2"
}

hears_nobody_else() { # UNIT: of a long flow that is over, and of which next to all got through
        lab_wait 12 output_has alpha "$1" '^500 sent' || return
        lab_exec alpha grep '^500 sent' "/run/$1.out"
        output_has alpha "$1" '^500 sent, (49[0-9]|500) received' && ! output_has alpha "$1" 'duplicate|foreign'
}

reload() { # NODE...
        local node
        for node; do
                lab_exec "$node" busctl call org.o7s.irm1 /org/o7s/irm1 org.o7s.irm1.Manager ReloadSecurity
        done
}

write_name() { # NODE NAME SECTION LINE...: and the IRM reads it
        local node=$1 name=$2 section=$3
        shift 3
        printf '%s\n' "[$section]" "$@" | write_file "$node" "/etc/o7s/names/$name.name"
}

put_certificate() { # NODE SIDE NAME LABEL: of the test's own authority
        local node=$1 directory=/etc/o7s/security/$2/$3
        write_file "$node" "$directory/crt.pem" <"$CERTIFICATES/$4.pem"
        write_file "$node" "$directory/key.pem" <"$CERTIFICATES/$4.key"
        lab_exec "$node" chown o7s-keyd: "$directory/key.pem"
        lab_exec "$node" chmod 0400 "$directory/key.pem"
}

long_flow() { # UNIT NAME: five hundred messages in five seconds; some may be lost
        run_in_background alpha "$1" -p SuccessExitStatus=6 o7s-ping -c 500 -i 10ms --timeout=5s "$2"
}

setup_nodes "${1:?build directory}" alpha beta wire
lab_wire alpha:eth0 wire:eth0
lab_wire beta:eth0 wire:eth1
for node in alpha beta; do
        write_layer "$node" lan
done
write_name beta mutual.example Server Authentication=mutual
write_name beta mac.example Server Encryption=no
write_name alpha mac.example Client Encryption=no
write_name beta friends.example Server Authentication=mutual AllowPeer=o7s:name:friend.example
write_name alpha required.example Client Encryption=required
write_name alpha plain.example Client Encryption=no Authentication=none
write_name beta plain.example Server Encryption=no Authentication=none
on_the_wire pass "record=$LAB_DIR/frames"
/usr/bin/python3 "$LAB_HOME/make-certificates.py" "$CERTIFICATES" alpha.example friend.example secure.example broken.example || exit
check 'two nodes, and somebody between them' lab_boot alpha beta
check 'the layer is there' start_layer lan alpha beta
lab_wait 5 layer_is_online alpha lan && lab_wait 5 layer_is_online beta lan
for name in open secure mac friends required plain broken; do
        serve beta "$name.example" lan
done
serve beta mutual.example lan o7s-echo -v

# -- without any certificate --

check 'a flow is encrypted without being told to' alpha_sees aes-128-gcm open.example
check '... and does not say that somebody has proven to be the other' lacks authenticated ping alpha open.example
check 'where neither wants it, it is plain' alpha_sees 'not protected' plain.example
check 'a text that goes over' \
        says 'marzipan' lab_exec alpha bash -c 'echo marzipan-in-the-clear | timeout 5 o7s-nc -q 1 plain.example'
check '... is on the wire where the flow is plain' lab_wait 2 grep -qa marzipan-in-the-clear "$LAB_DIR/frames"
lab_exec alpha bash -c 'echo marzipan-in-the-dark | timeout 5 o7s-nc -q 1 open.example' >/dev/null 2>&1
check '... and not where it is encrypted' fails grep -qa marzipan-in-the-dark "$LAB_DIR/frames"

# -- with an authority --

check 'an authority is made in one command' lab_exec beta o7sctl ca init
check '... and certificates in one each' lab_exec beta o7sctl ca issue secure.example
for name in mutual mac friends; do
        lab_exec beta o7sctl ca issue "$name.example" >/dev/null
done
check 'the other host is told to believe it' bash -c "cp '$(lab_root beta)/etc/o7s/ca/ca.pem' '$(lab_root alpha)/root/ca.pem'"
check '... in one more' lab_exec alpha o7sctl ca trust /root/ca.pem
check 'R-12: the server is known from now on' alpha_sees 'o7s:name:secure.example (authenticated)' secure.example
long_flow shown secure.example
check '... with its name and how it is protected' lab_wait 3 says 'o7s:name:secure.example' lab_exec alpha o7sctl flows
check 'with a MAC alone where secrecy is not wanted' alpha_sees 'authentic but readable' mac.example
check 'R-12: a server without a certificate is refused' refused 'certificate' open.example
check '... and the journal says what to do' \
        lab_wait 3 says 'o7sctl ca trust FILE' lab_exec alpha journalctl --no-pager -x MESSAGE_ID=6e1e1d9fd5a94f3c8b8c0f5f3f0b9a41
check 'doctor finds nothing wrong with what is there' lab_exec beta o7sctl doctor secure.example

# -- who calls --

check 'R-14: who shows nothing is not let in' fails ping alpha mutual.example
for name in mutual friends; do
        put_certificate alpha client "$name.example" alpha.example.p256
done
write_file beta /etc/o7s/security/cacert/test.pem <"$CERTIFICATES/ca.pem"
reload alpha beta >/dev/null
check '... who shows a good one is' alpha_sees 'o7s:name:mutual.example' mutual.example
check '... and the server is told who it was' \
        output_has beta serve-mutual.example 'o7s:name:alpha.example \(authenticated\), aes-128-gcm'
check '... unless somebody else is meant' fails ping alpha friends.example
put_certificate alpha client friends.example friend.example.p256
reload alpha >/dev/null
check '... who is let in' alpha_sees 'o7s:name:friends.example' friends.example
put_certificate beta server broken.example broken.example.p256
write_file beta /etc/o7s/security/server/broken.example/crt.pem <<<'this is no certificate'
reload beta >/dev/null
check 'R-12: a name whose certificate cannot be read is not served' fails ping alpha broken.example
check '... and the journal says which file' lab_wait 3 journal_has beta o7s-auth.service broken.example/crt.pem

# -- a file with a mistake --

write_name alpha open.example Client Authentication=none
lab_exec alpha systemctl reload o7s-irm.service
check 'a name without a certificate, for who asks for none' lab_wait 5 alpha_sees aes-128-gcm open.example
write_name beta open.example Server Encryption=requierd
check 'R-12: a name whose file got a mistake is read again' lab_exec beta systemctl reload o7s-irm.service
check '... and has no flows, not even such as before' fails ping alpha open.example
check '... which the journal says' journal_has beta o7s-irm.service "Flows of 'open.example' are refused"
write_name beta open.example Server Encryption=required
check 'mended, it has them again' lab_exec beta systemctl reload o7s-irm.service
check '... as the file says now' lab_wait 5 alpha_sees aes-128-gcm open.example

# -- somebody on the wire --

on_the_wire strip
check 'OAP-3: a handshake that lost its signatures is refused' refused 'could not be allocated' secure.example
check 'OAP-4: one that lost its keys is refused where they are required' refused 'Cannot reach' required.example
check '... and there was one' wire_did altered
on_the_wire extension
check 'R-20: one that lost the extension is refused' refused 'signature is not of' secure.example
on_the_wire meet
check 'OAP-3: one that somebody else answers is refused' refused 'shows no certificate' secure.example
on_the_wire "meet=$CERTIFICATES/mallory/secure.example.p256.pem"
check '... although he shows a certificate of that name' refused 'trust anchor' secure.example

on_the_wire pass
for how in flip replay reflect inject close; do
        long_flow "under-$how" secure.example
        lab_wait 3 output_has alpha "under-$how" 'seq=20'
        on_the_wire "$how"
        case $how in
        flip) check 'R-4: bits that are turned over arrive nowhere' lab_wait 12 output_has alpha "under-$how" '500 sent' ;;
        replay) check 'R-22: what comes again is not taken' hears_nobody_else "under-$how" ;;
        reflect) check 'R-22: what comes back is not taken' hears_nobody_else "under-$how" ;;
        # Genuine ones may find the queue full of what is only then found to be none.
        inject) check 'R-4: what others say is not taken' hears_nobody_else "under-$how" ;;
        close) check 'R-5: others do not end it, whatever they saw' hears_nobody_else "under-$how" ;;
        esac
        case $how in
        flip) check '... and they were there' wire_did altered ;;
        *) check '... and it was there' wire_did added ;;
        esac
        on_the_wire pass
done
check 'and all is as before' alpha_sees 'o7s:name:secure.example' secure.example

# -- the services themselves --

long_flow kept secure.example
lab_wait 3 output_has alpha kept 'seq=20'
for service in auth keyd; do
        check "o7s-$service is killed on both" lab_exec beta systemctl kill -s KILL "o7s-$service.service"
        lab_exec alpha systemctl kill -s KILL "o7s-$service.service"
        check '... and new flows come through' lab_wait 5 alpha_sees 'o7s:name:secure.example' secure.example
done
check '... and the one that was there went on' lab_wait 12 output_has alpha kept '500 sent, 500 received'
lab_exec beta systemctl stop o7s-auth.socket o7s-auth.service
check 'R-12: without o7s-auth there are no flows, and not unprotected ones' fails ping alpha secure.example
lab_exec beta systemctl start o7s-auth.socket
check '... until it is back' lab_wait 5 alpha_sees 'o7s:name:secure.example' secure.example

# -- the end of a certificate --

check 'R-14: a certificate is revoked' lab_exec beta o7sctl ca revoke secure.example
check '... and its list carried over' \
        bash -c "cp '$(lab_root beta)/etc/o7s/ca/crl.pem' '$(lab_root alpha)/root/crl.pem'"
check '... in one command' lab_exec alpha o7sctl ca trust /root/crl.pem
check '... and is worth nothing' refused 'revoked' secure.example

kill "$(<"$LAB_DIR/mallory.pid")"
check_nothing_left alpha beta
done_checking
