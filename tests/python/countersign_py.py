"""Makes and reads activation tokens in Python, to prove docs/token-format.md by a second implementation.

For tests only: the keys that `found` makes lie in the folder unencrypted.
"""

import argparse
import json
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import countersign_format as fmt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID, ObjectIdentifier

SIGNERS = {
    "ed25519": (ed25519.Ed25519PrivateKey.generate, ("ed25519", "sha512")),
    "p256": (lambda: ec.generate_private_key(ec.SECP256R1()), ("ecdsa-p256", "sha256")),
    "p384": (lambda: ec.generate_private_key(ec.SECP384R1()), ("ecdsa-p384", "sha384")),
    "rsa": (lambda: rsa.generate_private_key(65537, 2048), ("rsa-pkcs1", "sha256")),
    "rsa-pss": (lambda: rsa.generate_private_key(65537, 3072), ("rsa-pss", "sha384")),
}


def certify(name, key, issuer=None, issuer_key=None):
    """A root where there is no issuer, otherwise a token signer."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(timezone.utc).replace(microsecond=0)
    root = issuer is None
    usage = x509.KeyUsage(not root, False, False, False, False, root, root, False, False)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if root else issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(root, None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if not root:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
        usages = x509.ExtendedKeyUsage([ObjectIdentifier(fmt.EKU_TOKEN)])
        builder = builder.add_extension(identifier, critical=False).add_extension(usages, critical=False)
    return builder.sign(key if root else issuer_key, hashes.SHA256())


def save_key(path, key):
    kind = serialization.PrivateFormat.PKCS8
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()))


def found(arguments):
    """Makes a token root, and under it a signer of each kind."""
    folder = Path(arguments.dir)
    folder.mkdir(parents=True, exist_ok=True)
    root_key = ec.generate_private_key(ec.SECP256R1())
    root = certify("Python Token Root", root_key)
    (folder / "anchors.pem").write_bytes(fmt.encode_pem(root.public_bytes(serialization.Encoding.DER), "CERTIFICATE"))
    for name, (generate, _) in SIGNERS.items():
        key = generate()
        certificate = certify(f"Python Token Signer {name}", key, root, root_key)
        save_key(folder / f"{name}.key", key)
        der = certificate.public_bytes(serialization.Encoding.DER)
        (folder / f"{name}.pem").write_bytes(fmt.encode_pem(der, "CERTIFICATE"))


def issue(arguments):
    """Signs a body given as JSON (section 12), reads and verifies what came out, and only then writes it."""
    folder = Path(arguments.dir)
    body = json.loads(Path(arguments.json).read_text(encoding="utf-8"))
    content = fmt.from_json(fmt.Token, body).dump()
    key = serialization.load_pem_private_key((folder / f"{arguments.signer}.key").read_bytes(), None)
    certificate, = fmt.decode_blocks((folder / f"{arguments.signer}.pem").read_bytes(), "CERTIFICATE")
    time = fmt.parse_time(arguments.time) if arguments.time else datetime.now(timezone.utc).replace(microsecond=0)
    der = fmt.make_object(fmt.CONTENT_TOKEN, content, certificate, key, SIGNERS[arguments.signer][1], time)
    fmt.verify_token(fmt.SignedObject(der), anchors_of(folder / "anchors.pem"))
    Path(arguments.out).write_bytes(fmt.encode_pem(der))


def anchors_of(path):
    return [fmt.Certificate(der) for der in fmt.decode_blocks(Path(path).read_bytes(), "CERTIFICATE")]


def read(arguments):
    """Verifies a token or a record and prints every field."""
    signed = fmt.SignedObject(fmt.decode_object(Path(arguments.file).read_bytes()))
    anchors = anchors_of(arguments.anchors)
    (fmt.verify_record if arguments.command == "record" else fmt.verify_token)(signed, anchors)
    shown = fmt.describe(signed)
    if arguments.json:
        print(json.dumps(shown, indent=2, ensure_ascii=False))
    else:
        print(f"{shown['type']} {shown['digest']}, signed {shown['signing_time']}: verified")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("found", help=found.__doc__)
    command.add_argument("dir")
    command.set_defaults(run=found)
    command = commands.add_parser("issue", help=issue.__doc__)
    command.add_argument("--dir", required=True, help="what `found` made")
    command.add_argument("--json", required=True, help="the body")
    command.add_argument("--out", required=True)
    command.add_argument("--signer", choices=SIGNERS, default="p256")
    command.add_argument("--time", help="signing-time; now where absent")
    command.set_defaults(run=issue)
    record = commands.add_parser("record", help="what can be done with a record").add_subparsers(required=True)
    for command in (commands.add_parser("read", help=read.__doc__), record.add_parser("read", help=read.__doc__)):
        command.add_argument("file")
        command.add_argument("--anchors", required=True, help="the roots of the token authority")
        command.add_argument("--json", action="store_true")
        command.set_defaults(run=read)
    arguments = parser.parse_args()
    try:
        arguments.run(arguments)
    except fmt.Refused as refused:
        print(f"refused: {refused}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
