# SPDX-License-Identifier: Apache-2.0
"""trust.py - who may do what: a service is founded from nothing by its verbs, and a matrix of seats, verbs, streams, types
and labels is asked and read, beside a table of rules written here by hand.

The table below knows nothing of the product: it states the rules as chancery(7) does. Readers are Python clients."""
import base64
import hashlib
import json
import os
import random
import shutil
import sys

from examples import python_client
from instance import Instance, run, wait_for

VERBS = ("publish", "read", "ask", "offer")
LABELS = ("CLEAR", "GREEN", "AMBER", "AMBER_STRICT", "RED")
STREAMS = [f"{domain}.{end}" for domain in ("alpha", "beta", "gamma", "delta", "epsilon")
           for end in ("in", "out", "feed", "wake")]
TYPES = ("chancery.core.v1.RetryInput", "chancery.embargo.v1.ConfirmSnapshot")
SEED = 20261126


# ---- the rules, once more ----

class Office:
    def __init__(self, name, roles, clearance):
        self.name, self.party, self.roles = name, name.split("/")[0], roles
        self.clearance = LABELS.index(clearance)


class Seat:
    def __init__(self, name, office):
        self.name, self.office, self.standing, self.ended = name, office, "seated", None


def fits(pattern, text):
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else pattern == text


def concerns(rule, seat):
    kind, _, name = rule["subject"].partition(":")
    return (kind == "any" or (kind == "role" and name in seat.office.roles) or
            (kind == "seat" and name == seat.name) or
            (kind == "office" and name == seat.office.name) or
            (kind == "party" and name == seat.office.party))


def may(rules, seat, verb, stream, type_name):
    """Default deny; whoever denies wins; who is not seated does nothing."""
    said = [r["effect"] for r in rules if verb in r["verbs"] and concerns(r, seat) and
            fits(r["stream"], stream) and fits(r["type"], type_name)]
    return seat.standing == "seated" and "allow" in said and "deny" not in said


def meant(recipient, seat, groups):
    kind, name = recipient
    if kind == "group":
        return any(meant(m, seat, groups) for m in groups[name])
    return name == {"party": seat.office.party, "office": seat.office.name, "seat": seat.name}[kind]


def reaches(event, seat, groups):
    """Its label lets the seat have it."""
    if event["office"] == seat.office.name:
        return True
    label = LABELS.index(event["label"])
    if label > seat.office.clearance:
        return False
    return label <= 1 or any(meant(r, seat, groups) for r in event["to"] + event["release"])


# ---- a service ----

class Service:
    """20 seats in 10 offices of 5 parties, and 24 rules drawn by chance."""

    def __init__(self):
        chance = random.Random(SEED)
        self.i = Instance()
        self.i.up()
        self.offices, self.seats, self.rules = [], [], []
        for n, party in enumerate(("QMA", "QMB", "QMC", "QMD", "QME")):
            for k, place in enumerate(("npc", "mission")):
                roles = [r for r in ("confirmer", "watcher") if chance.random() < 0.5]
                self.offices.append(Office(f"{party}/{place}", roles, LABELS[(2 * n + k) % 5]))
        self.seats = [Seat(f"{'ab'[k]}{n}", office) for n, office in enumerate(self.offices) for k in (0, 1)]
        subjects = ["any", "role:confirmer", "role:watcher", "party:QMB", "party:QMD", "office:QMC/npc",
                    "office:QMA/mission", "seat:a3", "seat:b5", "seat:a8"]
        for n in range(24):
            self.rules.append({
                "rule": f"r{n}", "effect": "deny" if n % 4 == 3 else "allow",
                "subject": chance.choice(subjects), "verbs": chance.sample(VERBS, chance.randint(1, 3)),
                "stream": chance.choice(["*", "alpha.*", "beta.*", "gamma.in", "delta.out", "e*"]),
                "type": chance.choice(["*", "chancery.core.*", TYPES[1]])})
        self.groups = {"panel@1": [("office", "QMB/npc"), ("seat", "a9")], "panel@2": [("party", "QMC")]}
        self.register()

    def register(self):
        acts = []

        def act(name, **payload):
            acts.append(json.dumps({"stream": "registry", "type": f"core.{name}", "payload": payload}))
        for party in ("QMB", "QMC", "QMD", "QME"):
            act("PartyAdded", party=party, kind="PARTY_KIND_STATE")
        for o in self.offices:
            act("OfficeAdded", office=o.name, roles=o.roles, clearance=f"LABEL_{LABELS[o.clearance]}")
        for s in self.seats:
            act("SeatAdmitted", seat=s.name, office=s.office.name, kind="SEAT_KIND_PERSON")
            for kind, key in self.keys_of(s):
                act("KeyAdded", seat=s.name, kind=kind, publicKey=key)
        for r in self.rules:
            kind, _, name = r["subject"].partition(":")
            act("AccessRule", rule=r["rule"], effect=f"EFFECT_{r['effect'].upper()}",
                subjectKind=f"SUBJECT_KIND_{kind.upper()}", subject=name,
                verbs=[f"VERB_{v.upper()}" for v in r["verbs"]], stream=r["stream"], type=r["type"])
        for reference, members in self.groups.items():
            act("GroupSet", group=reference[:-2], version=int(reference[-1]),
                members=[{"kind": f"RECIPIENT_KIND_{k.upper()}", "name": n} for k, n in members])
        results = self.i.json("event", "publish", "--ndjson", "--seat", "administrator",
                              stdin="\n".join(acts) + "\n", timeout=120)
        assert all(r["result"] == "recorded" for r in results), [r for r in results if r["result"] != "recorded"]

    def keys_of(self, seat):
        """A directory of the seat's own, for the Python client; what an administrator registers of it."""
        desk = os.path.join(self.i.root, seat.name)
        path = os.path.join(desk, "keys", f"{seat.name}.key")
        os.makedirs(os.path.dirname(path))
        self.i.check("key", "new", path, "--seat", seat.name, "--office", seat.office.name, dir=False)
        public = self.i.json("key", "show", path, dir=False)[0]
        with open(self.i.conf) as f:
            conf = f.read()
        with open(os.path.join(desk, "chancery.conf"), "w") as f:
            connection = conf[conf.index("[connection]"):].split("\n[")[0]
            f.write(connection.replace("ipc://", f"ipc://{self.i.dir}/" if "ipc://run" in connection else "ipc://")
                    + f"\n[terminal]\nseat = {seat.name}\n")
        os.symlink(os.path.join(self.i.dir, "log.vkey"), os.path.join(desk, "log.vkey"))
        for kind in ("curve", "ed25519"):
            yield f"KEY_KIND_{kind.upper()}", base64.b64encode(bytes.fromhex(public[kind])).decode()

    def process(self, name, office):
        """A seat more, of a process."""
        seat = Seat(name, next(o for o in self.offices if o.name == office))
        self.i.register("SeatAdmitted", {"seat": name, "office": office, "kind": "SEAT_KIND_PROCESS"})
        for kind, key in self.keys_of(seat):
            self.i.register("KeyAdded", {"seat": name, "kind": kind, "publicKey": key})
        return seat

    def client(self, name):
        import client  # noqa: PLC0415 (found once protoc has run)
        return client.Client(os.path.join(self.i.root, name))

    def publish(self, seat, stream, label, to=(), release=(), **members):
        """An event as it was recorded, for the table; or the code of its refusal. `members` of the envelope."""
        import client  # noqa: PLC0415
        from chancery.core.v1 import envelope_pb2 as e  # noqa: PLC0415
        c = self.client(seat.name)
        c.hello()

        def recipients(names):
            return [e.Recipient(kind=e.RecipientKind.Value(f"RECIPIENT_KIND_{k.upper()}"), name=n) for k, n in names]
        [plain] = c.envelopes(stream, TYPES[1], [b""])
        envelope = e.Envelope.FromString(plain)
        envelope.MergeFrom(e.Envelope(**members))
        envelope.handling.CopyFrom(e.Handling(label=e.Label.Value(f"LABEL_{label}"), recipients=recipients(to),
                                              release_to=recipients(release)))
        [event] = client.sign(c.signer, [envelope.SerializeToString()], [os.urandom(16)])
        try:
            recorded = c.call(publish=client.frames_pb2.Publish(events=[
                client.frames_pb2.SignedBytes(event=event, payload=b"")]))
        except client.Failure as refused:
            return refused.code
        return {"position": recorded.positions[0], "stream": stream, "office": seat.office.name, "label": label,
                "to": list(to), "release": list(release)}

    def got(self, seat, stream, until):
        """The positions that the seat is sent of a stream; the code, where it may not read at all."""
        import client  # noqa: PLC0415
        c = self.client(seat.name)
        try:
            return {r.position for r in c.read(stream, 1, until)}
        except client.Failure as refused:
            return refused.code


def refusal(c, **body):
    import client  # noqa: PLC0415
    try:
        c.call(**body)
    except client.Failure as refused:
        return refused.code
    return None


def service():
    if not hasattr(service, "one"):
        python_client()
        service.one = Service()
    return service.one


# ---- tests ----

def the_matrix_is_that_of_the_rules():
    s = service()
    from chancery.core.v1 import frames_pb2, registry_pb2  # noqa: PLC0415
    i, asker = s.i, s.client(s.seats[0].name)
    i.check("access", "allow", "asker", f"seat:{s.seats[0].name}", "read", "registry", "--yes",
            "--seat", "administrator")
    asked = wrong = allowed = 0
    for seat in s.seats:
        for verb in VERBS:
            for stream in STREAMS:
                for type_name in TYPES:
                    answer = asker.call(get_access=frames_pb2.GetAccess(
                        seat=seat.name, verb=registry_pb2.Verb.Value(f"VERB_{verb.upper()}"), stream=stream,
                        type=type_name))
                    expected = may(s.rules, seat, verb, stream, type_name)
                    asked, wrong, allowed = asked + 1, wrong + (answer.allowed != expected), allowed + expected
                    assert (answer.rule != "") >= answer.allowed, answer
    print(f"        {asked} questions, {allowed} allowed, {wrong} otherwise than the table")
    assert wrong == 0 and asked == 3200 and 200 < allowed < 3000


def a_label_reaches_whom_it_names_and_who_is_cleared():
    s, chance = service(), random.Random(SEED)
    i, stream = s.i, "labels"
    for rule, verb in (("labels-all", "publish,read"),):
        i.check("access", "allow", rule, "any", verb, stream, "--yes", "--seat", "administrator")
    writer, events = s.seats[4], []  # QMB/npc
    names = [("party", "QMA"), ("party", "QMD"), ("office", "QME/npc"), ("office", "QMC/mission"),
             ("seat", "a1"), ("seat", "b7"), ("group", "panel@1"), ("group", "panel@2")]
    for n in range(100):
        label = LABELS[n % 5]
        to = chance.sample(names, chance.randint(1, 2)) if n % 5 >= 2 else []
        release = chance.sample(names, 1) if to and chance.random() < 0.3 else []
        named = {o.name: o for o in s.offices} | {x.name: x.office for x in s.seats}
        unclear = [r for r in to + release if r[1] in named and named[r[1]].clearance < LABELS.index(label)]
        event = s.publish(writer, stream, label, to, release)
        assert (event == "handling.denied") == bool(unclear), (event, label, to, release)
        if not unclear:
            events.append(event)
    assert len([e for e in events if e["to"]]) > 20
    head = max(e["position"] for e in events)
    sent = 0
    for seat in s.seats:
        expected = {e["position"] for e in events if reaches(e, seat, s.groups)}
        assert s.got(seat, stream, head) == expected, (seat.name, s.got(seat, stream, head) ^ expected)
        sent += len(expected)
    print(f"        {len(events)} events to {len(s.seats)} seats: {sent} of {len(events) * len(s.seats)} sent")


def a_seat_that_left_gets_recalls_and_one_revoked_nothing():
    s = service()
    from chancery.core.v1 import envelope_pb2 as e  # noqa: PLC0415
    from chancery.core.v1 import frames_pb2  # noqa: PLC0415
    i, stream = s.i, "recalls"
    words = ("--yes", "--seat", "administrator")
    i.check("access", "allow", "recalls", "any", "publish,read", stream, *words)
    writer, leaver, gone, other = s.seats[4], s.seats[8], s.seats[9], s.seats[6]
    assert (leaver.office.name, leaver.office.clearance) == ("QMC/npc", 4), "cleared for all"
    to = [("office", "QMC/npc")]
    first = s.publish(writer, stream, "AMBER", to)
    i.check("seat", "leave", leaver.name, "--reason", "posted elsewhere", *words)
    i.check("seat", "revoke", gone.name, "--reason", "key lost", *words)
    second = s.publish(writer, stream, "AMBER", to)

    def recall(of, label=first["label"], to=to, by=writer):
        return s.publish(by, stream, label, to, kind=e.KIND_RECALL, references=[e.EventRef(position=of["position"])])
    assert recall(first, to=[("party", "QMC")]) == recall(first, label="RED") == "handling.denied"
    assert recall(first, by=other) == "reference.invalid"  # who may not read it learns nothing of it
    one, two = recall(first), recall(second)
    head = two["position"]
    assert s.got(leaver, stream, head) == {one["position"]}, "what it had, and nothing that came later"
    confirmed = s.publish(leaver, stream, "AMBER", [("office", "QMB/npc")],
                          in_reply_to=e.EventRef(position=one["position"]))
    assert confirmed["position"] > head, confirmed
    for position in (first["position"], two["position"]):
        assert s.publish(leaver, stream, "AMBER", [("office", "QMB/npc")],
                         in_reply_to=e.EventRef(position=position)) == "access.denied"
    assert s.publish(leaver, stream, "GREEN") == "access.denied"
    c = s.client(leaver.name)
    for body in ({"put_part": frames_pb2.PutPart(sha256=hashlib.sha256(b"part").digest(), size=4, chunk=b"part")},
                 {"ask": frames_pb2.Ask(service="embargo", type="chancery.embargo.v1.GetListStatus", patience_ms=1000)},
                 {"get_registry": frames_pb2.GetRegistry()}):
        assert refusal(c, **body) == "access.denied", body
    assert s.client(gone.name).receive() == ("", None), "nobody speaks to a key that is revoked"
    refused = i.run("seat", "return", gone.name, *words)
    assert refused.returncode == 1 and "revoked for good" in refused.stderr, refused.stderr
    i.check("seat", "return", leaver.name, *words)
    assert s.got(leaver, stream, head) == {x["position"] for x in (first, second, one, two)}


def an_answer_is_no_less_restricted_than_what_it_answers():
    s = service()
    from chancery.core.v1 import envelope_pb2 as e  # noqa: PLC0415
    i, stream = s.i, "answers"
    i.check("access", "allow", "answers", "any", "publish,read", stream, "--yes", "--seat", "administrator")
    writer, reader = s.seats[4], s.seats[8]
    source = s.publish(writer, stream, "AMBER", [("office", "QMC/npc")])
    reply = {"in_reply_to": e.EventRef(position=source["position"])}
    named = {"references": [e.EventRef(position=source["position"])]}
    for members in (reply, named):
        assert s.publish(reader, stream, "GREEN", **members) == "handling.lowered"
        assert s.publish(reader, stream, "AMBER", [("party", "QMA")], **members) == "handling.lowered"
        assert s.publish(reader, stream, "AMBER", [("office", "QMB/npc")], **members)["position"]
        assert s.publish(writer, stream, "GREEN", **members)["position"], "the originator may release it"
        assert s.publish(s.seats[12], stream, "AMBER", [("office", "QMB/npc")], **members) == "reference.invalid"
    assert s.publish(reader, stream, "AMBER", [("party", "QMA")], kind=e.KIND_UPDATE, **named) == "access.denied"


def a_worker_answers_under_the_label_of_the_question():
    i = service().i
    said = i.json("event", "publish", "-", "--stream", "embargo.in", "--type", "embargo.ConfirmSnapshot", "--label", "amber",
                  "--to", "QMB/npc,panel@1", stdin='{"list": "un"}')
    position = said[0]["position"]

    def answers():
        return [e for e in i.json("event", "ls", "--stream", "embargo.out")
                if e["envelope"].get("cause") == str(position) and e["envelope"]["type"].endswith("RequestRefused")]
    wait_for("the worker answers", answers)
    [answer] = answers()
    assert answer["envelope"]["handling"]["label"] == "LABEL_AMBER", answer
    assert [r["name"] for r in answer["envelope"]["handling"]["recipients"]] == ["QMA/secretariat", "QMB/npc", "panel@1"]


def its_office_answers_once(s, entered, scan):
    """By whom, how and how often what was entered in an office's name is confirmed or disowned."""
    from chancery.core.v1 import envelope_pb2 as e  # noqa: PLC0415
    i, stream, at = s.i, entered["stream"], str(entered["position"])
    hashed = bytes.fromhex(i.json("event", "show", at)[0]["envelopeHash"])
    named = {"references": [e.EventRef(position=entered["position"], envelope_hash=hashed)]}
    word, own, entering = "chancery.core.v1.TranscriptConfirmed", s.seats[8], s.seats[4]

    def say(by, where=stream, label="GREEN", type=word, **members):
        return s.publish(by, where, label, type=type, **{**named, **members})
    assert say(s.seats[12]) == "access.denied", "another office"
    assert say(s.seats[10]) == "reference.invalid", "one of its party that may not read it"
    assert say(entering) == say(entering, acting_for="QMC/npc") == "access.denied", "who entered it"
    assert say(own, where="labels") == "reference.invalid", "in another stream its readers would not see it"
    assert say(own, label="CLEAR") == "handling.lowered"
    assert say(own, evidence=e.EVIDENCE_TRANSCRIBED) in ("access.denied", "field.invalid"), "paper for paper"
    assert say(own, kind=e.KIND_UPDATE) == "field.invalid"
    assert say(own, references=[e.EventRef(position=entered["position"])]) == "field.invalid", "without its hash"
    said = i.check("event", "show", at)
    assert f"transcribed by QMB/npc {entering.name} for QMC/npc; not confirmed" in said, said
    confirmed = say(own)
    assert confirmed["position"], confirmed
    assert say(own) == say(own, type="chancery.core.v1.TranscriptDisowned") == "exists", "once is for good"
    said = i.check("event", "show", at)
    assert f"confirmed at position {confirmed['position']} by QMC/npc {own.name}" in said, said
    assert f"transcribed by QMB/npc {entering.name} for QMC/npc" in i.check("event", "ls", "--stream", stream)
    assert say(own, references=[e.EventRef(position=confirmed["position"],
        envelope_hash=bytes.fromhex(i.json("event", "show", str(confirmed["position"]))[0]["envelopeHash"]))]) == \
        "reference.invalid", "what is signed needs no confirmation"

    second = s.publish(entering, stream, "AMBER", [("office", "QMC/npc")], evidence=e.EVIDENCE_TRANSCRIBED,
                       acting_for="QMC/npc", parts=[scan])
    at = str(second["position"])
    shutil.copy(os.path.join(i.root, own.name, "keys", f"{own.name}.key"), os.path.join(i.dir, "keys"))
    words = ("--seat", own.name, "--yes")
    refused = i.run("event", "confirm", at, "--disown", *words)
    assert refused.returncode == 2 and "--reason" in refused.stderr, refused.stderr
    i.check("event", "confirm", at, "--disown", "--reason", "not our letterhead", *words)
    [shown] = i.json("event", "show", at, *words[:2])
    assert shown["transcript"]["state"] == "disowned" and shown["transcript"]["seat"] == own.name, shown["transcript"]
    assert shown["transcript"]["reason"] == "not our letterhead"
    [told] = i.json("event", "show", str(shown["transcript"]["position"]), *words[:2])
    assert told["envelope"]["handling"]["label"] == "LABEL_AMBER", told
    assert [r["name"] for r in told["envelope"]["handling"]["recipients"]] == ["QMC/npc", "QMB/npc"], told
    again = i.run("event", "confirm", at, *words)
    assert again.returncode == 1 and f"disowned at position {told['position']} by QMC/npc" in again.stderr, again.stderr
    i.kill("broker")
    wait_for("the broker is back", lambda: i.run("status").returncode == 0)
    assert say(own) == "exists", "it is known from the log"


def paper_is_entered_by_who_may_and_with_its_scan():
    s = service()
    from chancery.core.v1 import envelope_pb2 as e, frames_pb2  # noqa: PLC0415
    i, stream, writer = s.i, "paper", s.seats[4]  # of QMB/npc
    words = ("--yes", "--seat", "administrator")
    i.check("access", "allow", "paper", "any", "publish,read", stream, *words)
    scan = os.urandom(100)
    part = e.PartRef(sha256=hashlib.sha256(scan).digest(), size=len(scan), media_type="image/png", name="scan.png")

    def enter(**members):
        return s.publish(writer, stream, "GREEN", evidence=e.EVIDENCE_TRANSCRIBED, **members)
    c = s.client(writer.name)
    c.call(put_part=frames_pb2.PutPart(sha256=part.sha256, size=len(scan), chunk=scan))
    assert enter(acting_for="QMC/npc", parts=[part]) == "access.denied", "without the role"
    i.check("office", "set", "QMB/npc", "--roles", ",".join([*writer.office.roles, "transcriber"]), "--clearance",
            LABELS[writer.office.clearance].lower().replace("_", "+"), *words)
    assert enter(parts=[part]) == "field.invalid", "of whom?"
    assert enter(acting_for="QMC/npc") == "field.invalid", "without a scan"
    assert enter(acting_for="QMX/npc", parts=[part]) == "not.found"
    entered = enter(acting_for="QMC/npc", parts=[part])
    assert "TRANSCRIBED" in i.json("event", "show", str(entered["position"]))[0]["envelope"]["evidence"]
    its_office_answers_once(s, entered, part)
    # it was published for QMC/npc, which may change it; another office may not
    change = {"kind": e.KIND_CANCEL, "references": [e.EventRef(position=entered["position"])]}
    assert s.publish(s.seats[12], stream, "GREEN", **change) == "access.denied"
    assert s.publish(s.seats[8], stream, "GREEN", **change)["position"]


def a_deputy_acts_while_it_is_named():
    s = service()
    from chancery.core.v1 import envelope_pb2 as e  # noqa: PLC0415
    i, stream, principal, deputy = s.i, "deputies", s.seats[4], s.seats[6]  # QMB/npc and QMB/mission: one party
    words = ("--yes", "--seat", "administrator")
    i.check("access", "allow", "deputies", "any", "publish,read", stream, *words)
    first = s.publish(principal, stream, "GREEN")
    recall = {"kind": e.KIND_RECALL, "references": [e.EventRef(position=first["position"])]}
    acting = {"acting_for": principal.office.name}
    assert s.publish(deputy, stream, "GREEN", **acting) == "access.denied"

    def name(since, till):
        i.check("office", "deputy", principal.office.name, deputy.office.name, *(
            ("--since", since, "--till", till) if since else ()), *words)
    name("2020-01-01T00:00:00Z", "2020-02-01T00:00:00Z")
    assert s.publish(deputy, stream, "GREEN", **acting) == "access.denied", "its time is over"
    name("2020-01-01T00:00:00Z", "2120-01-01T00:00:00Z")
    assert s.publish(deputy, stream, "GREEN", **acting)["position"]
    assert s.publish(deputy, stream, "GREEN", **recall) == "access.denied", "for itself it may not"
    assert s.publish(deputy, stream, "GREEN", **acting, **recall)["position"]
    name(None, None)
    assert s.publish(deputy, stream, "GREEN", **acting) == "access.denied"


def a_stream_takes_what_its_limit_says_and_an_answer_is_lower_where_a_table_says():
    s = service()
    from chancery.core.v1 import envelope_pb2 as e  # noqa: PLC0415
    i, stream, writer, reader = s.i, "limits", s.seats[4], s.seats[8]
    words = ("--yes", "--seat", "administrator")
    i.check("access", "allow", "limits", "any", "publish,read", stream, *words)
    i.check("access", "limit", "lim*", "amber", *words)
    to = [("office", "QMC/npc")]
    assert s.publish(writer, stream, "AMBER_STRICT", to) == "handling.denied"
    source = s.publish(writer, stream, "AMBER", to)
    said = i.check("access", "test", reader.name, "read", stream, "--label", "red", "--seat", "administrator")
    assert said.startswith("no") and "limits takes events up to TLP:AMBER" in said, said

    def answer(seat, label, ordinal):
        own = source["position"].to_bytes(6, "big") + b"\x80\0\x80\0\0\0" + ordinal.to_bytes(4, "big")
        return s.publish(seat, stream, label, cause=source["position"], ordinal=ordinal, of=9, id=own)
    process = s.process("clerk", "QMC/npc")
    assert answer(process, "GREEN", 0) == "handling.lowered"
    i.register("LoweringAllowed", {"rule": "summary", "inputType": TYPES[1], "outputType": TYPES[1], "lowest": "LABEL_GREEN"})
    assert answer(process, "CLEAR", 0) == "handling.lowered"
    assert answer(process, "GREEN", 0)["position"]
    assert answer(reader, "GREEN", 1) == "handling.lowered", "the table is for processes"
    i.register("LoweringAllowed", {"rule": "summary", "withdrawn": True})
    assert answer(process, "GREEN", 1) == "handling.lowered"


def what_touches_the_whole_waits_for_two():
    s = service()
    i = s.i
    first = ("--yes", "--seat", "administrator")
    i.admit("second", "QMZ/administration")
    i.check("office", "set", "QMZ/administration", "--roles", "administrator", "--clearance", "red", *first)
    second = ("--yes", "--seat", "second")
    i.check("access", "allow", "second-reads", "seat:second", "read", "registry", *first)
    i.check("access", "allow", "second-signs", "seat:second", "publish", "registry", *first)
    i.check("quorum", "set", "2", *first)
    told = i.check("access", "allow", "late", "seat:a1", "ask", "nobody", *first)
    assert "waits there for other administrators, and is not in force" in told, told
    said = i.check("access", "test", "a1", "ask", "nobody", "--seat", "administrator")
    assert said.startswith("no"), said
    [waits] = i.json("act", "ls", "--seat", "administrator")
    assert waits["signedBy"] == ["administrator"], waits
    again = i.run("act", "confirm", waits["position"], *first)
    assert again.returncode == 1 and "another one must" in again.stderr, again.stderr
    i.check("act", "confirm", waits["position"], *second)
    assert i.json("act", "ls", "--seat", "administrator") == []
    said = i.check("access", "test", "a1", "ask", "nobody", "--seat", "administrator")
    assert said.startswith("yes, by rule late"), said
    i.check("quorum", "set", "1", *first)
    [waits] = i.json("act", "ls", "--seat", "administrator")
    i.check("act", "confirm", waits["position"], *second)


def nothing_is_signed_without_a_word():
    i = service().i
    asked = i.run("party", "add", "QMX", "--seat", "administrator", stdin="")
    assert asked.returncode == 1 and "QMX is a party to this service" in asked.stderr, asked.stderr
    assert "--yes signs without asking" in asked.stderr
    refused = i.run("access", "rm", "administrators-registry", "--yes", "--seat", "administrator")
    assert refused.returncode == 1 and "no administrator could change a rule again" in refused.stderr


def the_log_is_whole_and_decided_alike():
    i = service().i
    i.down()
    i.check("log", "verify", i.dir, dir=False)
    assert "0 differences" in i.check("audit", i.dir, dir=False)


if __name__ == "__main__":
    run([the_matrix_is_that_of_the_rules, a_label_reaches_whom_it_names_and_who_is_cleared,
         a_seat_that_left_gets_recalls_and_one_revoked_nothing,
         an_answer_is_no_less_restricted_than_what_it_answers,
         a_worker_answers_under_the_label_of_the_question, paper_is_entered_by_who_may_and_with_its_scan,
         a_deputy_acts_while_it_is_named,
         a_stream_takes_what_its_limit_says_and_an_answer_is_lower_where_a_table_says, nothing_is_signed_without_a_word,
         what_touches_the_whole_waits_for_two, the_log_is_whole_and_decided_alike])
