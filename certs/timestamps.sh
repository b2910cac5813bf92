#!/bin/sh
# A demonstration time-stamping authority: a root, and a certificate below it that is for time stamping alone. Made anew
# each time; never for production.
#
# usage: certs/timestamps.sh DIR               makes DIR/root.pem and DIR/stamps.pem with their keys
#        certs/timestamps.sh DIR QUERY ANSWER  answers a query (RFC 3161)
set -eu

dir=$1
if [ $# = 1 ]; then
    mkdir -p "$dir"
    openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$dir/root.key" 2>/dev/null
    openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$dir/stamps.key" 2>/dev/null
    openssl req -x509 -new -key "$dir/root.key" -sha256 -days 3650 -subj '/O=Example Stamps/CN=Example Stamps Root' \
        -addext 'keyUsage=critical,keyCertSign,cRLSign' -out "$dir/root.pem"
    printf '%s\n' "[x]" "subjectKeyIdentifier=hash" "authorityKeyIdentifier=keyid" 'keyUsage=critical,digitalSignature' \
        'extendedKeyUsage=critical,timeStamping' >"$dir/stamps.ext"
    openssl req -new -key "$dir/stamps.key" -subj '/O=Example Stamps/CN=Example Stamps' -out "$dir/stamps.csr"
    openssl x509 -req -in "$dir/stamps.csr" -CA "$dir/root.pem" -CAkey "$dir/root.key" -sha256 -days 1825 \
        -extfile "$dir/stamps.ext" -extensions x -CAcreateserial -out "$dir/stamps.pem" 2>/dev/null
    exit
fi

query=$2 answer=$3
printf '%s\n' '[tsa]' 'default_tsa = stamps' '[stamps]' "serial = $dir/serial" "signer_cert = $dir/stamps.pem" \
    "signer_key = $dir/stamps.key" 'signer_digest = sha256' 'default_policy = 1.3.6.1.4.1.32473.9.1' \
    'digests = sha256' 'accuracy = secs:1' 'ess_cert_id_alg = sha256' >"$dir/stamps.cnf"
openssl ts -reply -config "$dir/stamps.cnf" -queryfile "$query" -out "$answer" 2>/dev/null
