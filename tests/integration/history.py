# SPDX-License-Identifier: Apache-2.0
"""history.py - what publishers and readers wrote down, judged from outside against the log.

The history checker and `log verify` are the judges: nothing acknowledged is lost, twice, altered or out of order, nothing
refused is in the log, and the log proves itself."""
import base64
import contextlib
import importlib.util
import json
import os
import subprocess

from instance import SHARED, Skip, plain, scratch, spawn, tool, wait_for


def checker():
    """The history checker's own function, loaded from where it stands."""
    path = os.path.join(SHARED, "tools", "histcheck", "histcheck.py")
    if not os.path.exists(path):
        raise Skip("the history checker is not here")
    spec = importlib.util.spec_from_file_location("histcheck", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.check


def lines(path):
    """The objects of a history; a last line cut short by a kill is left out."""
    with open(path) as f:
        for text in f:
            try:
                yield json.loads(text)
            except ValueError:
                return


class Counter:
    """How many lines of one kind a growing history has so far."""

    def __init__(self, path, ev):
        self.path, self.marker, self.at, self.n = path, f'{{"ev":"{ev}"'.encode(), 0, 0

    def skip(self):
        """What is there does not count."""
        self.count()
        self.n = 0

    def count(self):
        if os.path.exists(self.path):
            with open(self.path, "rb") as f:
                f.seek(self.at)
                text = f.read()
            whole = text[:text.rfind(b"\n") + 1]
            self.at += len(whole)
            self.n += whole.count(self.marker)
        return self.n


def codes(path):
    """The codes of all refusals."""
    return {line["code"] for line in lines(path) if line["ev"] == "nack"}


def logged(dir, streams):
    """The records of these streams as the history checker reads them."""
    out = subprocess.run([plain("chancery-log"), "ls", dir, "--json"], capture_output=True,
                         text=True, timeout=600)
    assert out.returncode == 0, out.stderr
    for text in out.stdout.splitlines():
        e = json.loads(text)
        if e["stream"] in streams:
            yield {"ev": "log", "seq": e["position"], "id": e["id"], "topic": e["stream"],
                   "pub": e["seat"], "h": e["payloadHash"]}


def judge(dir, histories, *streams, drained=False, others=()):
    """Fails with what is wrong. Positions of some streams have gaps that are other streams' events: they are numbered
    anew; one that was acknowledged and is not there stands for itself. Seats that are `others` wrote no history."""
    check = checker()
    log = list(logged(dir, streams))
    numbers = {e["seq"]: n for n, e in enumerate(log, 1)}
    said = [{**e, "ev": "send", "t": 0, "n": e["seq"]} for e in log if e["pub"] in others]
    events = [line for path in histories for line in lines(path)] + said + log
    for e in events:
        if "seq" in e:
            e["seq"] = numbers.get(e["seq"], -e["seq"])
    faults = check(events, drained)
    assert not faults, faults[:20]
    verify(dir)


def verify(dir):
    done = subprocess.run([plain("chancery-log"), "verify", dir], capture_output=True, text=True,
                          timeout=900)
    assert done.returncode == 0 and done.stdout.startswith("ok"), done.stdout + done.stderr


def admit(i, seat, office="QMA/secretariat", kind="SEAT_KIND_PERSON"):
    """A seat more, by signed registry events; by default in the first user's office."""
    key = os.path.join(i.dir, "keys", seat + ".key")
    i.check("key", "new", "--seat", seat, "--office", office, key, dir=False)
    shown = json.loads(i.check("key", "show", key, "--json", dir=False))
    records = [("SeatAdmitted", {"seat": seat, "office": office, "kind": kind, "name": seat}),
               ("KeyAdded", {"seat": seat, "kind": "KEY_KIND_CURVE",
                             "publicKey": b64(shown["curve"])}),
               ("KeyAdded", {"seat": seat, "kind": "KEY_KIND_ED25519",
                             "publicKey": b64(shown["ed25519"])})]
    for kind, payload in records:
        i.check("event", "publish", "--seat", "administrator", "--stream", "registry", "--type",
                "chancery.core.v1." + kind, "-", stdin=json.dumps(payload))


def b64(digits):
    return base64.b64encode(bytes.fromhex(digits)).decode()


class Load:
    """Two publishers and a reader of one stream, until `end`. Each fills its window every 50 ms; `place` is where a
    seat's process starts."""

    def __init__(self, i, stream="embargo.in", seats=("pat", "quinn", "reader"),
                 place=lambda seat: contextlib.nullcontext()):
        self.i, self.stream = i, stream
        for seat in seats:
            admit(i, seat)
        folder = scratch()
        self.histories = [os.path.join(folder, seat) for seat in seats]
        self.acks = [Counter(path, "ack") for path in self.histories[:-1]]
        self.received = Counter(self.histories[-1], "recv")
        self.place = place
        self.publishers = [self.start(seat, "publish", i.conf, seat, stream, "0", "4", path, "50")
                           for seat, path in zip(seats[:-1], self.histories)]
        self.reader = self.start(seats[-1], "read", i.conf, seats[-1], stream, "0", self.histories[-1])

    def log(self, seat):
        """What its process says of itself."""
        return os.path.join(os.path.dirname(self.histories[0]), seat + ".log")

    def start(self, seat, *arguments):
        with self.place(seat), open(self.log(seat), "wb") as log:
            return spawn(tool("load"), *arguments, stderr=log)

    def acknowledged(self):
        return sum(counter.count() for counter in self.acks)

    def await_more(self):
        """The service works: both publishers get further acknowledgements."""
        for counter in self.acks:
            before = counter.count()
            wait_for("a publisher goes on", lambda: counter.count() > before)

    def end(self):
        """The publishers finish what is under way, and the reader gets all of it."""
        for process in self.publishers:
            process.terminate()
        for process in self.publishers:
            assert process.wait(600) == 0
        wait_for("the reader has seen all",
                 lambda: self.received.count() >= self.acknowledged(), 600)
        self.reader.terminate()
        assert self.reader.wait(60) == 0

    def judge(self):
        judge(self.i.dir, self.histories, self.stream, drained=True)
