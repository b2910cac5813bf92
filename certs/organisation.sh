#!/bin/sh
# A demonstration PKI of an organisation that enrols its people itself: a root, an issuing CA below it, and a
# certificate for a key that a card made. Made anew each time; never for production.
#
# usage: certs/organisation.sh DIR            makes DIR/root.pem and DIR/issuing.pem with their keys
#        certs/organisation.sh DIR KEY OUT CN  certifies the public key in KEY (PEM) for CN, under the issuing CA
set -eu

dir=$1
extensions() {
    printf '%s\n' "[x]" "subjectKeyIdentifier=hash" "authorityKeyIdentifier=keyid" "$@"
}

if [ $# = 1 ]; then
    mkdir -p "$dir"
    openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out "$dir/root.key" 2>/dev/null
    openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$dir/issuing.key" 2>/dev/null
    openssl req -x509 -new -key "$dir/root.key" -sha384 -days 3650 -subj '/O=Example Organisation/CN=Example Organisation Root' \
        -addext 'keyUsage=critical,keyCertSign,cRLSign' -out "$dir/root.pem"
    extensions 'basicConstraints=critical,CA:TRUE,pathlen:0' 'keyUsage=critical,keyCertSign,cRLSign' \
        'certificatePolicies=1.3.6.1.4.1.32473.7.1' >"$dir/issuing.cnf"
    openssl req -new -key "$dir/issuing.key" -subj '/O=Example Organisation/CN=Example Organisation Cards' -out "$dir/issuing.csr"
    openssl x509 -req -in "$dir/issuing.csr" -CA "$dir/root.pem" -CAkey "$dir/root.key" -sha384 -days 1825 \
        -extfile "$dir/issuing.cnf" -extensions x -CAcreateserial -out "$dir/issuing.pem" 2>/dev/null
    exit
fi

key=$2 out=$3 name=$4
extensions 'keyUsage=critical,digitalSignature,nonRepudiation' 'extendedKeyUsage=clientAuth,emailProtection' \
    'certificatePolicies=1.3.6.1.4.1.32473.7.1' "subjectAltName=email:card@example.org" >"$dir/card.cnf"
# The request is signed by some key only to carry the name; the key that is certified is the card's.
openssl req -new -key "$dir/issuing.key" -subj "/O=Example Organisation/CN=$name" -out "$dir/card.csr"
openssl x509 -req -in "$dir/card.csr" -force_pubkey "$key" -CA "$dir/issuing.pem" -CAkey "$dir/issuing.key" -sha256 -days 1095 \
    -extfile "$dir/card.cnf" -extensions x -CAcreateserial -out "$out" 2>/dev/null
