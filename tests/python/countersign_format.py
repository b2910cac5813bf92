"""The Countersign token format, version 1: a second implementation, written from docs/token-format.md alone.

Section numbers are those of that page. It favours being read over being fast, and is no part of the product.
"""

import base64
import hashlib
import hmac
import itertools
import re
from datetime import datetime, timedelta, timezone

from asn1crypto import core, x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

ARC = "1.3.6.1.4.1.32473.2026"
CONTENT_TOKEN, CONTENT_CHALLENGE, CONTENT_TREE_HEAD = ARC + ".1.1", ARC + ".1.2", ARC + ".1.6"
CONTENT_APPROVAL = ARC + ".1.7"
ATTRIBUTE_TOKEN, ATTRIBUTE_PROOF, ATTRIBUTE_APPROVALS = ARC + ".2.1", ARC + ".2.2", ARC + ".2.3"
EKU_TOKEN, EKU_LISTS, EKU_ANCHORS, EKU_LEDGER, EKU_APPROVAL = OWN_USAGES = [ARC + f".3.{number}" for number in range(1, 6)]
NOT_FOR_HOLDERS = {*OWN_USAGES, "2.16.840.1.101.3.6.8"}
CONTENT_TYPE, MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
SIGNING_TIME, SIGNING_CERTIFICATE = "1.2.840.113549.1.9.5", "1.2.840.113549.1.9.16.2.47"
ANY_POLICY, UPN = "2.5.29.32.0", "1.3.6.1.4.1.311.20.2.3"
TOLERANCE = timedelta(seconds=300)
MAX_OBJECT, MAX_TOKEN, MAX_FILE, MAX_CERTIFICATE = 1 << 20, 7 << 17, 3 << 19, 1 << 14
CENTURY = 3_155_760_000


class Refused(Exception):
    """An object that must be refused, with the code of section 10."""

    def __init__(self, code, why):
        super().__init__(f"{code}: {why}")
        self.code = code


def require(condition, code, why):
    if not condition:
        raise Refused(code, why)


# --- Appendix A: the bodies. Member names are those of the JSON (section 12). ---


def sequence(name, *fields):
    return type(name, (core.Sequence,), {"_fields": list(fields)})


def sequence_of(spec):
    return type("Of" + spec.__name__, (core.SequenceOf,), {"_child_spec": spec})


def enumerated(name, **values):
    return type(name, (core.Enumerated,), {"_map": {number: text.replace("_", "-") for text, number in values.items()}})


def optional(number):
    return {"explicit": number, "optional": True}


class Oid(core.ObjectIdentifier):
    pass


class Padded(Exception):
    """An object identifier with a needless octet (section 2.2)."""


Extension = sequence("Extension", ("id", Oid), ("critical", core.Boolean, {"default": False}),
                     ("value", core.OctetString))
Extensions = sequence_of(Extension)
ProductVersion = sequence("ProductVersion", ("major", core.Integer), ("minor", core.Integer), ("patch", core.Integer))
Kind = enumerated("Kind", dmi_uuid=0, board_serial=1, disk_serial=2, machine_id=3, tpm_key=4, network_address=5, cpu=6)
KINDS = {text: number for number, text in Kind._map.items()}
Component = sequence("Component", ("kind", Kind), ("digests", sequence_of(core.OctetString)))
Components = sequence_of(Component)
AttributePattern = sequence("AttributePattern", ("attribute", Oid), ("pattern", core.UTF8String))
Form = enumerated("Form", user_principal_name=0, rfc822_name=1, dns_name=2, uri=6)
AltNamePattern = sequence("AltNamePattern", ("form", Form), ("pattern", core.UTF8String))


class Criterion(core.Choice):
    _alternatives = [
        ("policy", Oid, {"implicit": 0}),
        ("extended_key_usage", Oid, {"implicit": 1}),
        ("subject", AttributePattern, {"implicit": 2}),
        ("subject_alt_name", AltNamePattern, {"implicit": 3}),
        ("certificate", core.OctetString, {"implicit": 4}),
    ]


class HolderAnchor(core.Choice):
    _alternatives = [
        ("certificate", core.Sequence),
        ("tbs_cert", core.Any, {"explicit": 1}),
        ("ta_info", core.Any, {"explicit": 2}),
        ("key_digest", core.OctetString, {"explicit": 3}),
    ]


Customer = sequence("Customer", ("id", core.UTF8String), ("name", core.UTF8String))
ProductTerms = sequence("ProductTerms", ("id", core.UTF8String), ("edition", core.UTF8String, optional(0)),
                        ("from", ProductVersion, optional(1)), ("below", ProductVersion, optional(2)))
Window = sequence("Window", ("not_before", core.GeneralizedTime), ("not_after", core.GeneralizedTime))
Protection = enumerated("Protection", any=0, attested=1)
Grant = sequence("Grant", ("number", core.Integer), ("anchor", HolderAnchor),
                 ("direct_issuer", core.Boolean, {"default": False}), ("criteria", sequence_of(Criterion), optional(0)),
                 ("authentication_slot", core.Boolean, {"explicit": 1, "default": False}),
                 ("key_protection", Protection, {"explicit": 2, "default": "any"}),
                 ("persons", core.Integer, {"explicit": 3, "default": 1}))
ClockRepair = sequence("ClockRepair", ("timestamp_anchors", sequence_of(x509.Certificate), optional(0)),
                       ("two_holders", core.Boolean, {"explicit": 1, "default": False}))
Terms = sequence("Terms", ("validity", core.Integer, optional(0)), ("renew_after", core.Integer, optional(1)),
                 ("grace", core.Integer, optional(2)), ("notification", core.Integer, optional(3)),
                 ("clock_repair", ClockRepair, optional(4)))
ComponentRule = sequence("ComponentRule", ("kind", Kind), ("mandatory", core.Boolean, {"default": False}))
Listed = sequence("Listed", ("label", core.UTF8String), ("components", Components))
Tpm = enumerated("Tpm", none=0, preferred=1, required=2)
Binding = sequence("Binding", ("salt", core.OctetString), ("required", core.Integer),
                   ("components", sequence_of(ComponentRule)), ("machines", sequence_of(Listed), optional(0)),
                   ("tpm", Tpm, {"explicit": 1, "default": "none"}),
                   ("virtual_machines", core.Boolean, {"explicit": 2, "default": True}))
Entitlement = sequence("Entitlement", ("name", core.UTF8String), ("value", core.UTF8String),
                       ("not_after", core.GeneralizedTime, optional(0)))
ListTerms = sequence("ListTerms", ("oldest_number", core.Integer, optional(0)), ("max_age", core.Integer, optional(1)))
Token = sequence("Token", ("version", core.Integer), ("id", core.OctetString), ("revision", core.Integer),
                 ("customer", Customer), ("product", ProductTerms), ("window", Window), ("grants", sequence_of(Grant)),
                 ("terms", Terms), ("binding", Binding), ("entitlements", sequence_of(Entitlement), optional(0)),
                 ("seats", core.Integer, optional(1)), ("lists", ListTerms, optional(2)),
                 ("extensions", Extensions, optional(3)))
Slot = enumerated("Slot", authentication=0, signature=1)
ListKind = enumerated("ListKind", certificate_list=0, token_list=1)
ListUsed = sequence("ListUsed", ("kind", ListKind), ("issuer", core.Any), ("number", core.Integer),
                    ("this_update", core.GeneralizedTime))
Challenge = sequence("Challenge", ("version", core.Integer), ("token_digest", core.OctetString),
                     ("grant", core.Integer), ("slot", Slot), ("time", core.GeneralizedTime),
                     ("nonce", core.OctetString), ("machine", Components),
                     ("virtualization", core.UTF8String, optional(0)), ("lists", sequence_of(ListUsed), optional(1)),
                     ("work_order", core.UTF8String, optional(2)), ("extensions", Extensions, optional(3)))

LedgerEntry = sequence("LedgerEntry", ("version", core.Integer), ("number", core.Integer),
                       ("time", core.GeneralizedTime), ("token", core.OctetString, optional(0)),
                       ("body", core.OctetString))
InclusionProof = sequence("InclusionProof", ("version", core.Integer), ("entry", LedgerEntry),
                          ("path", sequence_of(core.OctetString)), ("head", core.OctetString))
TreeHead = sequence("TreeHead", ("version", core.Integer), ("log", core.OctetString), ("size", core.Integer),
                    ("time", core.GeneralizedTime), ("root", core.OctetString), ("extensions", Extensions, optional(0)))
Approval = sequence("Approval", ("version", core.Integer), ("token", core.OctetString),
                    ("extensions", Extensions, optional(0)))


def to_json(value):
    """Section 12."""
    if isinstance(value, core.Choice):
        return {value.name: to_json(value.chosen)}
    if type(value) is core.Sequence or isinstance(value, (core.Any, x509.Certificate)):
        return value.dump().hex()
    if isinstance(value, core.Sequence):
        members = ((field[0], value[field[0]]) for field in value._fields)
        return {name: to_json(member) for name, member in members if not isinstance(member, core.Void)}
    if isinstance(value, core.SequenceOf):
        return [to_json(member) for member in value]
    if isinstance(value, core.OctetString):
        return value.native.hex()
    if isinstance(value, core.ObjectIdentifier):
        if re.search(rb"(?:^|[\x00-\x7f])\x80", value.contents):
            raise Padded(value.contents.hex())
        return value.dotted
    if isinstance(value, core.GeneralizedTime):
        return show(read_time(0x18, value.contents))
    return value.native


def from_json(spec, value):
    """The other way round. What is a default is not encoded (section 2.2)."""
    if issubclass(spec, core.Choice):
        (name, inner), = value.items()
        alternative = next(entry for entry in spec._alternatives if entry[0] == name)
        return spec(name=name, value=from_json(alternative[1], inner))
    if spec is core.Sequence or issubclass(spec, (core.Any, x509.Certificate)):
        return spec.load(bytes.fromhex(value))
    if issubclass(spec, core.Sequence):
        made = spec()
        unknown = set(value) - {field[0] for field in spec._fields}
        if unknown:
            raise ValueError(f"unknown members {sorted(unknown)}")
        for name, inner, *rest in spec._fields:
            if name in value and (rest or [{}])[0].get("default", made) != value[name]:
                made[name] = from_json(inner, value[name])
        return made if made.contents else spec.load(b"\x30\x00")
    if issubclass(spec, core.SequenceOf):
        return spec([from_json(spec._child_spec, member) for member in value])
    if issubclass(spec, core.OctetString):
        return spec(bytes.fromhex(value))
    if issubclass(spec, core.GeneralizedTime):
        return spec(contents=re.sub("[-:T]", "", value).encode())
    return spec(value)


# --- Section 2: DER, times and PEM. ---


def tlv(tag, *parts):
    content = b"".join(parts)
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


class Reader:
    """The members of a constructed value, by DER."""

    def __init__(self, octets, code="CS-1101", what=""):
        self.octets, self.at, self.code, self.what = octets, 0, code, what

    def tlv(self, tag=None):
        data, start = self.octets, self.at
        require(start + 2 <= len(data), self.code, f"{self.what}: a member is missing")
        found, size, header = data[start], data[start + 1], 2
        if size >= 128:
            count = size & 0x7F
            octets = data[start + 2:start + 2 + count]
            require(0 < count <= 4 and len(octets) == count and octets[0], self.code, f"{self.what}: length")
            size, header = int.from_bytes(octets, "big"), 2 + count
            require(size >= 128, self.code, f"{self.what}: length")
        require(start + header + size <= len(data), self.code, f"{self.what}: truncated")
        require(tag in (None, found), self.code, f"{self.what}: tag {found:02x}")
        self.at = start + header + size
        return data[start:self.at], data[start + header:self.at]

    def value(self, tag):
        return self.tlv(tag)[1]

    def members(self, tag, what=None):
        return Reader(self.value(tag), self.code, what or self.what)

    def oid(self):
        return core.ObjectIdentifier(contents=self.value(0x06)).dotted

    def rest(self):
        while self.at < len(self.octets):
            yield self.tlv()[0]

    def end(self):
        require(self.at == len(self.octets), self.code, f"{self.what}: more members than the profile has")


def set_of(octets, what):
    """The members of a SET OF, which must be in the order of DER and differ."""
    members = list(Reader(octets, what=what).rest())
    require(all(one < two for one, two in zip(members, members[1:])), "CS-1101", f"{what}: order")
    return members


def read_time(tag, octets):
    text = octets.decode("ascii", "replace")
    require(re.fullmatch(r"\d{12}Z" if tag == 0x17 else r"\d{14}Z", text), "CS-1003", f"time {text}")
    if tag == 0x17:
        text = ("20" if text[0] < "5" else "19") + text
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc)
    except ValueError as error:
        raise Refused("CS-1003", str(error)) from error


def show(time):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text):
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)


def encode_pem(der, label="CMS"):
    text = base64.b64encode(der).decode()
    lines = [text[at:at + 64] for at in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()


def decode_blocks(file, label):
    blocks = re.findall(rb"-----BEGIN [^-]*-----([^-]*)-----END [^-]*-----", file)
    try:
        ders = [base64.b64decode(b"".join(block.split()), validate=True) for block in blocks]
    except ValueError as error:
        raise Refused("CS-1002", str(error)) from error
    again = b"".join(encode_pem(der, label) for der in ders)
    require(ders and file in (again, again.replace(b"\n", b"\r\n")), "CS-1002", "not PEM in the one form")
    return ders


def decode_object(file):
    require(len(file) <= MAX_FILE, "CS-1001", "file too large")
    if file[:1] != b"\x30":
        blocks = decode_blocks(file, "CMS")
        require(len(blocks) == 1, "CS-1002", "more than one block")
        file = blocks[0]
    require(len(file) <= MAX_OBJECT, "CS-1001", "object too large")
    return file


# --- Section 6: algorithms and keys. ---

DIGESTS = {bytes.fromhex("300b0609608648016503040201"): "sha256", bytes.fromhex("300b0609608648016503040202"): "sha384",
           bytes.fromhex("300b0609608648016503040203"): "sha512"}
HASHES = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}
SIGNATURES = {bytes.fromhex("300a06082a8648ce3d040302"): ("ecdsa-p256", "sha256"),
              bytes.fromhex("300a06082a8648ce3d040303"): ("ecdsa-p384", "sha384"),
              bytes.fromhex("300506032b6570"): ("ed25519", "sha512")}
for number, name in ((0x0B, "sha256"), (0x0C, "sha384"), (0x0D, "sha512")):
    SIGNATURES[bytes.fromhex("300d06092a864886f70d0101%02x0500" % number)] = ("rsa-pkcs1", name)
# Section 6.4: the first second from which each key is refused.
AFTER_2030 = datetime(2031, 1, 1, tzinfo=timezone.utc)
# Section 6.3: the y-coordinates of the points of Ed25519 that are of small order.
ED25519_PRIME = 2**255 - 19
ED25519_SMALL = {0, 1, ED25519_PRIME - 1, *(int.from_bytes(bytes.fromhex(text), "little") for text in (
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"))}
RSA_ENCRYPTION = bytes.fromhex("300d06092a864886f70d0101010500")


def pss_identifiers(name):
    """RSASSA-PSS with the parameters of each inner hash absent, or NULL."""
    absent = next(der for der, own in DIGESTS.items() if own == name)
    spellings = (absent, tlv(0x30, absent[2:], b"\x05\x00"))
    for inner, masked in itertools.product(spellings, repeat=2):
        mask = tlv(0x30, bytes.fromhex("06092a864886f70d010108"), masked)
        salt = tlv(0x02, bytes([HASHES[name].digest_size]))
        parameters = tlv(0x30, tlv(0xA0, inner), tlv(0xA1, mask), tlv(0xA2, salt))
        yield tlv(0x30, bytes.fromhex("06092a864886f70d01010a"), parameters)


for name in HASHES:
    for der in pss_identifiers(name):
        SIGNATURES[der] = ("rsa-pss", name)


def is_sound_point(octets):
    y = int.from_bytes(octets, "little") & ~(1 << 255)
    return y < ED25519_PRIME and y not in ED25519_SMALL


def check_date(key, at, code):
    weak = isinstance(key, rsa.RSAPublicKey) and key.key_size < 3072
    require(not weak or at < AFTER_2030, code, f"the kind of key is refused by {show(at)}")


def public_key(spki, code):
    try:
        key = serialization.load_der_public_key(spki)
    except Exception as error:
        raise Refused(code, f"key: {error}") from error
    if isinstance(key, ec.EllipticCurvePublicKey):
        require(key.curve.name in ("secp256r1", "secp384r1"), code, "curve")
        kind = serialization.PublicFormat.SubjectPublicKeyInfo
        again = key.public_bytes(serialization.Encoding.DER, kind)
        require(again == spki, code, "not an uncompressed point on a named curve")
    elif isinstance(key, ed25519.Ed25519PublicKey):
        point = spki[-32:]
        require(spki == bytes.fromhex("302a300506032b6570032100") + point, code, "form of the key")
        require(is_sound_point(point), code, "a point that is not sound")
    else:
        require(isinstance(key, rsa.RSAPublicKey) and 2048 <= key.key_size <= 4096, code, "kind or size of key")
        exponent = key.public_numbers().e
        require(65537 <= exponent < 1 << 32 and exponent % 2, code, "exponent")
    return key


def verify(key, algorithm, signature, message, code, wrong_kind):
    kind, name = algorithm
    curve = {"ecdsa-p256": "secp256r1", "ecdsa-p384": "secp384r1"}.get(kind)
    if isinstance(key, ed25519.Ed25519PublicKey):
        suits = kind == "ed25519"
    elif isinstance(key, ec.EllipticCurvePublicKey):
        suits = key.curve.name == curve
    else:
        suits = kind.startswith("rsa")
    require(suits, wrong_kind, f"{kind} does not go with the key")
    digest = HASHES[name]
    try:
        if curve:
            key.verify(signature, message, ec.ECDSA(digest))
        elif kind == "ed25519":
            require(is_sound_point(signature[:32]), code, "a point that is not sound")
            key.verify(signature, message)
        elif kind == "rsa-pkcs1":
            key.verify(signature, message, padding.PKCS1v15(), digest)
        else:
            key.verify(signature, message, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    except Exception as error:
        raise Refused(code, "the signature does not verify") from error


def sign(key, algorithm, message):
    kind, name = algorithm
    digest = HASHES[name]
    if kind.startswith("ecdsa"):
        return key.sign(message, ec.ECDSA(digest))
    if kind == "ed25519":
        return key.sign(message)
    pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
    return key.sign(message, padding.PKCS1v15() if kind == "rsa-pkcs1" else pss, digest)


# --- Section 7: certificates and paths. ---

PROCESSED = {"2.5.29." + arc for arc in "15 17 18 19 30 31 32 33 36 37 54".split()}


class Certificate:
    def __init__(self, der):
        self.der, self.digest = der, hashlib.sha256(der).digest()
        require(len(der) <= MAX_CERTIFICATE and der[:1] == b"\x30", "CS-2001", "certificate")
        try:
            self.parsed = x509.Certificate.load(der, strict=True)
            body = self.parsed["tbs_certificate"]
            require(body["version"].native == "v3", "CS-2001", "version")
            algorithm = body["signature"].dump()
            require(algorithm == self.parsed["signature_algorithm"].dump(), "CS-2001", "algorithms differ")
            self.algorithm = SIGNATURES.get(algorithm)
            self.issuer, self.subject = body["issuer"], body["subject"]
            self.serial = body["serial_number"]
            require(self.serial.native > 0 and len(self.serial.contents) <= 20, "CS-2001", "serial number")
            self.spki = body["subject_public_key_info"].dump()
            self.valid = [read_time(time.chosen.tag, time.chosen.contents) for time in
                          (body["validity"]["not_before"], body["validity"]["not_after"])]
            found = [(entry["extn_id"].dotted, entry) for entry in body["extensions"]]
            require(0 < len(found) == len({oid for oid, _ in found}) <= 64, "CS-2001", "extensions")
            self.extensions = {oid: entry["extn_value"].parsed for oid, entry in found}
            self.critical = {oid for oid, entry in found if entry["critical"].native}
            self.key_usage = self.extension("2.5.29.15", lambda usage: usage.native)
            self.usages = self.extension("2.5.29.37", lambda list_: [usage.dotted for usage in list_])
            self.policies = self.extension("2.5.29.32", lambda l: [p["policy_identifier"].dotted for p in l]) or []
            self.basic = self.extension("2.5.29.19", lambda basic: basic.native) or {}
            self.own_id = self.extension("2.5.29.14", lambda identifier: identifier.native)
            self.issuer_id = self.extension("2.5.29.35", lambda identifier: identifier["key_identifier"].native)
            self.names = self.extension("2.5.29.17", lambda names: [name.name for name in names]) or []
            self.subtrees = self.extension("2.5.29.30", read_subtrees)
            self.limits = self.extension("2.5.29.36", lambda limits: limits.native)
        except Refused as refused:
            raise Refused("CS-2001", str(refused)) from refused
        except Exception as error:
            raise Refused("CS-2001", f"malformed certificate: {error}") from error

    def extension(self, oid, read):
        return read(self.extensions[oid]) if oid in self.extensions else None


def read_subtrees(constraints):
    kinds = ("permitted_subtrees", "excluded_subtrees")
    return [[tree["base"] for tree in constraints[kind]] if constraints[kind].native else [] for kind in kinds]


def check_profile(certificate):
    """Of the rules of section 7.1 those that the examples and the vectors touch."""
    self_issued = certificate.issuer == certificate.subject
    require(self_issued or certificate.issuer_id, "CS-2016", "no authority key identifier")
    require(not certificate.basic.get("ca") or certificate.own_id, "CS-2016", "no subject key identifier")
    require(not certificate.critical & {"2.5.29.14", "2.5.29.35"}, "CS-2016", "critical key identifier")
    if certificate.subtrees is not None:
        require(any(certificate.subtrees), "CS-2016", "empty name constraints")
        require("2.5.29.30" in certificate.critical and certificate.basic.get("ca"), "CS-2016", "name constraints")


def check_names(certificate, issuers):
    """directoryName alone; what else is constrained counts as not comparable, which refuses it."""
    rdns = list(certificate.subject.chosen)
    for issuer in issuers:
        permitted, excluded = issuer.subtrees or ([], [])
        for base in permitted + excluded:
            require(base.name == "directory_name", "CS-2019", "constraint of another form")
        require("directory_name" not in certificate.names, "CS-2019", "another directory name")
        within = lambda base: rdns[: len(base.chosen.chosen)] == list(base.chosen.chosen)
        require(not any(map(within, excluded)), "CS-2018", "excluded name")
        require(not permitted or any(map(within, permitted)), "CS-2017", "name not permitted")


def check_policies(leaf, issuers):
    """Without mappings and inhibitAnyPolicy, which neither examples nor vectors have, and without a depth."""
    for issuer in issuers:
        require(not issuer.extensions.keys() & {"2.5.29.33", "2.5.29.54"}, "CS-1007", "mappings are not enforced")
    required = any((issuer.limits or {}).get("require_explicit_policy") is not None for issuer in issuers)
    require(not required or valid_policies(leaf, issuers), "CS-2020", "no policy")


def valid_policies(leaf, issuers):
    valid = {ANY_POLICY}
    for certificate in [*reversed(issuers), leaf]:
        stated = set(certificate.policies)
        if ANY_POLICY in stated:
            valid |= stated - {ANY_POLICY} if ANY_POLICY in valid else set()
        else:
            valid = stated if ANY_POLICY in valid else valid & stated
    return valid


def check_certificate(certificate, at):
    check_profile(certificate)
    for oid in certificate.extensions:
        require(oid in PROCESSED or oid not in certificate.critical, "CS-2002", f"critical extension {oid}")
    require(at >= certificate.valid[0], "CS-2008", "not yet valid")
    require(at <= certificate.valid[1], "CS-2009", "expired")


def check_issuer(issuer, at, usage):
    require(issuer.basic.get("ca"), "CS-2010", "no CA")
    require(issuer.key_usage is None or "key_cert_sign" in issuer.key_usage, "CS-2011", "no keyCertSign")
    check_certificate(issuer, at)
    require(usage is None or issuer.usages is None or usage in issuer.usages, "CS-2014", "extended key usage of a CA")


def verify_certificate(certificate, spki):
    """The key that verified it."""
    require(certificate.algorithm, "CS-2004", "algorithm of a certificate")
    body, signature = certificate.parsed["tbs_certificate"].dump(), certificate.parsed["signature_value"].native
    key = public_key(spki, "CS-2005")
    verify(key, certificate.algorithm, signature, body, "CS-2007", "CS-2004")
    return key


def is_self_signed(certificate):
    try:
        verify_certificate(certificate, certificate.spki)
    except Refused:
        return False
    return certificate.issuer == certificate.subject


def find_path(leaf, others, anchors, at, usage=None):
    """Sections 7.2 and 7.3: the issuers below the anchor, the leaf's first, and the anchor."""
    check_certificate(leaf, at)
    may_sign = leaf.key_usage is None or leaf.key_usage & {"digital_signature", "non_repudiation"}
    require(may_sign, "CS-2013", "key usage")
    public_key(leaf.spki, "CS-2005")
    require(usage is None or usage in (leaf.usages or []), "CS-2014", "extended key usage")
    best, steps = Refused("CS-2006", "no path to an anchor"), 0

    def note(refused):
        nonlocal best
        order = {"CS-2006": 0, "CS-2007": 1}
        if order.get(refused.code, 2) > order.get(best.code, 2):
            best = refused

    def signed(certificate, issuer):
        ids = (certificate.issuer_id, issuer.own_id)
        if certificate.issuer != issuer.subject or (None not in ids and ids[0] != ids[1]):
            return False
        try:
            check_date(verify_certificate(certificate, issuer.spki), at, "CS-2040")
        except Refused as refused:
            note(refused)
            return False
        return True

    def extend(path):
        nonlocal steps
        steps += 1
        require(steps <= 4096, "CS-2015", "path search")
        for anchor in anchors:
            if signed(path[-1], anchor):
                try:
                    check_lengths(path[1:], anchor)
                    for place, certificate in enumerate(path):
                        if place == 0 or certificate.issuer != certificate.subject:
                            check_names(certificate, [*path[place + 1:], anchor])
                    check_policies(leaf, path[1:])
                    return path[1:], anchor
                except Refused as refused:
                    note(refused)
        for issuer in others if len(path) < 8 else ():
            if any((issuer.subject, issuer.spki) == (one.subject, one.spki) for one in path):
                continue
            try:
                check_issuer(issuer, at, usage)
            except Refused as refused:
                if path[-1].issuer == issuer.subject:
                    note(refused)
                continue
            if signed(path[-1], issuer) and (found := extend(path + [issuer])):
                return found
        return None

    found = extend([leaf])
    if not found:
        raise best
    return found


def check_lengths(issuers, anchor):
    require(anchor.key_usage is None or "key_cert_sign" in anchor.key_usage, "CS-2011", "no keyCertSign")
    limit = anchor.basic.get("path_len_constraint")
    left = 99 if limit is None else limit
    for issuer in reversed(issuers):
        if issuer.issuer != issuer.subject:
            require(left > 0, "CS-2012", "path length")
            left -= 1
        limit = issuer.basic.get("path_len_constraint")
        left = left if limit is None else min(left, limit)


# --- Section 3: the CMS object. ---


class SignedObject:
    def __init__(self, der):
        self.der = der
        outer = Reader(der, "CS-1003", "ContentInfo")
        whole, content = outer.tlv()
        outer.end()
        require(whole[0] == 0x30, "CS-1101", "ContentInfo")
        info = Reader(content, what="ContentInfo")
        require(info.oid() == "1.2.840.113549.1.7.2", "CS-1101", "contentType")
        explicit = info.members(0xA0)
        info.end()
        whole = explicit.tlv(0x30)[0]
        explicit.end()
        data = Reader(whole).members(0x30, "SignedData")
        require(data.value(0x02) == b"\x03", "CS-1101", "version")
        digest_algorithms = data.value(0x31)
        inner = data.members(0x30, "encapContentInfo")
        self.content_type = inner.oid()
        explicit = inner.members(0xA0)
        inner.end()
        self.content = explicit.value(0x04)
        explicit.end()
        known = (CONTENT_TOKEN, CONTENT_CHALLENGE, CONTENT_TREE_HEAD, CONTENT_APPROVAL)
        require(self.content_type in known, "CS-1004", self.content_type)
        certificates = data.value(0xA0)
        infos = data.value(0x31)
        data.end()
        infos = list(Reader(infos, what="signerInfos").rest())
        require(infos, "CS-1101", "signerInfos")
        require(len(infos) == 1, "CS-1007", "several signatures")
        self.read_signer(Reader(infos[0]).members(0x30, "SignerInfo"), digest_algorithms)
        certificates = set_of(certificates, "certificates")
        require(len(certificates) <= 8, "CS-1101", "more than 8 certificates")
        self.others = [Certificate(der) for der in certificates]
        signer = [one for one in self.others if one.digest == self.signing_certificate]
        require(signer, "CS-1101", "the signer's certificate is not there")
        self.signer, = signer
        self.others.remove(self.signer)
        names = self.signer.issuer.dump() + self.signer.serial.dump()
        require(self.sid == tlv(0x30, names), "CS-1101", "sid")
        if self.proof:
            der = without_unsigned(whole, infos[0])
        self.digest = hashlib.sha256(der).digest()

    def read_signer(self, info, digest_algorithms):
        require(info.value(0x02) == b"\x01", "CS-1101", "version")
        self.sid = info.tlv(0x30)[0]
        identifier = info.tlv()[0]
        require(identifier in DIGESTS, "CS-1102", "digest algorithm")
        require(digest_algorithms == identifier, "CS-1101", "digestAlgorithms")
        self.hash = DIGESTS[identifier]
        attributes, content = info.tlv(0xA0)
        self.signed_octets = b"\x31" + attributes[1:]
        self.read_attributes(content)
        algorithm = info.tlv()[0]
        self.algorithm = ("rsa-pkcs1", self.hash) if algorithm == RSA_ENCRYPTION else SIGNATURES.get(algorithm)
        require(self.algorithm and self.algorithm[1] == self.hash, "CS-1102", "signature algorithm")
        record = self.content_type == CONTENT_CHALLENGE
        require(not record or self.algorithm[0] != "ed25519", "CS-1102", "no PIV slot has Ed25519")
        self.signature = info.value(0x04)
        self.token = self.proof = None
        rest = list(info.rest())
        if self.content_type == CONTENT_CHALLENGE:
            require(rest, "CS-1101", "unsignedAttrs")
            self.token = unsigned_value(rest.pop(), ATTRIBUTE_TOKEN)
        elif self.content_type == CONTENT_TOKEN and rest:
            self.proof = unsigned_value(rest.pop(), ATTRIBUTE_PROOF)
        require(not rest, "CS-1101", "SignerInfo")
        digest = hashlib.new(self.hash, self.content).digest()
        require(self.message_digest == digest, "CS-1103", "the content is not what was signed")

    def read_attributes(self, content):
        found = {}
        for attribute in set_of(content, "signedAttrs"):
            members = Reader(attribute).members(0x30, "signedAttrs")
            oid, values = members.oid(), members.members(0x31)
            members.end()
            require(oid not in found, "CS-1101", "attribute twice")
            found[oid] = values.tlv()[0]
            values.end()
        self.approvals = found.pop(ATTRIBUTE_APPROVALS, None) if self.content_type == CONTENT_TOKEN else None
        wanted = {CONTENT_TYPE, MESSAGE_DIGEST, SIGNING_TIME, SIGNING_CERTIFICATE}
        require(set(found) == wanted, "CS-1101", "signed attributes")
        require(Reader(found[CONTENT_TYPE], what="content-type").oid() == self.content_type, "CS-1101", "content-type")
        self.message_digest = Reader(found[MESSAGE_DIGEST], what="message-digest").value(0x04)
        time, octets = found[SIGNING_TIME], Reader(found[SIGNING_TIME]).tlv()[1]
        require(time[0] in (0x17, 0x18), "CS-1101", "signing-time")
        self.signing_time = read_time(time[0], octets)
        require((time[0] == 0x17) == (1950 <= self.signing_time.year < 2050), "CS-1101", "signing-time")
        nested = Reader(found[SIGNING_CERTIFICATE], what="signing-certificate-v2")
        for _ in range(3):
            inner = nested.members(0x30)
            nested.end()
            nested = inner
        self.signing_certificate = nested.value(0x04)
        nested.end()
        require(len(self.signing_certificate) == 32, "CS-1101", "signing-certificate-v2")

    def verify(self, at):
        key = public_key(self.signer.spki, "CS-1102")
        verify(key, self.algorithm, self.signature, self.signed_octets, "CS-1104", "CS-1102")
        check_date(key, at, "CS-1106")


def unsigned_value(octets, wanted):
    outer = Reader(octets, "CS-1101", "unsignedAttrs")
    attribute = outer.members(0xA1)
    outer.end()
    inner = attribute.members(0x30)
    attribute.end()
    require(inner.oid() == wanted, "CS-1101", "unsignedAttrs")
    values = inner.members(0x31)
    inner.end()
    value = values.tlv()[0]
    values.end()
    return value


def without_unsigned(signed_data, signer_info):
    """The whole object again, but for the unsigned attributes: what the digest of a token is over (section 3.3)."""
    info = tlv(0x30, *list(Reader(signer_info).members(0x30).rest())[:-1])
    parts = list(Reader(signed_data).members(0x30).rest())[:-1]
    return tlv(0x30, bytes.fromhex("06092a864886f70d010702"), tlv(0xA0, tlv(0x30, *parts, tlv(0x31, info))))


def make_object(content_type, content, certificate, key, algorithm, signing_time, issuers=(), token=None):
    identifier, = (der for der, name in DIGESTS.items() if name == algorithm[1])
    signature_algorithm = next(der for der, own in SIGNATURES.items() if own == algorithm)
    digits = show(signing_time).translate({ord(mark): None for mark in "-:T"}).encode()
    time = tlv(0x17, digits[2:]) if 1950 <= signing_time.year < 2050 else tlv(0x18, digits)

    def attribute(oid, value):
        return tlv(0x30, core.ObjectIdentifier(oid).dump(), tlv(0x31, value))

    signer = Certificate(certificate)
    named = tlv(0x30, tlv(0x30, tlv(0x30, tlv(0x04, signer.digest))))
    attributes = b"".join(sorted([
        attribute(CONTENT_TYPE, core.ObjectIdentifier(content_type).dump()), attribute(SIGNING_TIME, time),
        attribute(MESSAGE_DIGEST, tlv(0x04, hashlib.new(algorithm[1], content).digest())),
        attribute(SIGNING_CERTIFICATE, named)]))
    signature = sign(key, algorithm, tlv(0x31, attributes))
    unsigned = tlv(0xA1, attribute(ATTRIBUTE_TOKEN, token)) if token else b""
    info = tlv(0x30, b"\x02\x01\x01", tlv(0x30, signer.issuer.dump(), signer.serial.dump()), identifier,
               tlv(0xA0, attributes), signature_algorithm, tlv(0x04, signature), unsigned)
    content_info = tlv(0x30, core.ObjectIdentifier(content_type).dump(), tlv(0xA0, tlv(0x04, content)))
    certificates = tlv(0xA0, *sorted([certificate, *issuers]))
    data = tlv(0x30, b"\x02\x01\x03", tlv(0x31, identifier), content_info, certificates, tlv(0x31, info))
    return tlv(0x30, bytes.fromhex("06092a864886f70d010702"), tlv(0xA0, data))


# --- Sections 4, 5 and 11: the bodies. ---


def read_body(spec, der):
    outer = Reader(der, "CS-1003", spec.__name__)
    members = outer.members(0x30)
    outer.end()
    version = members.value(0x02)
    number = int.from_bytes(version, "big")
    require(core.Integer(number).contents == version, "CS-1003", "version")
    require(number <= 1, "CS-1006", f"version {number}")
    require(number == 1, "CS-1003", "version 0")
    try:
        body = to_json(spec.load(der, strict=True))
        again = from_json(spec, body).dump()
    except Refused:
        raise
    except Padded as error:
        raise Refused("CS-1201" if spec is Token else "CS-1202", f"object identifier {error}") from error
    except Exception as error:
        raise Refused("CS-1003", f"{spec.__name__}: {error}") from error
    require(again == der, "CS-1003", f"{spec.__name__}: not canonical")
    check_widths(spec, body)
    return body


def check_widths(spec, body):
    """Octet strings of a fixed length and numbers that must fit."""
    sizes = {"salt": 32, "id": 16, "token_digest": 32, "nonce": 32, "key_digest": 32, "digests": 32, "certificate": 32,
             "token": 32, "body": 32, "path": 32, "log": 32, "root": 32}

    def walk(value, name=""):
        if isinstance(value, dict):
            if "criteria" not in name:
                for key, member in value.items():
                    walk(member, key)
        elif isinstance(value, list):
            for member in value:
                walk(member, name)
        elif isinstance(value, bool):
            pass
        elif isinstance(value, int):
            most = {"version": 255, "number": 1 << 16, "grant": 1 << 16, "required": 256, "persons": 256}
            require(0 <= value < most.get(name, 1 << 32), "CS-1003", name)
        elif name in ("salt", "token_digest", "nonce", "key_digest", "digests"):
            require(len(value) == 2 * sizes[name], "CS-1003", name)

    walk({key: member for key, member in body.items() if key not in ("lists", "id", "extensions")})
    if spec is Token:
        require(len(body["id"]) == 32, "CS-1003", "id")
    for grant in body.get("grants", []):
        for criterion in grant.get("criteria", []):
            require(len(criterion.get("certificate", "0" * 64)) == 64, "CS-1003", "criterion")


def identifier(text):
    return re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}", text) is not None


def line(text, most):
    """Section 4.1: nothing that controls, is invisible or turns the text around."""
    misleading = r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
    return 1 <= len(text.encode()) <= most and not re.search(misleading, text)


def ascending(values):
    return all(one < two for one, two in zip(values, values[1:]))


def size(value, least, most):
    return value is None or least <= len(value) <= most


def good_components(list_):
    return list_ and ascending([KINDS[one["kind"]] for one in list_]) and all(
        1 <= len(one["digests"]) <= 16 and ascending(one["digests"]) for one in list_)


def extension_order(oid):
    contents = core.ObjectIdentifier(oid).contents
    return len(contents), contents


def good_extensions(list_):
    return size(list_, 1, 16) and ascending([extension_order(one["id"]) for one in list_ or []])


def refuse_critical(body):
    for extension in body.get("extensions", []):
        require(not extension["critical"], "CS-1008", f"critical extension {extension['id']}")


def version_tuple(version):
    return (version["major"], version["minor"], version["patch"])


def read_token(der):
    body = read_body(Token, der)
    product, window, terms, binding = body["product"], body["window"], body["terms"], body["binding"]
    grants, entitlements = body["grants"], body.get("entitlements")
    numbers = [grant["number"] for grant in grants]
    patterns = [next(iter(criterion.values())).get("pattern") for grant in grants for criterion in
                grant.get("criteria", []) if isinstance(next(iter(criterion.values())), dict)]
    rules = [KINDS[rule["kind"]] for rule in binding["components"]]
    range_ = [version_tuple(product[name]) for name in ("from", "below") if name in product]
    names = [one["name"] for one in entitlements or []]
    checks = {
        "revision": body["revision"] > 0,
        "customer": identifier(body["customer"]["id"]) and line(body["customer"]["name"], 256),
        "product": identifier(product["id"]) and identifier(product.get("edition", "x")),
        "product.below": len(range_) < 2 or range_[0] < range_[1],
        "window": window["not_before"] <= window["not_after"],
        "grants": 1 <= len(grants) <= 16 and numbers[0] > 0 and ascending(numbers),
        "criteria": all(size(grant.get("criteria"), 1, 16) for grant in grants),
        "patterns": all(1 <= len(pattern.encode()) <= 256 for pattern in patterns),
        "persons": all(1 <= grant["persons"] <= 8 for grant in grants),
        "terms": all(1 <= value <= CENTURY for value in terms.values() if isinstance(value, int)),
        "renew_after": terms.get("renew_after", 0) < terms.get("validity", 1 << 32),
        "entitlements": size(entitlements, 1, 256) and ascending([name.encode() for name in names]),
        "entitlement": all(identifier(name) for name in names),
        "entitlement.value": all(len(one["value"].encode()) <= 1024 for one in entitlements or []),
        "seats": body.get("seats") != 0,
        "lists": good_list_terms(body.get("lists")),
        "clock_repair": good_clock_repair(body["terms"].get("clock_repair")),
        "extensions": good_extensions(body.get("extensions")),
        "components": 1 <= len(rules) <= 16 and ascending(rules),
        "required": 1 <= binding["required"] <= len(rules),
        "machines": size(binding.get("machines"), 1, 4096) and all(
            line(one["label"], 64) and good_components(one["components"]) for one in binding.get("machines", [])),
    }
    for member, holds in checks.items():
        require(holds, "CS-1201", member)
    return body


def good_list_terms(terms):
    return terms is None or (bool(terms) and 1 <= terms.get("oldest_number", 1) < 1 << 63
                             and 1 <= terms.get("max_age", 1) <= CENTURY)


def good_clock_repair(repair):
    if repair is None:
        return True
    anchors = repair.get("timestamp_anchors")
    return repair["two_holders"] if anchors is None else 1 <= len(anchors) <= 8


def refuse_unenforced(body):
    terms = {
        "persons": any(grant["persons"] > 1 for grant in body["grants"]),
        "key_protection": any(grant["key_protection"] != "any" for grant in body["grants"]),
        "anchor": any("tbs_cert" in grant["anchor"] or "ta_info" in grant["anchor"] for grant in body["grants"]),
        "terms": set(body["terms"]) & {"grace", "notification"},
        "clock_repair": body["terms"].get("clock_repair", {}).get("two_holders", False),
        "tpm": body["binding"]["tpm"] != "none",
    }
    for term, stated in terms.items():
        require(not stated, "CS-1007", term)
    refuse_critical(body)


def good_list_used(used):
    return used["issuer"] != "3000" and 0 <= used["number"] < 1 << 160


def read_challenge(der):
    body = read_body(Challenge, der)
    checks = {
        "grant": body["grant"] > 0,
        "machine": good_components(body["machine"]),
        "virtualization": line(body.get("virtualization", "x"), 64),
        "lists": size(body.get("lists"), 1, 64) and all(map(good_list_used, body.get("lists", []))),
        "work_order": line(body.get("work_order", "x"), 64),
        "extensions": good_extensions(body.get("extensions")),
    }
    for member, holds in checks.items():
        require(holds, "CS-1202", member)
    return body


# --- Section 8: validation. ---


def verify_signer(signed, anchors, usage):
    require(anchors, "CS-3001", "no anchors")
    issuers, anchor = find_path(signed.signer, signed.others, anchors, signed.signing_time, usage)
    passed = [(one.subject, one.spki) for one in [*issuers, anchor]]
    for one in signed.others:
        across = one.issuer != one.subject and (one.subject, one.spki) in passed
        require(across or any(one is issuer for issuer in issuers), "CS-1105", "needless certificates")
    others = set(OWN_USAGES) - {usage}
    require(not others & set(signed.signer.usages), "CS-3002", "signs something else as well")
    signed.verify(signed.signing_time)


def verify_token(signed, anchors, proof=False, approvals=0):
    require(signed.content_type == CONTENT_TOKEN, "CS-1005", "not a token")
    require(len(signed.der) <= MAX_TOKEN, "CS-1001", "token too large")
    body = read_token(signed.content)
    carried_proof = read_proof(signed.proof) if signed.proof else None
    carried_approvals = read_approvals(signed.approvals) if signed.approvals else []
    verify_signer(signed, anchors, EKU_TOKEN)
    if approvals:
        verify_approvals(carried_approvals, signed.content, approvals, anchors)
    if proof:
        require(carried_proof, "CS-3011", "no inclusion proof")
        verify_proof(carried_proof, signed.digest.hex(), anchors)
    refuse_unenforced(body)
    return body


def read_approvals(der):
    """Section 18, what holds without anchors."""
    outer = Reader(der, what="approvals")
    octets = list(outer.members(0x30).rest())
    outer.end()
    found = [(signed, read_approval(signed)) for signed in map(SignedObject, octets[:9])]
    require(1 <= len(octets) <= 8, "CS-1209", "number of approvals")
    return found


def read_approval(signed):
    require(signed.content_type == CONTENT_APPROVAL, "CS-1005", "not an approval")
    body = read_body(Approval, signed.content)
    require(good_extensions(body.get("extensions")), "CS-1209", "extensions")
    return body


def verify_approvals(approvals, token_body, needed, anchors):
    persons = []
    for signed, body in approvals:
        require(body["token"] == hashlib.sha256(token_body).hexdigest(), "CS-3014", "approves another token")
        verify_signer(signed, anchors, EKU_APPROVAL)
        refuse_critical(body)
        key, subject = signed.signer.spki, signed.signer.subject.dump()
        if not any(key == one or subject == two for one, two in persons):
            persons.append((key, subject))
    require(len(persons) >= needed, "CS-3013", "too few persons")


def read_proof(der):
    proof = read_body(InclusionProof, der)
    entry = proof["entry"]
    require(entry["version"] == 1 and 1 <= entry["number"] < 2**63 and len(proof["path"]) <= 63, "CS-1208", "limits")
    return proof


def verify_proof(proof, digest, anchors):
    """Section 17."""
    entry = proof["entry"]
    require(entry.get("token") == digest, "CS-3012", "the entry issues another token")
    signed = SignedObject(bytes.fromhex(proof["head"]))
    require(signed.content_type == CONTENT_TREE_HEAD, "CS-1005", "not a tree head")
    head = read_body(TreeHead, signed.content)
    require(1 <= head["size"] < 2**63 and parse_time(head["time"]) == signed.signing_time, "CS-1208", "limits")
    verify_signer(signed, anchors, EKU_LEDGER)
    refuse_critical(head)
    node = hashlib.sha256(b"\x00" + from_json(LedgerEntry, entry).dump()).digest()
    place, last = entry["number"] - 1, head["size"] - 1
    require(place <= last, "CS-3012", "beyond the tree")
    for other in map(bytes.fromhex, proof["path"]):
        require(last, "CS-3012", "the path is too long")
        if place % 2 or place == last:
            node = hashlib.sha256(b"\x01" + other + node).digest()
            while place and not place % 2:
                place, last = place >> 1, last >> 1
        else:
            node = hashlib.sha256(b"\x01" + node + other).digest()
        place, last = place >> 1, last >> 1
    require(not last and node.hex() == head["root"], "CS-3012", "not the signed root")


def verify_record(signed, anchors, **demands):
    require(signed.content_type == CONTENT_CHALLENGE, "CS-1005", "not a record")
    challenge = read_challenge(signed.content)
    inner = SignedObject(signed.token)
    require(inner.digest.hex() == challenge["token_digest"], "CS-1203", "another token")
    token = verify_token(inner, anchors, **demands)
    grant = next((one for one in token["grants"] if one["number"] == challenge["grant"]), None)
    require(grant, "CS-3003", "no such grant")
    at = parse_time(challenge["time"])
    authority = {one.spki for one in [*anchors, inner.signer, *inner.others]}
    needed = admit(grant, signed.signer, signed.others, challenge["slot"], at, authority)
    require(needed == len(signed.others), "CS-1105", "needless certificates")
    signed.verify(at)
    refuse_critical(challenge)
    require(abs(at - signed.signing_time) <= TOLERANCE, "CS-3203", "times disagree")
    require(at + TOLERANCE >= inner.signing_time, "CS-3204", "before the token")
    check_window(token, at)
    check_listed(token, challenge["machine"])
    check_virtual(token, challenge)
    check_lists(token, challenge.get("lists", []), at)
    return challenge, token, inner


def check_lists(token, used, at):
    """Section 14.3, freeze: how recent a token list the token asks for."""
    terms = token.get("lists")
    if terms is None:
        return
    used = [one for one in used if one["kind"] == "token-list"]
    require(used, "CS-3303", "no token list")
    age = timedelta(seconds=terms.get("max_age", CENTURY))
    recent = [one["number"] >= terms.get("oldest_number", 0) and parse_time(one["this_update"]) + age >= at
              for one in used]
    require(any(recent), "CS-3304", "token list too old")


def admit(grant, holder, others, slot, at, authority):
    """How many of the other certificates the holder needs; none here may have a key of the token authority."""
    require(slot == "signature" or grant["authentication_slot"], "CS-3007", "slot 9A")
    for certificate in [holder, *others]:
        require(not NOT_FOR_HOLDERS & set(certificate.usages or []), "CS-3002", "role")
    (kind, value), = grant["anchor"].items()
    octets = bytes.fromhex(value)
    if kind == "certificate":
        anchor = Certificate(octets)
    else:
        with_key = (one for one in others if hashlib.sha256(one.spki).digest() == octets)
        anchor = next(filter(is_self_signed, with_key), None)
        require(anchor, "CS-3005", "the anchor's certificate, signed by itself, is not there")
    require(not authority & {one.spki for one in [holder, *others, anchor]}, "CS-3002", "a key of the token authority")
    issuers, _ = find_path(holder, others, [anchor], at)
    require(not (grant["direct_issuer"] and issuers), "CS-3006", "not directly issued")
    for criterion in grant.get("criteria", []):
        require(meets(criterion, holder, issuers), "CS-3004", str(criterion))
    return len(issuers) + (kind == "key_digest")


def meets(criterion, holder, issuers):
    (kind, wanted), = criterion.items()
    if kind == "policy":
        return wanted in valid_policies(holder, issuers) - {ANY_POLICY}
    if kind == "extended_key_usage":
        return wanted in (holder.usages or [])
    if kind == "certificate":
        return holder.digest.hex() == wanted
    pattern = ".*".join(re.escape(piece) for piece in wanted["pattern"].split("*"))
    if kind == "subject":
        texts = [pair["value"].native for rdn in holder.subject.chosen for pair in rdn
                 if pair["type"].dotted == wanted["attribute"]]
        return any(re.fullmatch(pattern, text, re.S) for text in texts)
    return any(re.fullmatch(pattern, text, re.S | re.I | re.A) for text in alternative_names(holder, wanted["form"]))


def alternative_names(holder, form):
    for name in holder.extension("2.5.29.17", list) or []:
        if form == "user-principal-name" and name.name == "other_name" and name.chosen["type_id"].dotted == UPN:
            yield name.chosen["value"].native
        elif form != "user-principal-name" and name.name == {"uri": "uniform_resource_identifier"}.get(
                form, form.replace("-", "_")):
            yield name.chosen.native


def component_digests(binding, machine):
    """Section 4.6, for a machine given as {kind: [values]}."""
    salt, found = bytes.fromhex(binding["salt"]), []
    lower = {ord(letter): letter.lower() for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
    for rule in binding["components"]:
        values = {value.strip().translate(lower) for value in machine.get(rule["kind"], []) if value.strip()}
        octet = bytes([KINDS[rule["kind"]]])
        digests = sorted(hmac.new(salt, octet + value.encode(), "sha256").hexdigest() for value in values)
        if digests:
            found.append({"kind": rule["kind"], "digests": digests[:16]})
    return found


def compare(binding, recorded, present):
    """Section 8.4: `same`, `other` or `cannot tell`."""
    one, two = ({c["kind"]: set(c["digests"]) for c in side} for side in (recorded, present))
    matching = missing = differing = 0
    mandatory_differs, mandatory_match = False, True
    for rule in binding["components"]:
        left, right = one.get(rule["kind"]), two.get(rule["kind"])
        matches = bool(left and right and left & right)
        differs = bool(left and right) and not matches
        matching, differing, missing = matching + matches, differing + differs, missing + bool(left and not right)
        mandatory_differs |= rule["mandatory"] and differs
        mandatory_match &= not rule["mandatory"] or matches
    if mandatory_differs or (differing and matching + missing < binding["required"]):
        return "other"
    return "same" if mandatory_match and matching >= binding["required"] else "cannot tell"


def check_window(token, at):
    require(at >= parse_time(token["window"]["not_before"]), "CS-3205", "window not open")
    require(at <= parse_time(token["window"]["not_after"]), "CS-3206", "window closed")


def check_listed(token, present):
    machines = token["binding"].get("machines")
    if machines is not None:
        results = [compare(token["binding"], machine["components"], present) for machine in machines]
        require("same" in results or "cannot tell" not in results, "CS-4003", "too few components")
        require("same" in results, "CS-4002", "machine not listed")


def check_product(token, facts):
    terms = token["product"]
    require(terms["id"] == facts["product"], "CS-3101", "other product")
    stated = facts.get("edition")
    require(None in (terms.get("edition"), stated) or terms["edition"] == stated, "CS-3102", "other edition")
    if "from" in terms or "below" in terms:
        require(facts.get("version"), "CS-3104", "version not stated")
        version = tuple(int(part) for part in (facts["version"] + ".0.0").split(".")[:3])
        require("from" not in terms or version >= version_tuple(terms["from"]), "CS-3103", "version")
        require("below" not in terms or version < version_tuple(terms["below"]), "CS-3103", "version")


def check_clock(facts, *passed):
    require(facts.get("now"), "CS-3201", "no clock")
    floor = max([*passed, *([facts["seen"]] if facts.get("seen") else [])])
    require(facts["now"] + TOLERANCE >= floor, "CS-3202", "clock behind")


def check_virtual(token, facts):
    allowed = token["binding"]["virtual_machines"] or not facts.get("virtualization")
    require(allowed, "CS-4004", "virtual machine")


def check_same(result):
    require(result != "other", "CS-4001", "another machine")
    require(result == "same", "CS-4003", "too few components")


def check_enough(binding, present):
    kinds = {component["kind"] for component in present}
    mandatory = {rule["kind"] for rule in binding["components"] if rule["mandatory"]}
    enough = len(kinds) >= binding["required"] and mandatory <= kinds
    require(enough, "CS-4003", "too few components to be recognised again")


def check_activation(token, issued, facts):
    """The end of section 8.3: whether this machine could be activated now."""
    binding = token["binding"]
    present = component_digests(binding, facts["machine"])
    check_product(token, facts)
    check_clock(facts, issued)
    check_window(token, facts["now"])
    check_virtual(token, facts)
    check_enough(binding, present)
    check_listed(token, present)


def judge_record(signed, anchors, facts, **demands):
    """Sections 8.2 and 8.3; returns CS-0001 or CS-0002 or refuses."""
    challenge, token, inner = verify_record(signed, anchors, **demands)
    binding, activated, now = token["binding"], parse_time(challenge["time"]), facts.get("now")
    check_product(token, facts)
    check_same(compare(binding, challenge["machine"], component_digests(binding, facts["machine"])))
    check_virtual(token, facts)
    check_clock(facts, activated, inner.signing_time)
    elapsed, terms = (now - activated).total_seconds(), token["terms"]
    require("validity" not in terms or elapsed <= terms["validity"], "CS-3207", "expired")
    return "CS-0002" if "renew_after" in terms and elapsed >= terms["renew_after"] else "CS-0001"


def describe(signed):
    """Section 12, an object as a whole."""
    kind, name = signed.algorithm
    token = signed.content_type == CONTENT_TOKEN
    shown = {
        "type": "activation-token" if token else "activation-record",
        "digest": signed.digest.hex(),
        "algorithm": kind if kind == "ed25519" or name in kind else f"{kind}-{name}",
        "signing_time": show(signed.signing_time),
        "signer": signed.signer.digest.hex(),
        "certificates": [one.digest.hex() for one in signed.others],
        "body": (read_token if token else read_challenge)(signed.content),
    }
    if not token:
        shown["token"] = describe(SignedObject(signed.token))
    return shown
