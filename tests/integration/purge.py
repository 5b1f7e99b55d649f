# SPDX-License-Identifier: Apache-2.0
"""purge.py - a part is deleted for good: its bytes are nowhere in the instance, its events stay, and it does not come back.

Writer and administrator are Python clients; the acts are made by `chancery part purge`."""
import base64
import glob
import hashlib
import os
import random
import time

from drill import SUCCESSOR, Restored, disaster, put_back
from examples import python_client
from instance import Instance, Released, plain, run, scratch, spawn, wait_for

STREAM, TYPE = "cases", "chancery.core.v1.RetryInput"
REASON = "erasure ordered by a court of QMB, 2026/17: é"  # two bytes in one letter
WORDS = ("--yes", "--seat", "administrator")
SEED = int(os.environ.get("CHANCERY_SEED", "20261126"))
ROUNDS, PURGES, LOAD = 16, 12, 240


class Desk:
    """A client of one seat, in a directory of its own beside the instance."""

    def __init__(self, i, seat):
        import client  # noqa: PLC0415 (found once protoc has run)
        self.place = os.path.join(i.root, f"desk-{seat}")
        if not os.path.isdir(self.place):
            os.makedirs(os.path.join(self.place, "keys"))
            for name in ("log.vkey", f"keys/{seat}.key"):
                os.symlink(os.path.join(i.dir, name), os.path.join(self.place, name))
            with open(i.conf) as f:
                connection = f.read().split("[connection]")[1].split("\n[")[0]
            with open(os.path.join(self.place, "chancery.conf"), "w") as f:
                f.write("[connection]" + connection.replace("ipc://run", f"ipc://{i.dir}/run") +
                        f"\n[terminal]\nseat = {seat}\n")
        self.client = client.Client(self.place)
        self.client.hello()

    def put(self, data):
        from chancery.core.v1 import frames_pb2  # noqa: PLC0415
        self.client.call(put_part=frames_pb2.PutPart(sha256=hashlib.sha256(data).digest(), size=len(data),
                                                     offset=0, chunk=data))

    def get(self, position, data):
        from chancery.core.v1 import frames_pb2  # noqa: PLC0415
        return self.client.call(get_part=frames_pb2.GetPart(
            position=position, sha256=hashlib.sha256(data).digest(), offset=0, length=1 << 18)).chunk

    def signed(self, *parts, until=0):
        """An event that names the parts and states how long they are kept, as it is published."""
        import client  # noqa: PLC0415
        from chancery.core.v1 import envelope_pb2, frames_pb2  # noqa: PLC0415
        [packed] = self.client.envelopes(STREAM, TYPE, [b""])
        envelope = envelope_pb2.Envelope.FromString(packed)
        envelope.parts.extend(envelope_pb2.PartRef(
            sha256=hashlib.sha256(data).digest(), size=len(data), media_type="text/plain",
            name=f"{n}.txt") for n, data in enumerate(parts))
        envelope.handling.retain_until = until
        [event] = client.sign(self.client.signer, [envelope.SerializeToString()], [os.urandom(16)])
        return frames_pb2.Publish(events=[frames_pb2.SignedBytes(event=event, payload=b"")])

    def name(self, *parts, until=0):
        """The position of a new event that names the parts."""
        return self.client.call(publish=self.signed(*parts, until=until)).positions[0]


def refused(code, call, *arguments):
    """What the broker says when it refuses with the code."""
    import client  # noqa: PLC0415
    try:
        call(*arguments)
    except client.Failure as why:
        assert why.code == code, why
        return str(why)
    raise AssertionError(f"not refused with {code}")


def admitted(kind=Instance):
    """An instance with a seat that writes and reads cases, and one that may not administer."""
    python_client()
    i = kind()
    i.up()
    i.admit("writer", "QMB/desk", publish=(STREAM, "*"), read=(STREAM, "*"))
    i.check("access", "allow", "tries", "seat:writer", "publish,read", "registry", *WORDS)
    return i


def digits(data):
    return hashlib.sha256(data).hexdigest()


def stored(i, data):
    name = digits(data)
    return os.path.exists(os.path.join(i.dir, "parts", name[:2], name))


def purge(i, position, data, *words, status=0):
    return i.run("part", "purge", str(position), digits(data), "--reason", REASON, *(words or WORDS))


def holding(folder, marker):
    """The files of a directory that the bytes are found in."""
    found = []
    for path in glob.glob(os.path.join(folder, "**"), recursive=True, include_hidden=True):
        if os.path.isfile(path):
            with open(path, "rb") as f:
                if marker in f.read():
                    found.append(path)
    return found


def the_bytes_are_nowhere_and_the_events_stay():
    i = admitted()
    writer, marker = Desk(i, "writer"), os.urandom(32)
    data, kept = b"to be forgotten: " + marker + b" and the rest", b"this one stays"
    before = os.path.join(scratch(), "before.backup")
    for part in (data, kept):
        writer.put(part)
    first, second = writer.name(data, kept), writer.name(kept, data)
    assert len(holding(i.dir, marker)) == 1 and writer.get(second, data) == data
    i.check("log", "backup", i.dir, before, dir=False)

    done = purge(i, first, data, "--yes", "--seat", "writer")
    assert done.returncode == 1 and "access.denied" in done.stderr and "for administrators" in done.stderr, done
    done = purge(i, second + 1, data)
    assert done.returncode == 1 and "names no such part" in done.stderr, done
    done = purge(i, first, b"never put")
    assert done.returncode == 1 and "names no such part" in done.stderr, done
    asked = i.run("part", "purge", str(first), digits(data), "--reason", REASON, "--seat", "administrator", stdin="")
    assert asked.returncode == 1 and "for every event that names it" in asked.stderr, asked
    assert writer.get(first, data) == data, "nothing of this purged it"

    done = purge(i, second, data)
    assert done.returncode == 0, done
    at = int(done.stdout.rsplit(" ", 1)[1])
    wait_for("the file is gone", lambda: not stored(i, data))
    assert holding(i.dir, marker) == [], "in no file of the instance"
    why = f"purged at position {at} by administrator: {REASON}"
    for position in (first, second):
        assert why in refused("part.purged", writer.get, position, data)
        assert writer.get(position, kept) == kept
    assert f"position {at}" in refused("part.purged", writer.put, data)
    assert REASON not in refused("part.purged", writer.name, data), "who only has the bytes is not told why"
    assert holding(i.dir, marker) == []
    done = purge(i, first, data)
    assert done.returncode == 1 and f"purged at position {at}" in done.stderr, done

    shown = i.check("part", "ls", str(first), "--seat", "writer").splitlines()
    assert why in shown[1] and shown[1].startswith(digits(data)) and shown[2].endswith("stored"), shown
    listed = i.json("part", "ls", str(second), "--seat", "writer")
    assert [(p["sha256"], p["code"]) for p in listed] == [(digits(kept), ""), (digits(data), "part.purged")], listed
    assert [r.position for r in writer.client.read(STREAM, 1, second)] == [first, second]
    tally = i.json("log", "verify", i.dir, dir=False)[0]
    assert tally["ok"] and (tally["parts"], tally["purged"]) == (2, 1), tally
    i.down()
    assert "0 differences" in i.check("audit", i.dir, dir=False)
    in_and_out(i, marker, before)


def in_and_out(i, marker, before):
    """A backup made since has the purge and not the part; one made before has the part and not the purge."""
    folder = scratch()
    since, back, old = (os.path.join(folder, name) for name in ("since.backup", "back", "old"))
    i.check("log", "backup", i.dir, since, dir=False)
    i.check("log", "backup", since, "--verify", dir=False)
    said = i.check("log", "restore", since, back, dir=False)
    assert "2 parts, 1 of them purged" in said and holding(back, marker) == [], said
    i.check("log", "restore", before, old, dir=False)
    assert len(holding(old, marker)) == 1, "the limit that the manual names"


def a_part_that_is_on_its_way_does_not_come_back():
    i = admitted()
    from chancery.core.v1 import frames_pb2  # noqa: PLC0415
    writer, other = Desk(i, "writer"), Desk(i, "writer")
    marker = os.urandom(32)
    data = marker * 9000  # in two chunks
    half = 1 << 18
    sha256 = hashlib.sha256(data).digest()

    def piece(desk, offset, chunk):
        desk.client.call(put_part=frames_pb2.PutPart(sha256=sha256, size=len(data), offset=offset, chunk=chunk))
    writer.client.send(put_part=frames_pb2.PutPart(sha256=sha256, size=len(data), offset=0, chunk=data[:half]))
    piece(writer, half, data[half:])
    position = writer.name(data)
    other.client.send(put_part=frames_pb2.PutPart(sha256=sha256, size=len(data), offset=0, chunk=data[:half]))
    wait_for("another upload is under way", lambda: len(holding(i.dir, marker)) == 2)
    assert purge(i, position, data).returncode == 0
    wait_for("the bytes are gone", lambda: holding(i.dir, marker) == [])
    refused("part.purged", piece, other, half, data[half:])
    assert holding(i.dir, marker) == []
    i.down()


def what_was_not_deleted_in_time_is_found_and_deleted_at_the_next_start():
    """The state that a broker leaves when it ends between the commit and the unlink."""
    i = admitted()
    writer, data = Desk(i, "writer"), os.urandom(32) * 3
    writer.put(data)
    position = writer.name(data)
    assert purge(i, position, data).returncode == 0
    wait_for("the file is gone", lambda: not stored(i, data))
    i.down()
    name = digits(data)
    path = os.path.join(i.dir, "parts", name[:2], name)
    with open(path, "wb") as f:
        f.write(data)
    found = i.run("log", "verify", i.dir, dir=False)
    assert found.returncode == 1 and f"{name}: was purged and should be gone" in found.stdout, found
    since = os.path.join(scratch(), "since.backup")
    i.check("log", "backup", i.dir, since, dir=False)
    i.check("log", "restore", since, since + ".back", dir=False)
    assert not os.path.exists(os.path.join(since + ".back", "parts", name[:2], name)), "no backup carries it"
    i.up()
    wait_for("the next start deletes it", lambda: not os.path.exists(path))
    i.down()
    i.check("log", "verify", i.dir, dir=False)


def a_part_goes_when_the_last_event_that_names_it_keeps_it_no_longer():
    i = admitted()
    writer = Desk(i, "writer")
    soon, late = (writer.client.welcome.now + hours * 3600 * 10**6 for hours in (1, 100))
    gone, kept, later = (os.urandom(32) + name for name in (b"gone", b"kept", b"later"))
    for data in (gone, kept, later):
        writer.put(data)
    position = writer.name(gone, kept, later, until=soon)
    writer.name(kept)
    writer.name(later, until=late)
    restart(i)
    assert all(stored(i, data) for data in (gone, kept, later))
    i.check("clock", "move", "2h", "--seat", "administrator")
    restart(i)  # at its start and once a minute it looks
    wait_for("what nothing keeps is deleted", lambda: not stored(i, gone))
    [expired] = i.json("event", "ls", "--stream", "audit", "--type", "core.PartExpired", "--seat", "administrator")
    assert expired["payload"] == {"sha256": base64.b64encode(hashlib.sha256(gone).digest()).decode(),
                                  "position": str(position), "until": str(soon)}, expired
    writer = Desk(i, "writer")
    assert "it was kept until" in refused("part.purged", writer.get, position, gone)
    assert writer.get(position, kept) == kept and writer.get(position, later) == later
    tally = i.json("log", "verify", i.dir, dir=False)[0]
    assert (tally["parts"], tally["purged"]) == (3, 0), tally
    since = os.path.join(scratch(), "since.backup")
    i.check("log", "backup", i.dir, since, dir=False)
    i.check("log", "restore", since, since + ".back", dir=False)
    writer.put(gone)
    again = writer.name(gone)
    restart(i)
    assert Desk(i, "writer").get(again, gone) == gone, "who publishes it anew keeps it"
    i.down()
    i.check("audit", i.dir, dir=False)
    os.unlink(os.path.join(i.dir, "parts", digits(kept)[:2], digits(kept)))
    found = i.run("log", "verify", i.dir, dir=False)
    assert found.returncode == 1 and f"{digits(kept)}: the part is not stored" in found.stdout, found


def restart(i):
    i.down()
    i.up()


def what_was_purged_behind_a_backup_is_purged_in_its_successor():
    """Where another administrator signs the succession; the purger's receipts bring the purges back."""
    i, safe = admitted(), scratch()
    i.admit("second", "QMZ/administration")
    i.check("office", "set", "QMZ/administration", "--roles", "administrator", *WORDS)
    writer, backup = Desk(i, "writer"), os.path.join(safe, "backup")
    early, late = os.urandom(32) + b"early", os.urandom(32) + b"late"
    writer.put(early)
    first = writer.name(early)
    i.check("log", "backup", i.dir, backup, dir=False)
    writer.put(late)
    lost = writer.signed(late)
    second = writer.client.call(publish=lost).positions[0]
    assert purge(i, first, early).returncode == purge(i, second, late).returncode == 0
    i.down()
    disaster(i, None, safe)
    successor = Restored(scratch())
    i.check("log", "restore", backup, successor.dir, "--successor", SUCCESSOR, "--administrator",
            os.path.join(safe, "keys", "second.key"), "--checkpoint", os.path.join(safe, "checkpoint"), dir=False)
    put_back(successor, safe)
    successor.up()
    assert stored(successor, early), "it is the backup's"
    successor.check("party", "add", "QMY", *WORDS)  # the purger comes back, and what it signed
    wait_for("the purge came back", lambda: not stored(successor, early))
    back = Desk(successor, "writer").client.call(publish=lost).positions[0]
    assert "purged at" in refused("part.purged", Desk(successor, "writer").get, back, late)
    successor.down()
    tally = successor.json("log", "verify", successor.dir, dir=False)[0]
    assert (tally["parts"], tally["purged"]) == (2, 2), tally


class Broker:
    """By itself, so that nothing starts it again between the kill and a look at the files."""

    def __init__(self, i):
        self.i = i
        with open(os.path.join(i.root, "broker.log"), "ab") as log:
            self.process = spawn(plain("chancery-broker"), "--config", i.dir, stdout=log, stderr=log)
        wait_for("the broker answers", lambda: i.run("log", "head").returncode == 0)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        self.process.terminate()
        assert self.process.wait(60) == 0


def frames_of(desk, stream, type_name, payloads):
    """Signed events that follow each other, each in a frame of its own."""
    import client  # noqa: PLC0415
    from chancery.core.v1 import frames_pb2  # noqa: PLC0415
    envelopes = list(desk.client.envelopes(stream, type_name, payloads))
    events = client.sign(desk.client.signer, envelopes, [os.urandom(16) for _ in envelopes])
    return [frames_pb2.Publish(events=[frames_pb2.SignedBytes(event=e, payload=p)]) for e, p in zip(events, payloads)]


def begin_purges(i, parts):
    """Among other events, and nobody waits for an answer: the broker is in the midst of them."""
    from chancery.core.v1 import registry_pb2  # noqa: PLC0415
    writer, administrator = Desk(i, "writer"), Desk(i, "administrator")
    for data in parts:
        writer.put(data)
    position = writer.name(*parts)
    acts = frames_of(administrator, "registry", "chancery.core.v1.PartPurged", [
        registry_pb2.PartPurged(sha256=hashlib.sha256(data).digest(), position=position,
                                reason=REASON).SerializeToString() for data in parts])
    load = frames_of(writer, STREAM, TYPE, [b""] * LOAD)
    for n, act in enumerate(acts):
        for other in load[n::len(acts)]:
            writer.client.send(publish=other)
        administrator.client.send(publish=act)


def a_broker_that_is_killed_at_any_moment_ends_what_it_began():
    i = admitted(Released)
    i.down()
    dice = random.Random(SEED)
    recorded = late = 0
    for _ in range(ROUNDS):
        parts = [os.urandom(32) + bytes(2000) for _ in range(PURGES)]
        broker = Broker(i)
        begin_purges(i, parts)
        time.sleep(dice.uniform(0.0, 0.008))  # a random point, not a wait
        broker.kill()
        there = {digits(data) for data in parts if stored(i, data)}
        broker = Broker(i)
        purged = {base64.b64decode(e["payload"]["sha256"]).hex() for e in i.json(
            "event", "ls", "--stream", "registry", "--type", "core.PartPurged", "--seat", "administrator")}
        purged &= {digits(data) for data in parts}
        assert len(there | purged) == PURGES, "nothing is deleted before it is recorded"
        for data in parts:
            wait_for("what is purged is deleted", lambda d=data: stored(i, d) == (digits(d) not in purged))
        broker.end()
        i.check("log", "verify", i.dir, dir=False)
        recorded, late = recorded + len(purged), late + len(there & purged)
    print(f"        seed {SEED}: {ROUNDS} kills, {recorded} of {ROUNDS * PURGES} purges were recorded, {late} of them "
          "with the file still there", flush=True)
    assert 0 < recorded


if __name__ == "__main__":
    run([the_bytes_are_nowhere_and_the_events_stay, a_part_that_is_on_its_way_does_not_come_back,
         what_was_not_deleted_in_time_is_found_and_deleted_at_the_next_start,
         a_part_goes_when_the_last_event_that_names_it_keeps_it_no_longer,
         what_was_purged_behind_a_backup_is_purged_in_its_successor,
         a_broker_that_is_killed_at_any_moment_ends_what_it_began])
