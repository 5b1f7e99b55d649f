#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""client.py - a whole client: publish signed events, read and verify, follow, ask

    client.py DIR publish STREAM TYPE JSON...   one signed batch; payloads as proto3 JSON
    client.py DIR read POSITION                 an event, verified from its signature to the checkpoint
    client.py DIR follow STREAM FROM COUNT      COUNT events as they come, beginning at position FROM
    client.py DIR ask REFERENCE                 what the UN list says of a party

DIR holds chancery.conf, log.vkey and keys/SEAT.key (../README.md); what protoc makes of proto/ is
found on PYTHONPATH.  The numbers (#1) are those of the rules in proto/README.md.
Exit codes: 0 done, 1 refused or not as it should be, 2 usage, 3 unreachable."""
import configparser
import os
import secrets
import struct
import sys
import time

import zmq
from chancery.core.v1 import envelope_pb2, frames_pb2
from chancery.core.v1 import answers_pb2, registry_pb2, transcripts_pb2  # noqa: F401 (payloads are found by name)
from chancery.embargo.v1 import embargo_pb2
from google.protobuf import json_format, symbol_database
from nacl.signing import SigningKey
from proof import Failure, Registry, check_receipt, check_signature, climb, insist, log_entry
from proof import log_leaf, open_checkpoint, open_record, sha256, sign

PATIENCE, TRIES = 2, 15  # seconds for an answer, and how often a request is said
CREDIT_EVENTS, CREDIT_BYTES = 64, 1 << 20


def message(type_name, data=b""):
    return symbol_database.Default().GetSymbol(type_name).FromString(data)


# ---- the session (#1, #2) ----

class Client:
    """One thing at a time: what comes for another request or reading is dropped."""

    def __init__(self, directory):
        conf = configparser.ConfigParser(interpolation=None)
        conf.read(os.path.join(directory, "chancery.conf"))
        path = os.path.join(directory, "keys", conf["terminal"]["seat"] + ".key")
        if os.stat(path).st_mode & 0o77:
            raise Failure("file.mode", f"others can read this secret; run: chmod 600 '{path}'")
        with open(path) as f:
            key = dict(line.strip().split(" = ") for line in f if not line.startswith("#"))
        with open(os.path.join(directory, "log.vkey")) as f:
            self.vkey = f.read().strip()
        self.signer = SigningKey(bytes.fromhex(key["sign-seed"]))
        self.ref, self.welcome = 0, None
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger, self.socket.heartbeat_ivl, self.socket.maxmsgsize = 0, 2000, 1 << 20
        self.socket.sndtimeo = int(PATIENCE * 1000)
        self.socket.curve_serverkey = bytes.fromhex(conf["connection"]["server-key"])
        self.socket.curve_publickey = bytes.fromhex(key["curve-public"])
        self.socket.curve_secretkey = bytes.fromhex(key["curve-secret"])
        self.socket.connect(conf["connection"]["endpoint"])

    def send(self, ref=0, **body):
        if not ref:
            ref = self.ref = self.ref + 1
        try:
            self.socket.send(frames_pb2.Frame(ref=ref, **body).SerializeToString())
        except zmq.Again:  # nobody is connected: as if it were lost, it is said again
            pass
        return ref

    def receive(self):
        """The kind of the next frame, and the frame; ("", None) when none came in time."""
        if not self.socket.poll(PATIENCE * 1000):
            return "", None
        frame = frames_pb2.Frame.FromString(self.socket.recv())
        return frame.WhichOneof("body"), frame

    def answer(self, ref):
        """The same, for the answer to one request."""
        kind, frame = self.receive()
        while frame and frame.ref != ref:
            kind, frame = self.receive()
        if kind == "refused":
            r = frame.refused
            raise Failure(r.code, f"{r.field}: {r.text}" if r.field else r.text)
        return kind, frame

    def hello(self):
        for _ in range(TRIES):
            kind, frame = self.answer(self.send(hello=frames_pb2.Hello(
                version=1, log=self.vkey.split("+")[0], software="client.py")))
            if kind == "welcome":
                self.welcome = frame.welcome
                return
        raise Failure("broker.unreachable", "no broker that knows this key answers; is it running,"
                      " and are endpoint, server-key and the registered key right?", 3)

    def call(self, **body):
        """Says it until it is answered, byte for byte the same: nothing is recorded twice (#4)."""
        if not self.welcome:
            self.hello()
        ref = self.send(**body)
        for _ in range(TRIES):
            kind, frame = self.answer(ref)
            if kind == "forgotten":
                self.hello()
            elif frame:
                return getattr(frame, kind)
            self.send(ref, **body)
        raise Failure("outcome.unknown", "no answer: it may or may not have been done; what was"
                      " published is looked up with `follow`, or the same bytes are sent again", 3)

    # ---- publishing (#3, #4, #6) ----

    def envelopes(self, stream, type_name, payloads):
        tail = self.call(get_tail=frames_pb2.GetTail(stream=stream))
        previous, now = tail.envelope_hash, time.time_ns() // 1000
        for i, payload in enumerate(payloads):
            bytes_signed = envelope_pb2.Envelope(
                log=self.welcome.log, stream=stream, type=type_name,
                id=struct.pack(">QQ", now // 1000 << 16 | 7 << 12 | i, 2 << 62 | secrets.randbits(62)),
                seat=self.welcome.seat, office=self.welcome.office,
                evidence=envelope_pb2.EVIDENCE_SIGNED, seat_seq=tail.seat_seq + 1 + i,
                previous=previous, kind=envelope_pb2.KIND_NEW, mode=self.welcome.mode, created=now,
                handling=envelope_pb2.Handling(label=envelope_pb2.LABEL_GREEN),
                payload_hash=sha256(payload), payload_size=len(payload)).SerializeToString()
            previous = sha256(bytes_signed)
            yield bytes_signed

    def publish(self, stream, type_name, payloads):
        envelopes = list(self.envelopes(stream, type_name, payloads))
        events = sign(self.signer, envelopes, [secrets.token_bytes(16) for _ in envelopes])
        recorded = self.call(publish=frames_pb2.Publish(events=[
            frames_pb2.SignedBytes(event=e, payload=p) for e, p in zip(events, payloads)]))
        entries = map(log_entry, recorded.positions, recorded.received, events)
        check_receipt(self.welcome.log, entries, recorded.signature, self.welcome.receipt_key)
        return recorded

    # ---- reading (#5) ----

    def read(self, stream, start, until=0):
        """Records as they come: credit is renewed for what was used, a lost session resumed."""
        ref = 0
        while True:
            if not ref:
                self.hello()
                ref = self.send(read=frames_pb2.Read(
                    **{"from": start}, until=until, streams=[stream] if stream else [],
                    credit_events=CREDIT_EVENTS, credit_bytes=CREDIT_BYTES))
            kind, frame = self.receive()
            if kind == "forgotten":
                ref = 0
            elif not frame:
                self.send(ping=frames_pb2.Ping())  # a broker that was restarted says Forgotten
            elif frame.ref == ref and kind == "refused":
                raise Failure(frame.refused.code, frame.refused.text)
            elif frame.ref == ref and kind == "deliver":
                for record in frame.deliver.records:
                    start = record.position + 1
                    yield record
                records = frame.deliver.records
                self.send(ref, credit=frames_pb2.Credit(
                    events=len(records), bytes=sum(len(r.event) + len(r.payload) for r in records)))
            elif frame.ref == ref and frame.caught_up.ended:
                return

    # ---- verifying (#7, #8) ----

    def keys(self, until):
        """Who signed with which key and when, and for which office: the registry, itself verified."""
        registry, last = Registry(), {}
        for record in list(self.read("registry", 1, until)):
            event, envelope = open_record(record)
            body = message(envelope.type, record.payload)
            if record.position == 1:
                self.prove(record)
                registry.found(body)
            self.check_signed(record, event, envelope, registry.keys)
            insist(envelope.seat_seq == last.get(envelope.seat, 0) + 1, "a registry event is withheld")
            last[envelope.seat] = envelope.seat_seq
            registry.take(record.position, envelope.seat, envelope.type.rpartition(".")[2], body)
        return registry.keys, registry.offices

    @staticmethod
    def check_signed(record, event, envelope, keys):
        seat, public_key, since = keys.get(event.key_id, ("", b"", 0))
        insist(seat == envelope.seat and since <= record.position, "its key is not its seat's")
        check_signature(event, public_key)

    def prove(self, record):
        """That the log has the record: the size of the signed tree that it lies in."""
        for _ in range(100):
            try:
                proof = self.call(get_proof=frames_pb2.GetProof(position=record.position))
                break
            except Failure as why:  # no checkpoint covers it yet
                if why.code != "busy":
                    raise
                time.sleep(0.1)
        size, root = open_checkpoint(proof.checkpoint.decode(), self.vkey)
        leaf = log_leaf(record.position, record.received, record.event)
        insist(climb(record.position - 1, size, leaf, proof.path) == root, "the log has another record")
        return size


# ---- the verbs ----

def shown(record):
    _, envelope = open_record(record)
    payload = json_format.MessageToJson(message(envelope.type, record.payload), indent=None,
                                        ensure_ascii=False)
    return f"{record.position} {envelope.type} {envelope.seat} {payload}"


def publish(client, stream, type_name, *payloads):
    packed = [json_format.Parse(p, message(type_name)).SerializeToString() for p in payloads]
    for position in client.publish(stream, type_name, packed).positions:
        print(f"recorded at position {position}")


def read(client, position):
    at = int(position)
    known = at <= client.call(get_head=frames_pb2.GetHead()).head  # a reading would wait for more
    for record in list(client.read("", at, at)) if known else []:
        event, envelope = open_record(record)
        keys, offices = client.keys(record.position)
        client.check_signed(record, event, envelope, keys)
        insist(offices[envelope.seat] == envelope.office, "the seat acts for another office")
        size = client.prove(record)
        print(shown(record))
        print(f"verified: signed by {envelope.seat} of {envelope.office} with key"
              f" {event.key_id.hex()}, in the tree of {size} records of {envelope.log}")
        return
    raise Failure("not.found", f"no event at position {position} that this seat may read")


def follow(client, stream, start, count):
    left = int(count)
    for record in client.read(stream, int(start)):
        print(shown(record), flush=True)
        left -= 1
        if not left:
            return


def ask(client, reference):
    question = embargo_pb2.GetParty(list="un", reference=reference)
    answer = client.call(ask=frames_pb2.Ask(
        service="embargo", type=question.DESCRIPTOR.full_name, payload=question.SerializeToString(),
        patience_ms=1000 * PATIENCE - 500))
    if answer.refused.code:
        raise Failure(answer.refused.code, answer.refused.text)
    print(json_format.MessageToJson(message(answer.type, answer.payload), ensure_ascii=False))


VERBS = {f.__name__: f for f in (publish, read, follow, ask)}


def main(words):
    try:
        if len(words) < 3 or words[1] not in VERBS:
            print(__doc__, file=sys.stderr)
            return 2
        VERBS[words[1]](Client(words[0]), *words[2:])
    except Failure as why:
        print(f"client: {why}", file=sys.stderr)
        return why.status
    except (KeyError, OSError, json_format.ParseError) as why:
        print(f"client: input.invalid: {why}; see examples/README.md", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
