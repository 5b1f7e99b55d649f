# SPDX-License-Identifier: Apache-2.0
"""proof.py - what can be checked without a broker: hashes, signatures, trees, checkpoints

    proof.py FILE     this code against proto/vectors.json

The numbers (#6) are those of the rules in proto/README.md."""
import base64
import hashlib
import json
import struct
import sys

from chancery.core.v1 import envelope_pb2, registry_pb2
from google.protobuf import json_format
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey


class Failure(Exception):
    """A stable code, and a text that says what is wrong and what to do."""

    def __init__(self, code, text, status=1):
        super().__init__(f"{code}: {text}")
        self.code, self.status = code, status


def insist(true, what):
    if not true:
        raise Failure("not.verified", f"{what}; do not use it, and tell the log's administrator")


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def root_of(leaves):
    if len(leaves) == 1:
        return leaves[0]
    k = 1 << (len(leaves) - 1).bit_length() - 1  # the largest power of two below
    return sha256(b"\1", root_of(leaves[:k]), root_of(leaves[k:]))


def path_of(i, leaves):
    if len(leaves) == 1:
        return []
    k = 1 << (len(leaves) - 1).bit_length() - 1
    if i < k:
        return path_of(i, leaves[:k]) + [root_of(leaves[k:])]
    return path_of(i - k, leaves[k:]) + [root_of(leaves[:k])]


def climb(i, size, node, path):
    """The root that a path leads to; its length has to fit (RFC 9162 section 2.1.3.2)."""
    last = size - 1
    insist(0 <= i <= last, "the leaf lies outside of the tree")
    for step in path:
        insist(last > 0, "the path is too long")
        if i & 1 or i == last:
            node = sha256(b"\1", step, node)
            while i and not i & 1:
                i, last = i >> 1, last >> 1
        else:
            node = sha256(b"\1", node, step)
        i, last = i >> 1, last >> 1
    insist(last == 0, "the path is too short")
    return node


def sign(signer, envelopes, salts):
    """The SignedEvents of a batch, one signature for all of them."""
    leaves = [sha256(b"\0", salt, e) for salt, e in zip(salts, envelopes)]
    signature = signer.sign(b"chancery-event-v1\0" + root_of(leaves)).signature
    return [envelope_pb2.SignedEvent(
        envelope=e, key_id=sha256(bytes(signer.verify_key))[:8], salt=salts[i],
        signature=signature, leaf_index=i, tree_size=len(leaves),
        path=path_of(i, leaves)).SerializeToString() for i, e in enumerate(envelopes)]


def verify(public_key, text, signature, what):
    try:
        VerifyKey(public_key).verify(text, signature)
    except BadSignatureError:
        insist(False, what)


def check_signature(event, public_key):
    leaf = sha256(b"\0", event.salt, event.envelope)
    root = climb(event.leaf_index, event.tree_size, leaf, event.path)
    verify(public_key, b"chancery-event-v1\0" + root, event.signature,
           "the signature does not fit the event")


def log_entry(position, received, event):
    return b"\1" + struct.pack(">QQ", position, received) + sha256(event)


def log_leaf(position, received, event):
    return sha256(b"\0", log_entry(position, received, event))


def check_receipt(log, entries, signature, public_key):
    verify(public_key, b"chancery-receipt-v1\0" + sha256(log.encode()) + sha256(*entries), signature,
           "the broker's receipt is not signed by it")


def open_checkpoint(note, vkey):
    """Size and root that the log's key signed."""
    name, key_hash, key = vkey.split("+", 2)
    text, _, lines = note.rpartition("\n\n")
    for _, signer, signed in (line.split(" ") for line in lines.splitlines()):
        signed = base64.b64decode(signed)
        if signer == name and signed[:4].hex() == key_hash:
            verify(base64.b64decode(key)[1:], f"{text}\n".encode(), signed[4:],
                   "the checkpoint's signature is not that of log.vkey")
            origin, size, root = text.splitlines()[:3]
            insist(origin == name, "the checkpoint is another log's")
            return int(size), base64.b64decode(root)
    insist(False, "the checkpoint is not signed by log.vkey")


def open_record(record):
    """SignedEvent and Envelope of a record whose payload is the one that was signed."""
    event = envelope_pb2.SignedEvent.FromString(record.event)
    envelope = envelope_pb2.Envelope.FromString(event.envelope)
    insist((envelope.payload_size, envelope.payload_hash) ==
           (len(record.payload), sha256(record.payload)), "the payload is not the one signed")
    return event, envelope


class Registry:
    """What its events come to (#7): {key id: (seat, public key, position)}, and the office of each seat."""

    def __init__(self):
        self.keys, self.offices, self.standing, self.roles = {}, {}, {}, {}
        self.quorum, self.waiting, self.founder = 1, {}, ""

    def found(self, founded):
        self.founder = founded.administrator
        self.add(founded.administrator, founded.administrator_key, 1)

    def add(self, seat, public_key, position):
        self.keys[sha256(public_key)[:8]] = (seat, public_key, position)

    def of_administrators(self, office):
        return "administrator" in self.roles.get(office, ())

    def administers(self, seat):
        if seat not in self.offices:
            return seat == self.founder
        return seat not in self.standing and self.of_administrators(self.offices[seat])

    def waits(self, signer, kind, body):
        """The quorum signs what touches the whole: as far as it concerns seats, keys and their offices."""
        if self.quorum == 1:
            return False
        if kind in ("KeyAdded", "KeyRevoked", "KeyRotated", "SeatStanding"):
            if body.seat in self.offices:
                return body.seat != signer and self.of_administrators(self.offices[body.seat])
            return ("SeatAdmitted", body.seat) in [(k, getattr(b, "seat", "")) for k, b, _ in self.waiting.values()]
        return (kind in ("OfficeAdded", "OfficeChanged", "QuorumSet") or
                (kind == "SeatAdmitted" and self.of_administrators(body.office)))

    def take(self, position, signer, kind, body):
        if self.waits(signer, kind, body):
            self.waiting[position] = (kind, body, [signer])
        elif kind == "ActWithdrawn":
            self.waiting.pop(body.position, None)
        elif kind == "ActConfirmed" and body.position in self.waiting:
            act, of, signers = self.waiting[body.position]
            signers.append(signer)
            if sum(self.administers(seat) for seat in signers) >= self.quorum:
                del self.waiting[body.position]
                self.apply(position, act, of)
        else:
            self.apply(position, kind, body)

    def apply(self, position, kind, body):
        if kind in ("OfficeAdded", "OfficeChanged"):
            self.roles[body.office] = set(body.roles)
        elif kind == "QuorumSet":
            self.quorum = body.administrators
        elif kind == "SeatAdmitted":
            self.offices[body.seat] = body.office
        elif kind == "KeyAdded" and body.kind == registry_pb2.KEY_KIND_ED25519:
            self.add(body.seat, body.public_key, position)
        elif kind == "KeyRevoked":
            self.keys.pop(body.key_id, None)
        elif kind == "KeyRotated" and self.keys.pop(body.key_id, None):
            self.add(body.seat, body.public_key, position)
        elif kind == "SeatStanding":
            self.standing.pop(body.seat, None)
            if body.standing != registry_pb2.STANDING_SEATED:
                self.standing[body.seat] = body.standing
            if body.standing == registry_pb2.STANDING_REVOKED:
                self.keys = {k: v for k, v in self.keys.items() if v[0] != body.seat}


def vectors(file):
    with open(file) as f:
        v = json.load(f)
    signer = SigningKey(bytes.fromhex(v["seat_key"]["seed"]))
    rows = v["batch"]["events"]
    events = [bytes.fromhex(row["event"]) for row in rows]
    for row in rows:
        fields = json_format.ParseDict(row["fields"], envelope_pb2.Envelope())
        insist(fields.SerializeToString().hex() == row["envelope"], "an envelope's bytes")
    insist(sign(signer, [bytes.fromhex(row["envelope"]) for row in rows],
                [bytes.fromhex(row["salt"]) for row in rows]) == events, "a batch, signed")
    for event in events + [bytes.fromhex(v["alone"])]:
        check_signature(envelope_pb2.SignedEvent.FromString(event), bytes(signer.verify_key))
    leaves = [log_leaf(row["position"], row["received"], event)
              for row, event in zip(v["log"]["leaves"], events)]
    insist([leaf.hex() for leaf in leaves] == [row["leaf"] for row in v["log"]["leaves"]], "leaves")
    checkpoint = open_checkpoint(v["log"]["checkpoint"], v["log"]["vkey"])
    insist(checkpoint == (len(leaves), root_of(leaves)), "the checkpoint")
    insist(root_of(leaves).hex() == v["log"]["root"], "the log's root")
    print(f"vectors: {len(events) + 1} events, {len(leaves)} leaves and a checkpoint agree")


if __name__ == "__main__":
    vectors(sys.argv[1])
