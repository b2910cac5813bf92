#!/bin/sh
# The main job, as a technician sees it: `make demo`. Everything is made anew under target/demo; nothing else is touched.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
demo=$root/target/demo
bin=${CARGO_TARGET_DIR:-$root/target}/release

if [ -z "${COUNTERSIGN_READER:-}" ]; then
    rm -rf "$demo"
    mkdir -p "$demo"
    # The same again, beside a PC/SC daemon of its own with a card in the reader; what it prints is kept.
    status=$demo/.status
    { "$bin/card-stack" "$0" 2>&1 || echo $? >"$status"; } | tee "$demo/transcript.txt"
    [ ! -e "$status" ] || exit "$(cat "$status")"
    exit
fi

cd "$demo"
authority="$bin/countersign-authority --home $demo/authority --passphrase-fd 3 --ledger-passphrase-fd 5"
verifier="$bin/countersign-verifier --store $demo/store"
printf 'a demonstration passphrase\n' >passphrase
printf 'another one for the ledger\n' >ledger-passphrase
printf '123456\n' >pin

step() {
    printf '\n=== %s\n' "$*"
}
# Shows a command as a person would type it, then runs it.
run() {
    printf '$ %s\n' "$*" | sed "s#$bin/##g; s#$demo/##g; s#$root/##g"
    "$@" 3<passphrase 4<pin 5<ledger-passphrase
}
refused() {
    if run "$@"; then
        echo "This should have been refused." >&2
        exit 1
    fi
}

step "The security officer founds an authority: a root for tokens, a root for card holders, a token signer."
run $authority init --organization "Example Works"

step "The officer enrols a technician's card: the key is made on the card and never leaves it."
run $bin/countersign-verifier readers
run $authority card enroll --subject "CN=Robin Example,O=Example Works" --reader "$COUNTERSIGN_READER" --pin-fd 4

step "This machine says what it can be recognised by."
run $verifier machine
components=$($verifier --json machine | tr '{' '\n' | grep -E '"(machine-id|dmi-uuid|board-serial|disk-serial|network-address)"' | grep -c '"values"' || true)
if [ "$components" = 0 ]; then
    echo "It offers nothing, as some containers do: a recorded machine takes its place."
    verifier="$verifier --dangerous-machine-root $root/fixtures/machines/press-7"
    components=2
fi
[ "$components" -lt 2 ] || components=2

step "The officer issues a token: this product, for 30 days to activate and a year to run."
run $authority issue --customer acme --customer-name "Acme Power" --product control-room --activate-within 30d \
    --validity 365d --renew-after 330d --entitlement points=5000 --require "$components" --out "$demo/token.pem"
cp authority/anchors.pem authority/holder-roots.pem .

step "On the machine: the roots that its administrator trusts, and the token from the stick."
run $verifier anchors set anchors.pem
run $verifier install token.pem
refused $verifier check control-room

step "Which certificate on the card may activate?"
run $verifier certs --reader "$COUNTERSIGN_READER"

step "The technician activates: the card signs a challenge that names this machine."
run $verifier activate --reader "$COUNTERSIGN_READER" --pin-fd 4 --work-order WO-1047
cp store/records/control-room/*.pem record.pem

step "Is it activated? The verifier and the product itself ask."
run $verifier check control-room
run $verifier status
case $verifier in
*dangerous*) ;;
*)
    # A product that links the check compiles it in seconds; link-time optimisation is what takes longer.
    PRODUCT_ANCHORS=$(cat anchors.pem) CARGO_PROFILE_RELEASE_LTO=off cargo build --quiet --release --manifest-path "$root/Cargo.toml" --package countersign \
        --example product --target-dir "$demo/product-build"
    run "$demo/product-build/release/examples/product" "$demo/store"
    ;;
esac

step "Somebody copies the whole store to another machine: the record is refused there."
cp -r store copied
refused "$bin/countersign-verifier" --store "$demo/copied" --dangerous-machine-root "$root/fixtures/machines/press-8" \
    check control-room

step "Anybody can check the objects, with this verifier or with OpenSSL."
run $bin/countersign-verifier verify token.pem --anchors anchors.pem
run $bin/countersign-verifier verify record.pem --anchors anchors.pem
run openssl cms -verify -purpose any -inform PEM -in token.pem -CAfile anchors.pem -binary -out /dev/null
run openssl cms -verify -purpose any -inform PEM -in record.pem -CAfile holder-roots.pem -binary -out /dev/null

rm -rf product-build copied passphrase ledger-passphrase pin
step "Done. target/demo holds anchors.pem, holder-roots.pem, token.pem, record.pem and transcript.txt."
