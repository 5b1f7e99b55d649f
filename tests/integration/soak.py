# SPDX-License-Identifier: Apache-2.0
"""soak.py - all at once for a while, and at the end nothing lost, and memory and descriptors flat.

Publishers one at a time and pipelined and with parts; readers that follow, hold, cancel and come again; imports,
decisions and questions; pauses of every process, a backup, and in the first half kills, so that the lives after it are
long enough to compare. 5 minutes; 60 with CHANCERY_LONG."""
import collections
import itertools
import os
import random
import signal
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from history import Counter, admit, checker, judge, lines
from instance import LONG, Released, Skip, plain, run, scratch, snapshot, spawn, wait_for
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
READERS = {  # seat: how, what stands before and behind the history's name
    "follower": ("read", "0", ()),
    "slow": ("read", "0", ("5",)),
    "fickle": ("skim", "50", ()),
    "returner": ("read", "0", ())}
RETURNS = 6
COMMANDS = (("status",), ("list", "status"), ("list", "show", "QDi.430"), ("list", "history", "QDi.430"),
            ("list", "ls"), ("event", "ls", "--limit", "50"), ("log", "head"), ("seat", "ls"), ("worker", "ls"))
KILL_EACH, PAUSE_EACH, IMPORT_EACH, ASK_EACH = 8, 6, 8, 0.3  # seconds, on average


def questions():
    for words in itertools.cycle(COMMANDS):
        yield words


def imports(dice, lists):
    """Is told how the last command ended."""
    for path in itertools.cycle(lists):
        if (yield "list", "import", path) == 4:
            yield "list", dice.choice(("confirm", "reject")), hash_of(path)


class Chore:
    """One command after the other, with pauses between them."""

    def __init__(self, i, commands, each):
        self.i, self.commands, self.each, self.ends = i, commands, each, collections.Counter()
        self.log = open(os.path.join(i.root, "chores.log"), "ab")
        self.words, self.process, self.next = next(commands), None, 0.0

    def go_on(self):
        if self.process is None and time.monotonic() >= self.next:
            self.next = time.monotonic() + self.each
            self.process = spawn(self.i.program, *self.words, "--dir", self.i.dir,
                                 stdout=subprocess.DEVNULL, stderr=self.log)
        elif self.process and self.process.poll() is not None:
            self.ends[self.process.returncode] += 1
            self.words, self.process = self.commands.send(self.process.returncode), None

    def end(self):
        if self.process:
            self.process.wait(120)


class Loads:
    """Publishers and readers with their histories."""

    def __init__(self, i):
        self.i, self.folder = i, scratch()
        self.processes = {}
        for seat in [*PUBLISHERS, *READERS]:
            admit(i, seat)
        for seat, (how, window, pause, parts) in PUBLISHERS.items():
            self.start(seat, how, STREAM, "0", str(window), self.history(seat), str(pause),
                       *([self.folder] if parts else []))
        for seat in READERS:
            self.read(seat)
        self.acks = [Counter(self.history(seat), "ack") for seat in PUBLISHERS]

    def history(self, seat):
        return os.path.join(self.folder, seat)

    def start(self, seat, how, *arguments):
        with open(self.history(seat) + ".log", "ab") as log:
            self.processes[seat] = spawn(plain("load"), how, self.i.conf, seat, *arguments, stderr=log)

    def read(self, seat):
        how, before, behind = READERS[seat]
        self.received = {**getattr(self, "received", {}), seat: Counter(self.history(seat), "recv")}
        self.received[seat].skip()
        self.start(seat, how, STREAM, before, self.history(seat), *behind)

    def come_again(self, seat):
        """Killed, and from the beginning: what it had, it may get again."""
        self.processes[seat].kill()
        self.processes[seat].wait()
        with open(self.history(seat), "r+b") as f:  # a last line cut short goes
            text = f.read()
            f.truncate(text.rfind(b"\n") + 1)
        with open(self.history(seat), "a") as f:
            f.write(f'{{"ev":"resume","t":{time.monotonic_ns()},"sub":"{seat}"}}\n')
        self.read(seat)

    def acknowledged(self):
        return sum(counter.count() for counter in self.acks)

    def end(self):
        for seat in PUBLISHERS:
            self.processes[seat].terminate()
        for seat in PUBLISHERS:
            assert self.processes[seat].wait(600) == 0, seat
        for seat in READERS:
            wait_for(f"{seat} has all", lambda: self.received[seat].count() >= self.acknowledged(), 600)
            self.processes[seat].terminate()
            assert self.processes[seat].wait(60) == 0, seat

    def milliseconds(self, seat):
        """From sent to acknowledged: p50 and p99."""
        sent, took = {}, []
        for line in lines(self.history(seat)):
            if line["ev"] == "send":
                sent[line["id"]] = line["t"]
            elif line["ev"] == "ack":
                took.append((line["t"] - sent[line["id"]]) / 1e6)
        took.sort()
        return took[len(took) // 2], took[len(took) * 99 // 100]


class Sample:
    """What the kernel says of a process."""

    def __init__(self, pid):
        with open(f"/proc/{pid}/status") as f:
            status = dict(line.split(":", 1) for line in f)
        self.rss, self.memory = (int(status[name].split()[0]) for name in ("VmRSS", "RssAnon"))
        self.threads = int(status["Threads"])
        self.descriptors = len(os.listdir(f"/proc/{pid}/fd"))


class Watch:
    """A sample of each process each second, by life."""

    def __init__(self):
        self.lives = collections.defaultdict(list)

    def look(self, pids):
        for name, pid in pids.items():
            try:
                self.lives[name, pid].append(Sample(pid))
            except (OSError, KeyError):  # it ended just now
                pass


class Soak:
    def __init__(self, dice, sink):
        self.dice = dice
        self.i = Released("--smtp", f"smtp://127.0.0.1:{sink.port}", "--mail-from", "alerts@qma.example",
                          "--mail-to", "npc@qma.example")
        self.i.up()
        self.loads, self.watch, self.growth = Loads(self.i), Watch(), []
        files = scratch()
        self.lists = [snapshot(d, files) for d in ("2023-03-27", "2024-09-21")]
        self.imports = Chore(self.i, imports(dice, self.lists), IMPORT_EACH)
        self.questions = Chore(self.i, questions(), ASK_EACH)
        self.stopped = {}  # pid: when it goes on
        self.kills, self.pauses = collections.Counter(), collections.Counter()
        self.backup = os.path.join(scratch(), "backup.tar.zst")

    def pids(self):
        return {**self.i.pids(), **{seat: p.pid for seat, p in self.loads.processes.items()}}

    def kill(self):
        name = self.dice.choice(SERVICES + ("up",))
        if name == "up":
            self.i.up_process.kill()
            self.i.up_process.wait()
            self.i.up()
        else:
            self.i.kill(name)
        self.kills[name] += 1

    def pause(self):
        name, pid = self.dice.choice(sorted(self.pids().items()))
        if pid not in self.stopped and self.signal(pid, signal.SIGSTOP):
            self.stopped[pid] = time.monotonic() + self.dice.choice((0.05, 0.5, 2, 4, 8)) * self.dice.random()
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
        self.watch.look({**self.pids(), "up": self.i.up_process.pid})
        self.growth.append(os.path.getsize(os.path.join(self.i.dir, "log", "data.mdb")))

    def back_up(self):
        for words in ((self.i.dir, self.backup), ("--verify", self.backup)):
            done = subprocess.run([plain("chancery-log"), "backup", *words], capture_output=True, text=True, timeout=600)
            assert done.returncode == 0, done.stdout + done.stderr

    def live(self):
        began = time.monotonic()
        kill, pause, second = began, began, began
        again = [began + SECONDS * (n + 1) / (RETURNS + 1) for n in range(RETURNS)]
        backup = began + SECONDS * 0.6
        while (now := time.monotonic()) < began + SECONDS:
            self.imports.go_on()
            self.questions.go_on()
            self.wake()
            if now >= kill and now < began + SECONDS / 2:
                self.kill()
                kill = now + self.dice.uniform(0, 2 * KILL_EACH)
            if now >= pause:
                self.pause()
                pause = now + self.dice.uniform(0, 2 * PAUSE_EACH)
            if again and now >= again[0]:
                self.loads.come_again("returner")
                again.pop(0)
            if backup and now >= backup:
                self.back_up()
                backup = None
            if now >= second:
                self.sample()
                second += 1
            time.sleep(0.05)
        self.wake(everybody=True)

    def end(self):
        self.imports.end()
        self.questions.end()
        self.loads.end()
        self.i.down()
        judge(self.i.dir, [self.loads.history(seat) for seat in (*PUBLISHERS, *READERS)], STREAM,
              drained=True, others=("officer",))
        assert "ok:" in self.i.check("audit", self.i.dir, dir=False, timeout=1800)


def quarter(life, n, what):
    size = len(life) // 4
    return statistics.mean(getattr(sample, what) for sample in life[size * n:size * (n + 1)])


def table(soak):
    for (name, pid), life in sorted(soak.watch.lives.items()):
        if len(life) < SECONDS // 5:
            continue
        print(name, pid, len(life), *[f"{what} {quarter(life, 1, what):.1f} {quarter(life, 3, what):.1f}" for what in
              ("rss", "memory", "descriptors", "threads")], flush=True)
    for seat in PUBLISHERS:
        print(seat, soak.loads.milliseconds(seat))
    print(soak.growth[0], soak.growth[-1], soak.imports.ends, soak.questions.ends, soak.kills, soak.pauses, soak.loads.acknowledged())


def everything_at_once_for_a_while_leaves_nothing_behind():
    if Sink is None:
        raise Skip("python3-aiosmtpd is not here")
    checker()
    print(f"seed {SEED}", flush=True)
    with Sink(scratch()) as sink:
        soak = Soak(random.Random(SEED), sink)
        soak.live()
        table(soak)
        t = time.time()
        soak.end()
        print("end", time.time() - t)


if __name__ == "__main__":
    run([everything_at_once_for_a_while_leaves_nothing_behind])
