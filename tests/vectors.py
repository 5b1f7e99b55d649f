#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks proto/vectors.json with none of the project's code: hashlib, PyNaCl's Ed25519, and a
protobuf decoder of its own that reads field numbers from the .proto text."""
import base64
import hashlib
import json
import os
import re
import struct
import sys

try:
    import nacl.exceptions
    import nacl.signing
except ImportError:
    print("skipped: needs python3-nacl")
    sys.exit(77)

VARINT = {"uint64", "int64", "uint32", "int32", "bool"}


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def schema(text):
    """{message: {number: (repeated, type, name)}}, {enum: {number: name}}"""
    text = re.sub(r"//[^\n]*", "", text)
    messages, enums = {}, {}
    for kind, name, body in re.findall(r"\b(message|enum) (\w+) \{(.*?)\n\}", text, re.S):
        if kind == "enum":
            enums[name] = {int(n): k for k, n in re.findall(r"(\w+) = (\d+)", body)}
        else:
            found = re.findall(r"(repeated )?(\w+) (\w+) = (\d+)", body)
            messages[name] = {int(n): (bool(r), t, k) for r, t, k, n in found}
    return messages, enums


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def camel(name):
    return re.sub(r"_(\w)", lambda m: m.group(1).upper(), name)


class Decoder:
    def __init__(self, text):
        self.messages, self.enums = schema(text)

    def value(self, kind, raw):
        if kind == "string":
            return raw.decode()
        if kind == "bytes":
            return base64.b64encode(raw).decode()
        if kind in self.messages:
            return self.message(kind, raw)
        if kind == "bool":
            return bool(raw)
        if kind in self.enums:
            return self.enums[kind][raw]
        return str(raw) if kind.endswith("64") else raw

    def message(self, name, data):
        """ProtoJSON, as far as these examples need it."""
        out, at = {}, 0
        while at < len(data):
            tag, at = varint(data, at)
            repeated, kind, field = self.messages[name][tag >> 3]
            packed = repeated and (kind in VARINT or kind in self.enums) and tag & 7 == 2
            if tag & 7 == 0:
                raw, at = varint(data, at)
            else:
                assert tag & 7 == 2, "wire type"
                size, at = varint(data, at)
                raw, at = data[at:at + size], at + size
                assert len(raw) == size, "length"
            if packed:
                items, k = [], 0
                while k < len(raw):
                    item, k = varint(raw, k)
                    items.append(self.value(kind, item))
                out.setdefault(camel(field), []).extend(items)
            elif repeated:
                out.setdefault(camel(field), []).append(self.value(kind, raw))
            else:
                assert camel(field) not in out, "twice"
                out[camel(field)] = self.value(kind, raw)
        return out


def climb(index, size, leaf, path):
    """The root by RFC 9162 section 2.1.3.2."""
    fn, sn, r = index, size - 1, leaf
    for p in path:
        assert sn > 0, "path too long"
        if fn & 1 or fn == sn:
            r = sha(b"\1", p, r)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = sha(b"\1", r, p)
        fn, sn = fn >> 1, sn >> 1
    assert sn == 0, "path too short"
    return r


def verify(public_key, message, signature):
    nacl.signing.VerifyKey(public_key).verify(message, signature)
    try:
        nacl.signing.VerifyKey(public_key).verify(message + b"x", signature)
    except nacl.exceptions.BadSignatureError:
        return
    raise AssertionError("a signature that fits everything")


def check_key(key):
    pair = nacl.signing.SigningKey(bytes.fromhex(key["seed"]))
    public_key = bytes(pair.verify_key)
    assert public_key.hex() == key["public_key"]
    assert sha(public_key)[:8].hex() == key["key_id"]
    return pair, public_key


def check_event(decoder, hexa, envelope, root, pair, index, size):
    """One SignedEvent: decoded, its path climbed, its signature verified and made again."""
    event = decoder.message("SignedEvent", bytes.fromhex(hexa))
    raw = {k: base64.b64decode(event[k]) for k in ("envelope", "keyId", "salt", "signature")}
    assert raw["envelope"] == envelope
    assert raw["keyId"] == sha(bytes(pair.verify_key))[:8]
    assert (event.get("leafIndex", 0), event["treeSize"]) == (index, size)
    leaf = sha(b"\0", raw["salt"], envelope)
    path = [base64.b64decode(p) for p in event.get("path", [])]
    assert climb(index, size, leaf, path) == root
    text = b"chancery-event-v1\0" + root
    verify(bytes(pair.verify_key), text, raw["signature"])
    assert pair.sign(text).signature == raw["signature"]
    return raw["salt"], leaf, path


def check_batch(decoder, vectors, pair):
    rows = vectors["batch"]["events"]
    root = bytes.fromhex(vectors["batch"]["root"])
    previous = b""
    for i, row in enumerate(rows):
        envelope, payload = bytes.fromhex(row["envelope"]), row["payload"].encode()
        fields = decoder.message("Envelope", envelope)
        assert fields == row["fields"], (fields, row["fields"])
        assert base64.b64decode(fields["payloadHash"]) == sha(payload)
        assert fields["payloadSize"] == len(payload)
        assert int(fields["seatSeq"]) == i + 1
        assert base64.b64decode(fields.get("previous", "")) == previous
        previous = sha(envelope)
        assert previous.hex() == row["envelope_hash"]
        identity = base64.b64decode(fields["id"])
        assert identity[6] >> 4 == 7 and identity[8] >> 6 == 2
        assert int.from_bytes(identity[:6], "big") == int(fields["created"]) // 1000
        salt, leaf, path = check_event(decoder, row["event"], envelope, root, pair, i, len(rows))
        assert (salt.hex(), leaf.hex()) == (row["salt"], row["leaf"])
        assert [p.hex() for p in path] == row["path"]
    first = bytes.fromhex(rows[0]["envelope"])
    alone = sha(b"\0", bytes.fromhex(rows[0]["salt"]), first)
    check_event(decoder, vectors["alone"], first, alone, pair, 0, 1)


def tree_root(leaves):
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return sha(b"\1", tree_root(leaves[:k]), tree_root(leaves[k:]))


def check_log(vectors, pair):
    log, leaves = vectors["log"], []
    for row, event in zip(log["leaves"], vectors["batch"]["events"], strict=True):
        entry = b"\1" + struct.pack(">QQ", row["position"], row["received"]) + sha(
            bytes.fromhex(event["event"]))
        assert len(entry) == 49
        leaves.append(sha(b"\0", entry))
        assert leaves[-1].hex() == row["leaf"]
    root = tree_root(leaves)
    assert root.hex() == log["root"]

    public_key = bytes(pair.verify_key)
    text, signatures = log["checkpoint"].split("\n\n")
    text += "\n"
    name, size, encoded = text.splitlines()
    assert (int(size), base64.b64decode(encoded)) == (len(leaves), root)
    key_hash = sha(name.encode() + b"\n\1" + public_key)[:4]
    assert log["vkey"] == f"{name}+{key_hash.hex()}+{base64.b64encode(bytes([1]) + public_key).decode()}"
    match = re.fullmatch("\u2014 (\\S+) (\\S+)\n", signatures)
    raw = base64.b64decode(match.group(2))
    assert match.group(1) == name and raw[:4] == key_hash
    verify(public_key, text.encode(), raw[4:])


def check_answer_ids(vectors):
    for row in vectors["answer_ids"]:
        raw = row["cause"].to_bytes(6, "big") + bytes([0x80, 0, 0x80, 0, 0, 0]) + row[
            "ordinal"].to_bytes(4, "big")
        assert raw.hex() == row["id"].replace("-", "")


def check_delegation(decoder, vectors, pair):
    row = vectors["delegation"]
    text = bytes.fromhex(row["text"])
    assert decoder.message("Delegation", text) == row["fields"], row["fields"]
    signed = decoder.message("SignedDelegation", bytes.fromhex(row["signed"]))
    raw = {k: base64.b64decode(v) for k, v in signed.items()}
    assert raw["delegation"] == text and raw["keyId"] == sha(bytes(pair.verify_key))[:8]
    verify(bytes(pair.verify_key), b"chancery-delegation-v1\0" + text, raw["signature"])
    assert pair.sign(b"chancery-delegation-v1\0" + text).signature == raw["signature"]


def main():
    path = sys.argv[1]
    with open(path, encoding="utf-8") as f:
        vectors = json.load(f)
    text = ""
    for name in ("envelope", "registry", "frames"):
        with open(os.path.join(os.path.dirname(path), f"chancery/core/v1/{name}.proto"), encoding="utf-8") as f:
            text += f.read()
    decoder = Decoder(text)
    pair, _ = check_key(vectors["seat_key"])
    check_batch(decoder, vectors, pair)
    check_log(vectors, check_key(vectors["log_key"])[0])
    check_answer_ids(vectors)
    check_delegation(decoder, vectors, pair)
    print("vectors.json: ok")


if __name__ == "__main__":
    main()
