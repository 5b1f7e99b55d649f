# SPDX-License-Identifier: Apache-2.0
"""export.py - the log for outsiders: what is exported and proved is accepted by a judge from outside, and what was
tampered with is refused by the judge and by our own verifier alike.

200 tamperings with an export at random, and 60 with an event and its proof; ten times as many with CHANCERY_LONG."""
import base64
import collections
import functools
import os
import random
import shutil
import subprocess

from bare import MEMORY, Bare
from instance import LONG, Instance, plain, run, scratch, snapshot, tool, wait_for
from judge import judge

TAMPERINGS, FLIPS = (2000, 600) if LONG else (200, 60)
SEED = int(os.environ.get("CHANCERY_SEED", 20260301))
Log = collections.namedtuple("Log", "dir vkey out checkpoints forks")


def chancery(*words, program=plain):
    return subprocess.run([program("chancery"), *map(str, words)], capture_output=True, text=True)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)
    return path


def files(out):
    """Name -> bytes of all files below."""
    return {os.path.relpath(os.path.join(folder, name), out): read(os.path.join(folder, name))
            for folder, _, names in os.walk(out) for name in names}


def export(log_dir, out, status=0, program=plain):
    done = chancery("log", "export", log_dir, out, program=program)
    assert done.returncode == status, done
    return done.stdout + done.stderr


def size_of(checkpoint):
    return int(checkpoint.split(b"\n")[1])


def party(i, name):
    """One event more, and the checkpoint that has it."""
    before = size_of(read(os.path.join(i.dir, "log", "checkpoint")))
    i.register("PartyAdded", {"party": name, "kind": "PARTY_KIND_STATE"})

    def signed():
        note = read(os.path.join(i.dir, "log", "checkpoint"))
        return note if size_of(note) > before else None
    return wait_for("a checkpoint has it", signed)


@functools.cache
def grown():
    """A log of a real list, exported beside its broker; its newest checkpoints; and those of a fork, which the same
    key signed."""
    i = Instance()
    founding = read(os.path.join(i.dir, "log", "checkpoint"))
    i.up()
    i.check("list", "import", snapshot("2023-03-27", scratch()))
    i.down()
    fork = Bare(i.dir)
    i.up()
    out = os.path.join(scratch(), "out")
    export(i.dir, out, program=tool)
    checkpoints = [founding, read(os.path.join(out, "checkpoint"))]
    checkpoints += [party(i, f"QN{letter}") for letter in "ABCDEFGH"]
    i.down()
    broker = fork.broker()
    forks = [party(fork, f"QP{letter}") for letter in "ABCDEFGHIJ"]
    fork.stop(broker)
    vkey = read(os.path.join(i.dir, "log.vkey")).decode().strip()
    return Log(i.dir, vkey, out, checkpoints, forks), fork


def log():
    return grown()[0]


@functools.cache
def fresh():
    out = os.path.join(scratch(), "fresh")
    export(log().dir, out, program=tool)
    return out


def accepted(out):
    """By both; or refused by both."""
    theirs = judge("dir", log().vkey, out)
    ours = chancery("log", "check", out, "--key", log().vkey)
    assert theirs.returncode == ours.returncode, (theirs, ours)
    return ours.returncode == 0


# ---- exports ----

def an_export_is_accepted_by_the_judge_and_by_us():
    assert accepted(fresh())
    done = chancery("log", "check", fresh(), "--key", log().vkey, "--json", program=tool)
    assert done.returncode == 0 and f'"size":{size_of(log().checkpoints[-1])}' in done.stdout, done


def an_export_that_is_extended_is_a_fresh_one():
    before, meant = files(log().out), files(fresh())
    assert accepted(log().out)
    text = export(log().dir, log().out)
    now = files(log().out)
    assert accepted(log().out)
    assert all(now[name] == data for name, data in meant.items()), text
    left = set(now) - set(meant)  # the partial tiles of the checkpoint before
    assert left and all(".p/" in name and now[name] == before[name] for name in left), left
    assert ", 0 files written" in export(log().dir, log().out)
    full = [name for name in before if ".p/" not in name and name != "checkpoint"]
    assert full and all(now[name] == before[name] for name in full)


def an_export_is_taken_and_extended_while_the_broker_records():
    i = Bare(log().dir)
    broker, history = i.broker(), os.path.join(i.root, "history")
    publishing, out, sizes = i.publish(70000, 1000, history), os.path.join(i.root, "out"), []
    while publishing.poll() is None or len(sizes) < 2:
        export(i.dir, out)
        sizes.append(size_of(read(os.path.join(out, "checkpoint"))))
        assert accepted(out)
    i.stop(broker)
    export(i.dir, out)
    assert accepted(out) and sizes == sorted(sizes)
    now = files(out)
    assert size_of(now["checkpoint"]) > 70000 and "tile/1/000" in now and "tile/2/000.p/1" in now
    i.drop()


def an_export_that_is_killed_goes_on():
    meant, n = files(fresh()), 0
    while n <= len(meant):
        out = os.path.join(scratch(MEMORY), "out")
        process = subprocess.Popen([plain("chancery"), "log", "export", log().dir, out],
                                   stdout=subprocess.DEVNULL)
        wait_for("some files are there", lambda: process.poll() is not None or
                 sum(len(names) for _, _, names in os.walk(out)) >= n, pause=0)
        process.kill()
        process.wait()
        if os.path.exists(os.path.join(out, "checkpoint")):
            assert accepted(out)
        export(log().dir, out)
        assert accepted(out)
        assert {k: v for k, v in files(out).items() if not k.endswith(".new")} == meant
        shutil.rmtree(out)
        n += 1


def refused(log_dir, out, *words):
    """With these words, and nothing changed."""
    before = files(out)
    text = export(log_dir, out, status=1)
    assert all(word in text for word in words), text
    assert files(out) == before, text


def what_is_no_older_export_of_the_log_is_refused():
    fork = grown()[1]
    copy = os.path.join(scratch(), "copy")
    shutil.copytree(fresh(), copy)
    refused(fork.dir, copy, "checkpoint", "a fork", "log.forked")
    name = "tile/0/001"
    flipped = bytearray(read(os.path.join(copy, name)))
    flipped[100] ^= 1
    write(os.path.join(copy, name), flipped)
    refused(log().dir, copy, name, "it was changed")
    other = Instance()
    refused(other.dir, fresh(), "checkpoint", "another log's, or forged")
    write(os.path.join(scratch(), "letter"), b"dear")
    folder = scratch()
    write(os.path.join(folder, "letter"), b"dear")
    refused(log().dir, folder, "letter", "it is no export")
    older = os.path.join(scratch(), "older")
    export(other.dir, older)
    other.up()
    party(other, "QNA")
    other.down()
    newer = os.path.join(scratch(), "newer")
    export(other.dir, newer)
    write(os.path.join(other.dir, "log", "checkpoint"), read(os.path.join(older, "checkpoint")))
    refused(other.dir, newer, "checkpoint", "log.rolled_back")


# ---- tampering ----

def flip(chance, out):
    name = chance.choice(sorted(files(out)))
    data = bytearray(read(os.path.join(out, name)))
    at = chance.randrange(len(data))
    # of the last digit of the signature two bits carry nothing, and the judge does not look at them
    if name == "checkpoint" and at == len(data) - 3:
        at = 0
    data[at] ^= chance.randrange(1, 256)
    write(os.path.join(out, name), data)
    return f"flip {name} at {at}"


def truncate(chance, out):
    name = chance.choice(sorted(files(out)))
    data = read(os.path.join(out, name))
    size = chance.randrange(len(data))
    write(os.path.join(out, name), data[:size])
    return f"truncate {name} to {size}"


def remove(chance, out):
    name = chance.choice(sorted(files(out)))
    os.unlink(os.path.join(out, name))
    return f"remove {name}"


def swap(chance, out):
    one, two = chance.sample(sorted(files(out)), 2)
    data = [read(os.path.join(out, name)) for name in (one, two)]
    assert data[0] != data[1], (one, two)
    write(os.path.join(out, one), data[1])
    write(os.path.join(out, two), data[0])
    return f"swap {one} and {two}"


def older_checkpoint(chance, out):
    """Of a size whose partial tiles are not there."""
    note = chance.choice(log().checkpoints[1:-1])
    write(os.path.join(out, "checkpoint"), note)
    return f"checkpoint of {size_of(note)}"


def forked_checkpoint(chance, out):
    note = chance.choice(log().forks)
    write(os.path.join(out, "checkpoint"), note)
    return f"forked checkpoint of {size_of(note)}"


def whatever_is_tampered_with_is_refused_by_both():
    chance = random.Random(SEED)
    kinds = (flip, truncate, remove, swap, older_checkpoint, forked_checkpoint)
    for n in range(TAMPERINGS):
        out = os.path.join(scratch(MEMORY), "out")
        shutil.copytree(fresh(), out)
        what = chance.choice(kinds)(chance, out)
        assert not accepted(out), f"{n}: {what}: accepted"
        shutil.rmtree(out)


def an_older_checkpoint_whose_tiles_are_there_is_an_older_export():
    out = os.path.join(scratch(), "out")
    shutil.copytree(fresh(), out)
    write(os.path.join(out, "checkpoint"), log().checkpoints[0])
    assert accepted(out)
    done = chancery("log", "check", out, "--key", log().vkey)
    assert f"{size_of(log().checkpoints[0])} records" in done.stdout, done
    key = read(os.path.join(Instance().dir, "log.vkey")).decode().strip()
    done = chancery("log", "check", out, "--key", key)
    assert done.returncode == 1 and "checkpoint: is not signed with the key" in done.stderr, done


# ---- consistency ----

def consistency(old, new):
    """Our proof, and whether the judge takes it."""
    work = scratch()
    names = [write(os.path.join(work, name), note) for name, note in (("old", old), ("new", new))]
    done = chancery("log", "consistency", log().dir, *names, program=tool)
    proof = write(os.path.join(work, "proof"), done.stdout.encode())
    return done, judge("consistency", log().vkey, *names, proof).returncode == 0, names


def a_checkpoint_extends_the_ones_before():
    notes = log().checkpoints
    for a in range(len(notes)):
        for b in range(a, len(notes)):
            done, taken, names = consistency(notes[a], notes[b])
            assert done.returncode == 0 and taken, (a, b, done)
    lines = done.stdout.splitlines()
    assert lines == []  # of the newest and itself
    done, _, names = consistency(notes[0], notes[-1])
    lines = done.stdout.splitlines()
    for at in range(len(lines)):
        data = bytearray(base64.b64decode(lines[at]))
        data[5] ^= 16
        bad = [*lines[:at], base64.b64encode(data).decode(), *lines[at + 1:]]
        proof = write(os.path.join(scratch(), "proof"), "\n".join(bad).encode())
        assert judge("consistency", log().vkey, *names, proof).returncode == 1, at


def what_the_log_never_was_is_not_proved():
    notes, forks = log().checkpoints, log().forks
    other = read(os.path.join(Instance().dir, "log", "checkpoint"))
    size = size_of(notes[0])
    forged = notes[0].replace(b"\n%d\n" % size, b"\n%d\n" % (size + 1))
    for old, new, word in ((notes[-1], notes[0], "name the older one first"),
                           (notes[0], forks[0], "log.forked"), (forks[0], notes[-1], "log.forked"),
                           (notes[0], forks[-1], "that log is older"), (other, notes[0], "another log's, or forged"),
                           (forged, notes[-1], "not signed with the key"), (b"", notes[-1], "no checkpoint")):
        done, _, _ = consistency(old, new)
        assert done.returncode == 1 and word in done.stderr and done.stdout == "", done


# ---- an event and its proof ----

def evidence(position):
    """The two files, as an outsider gets them."""
    work = scratch(MEMORY)
    event, proof = (os.path.join(work, f"{position}.{kind}") for kind in ("event", "tlog-proof"))
    done = chancery("log", "proof", log().dir, position, "--event", event, program=tool)
    assert done.returncode == 0, done
    return write(proof, done.stdout.encode()), event


def verify(proof, *more, program=plain):
    return chancery("event", "verify", proof, "--key", log().vkey, *more, program=program)


def seat_key(seat):
    done = chancery("key", "show", os.path.join(log().dir, "keys", f"{seat}.key"), "--json")
    return done.stdout.split('"ed25519":"')[1][:64]


def an_event_and_its_proof_are_verified_by_an_outsider():
    size = size_of(log().checkpoints[-1])
    for position, seat in ((1, "administrator"), (500, "sanctions"), (size, "administrator")):
        proof, event = evidence(position)
        done = verify(proof, program=tool)
        assert done.returncode == 0, done
        assert f"position        {position}\n" in done.stdout and "NOT checked     the signature" in done.stdout, done
        assert f"log             {log().vkey.split('+')[0]}\n" in done.stdout and seat in done.stdout, done
        done = verify(proof, "--seat-key", seat_key(seat), program=tool)
        assert done.returncode == 0 and "it is signed with the key" in done.stdout, done
        assert "NOT checked     the signature" not in done.stdout, done
        done = verify(proof, "--seat-key", seat_key("alert"))
        assert done.returncode == 1 and "--seat-key is" in done.stderr, done
        moved = shutil.move(event, os.path.join(scratch(), "moved"))
        done = verify(proof)
        assert done.returncode == 1 and ".event: No such file" in done.stderr, done
        assert verify(proof, "--event", moved, "--json").returncode == 0
        done = chancery("event", "verify", proof, "--event", moved, "--dir", log().dir)
        assert done.returncode == 0 and "the instance's log.vkey" in done.stdout, done


def another_event_or_log_is_refused():
    (proof, _), (_, event) = evidence(500), evidence(501)
    done = verify(proof, "--event", event)
    assert done.returncode == 1 and "proof.invalid" in done.stderr and done.stdout == "", done
    key = read(os.path.join(Instance().dir, "log.vkey")).decode().strip()
    done = chancery("event", "verify", evidence(500)[0], "--key", key)
    assert done.returncode == 1 and "not signed with the key of" in done.stderr, done
    for bad in (("--key", "x"), ("--key", log().vkey, "--seat-key", "12"),
                ("--key", log().vkey[:-4])):
        assert chancery("event", "verify", proof, *bad).returncode == 2, bad
    assert chancery("event", "verify", event, "--key", log().vkey).returncode == 2
    done = verify(proof, "--event", write(os.path.join(scratch(MEMORY), "large"), bytes(2 << 20)))
    assert done.returncode == 1 and "bounds.exceeded" in done.stderr, done


def a_flipped_event_or_proof_is_refused():
    chance = random.Random(SEED)
    pair = evidence(700)
    seat = seat_key("sanctions")
    assert verify(pair[0], "--seat-key", seat).returncode == 0
    for n in range(FLIPS):
        path = pair[n % 2]
        data = read(path)
        flipped = bytearray(data)
        at = chance.randrange(len(data))
        flipped[at] ^= chance.randrange(1, 256)
        write(path, flipped)
        done = verify(pair[0])
        assert done.returncode == 1 and done.stdout == "", (path, at, flipped[at], done)
        write(path, data)
    assert verify(pair[0], "--seat-key", seat).returncode == 0


if __name__ == "__main__":
    run([an_export_is_accepted_by_the_judge_and_by_us, an_export_that_is_extended_is_a_fresh_one,
         an_export_is_taken_and_extended_while_the_broker_records, an_export_that_is_killed_goes_on, what_is_no_older_export_of_the_log_is_refused,
         whatever_is_tampered_with_is_refused_by_both,
         an_older_checkpoint_whose_tiles_are_there_is_an_older_export,
         a_checkpoint_extends_the_ones_before, what_the_log_never_was_is_not_proved,
         an_event_and_its_proof_are_verified_by_an_outsider, another_event_or_log_is_refused,
         a_flipped_event_or_proof_is_refused])
