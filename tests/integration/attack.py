# SPDX-License-Identifier: Apache-2.0
"""attack.py - strangers, seats and thieves of keys against a broker as it is released: what they must not get, and what
they must not cost. 200 strangers knock at a time, 2,000 with CHANCERY_LONG."""
import contextlib
import os
import resource
import signal
import subprocess
import time

from door import CURVE, KNOCKS, STREAM, TYPE, Curve, Door, House, Narrow, anonymous, greeting
from instance import LONG, run, tool, wait_for

STRANGERS = 2000 if LONG else 200
SHORT = 1.0          # seconds in which an answer would come, were there one
MOST = 16 << 20      # bytes that strangers may cost
CREDIT = 1 << 20     # bytes, of a reader
LIMIT = 128 << 20    # bytes of memory of a broker, where they are limited
LOAD = 400 if LONG else 60  # batches of 64 events of 1 KiB


def refusal(c, **body):
    import client  # noqa: PLC0415
    try:
        c.call(**body)
    except client.Failure as refused:
        return refused
    return None


def unheard(c):
    """It says Hello, and nobody answers."""
    from chancery.core.v1 import frames_pb2  # noqa: PLC0415
    c.send(hello=frames_pb2.Hello(version=1, log=c.vkey.split("+")[0], software="attack"))
    return not c.socket.poll(1000 * SHORT)


# ---- a door that is left open ----

def a_broker_whose_door_is_open_does_not_serve():
    d = Door()
    for undone in ("domain,enforced,handler", "enforced,handler", "domain,handler", "domain", "unknown"):
        done = subprocess.run([tool("ajar"), "--config", d.dir], env={**os.environ, "AJAR": undone}, timeout=60,
                              capture_output=True, text=True)
        assert done.returncode == 1 and "broker.ready" not in done.stderr, (undone, done)
        assert "let a stranger in; refusing to serve" in done.stderr, (undone, done.stderr)
    with open(os.path.join(d.root, "ajar.log"), "wb") as log:
        shut = d.spawn(tool("ajar"), "--config", d.dir, stderr=log)
    wait_for("with nothing undone it serves", lambda: "broker.ready" in open(log.name).read())
    shut.terminate()
    assert shut.wait(60) == 0


# ---- keys ----

def whoever_has_not_both_keys_gets_nothing():
    d = Door().serve()
    import zmq  # noqa: PLC0415
    d.caller("officer").hello()
    public, secret = zmq.curve_keypair()
    stranger = {"curve_publickey": public, "curve_secretkey": secret}
    assert unheard(d.caller("officer", **stranger)), "the key that signs opens no door"
    assert unheard(d.caller("officer", curve_serverkey=public)), "nor is another server believed"
    assert unheard(d.caller("officer", curve_secretkey=secret)), "the public key alone is no key"
    d.caller("officer").hello()


def a_stolen_transport_key_publishes_nothing_and_learns_nothing():
    """Whatever it sends is refused before the seat's place in the stream is looked at. What is recorded is answered as a
    retry to whoever brings the very same envelope."""
    d = Door().serve()
    import client  # noqa: PLC0415
    from chancery.core.v1 import envelope_pb2, frames_pb2  # noqa: PLC0415
    from nacl.signing import SigningKey  # noqa: PLC0415
    own, thief = d.caller("officer"), d.caller("officer")
    thief.signer = SigningKey.generate()
    own.hello(), thief.hello()
    good = list(own.envelopes("sanctions.in", "chancery.sanctions.v1.ImportSnapshot", [b""]))
    gap = envelope_pb2.Envelope.FromString(good[0])
    gap.seat_seq, gap.previous = 99, os.urandom(32)

    def say(c, envelopes, forge=bytes):
        events = client.sign(c.signer, envelopes, [os.urandom(16) for _ in envelopes])
        return {"publish": frames_pb2.Publish(events=[
            frames_pb2.SignedBytes(event=forge(e), payload=b"") for e in events])}

    def forged(event):
        e = envelope_pb2.SignedEvent.FromString(event)
        e.signature = bytes(64)
        return e.SerializeToString()
    head = own.call(get_head=frames_pb2.GetHead()).head
    for envelope in (good[0], gap.SerializeToString()):
        for code, body in (("key.unknown", say(thief, [envelope])), ("signature.invalid", say(own, [envelope], forged))):
            refused = refusal(thief, **body)
            assert refused and refused.code == code, (code, refused)
    assert own.call(get_head=frames_pb2.GetHead()).head == head
    assert own.call(**say(own, good)).positions == thief.call(**say(thief, good)).positions == [head + 1]
    assert own.call(get_head=frames_pb2.GetHead()).head == head + 1


# ---- routing ids ----

def a_seat_that_chooses_its_routing_id_is_not_heard_and_harms_nobody():
    d = Door().serve()
    victim = d.caller("officer")
    victim.hello()
    for name in (b"officer", b"\0" * 5, b"x" * 255):
        assert name == b"\0" * 5 or unheard(d.caller("sanctions", routing_id=name))
    # where libzmq begins to count when nobody seeds it: it aborts once it comes to an id that is taken
    begin, taken = 0xE43C9869, []
    for n in range(64):
        taken.append(d.caller("sanctions", routing_id=b"\0" + (begin + n).to_bytes(4, "big")))
    wait_for("they are connected", lambda: d.files() > 64)
    for _ in range(64):
        d.caller("sanctions").hello()
    assert d.lives(), d.said()
    victim.welcome = None
    victim.hello()


# ---- strangers ----

def strangers_cost_little_and_nobody_waits_for_them():
    d = Door().serve()
    from chancery.core.v1 import frames_pb2  # noqa: PLC0415
    seat = d.caller("officer")
    seat.hello()
    files, memory, most, slowest = d.files(), d.memory(), 0, 0.0
    words, open_ones = list(KNOCKS.values()), []

    def look():
        nonlocal most, slowest
        begun = time.monotonic()
        seat.call(get_head=frames_pb2.GetHead())
        slowest = max(slowest, time.monotonic() - begun)
        most = max(most, d.memory() - memory)
    for n in range(STRANGERS):
        open_ones.append(d.knock(words[n % len(words)]))
        if n % 20 == 0:
            look()
    d.caller("sanctions").hello()  # who is no stranger comes in meanwhile
    for _ in range(STRANGERS):  # come, say it, and go
        d.knock(greeting(CURVE)).close()
    look()
    wait_for("they are shown the door", lambda: look() or d.files() <= files + 2, pause=0.1)
    for s in open_ones:
        s.close()
    look()
    print(f"        {STRANGERS} strangers and {STRANGERS} that came and went: {most >> 10} KiB, a seat waited for "
          f"{slowest * 1000:.0f} ms at most")
    assert most < MOST and slowest < 2.0 and d.lives()


# ---- seats ----

def opened(c):
    """A reading of the stream from its beginning."""
    from chancery.core.v1 import frames_pb2  # noqa: PLC0415
    return c.send(read=frames_pb2.Read(**{"from": 1}, streams=[STREAM], credit_events=1 << 20, credit_bytes=CREDIT))


def records(c, reading, n):
    """The next of a reading; what they took of its credit is given back."""
    from chancery.core.v1 import frames_pb2  # noqa: PLC0415
    got = []
    while len(got) < n:
        kind, frame = c.receive()
        assert kind, f"{len(got)} of {n} records came"
        if kind == "deliver" and frame.ref == reading:
            got += frame.deliver.records
            used = sum(len(r.event) + len(r.payload) for r in frame.deliver.records)
            c.send(reading, credit=frames_pb2.Credit(events=len(frame.deliver.records), bytes=used))
    return got


def a_reader_that_takes_a_byte_a_second_costs_its_credit_and_misses_nothing():
    """The broker may end its connection, for its heartbeats cannot get through; then it goes on in another one."""
    d = Door().serve()
    from chancery.core.v1 import frames_pb2  # noqa: PLC0415
    d.allow("attack", "any", "publish,read", STREAM)
    writer, fast, way = d.caller("officer"), d.caller("sanctions"), Narrow(d)
    slow = d.caller("embargo", endpoint=way.endpoint)
    for c in (writer, fast, slow):
        c.hello()
    way.narrow = True
    readings = {c: opened(c) for c in (fast, slow)}
    before = most = 0
    for n in range(LOAD):
        writer.publish(STREAM, TYPE, [os.urandom(1024)] * 64)
        assert len(records(fast, readings[fast], 64)) == 64
        before = d.memory() if n == LOAD // 4 else before
        most = max(most, d.memory() - before) if before else 0
    assert way.passed < 128 << 10, way.passed
    way.narrow = False
    last = writer.call(get_head=frames_pb2.GetHead()).head
    positions = [r.position for r in slow.read(STREAM, 1, last)]
    assert positions == list(range(last + 1 - 64 * LOAD, last + 1)), "a gap"
    print(f"        {64 * LOAD} events while a reader took a byte a second: {most >> 10} KiB more; all of them came at last")
    assert most < CREDIT, most


def bombs(c):
    """Frames of 256 KiB, or a little more, and what is said of them."""
    import client  # noqa: PLC0415
    from chancery.core.v1 import envelope_pb2, frames_pb2  # noqa: PLC0415
    greek = "\u1f82" * 87000
    hello = frames_pb2.Frame(ref=7, hello=frames_pb2.Hello(version=1, log=greek)).SerializeToString()
    yield "a field 100,000 times", frames_pb2.Frame(ref=7, read=frames_pb2.Read(
        streams=[""] * 100000)).SerializeToString(), "bounds.exceeded"
    yield "empty events", frames_pb2.Frame(ref=7, publish=frames_pb2.Publish(
        events=[frames_pb2.SignedBytes()] * 100000)).SerializeToString(), "bounds.exceeded"
    yield "unknown fields", bytes([0xC2, 0x3E, 0x00]) * 80000, "bounds.exceeded"
    yield "groups in groups", b"\xa3\x06" * 120000, "bytes.malformed"
    yield "a letter that decomposes into four", hello, "log.mismatch"
    yield "no UTF-8", hello.replace(greek.encode()[-6:], b"\xff" * 6), "text.invalid"
    e = envelope_pb2.Envelope.FromString(next(c.envelopes(STREAM, TYPE, [b""])))
    e.handling.recipients.extend([envelope_pb2.Recipient()] * 4000)
    [event] = client.sign(c.signer, [e.SerializeToString()], [bytes(16)])
    yield "recipients", frames_pb2.Frame(ref=7, publish=frames_pb2.Publish(
        events=[frames_pb2.SignedBytes(event=event)])).SerializeToString(), "bounds.exceeded"


def bombs_are_refused_with_a_code_and_leave_nothing_behind():
    d = Door().serve()
    from chancery.core.v1 import frames_pb2  # noqa: PLC0415
    c = d.caller("officer")
    c.hello()
    memory = d.memory()
    for name, frame, code in bombs(c):
        for _ in range(5):
            c.socket.send(frame)
            kind, answer = c.receive()
            assert kind == "refused" and answer.refused.code == code, (name, kind, answer)
    c.call(get_head=frames_pb2.GetHead())
    assert d.lives() and d.memory() - memory < MOST, d.memory() - memory


def gather(hostile, pid, writer):
    """Parts of a message without end, while another seat publishes, until the broker is gone or ends the connection."""
    acknowledged = []
    with contextlib.suppress(OSError):
        for n in range(4 * LIMIT >> 20):
            hostile.part(bytes(1 << 20))
            if n % 16 == 0:
                acknowledged += writer.publish(STREAM, TYPE, [b"x"]).positions
            if anonymous(pid) > LIMIT:
                os.kill(pid, signal.SIGKILL)  # as the kernel does, where the unit limits memory
                return acknowledged, True
    return acknowledged, False


def an_endless_message_ends_the_broker_alone_and_loses_nothing():
    i = House()
    from chancery.core.v1 import frames_pb2  # noqa: PLC0415
    i.up()
    i.allow("attack", "any", "publish,read", STREAM)
    others = {name: pid for name, pid in i.pids().items() if name != "broker"}
    broker, writer = i.pids()["broker"], i.caller("officer")
    acknowledged, killed = gather(Curve(i, "sanctions"), broker, writer)
    died = time.monotonic()
    assert killed, "it was not held in memory, where nothing limits it"
    wait_for("another broker serves", lambda: i.pids().get("broker", broker) != broker and
             i.run("list", "status").returncode == 0)
    back = time.monotonic() - died
    assert {name: pid for name, pid in i.pids().items() if name != "broker"} == others, "it dies alone"
    resource.prlimit(i.pids()["broker"], resource.RLIMIT_DATA, (LIMIT, LIMIT))
    second, broker = i.caller("officer"), i.pids()["broker"]
    more, killed = gather(Curve(i, "sanctions"), broker, second)
    assert not killed and i.pids()["broker"] == broker, "what it cannot have ends the connection that asks for it"
    wait_for("its memory comes back", lambda: anonymous(broker) < LIMIT // 4)
    second.call(get_head=frames_pb2.GetHead())
    got = {r.position for r in second.read(STREAM, 1, more[-1])}
    assert got >= {*acknowledged, *more}, {*acknowledged, *more} - got
    print(f"        killed at {LIMIT >> 20} MiB, another one served after {back:.1f} s; "
          f"all of {len(acknowledged) + len(more)} acknowledged events are there")
    i.down()
    i.check("log", "verify", i.dir, dir=False)


if __name__ == "__main__":
    run([a_broker_whose_door_is_open_does_not_serve, whoever_has_not_both_keys_gets_nothing,
         a_stolen_transport_key_publishes_nothing_and_learns_nothing,
         a_seat_that_chooses_its_routing_id_is_not_heard_and_harms_nobody,
         strangers_cost_little_and_nobody_waits_for_them,
         a_reader_that_takes_a_byte_a_second_costs_its_credit_and_misses_nothing,
         bombs_are_refused_with_a_code_and_leave_nothing_behind,
         an_endless_message_ends_the_broker_alone_and_loses_nothing])
