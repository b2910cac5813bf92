"""Run with `python -m unittest` in this folder, by the interpreter that venv.sh prints.

The fixtures come from the Rust implementation. Each vector must get the same code here as there.
"""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import countersign_format as fmt
import countersign_py

HERE = Path(__file__).resolve().parent
FIXTURES = HERE.parents[1] / "fixtures" / "format"
VECTORS = 439

# Where the two implementations tell different codes, both of which the page allows, and why.
DIVERGENT = {
    "anchor-unknown-form": ("CS-1003", "an unknown alternative of a CHOICE: section 10 allows either code"),
}


def anchors():
    return countersign_py.anchors_of(FIXTURES / "anchors.pem")


def signed(name):
    return fmt.SignedObject(fmt.decode_object((FIXTURES / name).read_bytes()))


def refusal(verify, *arguments):
    try:
        verify(*arguments)
    except fmt.Refused as refused:
        return refused.code
    return None


class Vector:
    def __init__(self, path):
        head, body = path.read_bytes().split(b"\n\n", 1)
        self.facts = {"machine": {}}
        for line in head.decode().splitlines():
            key, value = line.split(": ", 1)
            if key == "component":
                kind, values = value.split(" = ")
                self.facts["machine"][kind] = values.split(", ")
            else:
                self.facts[key] = fmt.parse_time(value) if key in ("now", "seen") else value
        hexadecimal = self.facts["encoding"] == "hex"
        self.file = bytes.fromhex(body.decode().replace("\n", "")) if hexadecimal else body

    def judge(self):
        known = anchors() if self.facts["anchors"] != "none" else []
        kind, _, number = self.facts.get("demand", "").partition(" ")
        demanded = {"proof": kind == "inclusion-proof", "approvals": int(number or 0)}
        try:
            signed = fmt.SignedObject(fmt.decode_object(self.file))
            if self.facts["object"] == "record":
                return fmt.judge_record(signed, known, self.facts, **demanded)
            token = fmt.verify_token(signed, known, **demanded)
            if self.facts["object"] == "activation":
                fmt.check_activation(token, signed.signing_time, self.facts)
            return "CS-0001"
        except fmt.Refused as refused:
            return refused.code


class RustObjects(unittest.TestCase):
    def test_token_verifies_and_reads_field_by_field(self):
        body = fmt.verify_token(signed("token.pem"), anchors())
        self.assertEqual(body, json.loads((FIXTURES / "token-body.json").read_text()))
        self.assertEqual(fmt.from_json(fmt.Token, body).dump(), signed("token.pem").content)

    def test_record_verifies(self):
        challenge, token, _ = fmt.verify_record(signed("record.pem"), anchors())
        self.assertEqual(challenge["work_order"], "WO-1047")
        self.assertEqual(token["product"]["id"], "control-room")
        der = (FIXTURES / "challenge.der").read_bytes()
        self.assertEqual(fmt.from_json(fmt.Challenge, challenge).dump(), der)

    def test_challenge_can_be_computed(self):
        machine = {
            "disk-serial": [" WD-WX11A1234567", "s3z8nb0k123456\n"],
            "machine-id": ["5b3f0c1f8d6a4f0e9f0b6c2d1e3a4b5c"],
            "network-address": ["02:00:5E:10:00:01"],
        }
        challenge, token, _ = fmt.verify_record(signed("record.pem"), anchors())
        self.assertEqual(fmt.component_digests(token["binding"], machine), challenge["machine"])

    def test_a_changed_octet_is_refused(self):
        for name, verify in (("token.pem", fmt.verify_token), ("record.pem", fmt.verify_record)):
            der, refused = signed(name).der, 0
            for at in range(len(der)):
                changed = der[:at] + bytes([der[at] ^ 1]) + der[at + 1:]
                with self.assertRaises(fmt.Refused, msg=f"{name} octet {at}"):
                    verify(fmt.SignedObject(changed), anchors())
                refused += 1
            self.assertEqual(refused, len(der))

    def test_a_token_larger_than_allowed_is_refused(self):
        self.assertEqual(fmt.MAX_TOKEN, 917_504)
        token = signed("token.pem")
        for limit, code in ((len(token.der), None), (len(token.der) - 1, "CS-1001")):
            with mock.patch.object(fmt, "MAX_TOKEN", limit):
                self.assertEqual(refusal(fmt.verify_token, token, anchors()), code)
                self.assertEqual(refusal(fmt.verify_record, signed("record.pem"), anchors()), code)

    def test_every_vector_gets_the_code_it_names(self):
        paths = sorted((FIXTURES / "vectors").glob("*.txt"))
        for path in paths:
            with self.subTest(path.stem):
                vector = Vector(path)
                expected = DIVERGENT.get(path.stem, (vector.facts["expect"],))[0]
                self.assertEqual(vector.judge(), expected)
        self.assertEqual(len(paths), VECTORS)


class PythonObjects(unittest.TestCase):
    def run_cli(self, *arguments):
        command = [sys.executable, str(HERE / "countersign_py.py"), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def test_a_token_made_here_reads_back(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            self.assertEqual(self.run_cli("found", folder).returncode, 0)
            body = FIXTURES / "token-body.json"
            for signer in countersign_py.SIGNERS:
                out = folder / "token.pem"
                made = self.run_cli("issue", "--dir", folder, "--signer", signer, "--json", body, "--out", out)
                self.assertEqual(made.returncode, 0, made.stderr)
                shown = self.run_cli("read", out, "--anchors", folder / "anchors.pem", "--json")
                self.assertEqual(shown.returncode, 0, shown.stderr)
                self.assertEqual(json.loads(shown.stdout)["body"], json.loads(body.read_text()))
                other = self.run_cli("read", out, "--anchors", FIXTURES / "anchors.pem")
                self.assertEqual(other.returncode, 1)
                self.assertIn("CS-2006", other.stderr)

    def test_a_record_is_shown_with_its_token(self):
        shown = self.run_cli("record", "read", FIXTURES / "record.pem", "--anchors", FIXTURES / "anchors.pem", "--json")
        self.assertEqual(shown.returncode, 0, shown.stderr)
        shown = json.loads(shown.stdout)
        self.assertEqual(shown["token"]["digest"], shown["body"]["token_digest"])


if __name__ == "__main__":
    unittest.main()
