# SPDX-License-Identifier: Apache-2.0
"""soak.py - all at once for a while, and at the end nothing lost, and memory and descriptors flat.

Publishers one at a time and pipelined and with parts; readers that follow, hold, cancel and come again; imports,
decisions and questions; pauses of every process, a backup, and in the first half kills, so that the lives after it are
long enough to compare: the second of their quarters with the last. 5 minutes; 60 with CHANCERY_LONG."""
import collections
import itertools
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from history import Counter, admit, checker, judge, lines, logged
from instance import LONG, Released, Skip, plain, run, scratch, snapshot, spawn, wait_for
from pause import percentile
from whole import hash_of

try:
    from smtp_sink import Sink
except ImportError:
    Sink = None

SEED = int(os.environ.get("CHANCERY_SEED", time.time()))
SECONDS = 3600 if LONG else 300
STREAM = "embargo.in"
SERVICES = ("broker", "embargo", "sanctions", "alert")
PUBLISHERS = {  # seat: how, events at once, pause in ms, with parts
    "single": ("publish", 1, 20, False),
    "pipelined": ("publish", 16, 200, False),
    "keeper": ("keep", 4, 400, True)}
READERS = {  # seat: how, how many, pause in ms
    "follower": ("read", "0"),
    "slow": ("read", "0", "5"),
    "fickle": ("skim", "50"),
    "returner": ("read", "0")}
RETURNS = 6
COMMANDS = (("status",), ("list", "status"), ("list", "show", "QDi.430"), ("list", "history", "QDi.430"),
            ("list", "ls"), ("event", "ls", "--limit", "50"), ("log", "head"), ("seat", "ls"), ("worker", "ls"))
KILL_EACH, PAUSE_EACH, IMPORT_EACH, ASK_EACH = 8, 6, 8, 0.3  # seconds, on average
PAUSES = (0.05, 0.5, 2, 4, 8)  # seconds at most
EXCUSES = r"nobody offers embargo now|^verify: \d+ of \d+ records$|did not answer in time|does not answer at|busy\.folding|^waiting for |^comparing |^connecting"

# What a process may hold more in its last quarter than in its second: some room for what varies, and a share of what
# the log grew. The embargo worker keeps the history of every reference, half a KiB a notice; who keeps receipts knows
# where each is, in 48 bytes at most; an event takes about 1 KiB of the log.
ROOM = 1 << 20
SHARES = {"embargo": 0.4, "sanctions": 0.08, "alert": 0.08, "keeper": 0.08}
SHARE = 0.02
DESCRIPTORS = 3  # of commands that happen to be connected


def questions():
    for words in itertools.cycle(COMMANDS):
        yield words


def imports(dice, lists):
    """Is told how the last command ended."""
    for path in itertools.cycle(lists):
        if (yield "list", "import", path) == 4:
            yield "list", dice.choice(("confirm", "reject")), hash_of(path)


def backup(i, path):
    yield "log", "backup", i.dir, path
    yield "log", "backup", "--verify", path


class Chore:
    """One command after the other, the first after so many seconds, with pauses between them."""

    def __init__(self, i, commands, each, first=0):
        self.program, self.commands, self.each, self.ends = i.program, commands, each, collections.Counter()
        self.environment = {**os.environ, "CHANCERY_DIR": i.dir}
        self.log = open(os.path.join(i.root, "chores.log"), "ab")
        self.words, self.process, self.next = next(commands), None, time.monotonic() + first

    def go_on(self):
        if self.process and self.process.poll() is not None:
            self.ends[self.process.returncode] += 1
            try:
                self.words = self.commands.send(self.process.returncode)
            except StopIteration:
                self.words = None
            self.process = None
        if self.words and not self.process and time.monotonic() >= self.next:
            self.next = time.monotonic() + self.each
            self.process = spawn(self.program, *self.words, stdout=subprocess.DEVNULL, stderr=self.log,
                                 env=self.environment)

    def end(self):
        if self.process:
            self.process.wait(300)
            self.ends[self.process.returncode] += 1


class Loads:
    """Publishers and readers with their histories."""

    def __init__(self, i):
        self.i, self.folder, self.processes, self.received = i, scratch(), {}, {}
        for seat in [*PUBLISHERS, *READERS]:
            admit(i, seat)
        for seat, (how, window, pause, parts) in PUBLISHERS.items():
            more = [self.folder] if parts else []
            self.start(seat, how, "0", window, self.history(seat), pause, *more)
        for seat in READERS:
            self.read(seat)
        self.acks = [Counter(self.history(seat), "ack") for seat in PUBLISHERS]

    def history(self, seat):
        return os.path.join(self.folder, seat)

    def histories(self):
        return [self.history(seat) for seat in (*PUBLISHERS, *READERS)]

    def start(self, seat, how, *arguments):
        with open(self.history(seat) + ".log", "ab") as log:
            self.processes[seat] = spawn(plain("load"), how, self.i.conf, seat, STREAM, *map(str, arguments),
                                         stderr=log)

    def read(self, seat):
        how, number, *pause = READERS[seat]
        self.received[seat] = Counter(self.history(seat), "recv")
        self.received[seat].skip()
        self.start(seat, how, number, self.history(seat), *pause)

    def come_again(self, seat):
        """Killed, and from the beginning: what it had, it may get again."""
        self.processes[seat].kill()
        self.processes[seat].wait()
        with open(self.history(seat), "r+b") as f:
            whole = f.read().rfind(b"\n") + 1  # the last line may be cut short
            f.truncate(whole)
            f.seek(whole)
            f.write(b'{"ev":"resume","t":%d,"sub":"%s"}\n' % (time.monotonic_ns(), seat.encode()))
        self.read(seat)

    def acknowledged(self):
        return sum(counter.count() for counter in self.acks)

    def end(self):
        for seat in PUBLISHERS:
            self.processes[seat].terminate()
        for seat in PUBLISHERS:
            assert self.processes[seat].wait(600) == 0, seat
        recorded = len(list(logged(self.i.dir, [STREAM])))  # more than these publishers were told of
        for seat in READERS:
            wait_for(f"{seat} has all", lambda: self.received[seat].count() >= recorded, 600)
            self.processes[seat].terminate()
            assert self.processes[seat].wait(60) == 0, seat

    def milliseconds(self, seat):
        """From sent to acknowledged."""
        sent, took = {}, []
        for line in lines(self.history(seat)):
            if line["ev"] == "send":
                sent[line["id"]] = line["t"]
            elif line["ev"] == "ack":
                took.append((line["t"] - sent[line["id"]]) / 1e6)
        return took


def descriptors_of(pid, status):
    """How many are open; to who is not root the kernel tells of a confined process only the table's size, which never shrinks."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except PermissionError:
        return int(status["FDSize"])


class Sample:
    """What the kernel says of a process, and how large the log was."""

    def __init__(self, pid, log):
        with open(f"/proc/{pid}/status") as f:
            status = dict(line.split(":", 1) for line in f)
        self.rss, self.memory = (int(status[name].split()[0]) << 10 for name in ("VmRSS", "RssAnon"))
        self.threads = int(status["Threads"])
        self.descriptors = descriptors_of(pid, status)
        self.log = log


class Life:
    """Of one process, a sample a second."""

    def __init__(self, name):
        self.name, self.samples = name, []

    def look(self, pid, log):
        try:
            self.samples.append(Sample(pid, log))
        except (OSError, KeyError):
            pass  # it ended just now

    def mean(self, quarter, what):
        size = len(self.samples) // 4
        return statistics.mean(getattr(s, what) for s in self.samples[size * (quarter - 1):size * quarter])

    def grown(self, what):
        return self.mean(4, what) - self.mean(2, what)

    def row(self):
        numbers = [f"{self.mean(quarter, what) / unit:10.1f}" for what, unit in (
            ("rss", 1 << 20), ("memory", 1 << 20), ("descriptors", 1), ("threads", 1)) for quarter in (2, 4)]
        return f"{self.name:10} {len(self.samples):8}" + "".join(numbers)

    def faults(self):
        most = ROOM + SHARES.get(self.name, SHARE) * self.grown("log")
        if self.grown("memory") > most:
            yield f"{self.name} grew by {self.grown('memory') / 1024:.0f} KiB, at most {most / 1024:.0f} are its due"
        if self.grown("descriptors") > DESCRIPTORS or self.grown("threads") > 0.5:
            yield f"{self.name}: descriptors or threads grow"


class Soak:
    def __init__(self, dice, sink):
        self.dice, self.lives, self.stopped = dice, {}, {}  # pid: its Life, when it goes on
        self.kills, self.pauses = collections.Counter(), collections.Counter()
        self.i = Released("--smtp", f"smtp://127.0.0.1:{sink.port}", "--mail-from", "alerts@qma.example",
                          "--mail-to", "npc@qma.example")
        self.i.up()
        self.loads, files = Loads(self.i), scratch()
        lists = [snapshot(day, files) for day in ("2024-09-21", "2023-03-27")]
        self.i.check("list", "import", lists[1])
        self.imports = Chore(self.i, imports(dice, lists), IMPORT_EACH)
        self.questions = Chore(self.i, questions(), ASK_EACH)
        self.backup = Chore(self.i, backup(self.i, os.path.join(files, "backup.tar.zst")), 0, 0.6 * SECONDS)
        self.chores = (self.imports, self.questions, self.backup)

    def pids(self):
        return {**self.i.pids(), **{seat: p.pid for seat, p in self.loads.processes.items()},
                "up": self.i.up_process.pid}

    # ---- what happens now and then ----

    def kill(self):
        name = self.dice.choice((*SERVICES, "up"))
        if name == "up":
            self.i.up_process.kill()
            self.i.up_process.wait()
            self.i.up()
        self.kills[name] += name == "up" or self.i.kill(name)

    def pause(self):
        name, pid = self.dice.choice(sorted(self.pids().items()))
        if pid not in self.stopped and self.signal(pid, signal.SIGSTOP):
            self.stopped[pid] = time.monotonic() + self.dice.uniform(0, self.dice.choice(PAUSES))
            self.pauses[name] += 1

    def signal(self, pid, number):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        return True

    def wake(self, everybody=False):
        for pid, when in list(self.stopped.items()):
            if everybody or time.monotonic() >= when:
                self.signal(pid, signal.SIGCONT)
                del self.stopped[pid]

    def sample(self):
        log = os.path.getsize(os.path.join(self.i.dir, "log", "data.mdb"))
        for name, pid in self.pids().items():
            self.lives.setdefault(pid, Life(name)).look(pid, log)

    def live(self):
        began = time.monotonic()
        turns = [  # what, the next one and the last one, and how long after it
            [self.kill, 0, SECONDS / 2, lambda: self.dice.uniform(0, 2 * KILL_EACH)],
            [self.pause, 0, SECONDS, lambda: self.dice.uniform(0, 2 * PAUSE_EACH)],
            [lambda: self.loads.come_again("returner"), SECONDS / (RETURNS + 1), SECONDS,
             lambda: SECONDS / (RETURNS + 1)],
            [self.sample, 0, SECONDS, lambda: 1]]
        while (now := time.monotonic() - began) < SECONDS:
            for turn in turns:
                do, due, last, each = turn
                if due <= now < last:
                    do()
                    turn[1] = now + each()
            for chore in self.chores:
                chore.go_on()
            self.wake()
            time.sleep(0.05)
        self.wake(everybody=True)

    # ---- what is left of it ----

    def end(self):
        for chore in self.chores:
            chore.end()
        self.loads.end()
        self.i.down()
        judge(self.i.dir, self.loads.histories(), STREAM, drained=True, others=("officer",))
        assert "ok:" in self.i.check("audit", self.i.dir, dir=False, timeout=1800)

    def measured(self):
        return [life for life in self.lives.values() if len(life.samples) > SECONDS / 4]

    def report(self):
        log = [s.log for life in self.lives.values() for s in life.samples]
        print(f"{'process':10} {'seconds':>8}{'RSS MiB':>20}{'RssAnon MiB':>20}{'descriptors':>20}{'threads':>20}")
        for life in sorted(self.measured(), key=lambda life: life.name):
            print(life.row())
        for seat in PUBLISHERS:
            took = self.loads.milliseconds(seat)
            print(f"{seat:10} {len(took):8} events, recorded after p50 {percentile(took, 50):.1f} ms, p99 "
                  f"{percentile(took, 99):.1f} ms")
        print(f"soak: {SECONDS} s, {self.loads.acknowledged()} events acknowledged, {self.kills.total()} kills, "
              f"{self.pauses.total()} pauses, {self.imports.ends.total()} imports and decisions, "
              f"{self.questions.ends.total()} questions, log {min(log) >> 20} to {max(log) >> 20} MiB", flush=True)

    def check(self):
        faults = [fault for life in self.measured() for fault in life.faults()]
        assert not faults, faults
        assert {life.name for life in self.measured()} >= {*SERVICES, *PUBLISHERS}, "who was not measured?"
        assert self.backup.ends == {0: 2}, self.backup.ends
        with open(os.path.join(self.i.root, "chores.log"), errors="replace") as f:
            odd = [line for line in f if line.strip() and not re.search(EXCUSES, line)]
        assert not odd, odd[:20]


def everything_at_once_for_a_while_leaves_nothing_behind():
    if Sink is None:
        raise Skip("python3-aiosmtpd is not here")
    checker()
    print(f"seed {SEED}", flush=True)
    with Sink(scratch()) as sink:
        soak = Soak(random.Random(SEED), sink)
        soak.live()
        soak.end()
    soak.report()
    soak.check()


if __name__ == "__main__":
    run([everything_at_once_for_a_while_leaves_nothing_behind])
