# SPDX-License-Identifier: Apache-2.0
"""examples.py - the clients of examples/ against a real instance, as examples/README.md shows them.

The Python client also runs in this process, where answers can be lost and records be changed."""
import base64
import copy
import glob
import importlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys

from instance import BUILD, SOURCE, Instance, Skip, run, scratch, snapshot, tool, wait_for
from judge import built, judge
from readme import block, shows

EXAMPLES = os.path.join(SOURCE, "examples")
PROTO = os.path.join(SOURCE, "proto")
REQUEST = "chancery.embargo.v1.ConfirmSnapshot"


# ---- what the clients need ----

def python_client():
    """The command, with what protoc makes of proto/ in a directory of the test's own."""
    try:
        for module in ("zmq", "nacl.signing", "google.protobuf"):
            importlib.import_module(module)
    except ImportError as why:
        raise Skip(f"{why.name} is not here") from None
    if not hasattr(python_client, "modules"):
        python_client.modules = scratch()
        protos = [os.path.relpath(p, PROTO) for p in glob.glob(f"{PROTO}/**/*.proto", recursive=True)]
        subprocess.run(["protoc", "-I", PROTO, f"--python_out={python_client.modules}", *protos],
                       check=True)
        sys.path[:0] = [python_client.modules, os.path.join(EXAMPLES, "python")]
        os.environ["PYTHONPATH"] = python_client.modules
    return [sys.executable, os.path.join(EXAMPLES, "python", "client.py")]


def node_client():
    """The command, in a copy that npm filled by the lock file."""
    if not shutil.which("node") or not shutil.which("npm"):
        raise Skip("node and npm are not here")
    place = os.path.join(BUILD, "example-node")
    os.makedirs(place, exist_ok=True)
    for name in ("package.json", "package-lock.json", "client.js", "proof.js"):
        shutil.copy(os.path.join(EXAMPLES, "node", name), place)
    if not os.path.isdir(os.path.join(place, "node_modules", "zeromq")):
        done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=place,
                              capture_output=True, text=True, timeout=300)
        if done.returncode:
            raise Skip(f"npm cannot install: {done.stderr.splitlines()[:1]}")
    os.environ["CHANCERY_PROTO"] = PROTO
    return ["node", os.path.join(place, "client.js")]


class World:
    """An instance with a list in it, and the directory of a system that was admitted."""

    def __init__(self):
        self.instance = Instance("--log", "chancery.qma.example/main")
        self.instance.up()
        self.work = self.instance.root
        self.desk = os.path.join(self.work, "desk")
        os.makedirs(os.path.join(self.desk, "keys"))
        os.symlink(self.instance.dir, os.path.join(self.work, "here"))
        shutil.copy(os.path.join(EXAMPLES, "admit.ndjson"), self.work)
        shutil.copy(os.path.join(self.instance.dir, "log.vkey"), self.desk)
        with open(self.instance.conf) as f:
            server_key = re.search(r"^server-key = (\w+)", f.read(), re.M)[1]
        with open(os.path.join(EXAMPLES, "README.md")) as f:
            conf = re.search(r"```ini\n(.*?)```", f.read(), re.S)[1]
        with open(os.path.join(self.desk, "chancery.conf"), "w") as f:
            f.write(conf.replace("/srv/here", self.instance.dir).replace("0" * 64, server_key))
        self.admission = self.console("admit", {"chancery": [tool("chancery")]})
        self.instance.check("list", "import", "--list", "un", snapshot("2023-03-27", self.work))

    def console(self, marker, programs, rewrite=lambda words: words):
        """Runs what the README shows, and returns what it printed."""
        printed = []
        for line in block(marker, "examples/README.md"):
            if not line.startswith("$ "):
                continue
            words = rewrite(shlex.split(line[2:]))
            into = words[words.index(">") + 1] if ">" in words else None
            words = words[:-2] if into else words
            done = subprocess.run(programs[words[0]] + words[1:], cwd=self.work, text=True,
                                  capture_output=True, timeout=120)
            assert done.returncode == 0, (line, done.stdout, done.stderr)
            printed.append(line)
            if into:
                with open(os.path.join(self.work, into), "w") as f:
                    f.write(done.stdout)
            else:
                printed += done.stdout.splitlines()
        return printed

    def requests(self):
        """Reasons of the requests recorded for the system's seat, in order."""
        return [e["payload"].get("reason") for e in
                self.instance.json("event", "ls", "--stream", "embargo.in")
                if e["envelope"]["seat"] == "screening"]


def world():
    if not hasattr(world, "it"):
        world.it = World()
    return world.it


def masked(lines):
    """Positions, keys and sizes differ from run to run, and JSON's blanks from client to client."""
    lines = [re.sub(r'("|\d|true|\]|\}): ', r"\1:", re.sub(", \"", ",\"", line)) for line in lines]
    return [re.sub(r"\b([0-9a-f]{16}|\d{2,5})\b(?!\.)", "N", line) for line in lines]


# ---- as the README shows ----

def an_administrator_admits_a_system_as_shown():
    shows(masked(block("admit", "examples/README.md")), masked(world().admission))
    assert world().instance.check("list", "show", "QDi.430", "--dir", world().desk, dir=False)


def does_what_is_shown(client):
    w, known = world(), {}

    def in_this_run(words):
        if words[2] in ("read", "follow"):
            at = next(i for i, word in enumerate(words) if word.isdigit())
            words[at] = str(known.setdefault("position", w.instance.json(
                "event", "ls", "--stream", "embargo.in")[-1]["position"]))
        return words
    shows(masked(block("client", "examples/README.md")),
          masked(w.console("client", {"client": client}, in_this_run)))


def the_python_client_does_what_is_shown():
    does_what_is_shown(python_client())


def the_node_client_does_what_is_shown():
    does_what_is_shown(node_client())


def both_agree_with_the_vectors():
    for client in (python_client(), node_client()):
        program = client[1].replace("client.", "proof.")
        done = subprocess.run([client[0], program, os.path.join(PROTO, "vectors.json")], text=True,
                              capture_output=True, timeout=60)
        assert done.stdout == "vectors: 4 events, 3 leaves and a checkpoint agree\n", done


# ---- what goes wrong ----

def call(client, *words, status=0):
    done = subprocess.run([*client, world().desk, *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == status, (words, done)
    return done.stdout if status == 0 else done.stderr


def says_what_is_wrong_and_what_to_do(client):
    for words, status, text in (
            (("publish", "sanctions.in", "chancery.sanctions.v1.ImportList", "{}"), 1,
             "access.denied: stream: no access rule lets screening publish"),
            (("follow", "un.feed", "1", "1"), 1, "access.denied: no access rule lets screening read"),
            (("ask", "QDi.999"), 1, "reference.unknown: this reference was never on the list"),
            (("read", "999999"), 1, "not.found: no event at position 999999"),
            (("publish", "embargo.in", "No.Such", "{}"), 1, "see examples/README.md"),
            (("publish", "embargo.in", REQUEST, "{"), 1, "see examples/README.md"),
            (("nonsense", "x"), 2, "a whole client")):
        assert text in call(client, *words, status=status), (words, text)
    key = os.path.join(world().desk, "keys", "screening.key")
    os.chmod(key, 0o640)
    try:
        assert f"file.mode: others can read this secret; run: chmod 600 '{key}'" in call(
            client, "read", "1", status=1)
    finally:
        os.chmod(key, 0o600)


def the_python_client_says_what_is_wrong_and_what_to_do():
    says_what_is_wrong_and_what_to_do(python_client())


def the_node_client_says_what_is_wrong_and_what_to_do():
    says_what_is_wrong_and_what_to_do(node_client())


def outlives_the_broker(client, name):
    """Publishes while the broker is killed: what is acknowledged is there, each once."""
    w, reasons = world(), [f"{name} {i}" for i in range(4)]
    for reason in reasons:
        publisher = subprocess.Popen(
            [*client, w.desk, "publish", "embargo.in", REQUEST, json.dumps({"list": "un", "reason": reason})],
            stdout=subprocess.PIPE, text=True)
        broker = w.instance.pids()["broker"]
        w.instance.kill("broker")
        out, _ = publisher.communicate(timeout=120)
        assert re.fullmatch(r"recorded at position \d+\n", out), out
        wait_for("another broker", lambda: w.instance.pids().get("broker") not in (None, broker))
        wait_for("it answers", lambda: w.instance.run("log", "head").returncode == 0)
    assert [r for r in w.requests() if r in reasons] == reasons


def the_python_client_outlives_the_broker():
    outlives_the_broker(python_client(), "python")


def the_node_client_outlives_the_broker():
    outlives_the_broker(node_client(), "node")


def follows_on_after_the_broker_was_killed(client):
    w = world()
    head = w.instance.json("log", "head")[0]["head"]
    follower = subprocess.Popen([*client, w.desk, "follow", "embargo.in", str(head + 1), "2"],
                                stdout=subprocess.PIPE, text=True)
    try:
        call(python_client(), "publish", "embargo.in", REQUEST, '{"reason": "before"}')
        assert "before" in follower.stdout.readline()
        broker = w.instance.pids()["broker"]
        w.instance.kill("broker")
        wait_for("another broker", lambda: w.instance.pids().get("broker") not in (None, broker))
        call(python_client(), "publish", "embargo.in", REQUEST, '{"reason": "after"}')
        assert "after" in follower.stdout.readline()
        assert follower.wait(60) == 0
    finally:
        follower.kill()
        follower.stdout.close()


def both_follow_on_after_the_broker_was_killed():
    for client in (python_client(), node_client()):
        follows_on_after_the_broker_was_killed(client)


# ---- the Python client from within ----

def client_inside():
    python_client()
    return importlib.import_module("client"), importlib.import_module("proof")


def a_lost_answer_is_asked_for_again():
    client, _ = client_inside()
    c = client.Client(world().desk)
    lost, receive = [], c.receive

    def lossy():
        kind, frame = receive()
        if kind == "recorded" and len(lost) < 2:
            lost.append(frame.recorded.positions[0])
            return "", None
        return kind, frame
    c.receive = lossy
    payload = client.embargo_pb2.ConfirmSnapshot(list="un", reason="lost").SerializeToString()
    [position] = c.publish("embargo.in", REQUEST, [payload]).positions
    assert lost == [position, position], (lost, position)
    assert world().requests().count("lost") == 1


def a_batch_is_one_signature_and_more_than_one_frame_of_credit_is_read():
    client, _ = client_inside()
    c = client.Client(world().desk)
    payloads = [client.embargo_pb2.ConfirmSnapshot(reason=f"batch {i}").SerializeToString()
                for i in range(64)]
    positions = list(c.publish("embargo.in", REQUEST, payloads).positions)
    assert positions == list(range(positions[0], positions[0] + 64))
    client.CREDIT_EVENTS = 5
    records = list(c.read("embargo.in", positions[0], positions[-1]))
    client.CREDIT_EVENTS = 64
    assert [r.position for r in records] == positions
    events = [client.open_record(r)[0] for r in records]
    assert len({e.signature for e in events}) == 1
    keys, _ = c.keys(positions[0])
    for record, event in zip(records, events):
        c.check_signed(record, event, client.open_record(record)[1], keys)
    assert c.prove(records[63]) >= positions[63]


def whatever_is_changed_is_not_verified():
    client, proof = client_inside()
    c = client.Client(world().desk)
    [record] = c.read("", 44, 44)
    keys, _ = c.keys(44)

    def accepted(**changes):
        changed, used = copy.deepcopy(record), dict(keys)
        for name, value in changes.items():
            if name != "keys":
                setattr(changed, name, value)
        used.update(changes.get("keys", {}))
        try:
            event, envelope = client.open_record(changed)
            c.check_signed(changed, event, envelope, used)
            c.prove(changed)
            return True
        except proof.Failure as why:
            assert why.code == "not.verified", why
            return False

    def flipped(data, at):
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]
    event = client.open_record(record)[0]
    at = record.event.index(event.salt)
    assert accepted()
    assert not accepted(position=43)
    assert not accepted(received=record.received + 1)
    assert not accepted(payload=flipped(record.payload, 3))
    assert not accepted(event=flipped(record.event, at))
    assert not accepted(event=flipped(record.event, record.event.index(event.signature) + 9))
    assert not accepted(keys={event.key_id: ("administrator", bytes(32), 1)})
    assert not accepted(keys={event.key_id: ("officer", keys[event.key_id][1], 1)})
    other = c.vkey.replace(c.vkey[-8:], base64.b64encode(b"broken").decode())
    c.vkey, right = other, c.vkey
    assert not accepted()
    c.vkey = right
    assert accepted()


def a_key_that_is_not_registered_hears_nothing():
    client, proof = client_inside()
    stranger = os.path.join(scratch(), "desk")
    shutil.copytree(world().desk, stranger)
    os.unlink(os.path.join(stranger, "keys", "screening.key"))
    subprocess.run([tool("chancery"), "key", "new", os.path.join(stranger, "keys", "screening.key"),
                    "--seat", "screening", "--office", "QMB/desk"], check=True, capture_output=True)
    patience, tries = client.PATIENCE, client.TRIES
    client.PATIENCE, client.TRIES = 0.5, 3
    try:
        client.Client(stranger).call(get_head=client.frames_pb2.GetHead())
        raise AssertionError("a stranger was answered")
    except proof.Failure as why:
        assert (why.code, why.status) == ("broker.unreachable", 3), why
    finally:
        client.PATIENCE, client.TRIES = patience, tries


# ---- judged from outside ----

def the_exported_proof_is_what_other_tools_accept():
    built()
    work, i = scratch(), Instance()
    with open(os.path.join(i.dir, "log.vkey")) as f:
        vkey = f.read().strip()
    head = i.json("log", "verify", i.dir, dir=False)[0]["head"]
    for position in (1, 7, head - 1, head):
        text = i.check("log", "proof", i.dir, str(position), dir=False)
        entry = base64.b64decode(re.search("^extra (.*)$", text, re.M)[1])
        for name, data in (("proof", text.encode()), ("entry", entry), ("bad", entry[:-1] + bytes([entry[-1] ^ 1]))):
            with open(os.path.join(work, name), "wb") as f:
                f.write(data)
        for leaf, status in (("entry", 0), ("bad", 1)):
            done = judge("proof", vkey, "-leaf", os.path.join(work, leaf), os.path.join(work, "proof"))
            assert done.returncode == status, (position, leaf, done)
    i.check("log", "proof", i.dir, str(head + 1), dir=False, status=1)
    i.check("log", "proof", i.dir, "0", dir=False, status=2)


# ---- the documents ----

def every_code_that_the_page_names_exists():
    with open(os.path.join(SOURCE, "lib", "err.h")) as f:
        codes = set(re.findall(r'X\(ERR_\w+, "([a-z_.]+)"', f.read()))
    with open(os.path.join(PROTO, "README.md")) as f:
        errors = f.read().split("## 11. Errors")[1]
    named = set(re.findall(r"`([a-z_.]+)`", "".join(
        line.split("|")[1] for line in errors.splitlines() if line.startswith("| `"))))
    # what a broker never says: the others' own
    own = {"outcome.unknown", "broker.unreachable", "file.mode", "config.invalid", "log.rolled_back",
           "log.owned", "log.forked", "proof.invalid", "stranger", "part.sealed", "token.module", "token.absent", "token.pin", "token.key",
           "token.failed"}
    assert named == codes - own, (named ^ (codes - own))


def an_act_that_waits_for_a_quorum_is_not_in_force_for_either():
    i, work = world().instance, world().work
    first, second, third = (("--yes", "--seat", s) for s in ("administrator", "second", "third"))
    for seat in ("second", "third"):
        invitation, desk = os.path.join(work, f"{seat}.invitation"), os.path.join(work, seat)
        office = next(s["office"] for s in i.json("seat", "ls") if s["seat"] == "administrator")
        i.check("seat", "invite", seat, office, invitation)
        i.check("join", invitation, desk, dir=False)
        told = i.check("seat", "admit", os.path.join(desk, f"{seat}.card"), *first)
        shutil.copy(os.path.join(desk, "keys", f"{seat}.key"), os.path.join(i.dir, "keys"))
        if seat == "second":
            i.check("quorum", "set", "2", *first)

    def read_by_both(position):
        for client in (python_client(), node_client()):
            yield call(client, "read", str(position)).splitlines()[-1]

    def signs(by):
        """The position of an act, signed by that seat."""
        i.check("party", "add", f"Q{signs.n}Z", *by)
        signs.n += 1
        return max((a["position"] for a in i.json("act", "ls", *first[1:])), key=int)
    signs.n = 1
    i.check("act", "confirm", *re.search(r"act confirm (.*)$", told, re.M)[1].split(), *second)
    assert all(": signed by third of" in line for line in read_by_both(signs(third))), "admitted by two"
    # a revocation that waits ends no key yet; one that two signed does
    revoked = i.check("seat", "revoke", "third", *first)
    waits = re.search(r"act confirm (\d+)$", revoked, re.M)[1]
    last = signs(third)
    assert all(": signed by third of" in line for line in read_by_both(last))
    i.check("act", "confirm", waits, *second)
    client, proof = client_inside()
    c = client.Client(world().desk)
    head = c.call(get_head=client.frames_pb2.GetHead()).head
    assert "third" in {seat for seat, _, _ in c.keys(int(last))[0].values()}
    assert "third" not in {seat for seat, _, _ in c.keys(head)[0].values()}
    i.check("quorum", "set", "1", *first)


def the_lock_file_names_no_registry():
    with open(os.path.join(EXAMPLES, "node", "package-lock.json")) as f:
        text = f.read()
    assert "://" not in text and "resolved" not in text


if __name__ == "__main__":
    run([every_code_that_the_page_names_exists, the_lock_file_names_no_registry,
         both_agree_with_the_vectors, an_administrator_admits_a_system_as_shown,
         the_python_client_does_what_is_shown, the_node_client_does_what_is_shown,
         the_python_client_says_what_is_wrong_and_what_to_do,
         the_node_client_says_what_is_wrong_and_what_to_do,
         a_lost_answer_is_asked_for_again,
         a_batch_is_one_signature_and_more_than_one_frame_of_credit_is_read,
         whatever_is_changed_is_not_verified, a_key_that_is_not_registered_hears_nothing,
         the_python_client_outlives_the_broker, the_node_client_outlives_the_broker,
         both_follow_on_after_the_broker_was_killed,
         the_exported_proof_is_what_other_tools_accept,
         an_act_that_waits_for_a_quorum_is_not_in_force_for_either])
