# SPDX-License-Identifier: Apache-2.0
"""delegated.py - sessions of gateways in somebody's name: what they read, hand on and ask, what ends them, and what a stolen or
forged delegation is worth.

The table of what reaches whom is written by hand; delegations are made here from proto/README.md alone, and once by the verb.
Gateways are Python clients that show a delegation in Hello."""
import base64
import json
import os

from examples import python_client
from instance import Instance, run, wait_for

TYPE, LABELS = "chancery.embargo.v1.ConfirmSnapshot", ("CLEAR", "GREEN", "AMBER", "AMBER_STRICT", "RED")
MINUTE, HOUR = 60 * 10**6, 3600 * 10**6
ADMIN = ("--yes", "--seat", "administrator")

OFFICES = {  # office: its clearance
    "QMB/npc": "RED", "QMC/npc": "AMBER", "QMD/npc": "GREEN", "QME/npc": "RED", "QMF/npc": "AMBER_STRICT", "QMG/npc": "RED",
    "QMW/web": "RED", "QMX/web": "GREEN", "QMY/web": "AMBER"}
PEOPLE = {"bela": "QMB/npc", "caro": "QMC/npc", "dora": "QMD/npc", "emil": "QME/npc", "fatu": "QMF/npc", "gero": "QMG/npc"}
GATEWAYS = {"wide": "QMW/web", "green": "QMX/web", "notes-only": "QMY/web"}
RULES = [  # rule, effect, seat, verbs, stream
    *((f"files-{s}", "allow", s, "publish,read", "files") for s in ("bela", "caro", "dora", "emil", "wide", "green")),
    *((f"notes-{s}", "allow", s, "publish,read", "notes")
      for s in ("bela", "caro", "dora", "emil", "fatu", "wide", "green", "notes-only")),
    ("not-emil", "deny", "emil", "read", "notes"),
    *((f"ask-{s}", "allow", s, "ask", "embargo") for s in ("bela", "caro", "wide")),
    ("wide-offers", "allow", "wide", "offer", "weather")]
EVENTS = {  # name: stream, label, the parties named; all by bela of QMB/npc
    "a": ("files", "CLEAR", ""), "b": ("files", "GREEN", ""), "c": ("files", "AMBER", "QMC"),
    "d": ("files", "AMBER", "QMC QMD"), "e": ("files", "RED", "QMC QME"),
    "f": ("notes", "CLEAR", ""), "g": ("notes", "GREEN", ""), "h": ("notes", "AMBER", "QMC QMF"),
    "i": ("notes", "AMBER_STRICT", "QMF"), "j": ("notes", "RED", "QMC QME QMF")}
READS = {  # person: alone, and through each of GATEWAYS
    "bela": ("abcdefghij", "abcdefghij", "abfg", "fgh"),  # by its office, whatever the label
    "caro": ("abcdfgh", "abcdfgh", "abfg", "fgh"),  # cleared up to AMBER: neither e nor j, though named
    "dora": ("abfg", "abfg", "abfg", "fg"),
    "emil": ("abe", "abe", "ab", ""),  # a rule denies notes
    "fatu": ("fghi", "fghi", "fg", "fgh"),  # no rule for files
    "gero": ("", "", "", "")}  # cleared for all, and no rule


# ---- a service, and delegations ----

class Service:
    def __init__(self):
        import client  # noqa: PLC0415 (found once protoc has run)
        self.client = client
        self.i = Instance()
        self.i.up()
        self.acts = []
        for party in sorted({o.split("/")[0] for o in OFFICES}):
            self.act("PartyAdded", party=party, kind="PARTY_KIND_STATE")
        for office, clearance in OFFICES.items():
            self.act("OfficeAdded", office=office, clearance=f"LABEL_{clearance}")
        for seat, office in PEOPLE.items():
            self.seat(seat, office)
        for seat, office in GATEWAYS.items():
            self.seat(seat, office, "PROCESS")
        for rule, effect, seat, verbs, stream in RULES:
            self.rule(rule, effect, seat, verbs, stream)
        self.register()
        self.now = self.own("wide").welcome.now
        self.positions = {name: self.published("bela", *event) for name, event in EVENTS.items()}
        self.head = max(self.positions.values())

    def act(self, name, **payload):
        self.acts.append(json.dumps({"stream": "registry", "type": f"core.{name}", "payload": payload}))

    def rule(self, rule, effect, seat, verbs, stream):
        self.act("AccessRule", rule=rule, effect=f"EFFECT_{effect.upper()}", subjectKind="SUBJECT_KIND_SEAT", subject=seat,
                 verbs=[f"VERB_{v.upper()}" for v in verbs.split(",")], stream=stream, type="*")

    def register(self):
        results = self.i.json("event", "publish", "--ndjson", "--seat", "administrator", stdin="\n".join(self.acts) + "\n")
        assert all(r["result"] == "recorded" for r in results), results
        self.acts = []

    def seat(self, seat, office, kind="PERSON"):
        """Admits it, with keys in a directory of its own."""
        desk = os.path.join(self.i.root, seat)
        path = os.path.join(desk, "keys", f"{seat}.key")
        os.makedirs(os.path.dirname(path))
        self.i.check("key", "new", path, "--seat", seat, "--office", office, dir=False)
        os.symlink(path, os.path.join(self.i.dir, "keys", f"{seat}.key"))
        with open(self.i.conf) as f:
            connection = f.read().split("[connection]")[1].split("\n[")[0].replace("ipc://run", f"ipc://{self.i.dir}/run")
        with open(os.path.join(desk, "chancery.conf"), "w") as f:
            f.write(f"[connection]{connection}\n[terminal]\nseat = {seat}\n")
        os.symlink(os.path.join(self.i.dir, "log.vkey"), os.path.join(desk, "log.vkey"))
        self.act("SeatAdmitted", seat=seat, office=office, kind=f"SEAT_KIND_{kind}")
        for line in self.i.check("key", "show", path, "--ndjson", dir=False).splitlines():
            if "KEY_KIND_AGE" not in line:
                self.act("KeyAdded", **json.loads(line)["payload"])

    def public(self, seat, half="curve"):
        path = os.path.join(self.i.root, seat, "keys", f"{seat}.key")
        return bytes.fromhex(self.i.json("key", "show", path, dir=False)[0][half])

    def own(self, seat):
        c = self.client.Client(os.path.join(self.i.root, seat))
        c.hello()
        return c

    def gateway(self, seat, token):
        """A connection that shows the token; the session is not begun yet."""
        client = self.client

        class Gateway(client.Client):
            def hello(self):
                for _ in range(client.TRIES):
                    kind, frame = self.answer(self.send(hello=client.frames_pb2.Hello(version=1, delegation=token)))
                    if kind == "welcome":
                        self.welcome = frame.welcome
                        return
                raise client.Failure("broker.unreachable", "no answer")
        return Gateway(os.path.join(self.i.root, seat))

    def carried(self, person, gateway, verbs="read", **says):
        c = self.gateway(gateway, self.token(person, gateway, verbs, **says))
        c.hello()
        return c

    def text(self, person, gateway, verbs="read", **says):
        """What is signed."""
        pb = self.client.frames_pb2
        says = {"log": self.own(gateway).welcome.log, "seat": person, "gateway": self.public(gateway),
                "verbs": [pb.Delegation.DESCRIPTOR.fields_by_name["verbs"].enum_type.values_by_name[
                    f"VERB_{v.upper()}"].number for v in verbs.split(",") if v],
                "issued": self.time() - MINUTE, "expires": self.time() + HOUR, **says}
        return pb.Delegation(**says).SerializeToString()

    def token(self, person, gateway, verbs="read", by=None, domain=b"chancery-delegation-v1\0", **says):
        text = self.text(person, gateway, verbs, **says)
        signer = self.client.Client(os.path.join(self.i.root, by or person)).signer
        return self.client.frames_pb2.SignedDelegation(
            delegation=text, key_id=self.client.sha256(bytes(signer.verify_key))[:8],
            signature=signer.sign(domain + text).signature).SerializeToString()

    def time(self):
        return self.own("wide").welcome.now

    def event(self, session, stream, label="GREEN", parties="", signer=None, **members):
        """SignedBytes of an event as the session's seat, signed by whom it is said."""
        from chancery.core.v1 import envelope_pb2 as e  # noqa: PLC0415
        [plain] = session.envelopes(stream, TYPE, [b""])
        envelope = e.Envelope.FromString(plain)
        envelope.handling.CopyFrom(e.Handling(label=e.Label.Value(f"LABEL_{label}"), recipients=[
            e.Recipient(kind=e.RecipientKind.Value("RECIPIENT_KIND_PARTY"), name=p) for p in parties.split()]))
        envelope.id = uuid7(self.time())
        envelope.MergeFrom(e.Envelope(**members))
        [event] = self.client.sign(signer or session.signer, [envelope.SerializeToString()], [os.urandom(16)])
        return self.client.frames_pb2.SignedBytes(event=event, payload=b"")

    def published(self, seat, stream, label="GREEN", parties=""):
        session = self.own(seat)
        event = self.event(session, stream, label, parties)
        return session.call(publish=self.client.frames_pb2.Publish(events=[event])).positions[0]

    def signer(self, seat):
        return self.client.Client(os.path.join(self.i.root, seat)).signer

    def code(self, act, *arguments, **keywords):
        """Of the refusal; None when it was done."""
        try:
            act(*arguments, **keywords)
        except self.client.Failure as refused:
            return refused.code
        return None

    def shown(self, gateway, token):
        """What Hello is answered: the code, or None."""
        return self.code(self.gateway(gateway, token).hello)

    def got(self, session):
        """The names of the EVENTS that the session is sent."""
        names = {p: name for name, p in self.positions.items()}
        sent = set()
        for stream in ("files", "notes"):
            try:
                sent |= {r.position for r in session.read(stream, 1, self.head)}
            except self.client.Failure as refused:
                assert refused.code == "access.denied", refused.code
        return "".join(sorted(names[p] for p in sent if p in names))


def service():
    if not hasattr(service, "one"):
        python_client()
        service.one = Service()
    return service.one


# ---- tests ----

def what_is_read_is_what_both_may():
    s = service()
    for person, (alone, *through) in READS.items():
        assert s.got(s.own(person)) == alone, (person, s.got(s.own(person)))
        for gateway, expected in zip(GATEWAYS, through):
            session = s.carried(person, gateway)
            assert session.welcome.seat == person and session.welcome.office == PEOPLE[person]
            assert s.got(session) == expected, (person, gateway, s.got(session), expected)
    assert s.got(s.own("wide")) == "abfg", "without a delegation a gateway is itself, and nobody names it"


def a_part_is_served_to_whom_its_event_is():
    s = service()
    pb, e, data = s.client.frames_pb2, envelope(), b"the substance"
    sha = s.client.sha256(data)
    session = s.carried("bela", "wide", "publish")
    session.call(put_part=pb.PutPart(sha256=sha, size=len(data), chunk=data))
    event = s.event(session, "files", "AMBER", "QMC", s.signer("bela"),
                    parts=[e.PartRef(sha256=sha, size=len(data), media_type="text/plain", name="n.txt")])
    [position] = session.call(publish=pb.Publish(events=[event])).positions
    get = pb.GetPart(position=position, sha256=sha, length=100)
    assert s.carried("caro", "wide").call(get_part=get).chunk == data
    for person, gateway, verbs in (("caro", "green", "read"), ("dora", "wide", "read"), ("caro", "wide", "ask,publish")):
        refused = s.code(s.carried(person, gateway, verbs).call, get_part=get)
        assert refused == "not.found", (person, gateway, verbs, refused)


def nothing_is_done_but_what_the_delegation_says():
    s = service()
    pb = s.client.frames_pb2
    ask = {"ask": pb.Ask(service="embargo", type="chancery.embargo.v1.GetListStatus", patience_ms=10000)}
    tail, part = {"get_tail": pb.GetTail(stream="files")}, s.client.sha256(b"p")
    put = {"put_part": pb.PutPart(sha256=part, size=1, chunk=b"p")}
    read = {"read": pb.Read(streams=["files"], credit_events=1, credit_bytes=1)}
    offer = {"offer": pb.Offer(service="weather")}
    look = {"get_registry": pb.GetRegistry()}
    for verbs in ("read", "ask", "publish", "read,ask,publish"):
        session = s.carried("bela", "wide", verbs)
        for verb, body in (("publish", tail), ("publish", put), ("ask", ask), ("read", read)):
            refused = s.code(session.call, **body)
            assert (refused == "access.denied") == (verb not in verbs.split(",")), (verbs, body, refused)
        assert s.code(session.call, **offer) == s.code(session.call, **look) == "access.denied"
    assert s.own("wide").call(**offer), "by itself the gateway offers what it may"
    assert s.code(s.carried("bela", "green", "ask").call, **ask) == "access.denied", "no rule lets the gateway"
    assert s.code(s.carried("dora", "wide", "ask").call, **ask) == "access.denied", "no rule lets the person"


def what_is_published_the_person_signs():
    s = service()
    pb = s.client.frames_pb2

    def publish(session, event):
        return s.code(session.call, publish=pb.Publish(events=[event]))
    session, read_only = s.carried("bela", "wide", "publish"), s.carried("bela", "wide", "read")
    writer = s.own("bela")
    good = s.event(session, "files", signer=s.signer("bela"))
    assert publish(read_only, good) == "access.denied"
    assert publish(session, s.event(session, "files", signer=s.signer("wide"))) == "key.unknown", "its own key"
    assert publish(session, s.event(s.own("wide"), "files")) == "seat.mismatch", "as itself, in somebody's session"
    assert publish(s.own("wide"), good) == "seat.mismatch", "as somebody, in its own session"
    assert publish(s.carried("caro", "wide", "publish"), good) == "seat.mismatch", "as another one than it carries"
    narrow = s.carried("bela", "notes-only", "publish")
    assert publish(narrow, good) == "access.denied", "the gateway may not publish there"
    assert publish(s.carried("fatu", "wide", "publish"), s.event(
        s.carried("fatu", "wide", "publish"), "files", signer=s.signer("fatu"))) == "access.denied", "nor the person there"
    assert publish(session, good) is None
    assert publish(writer, good) is None, "the same bytes by another way are the same event"
    [line] = [x for x in s.i.json("event", "ls", "--stream", "files") if x["envelope"]["seat"] == "bela"][-1:]
    assert line["envelope"]["office"] == "QMB/npc", line
    held = {"references": [envelope().EventRef(position=s.positions["c"])]}
    answer = s.carried("caro", "green", "publish,read")
    assert publish(answer, s.event(answer, "files", "AMBER", "QMC", s.signer("caro"), **held)) == "reference.invalid", (
        "what the gateway may not carry it learns nothing of")


def a_delegation_is_good_for_one_gateway_and_one_log():
    s = service()
    token = s.token("bela", "wide")
    assert s.shown("wide", token) is None
    assert s.shown("green", token) == "delegation.invalid", "stolen by another gateway"
    assert s.shown("caro", token) == "delegation.invalid", "or another person"
    assert s.shown("wide", s.token("bela", "wide", log="chancery.example/other")) == "delegation.invalid"


def a_forged_delegation_is_none():
    s = service()
    pb, now = s.client.frames_pb2, s.time()
    forged = {
        "by the gateway": s.token("bela", "wide", by="wide"),
        "by another person": s.token("bela", "wide", by="caro"),
        "an event's signature": s.token("bela", "wide", domain=b"chancery-event-v1\0"),
        "a card's": s.token("bela", "wide", domain=b"chancery-card-v1\0"),
        "of a process": s.token("notes-only", "wide"),
        "to offer": s.token("bela", "wide", "read,offer"),
        "for nothing": s.token("bela", "wide", ""),
        "for the same twice": s.token("bela", "wide", "read,read"),
        "for what is no verb": s.token("bela", "wide", verbs="unspecified"),
        "for more than 12 hours": s.token("bela", "wide", issued=now, expires=now + 12 * HOUR + 1),
        "of tomorrow": s.token("bela", "wide", issued=now + 6 * MINUTE, expires=now + HOUR),
        "backwards": s.token("bela", "wide", issued=now, expires=now - 1),
        "of nobody": s.token("bela", "wide", seat="nobody"),
        "too long": s.token("bela", "wide") + b"\x7a\xff\x03" + bytes(511),
        "nothing": b"\0",
    }
    for what, token in forged.items():
        assert s.shown("wide", token) == "delegation.invalid", (what, s.shown("wide", token))
    parts = pb.SignedDelegation.FromString(s.token("bela", "wide", "read"))
    parts.delegation = s.text("bela", "wide", "read,ask,publish")
    assert s.shown("wide", parts.SerializeToString()) == "delegation.invalid", "more verbs than were signed"
    assert s.shown("wide", s.token("bela", "wide", issued=now + 4 * MINUTE)) is None, "clocks differ a little"
    assert s.shown("wide", s.token("bela", "wide", issued=now, expires=now + 12 * HOUR)) is None
    assert s.shown("wide", s.token("bela", "wide", expires=now - 1)) == "delegation.expired"


def every_byte_of_it_is_needed():
    s = service()
    token = s.token("bela", "wide", "read,ask,publish")
    c = s.gateway("wide", token)
    pb, refused = s.client.frames_pb2, 0
    for at in range(len(token)):
        for flip in (0x01, 0x80, 0xFF):
            changed = bytearray(token)
            changed[at] ^= flip
            ref = c.send(hello=pb.Hello(version=1, delegation=bytes(changed)))
            refused += s.code(c.answer, ref) == "delegation.invalid"
    assert refused == 3 * len(token), (refused, len(token))
    for size in range(1, len(token)):
        ref = c.send(hello=pb.Hello(version=1, delegation=token[:size]))
        assert s.code(c.answer, ref) == "delegation.invalid", size
    c.hello()
    print(f"        {len(token)} bytes, {refused} changed and {len(token) - 1} cut")


class Live:
    """A session under way: it reads, has a question open, and says whether it was ended."""

    def __init__(self, person, gateway):
        s, pb = service(), service().client.frames_pb2
        self.session = s.carried(person, gateway, "read,publish")
        self.reading = self.session.send(read=pb.Read(streams=["notes"], **{"from": s.head + 1}, credit_events=64,
                                                      credit_bytes=1 << 20))
        while self.session.receive()[0] != "caught_up":
            pass

    def frames(self):
        """What comes up to the answer to a Ping."""
        c, got = self.session, []
        ref = c.send(ping=service().client.frames_pb2.Ping())
        while not got or (got[-1][0] and got[-1][1].ref != ref):
            got.append(c.receive())
        return got

    def goes_on(self):
        return self.frames()[-1][0] == "pong"

    def ended(self):
        """At once: nothing that was published since reached it."""
        frames = self.frames()
        kinds = [kind for kind, frame in frames if frame is None or kind != "pong" or frame.ref]
        assert kinds in (["forgotten"], [""]), kinds
        return kinds[0]


def a_session_ends_when_its_delegation_does():
    s = service()
    i = s.i
    for seat, office in (("hana", "QMB/npc"), ("ivo", "QMB/npc"), ("juno", "QMB/npc"), ("kato", "QMB/npc")):
        s.seat(seat, office)
        s.rule(f"notes-{seat}", "allow", seat, "publish,read", "notes")
    for gate in ("gate-a", "gate-b", "gate-c"):
        s.seat(gate, "QMW/web", "PROCESS")
        s.rule(f"notes-{gate}", "allow", gate, "publish,read", "notes")
    s.register()
    stands = Live("bela", "wide")

    def key_revoked(seat, half):
        key_id = base64.b64encode(s.client.sha256(s.public(seat, half))[:8]).decode()
        i.register("KeyRevoked", {"seat": seat, "keyId": key_id, "reason": "lost"})
    causes = {  # what happens: whose session ends by it, and what Hello is answered from then on; "" = nothing at all
        "the person is revoked": ("hana", "wide", "delegation.invalid",
                                  lambda: i.check("seat", "revoke", "hana", *ADMIN)),
        "the person leaves": ("ivo", "wide", "delegation.invalid", lambda: i.check("seat", "leave", "ivo", *ADMIN)),
        "the person's signing key is revoked": ("juno", "wide", "delegation.invalid",
                                                lambda: key_revoked("juno", "ed25519")),
        "the person takes it back": ("kato", "wide", "delegation.withdrawn",
                                     lambda: i.check("seat", "withdraw", "--yes", "--seat", "kato")),
        "the gateway is revoked": ("bela", "gate-a", "", lambda: i.check("seat", "revoke", "gate-a", *ADMIN)),
        "the gateway leaves": ("bela", "gate-b", "delegation.invalid", lambda: i.check("seat", "leave", "gate-b", *ADMIN)),
        "the gateway's key is revoked": ("bela", "gate-c", "", lambda: key_revoked("gate-c", "curve")),
    }
    for what, (person, gateway, code, cause) in causes.items():
        token, live = s.token(person, gateway, "read"), Live(person, gateway)
        assert live.goes_on(), what
        cause()
        s.published("bela", "notes")
        assert (live.ended() == "") == (code == ""), what
        if code:
            assert s.shown(gateway, token) == code, (what, s.shown(gateway, token))
        else:
            assert s.gateway(gateway, token).receive() == ("", None), what
        assert stands.goes_on(), what
    assert s.shown("wide", s.token("kato", "wide", issued=s.time() + 5 * MINUTE)) is None, "and may be given again"


def a_session_ends_with_its_time():
    s = service()
    i = s.i
    short, long = Live("bela", "wide"), s.carried("caro", "wide", expires=s.time() + 11 * HOUR)
    token = s.token("bela", "wide")  # for an hour
    i.check("clock", "move", "59m", "--seat", "administrator")
    assert short.goes_on()
    i.check("clock", "move", "2m", "--seat", "administrator")
    s.published("bela", "notes")
    assert short.ended() == "forgotten"
    assert s.shown("wide", token) == "delegation.expired"
    assert long.call(get_head=s.client.frames_pb2.GetHead())
    soon = s.carried("bela", "wide", expires=s.time() + 3 * 10**6)
    assert soon.welcome.until - soon.welcome.now <= 3 * 10**6
    wait_for("nobody speaks to it, and it is over by the broker's own clock",
             lambda: "bela" not in [c["seat"] for c in carried()], patience=30)
    assert s.code(soon.call, get_head=s.client.frames_pb2.GetHead()) == "delegation.expired"


def carried():
    return service().i.json("status", "--seat", "administrator")[0]["broker"].get("carried", [])


def a_gateway_has_its_share_and_leaves_the_person_its_own():
    s = service()
    token = s.token("bela", "green")
    sessions = [s.gateway("green", token) for _ in range(17)]
    codes = [s.code(c.hello) for c in sessions]
    assert codes == [None] * 16 + ["busy"], codes
    assert s.code(s.own("bela").call, get_head=s.client.frames_pb2.GetHead()) is None
    [row] = [c for c in carried() if c["gateway"] == "green"]
    assert (row["seat"], row["office"], row["sessions"]) == ("bela", "QMB/npc", 16), row
    own = [x for x in s.i.json("status", "--seat", "administrator")[0]["broker"]["seats"] if x["seat"] == "bela"]
    assert all(x["sessions"] < 16 for x in own), own
    shown = s.i.check("status", "--seat", "administrator")
    assert "THROUGH" in shown and "green" in shown, shown


def the_rules_tell_what_would_be():
    i = service().i
    live = service().carried("caro", "wide")

    def says(*words):
        return i.check("access", "test", *words, "--seat", "administrator")
    assert says("caro", "read", "files", "--through", "wide").startswith("yes, by rule files-caro")
    assert "wide carries it now, until" in says("caro", "read", "files", "--through", "wide")
    for words, text in ((("caro", "read", "files", "--through", "notes-only"), "caro may, but notes-only may not: no rule"),
                        (("caro", "read", "files", "--label", "amber", "--through", "green"), "QMX/web is cleared up to TLP:GREEN"),
                        (("dora", "read", "files", "--label", "amber", "--through", "wide"), "QMD/npc is cleared up to TLP:GREEN"),
                        (("gero", "read", "files", "--through", "wide"), "wide does not carry it now")):
        assert says(*words).startswith("no") and text in says(*words), says(*words)
    refused = i.run("access", "test", "wide", "offer", "weather", "--through", "green", "--seat", "administrator")
    assert refused.returncode == 1 and "nothing is offered through a gateway" in refused.stderr, refused.stderr
    assert live.call(get_head=service().client.frames_pb2.GetHead())


def by_the_command_alone():
    s = service()
    i, token = s.i, os.path.join(s.i.root, "bela.delegation")
    i.check("access", "allow", "bela-registry", "seat:bela", "read", "registry", *ADMIN)
    said = i.check("seat", "delegate", "wide", token, "--verbs", "read,ask", "--yes", "--seat", "bela")
    assert said.startswith("wide may read and ask in the name of bela until"), said
    assert os.stat(token).st_mode & 0o777 == 0o600
    words = ("event", "ls", "--stream", "files", "--seat", "wide")
    assert len(i.json(*words)) < len(i.json(*words, "--delegation", token)), "what names bela too"
    assert i.json("list", "status", "--delegation", token, "--seat", "wide")
    stolen = i.run("event", "ls", "--delegation", token, "--seat", "green")
    assert stolen.returncode == 1 and "delegation.invalid" in stolen.stderr, stolen
    again = i.run("seat", "delegate", "wide", token, "--yes", "--seat", "bela")
    assert again.returncode == 1 and "exists" in again.stderr, again
    for wrong in (("--verbs", "offer"), ("--verbs", "read,"), ("--until", "noon")):
        assert i.run("seat", "delegate", "wide", token + "-2", *wrong, "--seat", "bela").returncode == 2, wrong
    late = i.run("seat", "delegate", "wide", token + "-2", "--until", "2126-01-01T00:00:00Z", "--yes", "--seat", "bela")
    assert late.returncode == 1 and "expires" in late.stderr, late
    told = i.check("seat", "withdraw", "--yes", "--seat", "bela")
    assert "All delegations of bela are taken back" in told, told
    refused = i.run(*words, "--delegation", token)
    assert refused.returncode == 1 and "delegation.withdrawn" in refused.stderr, refused
    assert i.json("seat", "show", "bela", "--seat", "bela")[0]["withdrawn"]
    i.check("seat", "delegate", "wide", token + "-2", "--yes", "--seat", "bela")
    assert i.json(*words, "--delegation", token + "-2"), "a new one holds at once"
    key = s.public("wide").hex()
    i.check("seat", "delegate", key, token + "-3", "--yes", "--seat", "caro")  # who may not read the registry
    assert i.json(*words, "--delegation", token + "-3")


def who_may_take_back():
    s = service()
    i, live = s.i, Live("caro", "wide")
    other = i.run("seat", "withdraw", "caro", "--yes", "--seat", "dora")
    assert other.returncode == 1 and "not its own office's to sign" in other.stderr, other.stderr
    assert live.goes_on()
    i.check("seat", "withdraw", "caro", "--reason", "the gateway is in other hands", *ADMIN)
    assert live.ended() == "forgotten"
    ahead = json.dumps({"seat": "caro", "before": str(s.time() + 6 * MINUTE)})
    refused = i.run("event", "publish", "-", "--stream", "registry", "--type", "core.SeatDelegationsWithdrawn", "--seat",
                    "administrator", stdin=ahead)
    assert refused.returncode == 1 and "5 minutes" in refused.stderr, refused.stderr


def what_is_recorded_behind_the_withdrawal_reaches_nobody_by_it():
    s, before = service(), []
    from chancery.core.v1 import registry_pb2  # noqa: PLC0415
    pb, live, person = s.client.frames_pb2, Live("fatu", "wide"), s.own("fatu")
    act = registry_pb2.SeatDelegationsWithdrawn(seat="fatu", before=s.time() + 4 * MINUTE)
    for stream, name, payload in (("registry", act.DESCRIPTOR.full_name, act.SerializeToString()), ("notes", TYPE, b"")):
        [plain] = person.envelopes(stream, name, [payload])
        e = envelope().Envelope.FromString(plain)
        e.id = uuid7(s.time())
        [event] = s.client.sign(person.signer, [e.SerializeToString()], [os.urandom(16)])
        before.append(pb.Publish(events=[pb.SignedBytes(event=event, payload=payload)]))
    refs = [person.send(publish=p) for p in before]  # the second is on its way before the first is answered
    positions = [person.answer(r)[1].recorded.positions[0] for r in refs]
    assert positions[1] == positions[0] + 1, positions
    assert live.ended() == "forgotten"


def uuid7(now):
    tail = os.urandom(8)
    return (now // 1000 << 16 | 7 << 12).to_bytes(8, "big") + bytes([0x80 | tail[0] & 0x3F]) + tail[1:]


def refusals_are_counted_and_recorded():
    i = service().i
    status = i.json("status", "--seat", "administrator")[0]["broker"]
    counts = {r["code"]: int(r["count"]) for r in status["refused"]}
    assert counts["delegation.invalid"] > 655 and counts["delegation.expired"] and counts["delegation.withdrawn"], counts
    i.down()
    i.up()
    counted = [(e["payload"]["seat"], e["payload"]["code"]) for e in
               i.json("event", "ls", "--stream", "audit", "--seat", "administrator")]
    assert {("wide", f"delegation.{c}") for c in ("invalid", "expired", "withdrawn")} <= set(counted), counted
    assert ("green", "delegation.invalid") in counted and ("bela", "delegation.invalid") not in counted, counted
    i.down()
    i.check("log", "verify", i.dir, dir=False)
    assert "0 differences" in i.check("audit", i.dir, dir=False)


def envelope():
    from chancery.core.v1 import envelope_pb2  # noqa: PLC0415
    return envelope_pb2


if __name__ == "__main__":
    run([what_is_read_is_what_both_may, a_part_is_served_to_whom_its_event_is, nothing_is_done_but_what_the_delegation_says,
         what_is_published_the_person_signs, a_delegation_is_good_for_one_gateway_and_one_log, a_forged_delegation_is_none,
         every_byte_of_it_is_needed, a_session_ends_when_its_delegation_does, a_session_ends_with_its_time,
         a_gateway_has_its_share_and_leaves_the_person_its_own, the_rules_tell_what_would_be, by_the_command_alone,
         who_may_take_back, what_is_recorded_behind_the_withdrawal_reaches_nobody_by_it, refusals_are_counted_and_recorded])
