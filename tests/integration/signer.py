# SPDX-License-Identifier: Apache-2.0
"""signer.py - the process that has the log's key, under a broker that was taken over, and a broker under what claims to be its signer.

A fake broker with true trees and false ones asks the real signer; a fake signer answers the real broker. The signer is
killed in the midst of questions: 30 times, 300 with CHANCERY_LONG. CHANCERY_SEED repeats a run."""
import collections
import os
import random
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess
import time

from examples import python_client
from instance import LONG, Instance, Released, Skip, plain, run, scratch, spawn, tool, wait_for
from seal import holds, memory

SEED = int(os.environ.get("CHANCERY_SEED", time.time()))
KILLS = 300 if LONG else 30
MUTATIONS = 1000
LOG = "chancery.example/main"
EVENT = ("event", "publish", "-", "--stream", "sanctions.in", "--type", "sanctions.ImportList")


def pb():
    python_client()
    from chancery.core.v1 import signer_pb2  # noqa: PLC0415 (found once protoc has run)
    return signer_pb2


def proof():
    python_client()
    import proof as module  # noqa: PLC0415
    return module


# ---- trees ----

class Tree:
    """Leaf hashes, and what follows from them (RFC 6962)."""

    def __init__(self, leaves):
        self.leaves, self.known = leaves, {}

    def root(self, begin=0, end=None):
        end = len(self.leaves) if end is None else end
        if end - begin == 1:
            return self.leaves[begin]
        if (begin, end) not in self.known:
            k = begin + (1 << (end - begin - 1).bit_length() - 1)
            self.known[begin, end] = proof().sha256(b"\1", self.root(begin, k), self.root(k, end))
        return self.known[begin, end]

    def consistency(self, old, size):
        def sub(begin, end, whole):
            if old == end:
                return [] if whole else [self.root(begin, end)]
            k = begin + (1 << (end - begin - 1).bit_length() - 1)
            if old <= k:
                return sub(begin, k, whole) + [self.root(k, end)]
            return sub(k, end, False) + [self.root(begin, k)]
        return sub(0, size, True)

    def more(self, dice, n):
        return Tree(self.leaves + [dice.randbytes(32) for _ in range(n)])


def founding_tree(i):
    """Of the records that `chancery init` wrote, out of the tiles."""
    out = os.path.join(scratch(), "out")
    i.check("log", "export", i.dir, out, dir=False)
    tiles = os.path.join(out, "tile", "0")
    [partial] = [n for n in os.listdir(tiles) if n.endswith(".p")]
    [width] = os.listdir(os.path.join(tiles, partial))
    with open(os.path.join(tiles, partial, width), "rb") as f:
        data = f.read()
    return Tree([data[n:n + 32] for n in range(0, len(data), 32)])


# ---- both sides ----

def receive(connection, size):
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise ConnectionError("ended")
        data += piece
    return data


def receive_frame(connection):
    return pb().SignerFrame.FromString(receive(connection, struct.unpack(">I", receive(connection, 4))[0]))


def send_frame(connection, frame):
    packed = frame if isinstance(frame, bytes) else frame.SerializeToString()
    connection.sendall(struct.pack(">I", len(packed)) + packed)


def door(i):
    return os.path.join(i.dir, "run", "signer.sock")


def signer(i, program=tool, log=None):
    return spawn(program("chancery-signer"), "--config", i.dir, stderr=log or subprocess.DEVNULL)


class FakeBroker:
    """What somebody makes of a broker that was taken over."""

    def __init__(self, i):
        if os.path.exists(door(i)):
            os.unlink(door(i))
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(door(i))
        self.listening.listen(4)
        self.listening.settimeout(60)
        with open(os.path.join(i.dir, "log.vkey")) as f:
            self.vkey = f.read().strip()
        self.handed_out = collections.defaultdict(set)  # size: roots

    def take(self, note):
        """A note that is the log's, remembered; its size and root."""
        checkpoint = proof().open_checkpoint(note.decode(), self.vkey)
        self.handed_out[checkpoint[0]].add(checkpoint[1])
        return checkpoint

    def meet(self):
        """The next connection's greeting: what was signed last."""
        self.connection, _ = self.listening.accept()
        self.connection.settimeout(60)
        greeting = receive_frame(self.connection).greeting
        assert greeting.log == LOG, greeting
        return self.take(greeting.note)

    def ask(self, frame):
        """Signed: (size, root); refused: the code; ended: None."""
        try:
            send_frame(self.connection, frame)
            answer = receive_frame(self.connection)
        except ConnectionError:
            return None
        if answer.WhichOneof("body") == "tree_signed":
            return self.take(answer.tree_signed.note)
        assert answer.WhichOneof("body") == "tree_refused" and answer.tree_refused.text, answer
        return answer.tree_refused.code

    def insist_on_one_log(self):
        assert all(len(roots) == 1 for roots in self.handed_out.values()), self.handed_out


def extends(old, old_root, size, root, path):
    """RFC 9162 section 2.1.4.2."""
    path = list(path)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path or old >= size:
        return False
    at, last = old - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    before = after = path[0]
    for step in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            before, after = proof().sha256(b"\1", step, before), proof().sha256(b"\1", step, after)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            after = proof().sha256(b"\1", after, step)
        at, last = at >> 1, last >> 1
    return last == 0 and (before, after) == (old_root, root)


def question(tree, old, size=None, **other):
    size = len(tree.leaves) if size is None else size
    said = {"log": LOG, "size": size, "root": tree.root(0, size),
            "proof": tree.consistency(old, size) if old <= size else [], **other}
    return pb().SignerFrame(sign_tree=pb().SignTree(**said))


# ---- a broker that was taken over ----

def only_what_extends_the_log_is_signed():
    pb()
    i, dice = Instance(), random.Random(SEED)
    print(f"seed {SEED}", flush=True)
    broker, process = FakeBroker(i), signer(i)
    first = founding_tree(i)
    n = len(first.leaves)
    assert broker.meet() == (n, first.root())
    log = first.more(dice, 151)
    assert broker.ask(question(log, n, n + 51)) == (n + 51, log.root(0, n + 51))
    at = n + 51
    assert broker.ask(question(log, at, at)) == (at, log.root(0, at)), "the same again"
    fork = first.more(dice, 151)
    for name, asked, code in (
            ("a fork of the same size", question(fork, at, at), "log.forked"),
            ("a fork that grew", question(fork, at), "log.forked"),
            ("a fork from its own past", question(fork, n), "log.forked"),
            ("the founding records", question(log, n, n), "log.rolled_back"),
            ("one record less", question(log, at - 1, at - 1), "log.rolled_back"),
            ("a proof from another size", question(log, at - 1), "log.forked"),
            ("a proof to another size", question(log, at, proof=log.consistency(at, at + 60)), "log.forked"),
            ("no proof", question(log, at, proof=[]), "log.forked"),
            ("the root of another size", question(log, at, root=log.root(0, at + 1)), "log.forked"),
            ("another log", question(log, at, log="chancery.example/other"), "log.mismatch"),
            ("a log without a name", question(log, at, log=""), "log.mismatch"),
            ("an empty tree", question(log, at, size=at, root=bytes(32), proof=[]), "log.forked"),
            ("size 0", pb().SignerFrame(sign_tree=pb().SignTree(log=LOG, root=bytes(32))), "field.invalid"),
            ("more than INT64_MAX", pb().SignerFrame(sign_tree=pb().SignTree(
                log=LOG, size=2**63, root=log.root(), proof=log.consistency(at, n + 151))), "field.invalid"),
            ("UINT64_MAX", pb().SignerFrame(sign_tree=pb().SignTree(
                log=LOG, size=2**64 - 1, root=log.root(), proof=log.consistency(at, n + 151))), "field.invalid"),
            ("65 hashes", question(log, at, proof=[bytes(32)] * 65), "field.invalid"),
            ("a short root", question(log, at, root=bytes(31)), "field.invalid"),
            ("a long hash", question(log, at, proof=[bytes(33)]), "field.invalid")):
        assert broker.ask(asked) == code, name
    assert broker.ask(question(log, at)) == (n + 151, log.root()), "and the true log is signed"
    assert process.poll() is None
    broker.insist_on_one_log()


def what_is_no_question_ends_the_connection_and_nothing_else():
    pb()
    i, dice = Instance(), random.Random(SEED)
    log = open(os.path.join(i.root, "signer.log"), "wb")
    broker, process = FakeBroker(i), signer(i, log=log)
    first = founding_tree(i)
    note = pb().SignerFrame(greeting=pb().SignerGreeting(log=LOG))
    for bad in (b"\xff" * 64, struct.pack(">I", 2**32 - 1) + bytes(100), struct.pack(">I", 8193), bytes(4),
                struct.pack(">I", 3) + b"\xff\xff\xff", struct.pack(">I", 2) + b"\x0a\x00",
                struct.pack(">I", 5000) + dice.randbytes(5000),
                struct.pack(">I", note.ByteSize()) + note.SerializeToString()):
        assert broker.meet() == (len(first.leaves), first.root())
        broker.connection.sendall(bad)
        try:
            assert broker.connection.recv(1) == b"", bad
        except ConnectionError:
            pass
    broker.meet()  # half a frame, and then nothing
    broker.connection.sendall(struct.pack(">I", 100) + bytes(10))
    broker.connection.close()
    broker.meet()  # a thousand questions whose answers nobody takes: the signer waits, and holds no more than one
    packed = question(first, len(first.leaves)).SerializeToString()
    broker.connection.settimeout(2)
    try:
        for _ in range(100000):
            broker.connection.sendall(struct.pack(">I", len(packed)) + packed)
        raise AssertionError("it reads on while nobody takes its answers")
    except TimeoutError:
        pass
    with open(f"/proc/{process.pid}/status") as f:
        assert "State:\tS" in f.read()
    broker.connection.close()
    assert broker.meet() == (len(first.leaves), first.root())
    more = first.more(dice, 5)
    assert broker.ask(question(more, len(first.leaves))) == (len(more.leaves), more.root())
    process.terminate()
    assert process.wait(30) == 0
    broker.insist_on_one_log()


def mutated_bytes(dice, packed):
    data = bytearray(packed)
    at = dice.randrange(len(data))
    how = dice.randrange(4)
    if how == 0:
        data[at] ^= 1 << dice.randrange(8)
    elif how == 1:
        del data[at:at + dice.randrange(1, 40)]
    elif how == 2:
        data[at:at] = dice.randbytes(dice.randrange(1, 40))
    else:
        data[at:at] = data[at:at + dice.randrange(1, 70)]
    return bytes(data) or b"\0"


def mutated_fields(dice, packed):
    frame = pb().SignerFrame.FromString(packed)
    asked = frame.sign_tree
    hashes = list(asked.proof)
    how = dice.randrange(7)
    if how == 0:
        asked.size = max(0, asked.size + dice.choice((-60, -2, -1, 1, 2, 60, 2**62)))
    elif how == 1:
        asked.root = mutated_bytes(dice, asked.root)
    elif how == 2:
        asked.log = asked.log[:dice.randrange(len(asked.log))] + dice.choice("ab/.")
    elif how == 3:
        hashes.insert(dice.randrange(len(hashes) + 1), dice.choice(hashes))
    elif how == 4:
        del hashes[dice.randrange(len(hashes))]
    elif how == 5:
        dice.shuffle(hashes)
    else:
        at = dice.randrange(len(hashes))
        hashes[at] = mutated_bytes(dice, hashes[at])
    del asked.proof[:]
    asked.proof.extend(hashes)
    return frame.SerializeToString()


def a_question_with_anything_changed_is_not_signed():
    """But where the change was to nothing that is read, or the proof is as good for the size that it now says."""
    pb()
    dice, at = random.Random(SEED), 0
    signed = refused = ended = 0
    while refused + ended < MUTATIONS:
        if not at:
            i = Released()
            broker, process = FakeBroker(i), signer(i, plain)
            tree = founding_tree(i)
            broker.meet()
        at, tree = len(tree.leaves), tree.more(dice, dice.randrange(1, 9))
        right = question(tree, at)
        packed = right.SerializeToString()
        for _ in range(100):
            bad = dice.choices((mutated_fields, mutated_bytes), (9, 1))[0](dice, packed)
            if bad == packed:
                continue
            answer = broker.ask(bad)
            if answer is None:
                ended += 1
                assert broker.meet()[0] == at, "nothing was signed"
            elif isinstance(answer, tuple):
                path = pb().SignerFrame.FromString(bad).sign_tree.proof
                assert extends(at, tree.root(0, at), *answer, path) and answer[1] == tree.root(), (answer, bad.hex())
                signed += 1
                if answer[0] != len(tree.leaves):  # the true log does not extend that
                    assert broker.ask(right) in ("log.rolled_back", "log.forked")
                    process.kill()
                    broker.insist_on_one_log()
                    at = 0
                break
            else:
                refused += 1
        else:
            assert broker.ask(right) == (len(tree.leaves), tree.root())
    assert signed < MUTATIONS / 10
    broker.insist_on_one_log()
    print(f"{refused} refused, {ended} connections ended, {signed} signed that extend the log, 0 others", flush=True)


def a_signer_that_is_killed_never_signs_two_trees_of_a_size():
    """Two trees that extend the log equally are offered, one before the kill and the other behind it."""
    pb()
    i, dice = Released(), random.Random(SEED)
    broker, process = FakeBroker(i), signer(i, plain)
    log, lost = founding_tree(i), 0
    for _ in range(KILLS):
        at = broker.meet()[0]
        log = Tree(log.leaves[:at])
        one, other = log.more(dice, 3), log.more(dice, 3)
        send_frame(broker.connection, question(one, at))
        time.sleep(dice.uniform(0.0, 0.003))  # a random point, not a wait
        process.kill()
        process.wait()
        try:
            answer = receive_frame(broker.connection)
            broker.take(answer.tree_signed.note)
        except ConnectionError:
            lost += 1
        broker.connection.close()
        process = signer(i, plain)
        now = broker.meet()
        if now[0] == at:
            assert broker.ask(question(other, at)) == (at + 3, other.root()), "nothing was handed out"
            log = other
        else:
            assert now == (at + 3, one.root()), "what was signed is told"
            assert broker.ask(question(other, at)) == "log.forked"
            log = one
        broker.connection.close()
    broker.insist_on_one_log()
    print(f"{KILLS} kills, {lost} before the answer, {len(broker.handed_out)} sizes signed, 0 twice", flush=True)


# ---- what claims to be the signer ----

class World:
    """A broker alone; its signer comes and goes."""

    def __init__(self, kind=Instance, program=tool):
        self.i, self.program = kind("--seat", "amina"), program
        self.log = os.path.join(self.i.root, "broker.log")
        self.signing = None
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            self.broker = spawn(self.program("chancery-broker"), "--config", self.i.dir, stderr=log)
        wait_for("the broker answers", lambda: self.i.run("log", "head").returncode == 0)

    def said(self):
        with open(self.log) as f:
            return f.read()

    def publish(self, n=1):
        for _ in range(n):
            self.i.check(*EVENT, stdin="{}")

    def size(self):
        with open(os.path.join(self.i.dir, "log", "checkpoint")) as f:
            return int(f.read().split("\n")[1])

    def head(self):
        return self.i.json("log", "head")[0]["head"]

    def sign(self):
        self.signing = signer(self.i, self.program)

    def signed(self):
        wait_for("all is signed", lambda: self.size() == self.head())

    def end(self, process):
        process.terminate()
        assert process.wait(60) == 0

    def status(self):
        return self.i.json("status")[0]["broker"]


def connect(i):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(60)
    connection.connect(door(i))
    return connection


def ended(connection):
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def a_broker_believes_no_signer_but_the_logs_key():
    pb()
    w = World()
    i, before = w.i, w.size()
    assert stat.S_IMODE(os.stat(door(i)).st_mode) & 0o007 == 0
    with open(os.path.join(i.dir, "log", "checkpoint"), "rb") as f:
        note = f.read()
    other = Instance()
    with open(os.path.join(other.dir, "log", "checkpoint"), "rb") as f:
        foreign = f.read()

    def greeting(said, log=LOG):
        return pb().SignerFrame(greeting=pb().SignerGreeting(log=log, note=said))

    larger = note.replace(f"\n{before}\n".encode(), b"\n1000000\n")
    assert larger != note
    for bad in (greeting(b""), greeting(larger), greeting(foreign), greeting(note, "chancery.example/other"),
                pb().SignerFrame(tree_signed=pb().TreeSigned(note=note)), question(Tree([bytes(32)]), 1), b"\xff\xff"):
        connection = connect(i)
        send_frame(connection, bad)
        assert ended(connection), bad
        connection.close()
    connection = connect(i)
    connection.sendall(struct.pack(">I", 2**31))
    assert ended(connection)
    connection = connect(i)  # it shows what everybody has, and cannot go on from there
    send_frame(connection, greeting(note))
    w.publish()
    asked = receive_frame(connection).sign_tree
    assert (asked.log, asked.size) == (LOG, before + 1), asked
    send_frame(connection, pb().SignerFrame(tree_signed=pb().TreeSigned(note=note)))
    assert ended(connection)
    assert w.size() == before and w.broker.poll() is None
    w.sign()
    w.signed()
    w.end(w.broker)
    w.end(w.signing)


def a_signer_that_refuses_is_told_once_and_asked_again():
    pb()
    w = World()
    with open(os.path.join(w.i.dir, "log", "checkpoint"), "rb") as f:
        greeting = pb().SignerFrame(greeting=pb().SignerGreeting(log=LOG, note=f.read()))
    w.publish()
    for _ in range(3):
        connection = connect(w.i)
        send_frame(connection, greeting)
        assert receive_frame(connection).sign_tree.size == w.size() + 1
        send_frame(connection, pb().SignerFrame(tree_refused=pb().TreeRefused(code="io.failed", text="no room")))
        assert ended(connection)
    assert w.said().count("error signer.refuses: ") == 1, w.said()
    assert w.status()["checkpointWaits"] == "io.failed"
    assert "the signer refuses: io.failed; 1 records have no checkpoint" in w.i.run("doctor").stdout
    w.sign()
    w.signed()
    assert "checkpointWaits" not in w.status()
    w.end(w.broker)
    w.end(w.signing)


def a_signer_that_is_away_is_told_once_and_keeps_nobody():
    w = World()
    founding = shutil.copy(os.path.join(w.i.dir, "log", "checkpoint"), w.i.root)
    w.publish(3)
    wait_for("it is told", lambda: "signer.away" in w.said())
    assert w.status()["checkpointWaits"] == "signer.away" and w.size() < w.head()
    assert re.search(r"checkpoint +of \d+ records, .*; 3 have none: signer\.away", w.i.check("status")), w.i.check("status")
    found = w.i.run("doctor")
    assert "the signer is away" in found.stdout, found.stdout
    w.sign()
    w.signed()
    assert "checkpointWaits" not in w.status()
    w.signing.kill()
    w.signing.wait()
    w.publish()
    wait_for("it is told again", lambda: w.said().count("signer.away") == 2)
    w.sign()
    w.signed()
    said = w.said()
    assert (said.count("signer.away"), said.count("signer.back")) == (2, 2), said
    w.publish()
    w.end(w.broker)  # the last records are signed while it stops
    assert "signer.unsigned" not in w.said()
    assert re.search(rf"\n{w.size()}\n", open(os.path.join(w.i.dir, "signer", LOG.replace("/", "_"))).read())
    head = int(re.search(r"head (\d+)", w.i.check("log", "verify", w.i.dir, dir=False))[1])
    assert w.size() == head, (w.size(), head)
    shutil.copy(founding, os.path.join(w.i.dir, "log", "checkpoint"))  # as if the broker had died between the two writes
    w.start()
    w.signed()  # the same signer, which found the next broker and told it
    w.end(w.broker)
    w.end(w.signing)


def put_back(w, copy):
    shutil.rmtree(os.path.join(w.i.dir, "log"))
    shutil.copytree(copy, os.path.join(w.i.dir, "log"))


def a_log_that_was_put_back_behind_the_signers_back_is_served_no_longer():
    w = World()
    older = os.path.join(w.i.root, "older")
    w.end(w.broker)
    shutil.copytree(os.path.join(w.i.dir, "log"), older)
    for grown in (0, 6):  # as it was, and gone on otherwise
        w.start()
        w.sign()
        w.publish(3)
        w.signed()
        w.end(w.broker)
        w.end(w.signing)
        put_back(w, older)
        w.start()  # its own checkpoint is as old
        w.publish(grown)
        w.sign()
        assert w.broker.wait(60) == 1
        assert re.search("error broker.lost: .*code=log.rolled_back", w.said()), w.said()
        w.end(w.signing)
        done = subprocess.run([tool("chancery-broker"), "--config", w.i.dir], capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and "log.rolled_back" in done.stderr, done  # nor without a signer
        fresh = os.path.join(w.i.root, f"fresh{grown}")
        os.rename(os.path.join(w.i.dir, "log"), fresh)
        shutil.rmtree(os.path.join(w.i.dir, "signer"))
        shutil.copytree(older, os.path.join(w.i.dir, "log"))
        os.mkdir(os.path.join(w.i.dir, "signer"), 0o700)
        shutil.copy(os.path.join(older, "checkpoint"), os.path.join(w.i.dir, "signer", LOG.replace("/", "_")))


# ---- the key ----

def nothing_is_signed_on_trust():
    i = Instance()
    memory_of = os.path.join(i.dir, "signer", LOG.replace("/", "_"))

    def fails(status, text):
        done = subprocess.run([tool("chancery-signer"), "--config", i.dir], capture_output=True, text=True, timeout=60)
        assert done.returncode == status and re.search(text, done.stderr), done

    assert stat.S_IMODE(os.stat(memory_of).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(memory_of)).st_mode) == 0o700
    with open(memory_of, "rb") as f:
        note = f.read()
    os.unlink(memory_of)
    fails(78, "code=not.found: what this key signed last is not known: .*is missing")
    with open(memory_of, "wb") as f:
        origin, size, rest = note.split(b"\n", 2)
        f.write(b"\n".join((origin, b"%d" % (int(size) - 1), rest)))
    fails(78, "code=signature.invalid")
    with open(memory_of, "wb") as f:
        f.write(note[:40])
    fails(78, "code=bytes.malformed")
    shutil.rmtree(os.path.dirname(memory_of))
    fails(78, "code=not.found")
    done = subprocess.run(["install", "-D", "-m", "600", os.path.join(i.dir, "log", "checkpoint"), memory_of])
    assert done.returncode == 0
    log = os.path.join(i.root, "signer.log")
    with open(log, "wb") as f:
        process = signer(i, log=f)
    wait_for("it is ready", lambda: "signer.ready" in open(log).read())
    fails(1, "code=log.owned: .*another signer runs")
    process.terminate()
    assert process.wait(30) == 0
    other = Instance()
    shutil.copy(os.path.join(other.dir, "keys", "log.key"), os.path.join(i.dir, "keys", "log.key"))
    fails(78, "are not of one log")


def no_process_but_the_signer_has_the_key():
    i = Released("--seat", "amina")  # with sanitizers a process has terabytes of mappings
    i.up()
    i.check(*EVENT, stdin="{}")
    with open(os.path.join(i.dir, "keys", "log.key")) as f:
        seed = bytes.fromhex(re.search(r"^seed = (\w+)", f.read(), re.M)[1])
    running = wait_for("all run", lambda: {"broker", "signer", "embargo", "sanctions"} <= set(i.pids()) and i.pids())
    try:
        assert holds(memory(running["signer"]), seed), "the search finds what is there"
    except PermissionError as why:
        raise Skip(f"the memory of other processes cannot be read here: {why}") from None
    for name, pid in running.items():
        files = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        assert not [f for f in files if f.endswith("log.key")], (name, files)
        if name != "signer":
            assert not holds(memory(pid), seed), name
            assert not holds(memory(pid), seed.hex().encode()), name
    i.down()


if __name__ == "__main__":
    run([only_what_extends_the_log_is_signed, what_is_no_question_ends_the_connection_and_nothing_else,
         a_question_with_anything_changed_is_not_signed, a_signer_that_is_killed_never_signs_two_trees_of_a_size,
         a_broker_believes_no_signer_but_the_logs_key, a_signer_that_refuses_is_told_once_and_asked_again,
         a_signer_that_is_away_is_told_once_and_keeps_nobody,
         a_log_that_was_put_back_behind_the_signers_back_is_served_no_longer, nothing_is_signed_on_trust,
         no_process_but_the_signer_has_the_key])
