#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Encrypted and signed flows with a host of another make: reference-host.py does what a host of Ouroboros 0.23.0 does,
# over OpenSSL, and shares no code with us. Every key exchange, cipher, key derivation and kind of certificate that both
# have, with each side in each role; and who is refused.
# buses: daemon
# budget: 150
set -uo pipefail
# shellcheck source=tests/lab/checks.bash
source "${LAB_HOME:?}/checks.bash"

EXCHANGES=(ffdhe2048 prime256v1 X25519 ffdhe3072 secp384r1 ffdhe4096 X448 secp521r1)
CIPHERS=(aes-128-gcm aes-192-gcm aes-256-gcm chacha20-poly1305)
DERIVATIONS=(sha256 sha3-256 sha384 sha3-384 sha512 sha3-512)
KINDS=(rsa p256 p384 ed25519 ed448)
CERTIFICATES=$LAB_DIR/certificates

reference() { # ARGUMENT...
        ip netns exec peer timeout 60 /usr/bin/python3 -B "$LAB_HOME/reference-host.py" "$@"
}

start_server() { # NAME OPTION...
        (
                ip netns exec peer /usr/bin/python3 -B "$LAB_HOME/reference-host.py" serve "$@" >"$LAB_DIR/served" 2>&1 &
                echo $! >"$LAB_DIR/server.pid"
        )
        lab_wait 5 grep -q serving "$LAB_DIR/served"
}

stop_server() { # that saw nothing that would harm it
        kill "$(<"$LAB_DIR/server.pid")"
        rm -f "$LAB_DIR/server.pid"
        ! grep harm: "$LAB_DIR/served"
}

served() { # WORD NAME OPTION...: by the other host, and how o7s-ping says that the flow is protected
        local word=$1 status=0
        shift
        start_server "$@" || status=1
        lab_wait 5 says "$word" ping alpha "$1" || status=1
        lab_wait 5 says ' 3 received' ping alpha "$1" || status=1
        stop_server || status=1
        return "$status"
}

refused_there() { # TEXT NAME OPTION...: we do not take their answer, and say why
        local text=$1 status=0
        shift
        start_server "$@" || status=1
        fails_saying "${text:-Cannot reach}" ping alpha "$1" || status=1
        kill "$(<"$LAB_DIR/server.pid")"
        return "$status"
}

called() { # WORD NAME OPTION...: by the other host
        local word=$1
        shift
        says "$word" reference ping "$@" && says ' 3 received' reference ping "$@"
}

write_client() { # NAME LINE...: what we want of it
        local name=$1
        shift
        printf '%s\n' '[Client]' "$@" | write_file alpha "/etc/o7s/names/$name.name"
}

trust() { # what the nodes believe
        write_file alpha /etc/o7s/security/cacert/ca.pem <"$CERTIFICATES/ca.pem"
}

show() { # NODE SIDE NAME KIND: a certificate and its key, as an operator would put them
        local node=$1 directory=/etc/o7s/security/$2/$3
        write_file "$node" "$directory/crt.pem" <"$CERTIFICATES/$3.$4.pem"
        write_file "$node" "$directory/key.pem" <"$CERTIFICATES/$3.$4.key"
        lab_exec "$node" chown o7s-keyd: "$directory/key.pem"
        lab_exec "$node" chmod 0400 "$directory/key.pem"
        lab_exec "$node" busctl call org.o7s.irm1 /org/o7s/irm1 org.o7s.irm1.Manager ReloadSecurity
}

setup_nodes "${1:?build directory}" alpha peer
lab_wire alpha:eth0 peer:eth0
write_layer alpha lan
/usr/bin/python3 "$LAB_HOME/make-certificates.py" "$CERTIFICATES" ours.example theirs.example || exit
for exchange in "${EXCHANGES[@]}"; do
        write_client "$exchange.example" "KeyExchange=$exchange" Cipher=aes-256-gcm
done
for cipher in "${CIPHERS[@]}"; do
        write_client "$cipher.example" "Cipher=$cipher"
done
for derivation in "${DERIVATIONS[@]}"; do
        write_client "$derivation.example" "KeyDerivation=$derivation" Cipher=aes-256-gcm
done
write_client required.example Encryption=required
write_client no.example Encryption=no Authentication=none
write_client only-o7s.example Peer=o7s
check 'a node of ours, and a host that is not' lab_boot alpha
check 'the layer is there' start_layer lan alpha
lab_wait 5 layer_is_online alpha lan
check 'we serve a name' serve alpha ours.example lan

# -- algorithms: we ask --

check 'a host without any configuration takes what we offer' served aes-128-gcm offered.example
check '... and one that wants more gets it' served aes-256-gcm offered.example --exchange X25519 --cipher aes-256-gcm
for exchange in "${EXCHANGES[@]}"; do
        check "we ask with $exchange" served aes-256-gcm "$exchange.example" --exchange "$exchange"
done
for cipher in "${CIPHERS[@]}"; do
        check "we ask with $cipher" served "$cipher" "$cipher.example"
done
for derivation in "${DERIVATIONS[@]}"; do
        check "we ask with $derivation" served aes-256-gcm "$derivation.example"
done
check 'where we want none there is none' served 'not protected' no.example
check '... but a host that insists refuses' refused_there '' no.example --exchange X25519
check 'one that must be o7s and is not is refused' refused_there o7s only-o7s.example

# -- algorithms: we are asked --

check 'it asks for a plain flow' called plain ours.example
for exchange in "${EXCHANGES[@]}"; do
        check "it asks with $exchange" called aes-256-gcm ours.example --exchange "$exchange"
done
for cipher in "${CIPHERS[@]}"; do
        check "it asks with $cipher" called "$cipher" ours.example --exchange X25519 --cipher "$cipher"
done
for derivation in "${DERIVATIONS[@]}"; do
        check "it asks with $derivation" called aes-256-gcm ours.example --exchange X25519 --kdf "$derivation"
done
export REFERENCE_KEY_PERIOD=4096
check 'keys of its kind change on the way' \
        says '10000 received' reference ping ours.example --exchange X25519 --count 10000 --interval 0.0001
unset REFERENCE_KEY_PERIOD

# -- certificates --

for kind in "${KINDS[@]}"; do
        digest=sha256
        [[ $kind != ed* ]] || digest=none
        check "we show a certificate with a key of $kind" show alpha server ours.example "$kind"
        check "... which it believes" called 'by ours.example' ours.example --exchange X25519 --anchor "$CERTIFICATES/ca.pem" \
                --digest "$digest"
done
check 'R-13: not that of somebody else of the same name' \
        fails reference ping ours.example --exchange X25519 --anchor "$CERTIFICATES/mallory/ca.pem"

trust
lab_exec alpha busctl call org.o7s.irm1 /org/o7s/irm1 org.o7s.irm1.Manager ReloadSecurity >/dev/null
check 'R-12: with an anchor, a host without a certificate is refused' refused_there certificate theirs.example --exchange X25519
for kind in "${KINDS[@]}"; do
        digest=sha256
        [[ $kind != ed* ]] || digest=none
        check "it shows a certificate with a key of $kind, which we believe" served 'o7s:name:theirs.example' theirs.example \
                --exchange X25519 --digest "$digest" --certificate "$CERTIFICATES/theirs.example.$kind.pem" \
                --key "$CERTIFICATES/theirs.example.$kind.key"
done
for bad in expired other; do
        check "R-13: not one that is $bad" refused_there '' theirs.example --exchange X25519 \
                --certificate "$CERTIFICATES/theirs.example.$bad.pem" --key "$CERTIFICATES/theirs.example.$bad.key"
done
check 'R-13: nor one of another authority with the same name' refused_there '' theirs.example --exchange X25519 \
        --certificate "$CERTIFICATES/mallory/theirs.example.p256.pem" --key "$CERTIFICATES/mallory/theirs.example.p256.key"
check 'R-13: nor one with the key of somebody else' refused_there '' theirs.example --exchange X25519 \
        --certificate "$CERTIFICATES/theirs.example.p256.pem" --key "$CERTIFICATES/theirs.example.other.key"
check 'OAP-4: an unencrypted flow is never taken for granted where it is required' refused_there '' required.example --certificate \
        "$CERTIFICATES/theirs.example.p256.pem" --key "$CERTIFICATES/theirs.example.p256.key"

check_nothing_left alpha
done_checking
