# SPDX-License-Identifier: Apache-2.0
"""combine.py - broker, worker and both adapters are killed in every combination, at random points of imports.

The supervisor starts them again, or is killed as well, which ends the others. After each: the log verifies, audit finds
no difference, every import is answered once, notices are numbered without a gap, and each mail came: one that was not
recorded as sent may have come twice. Every combination twice; 40 times with CHANCERY_LONG."""
import base64
import collections
import datetime
import email
import glob
import itertools
import json
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from history import verify
from instance import LONG, Released, Skip, run, scratch, spawn, wait_for
from invented import person, references, un_list

try:
    from smtp_sink import Sink
except ImportError:
    Sink = None

SEED = int(os.environ.get("CHANCERY_SEED", time.time()))
ROUNDS = 40 if LONG else 2
NAMES = ("broker", "embargo", "sanctions", "alert")
SUBSETS = [s for n in range(1, len(NAMES) + 1) for s in itertools.combinations(NAMES, n)]
PARTIES = 200
CHANGED = 12  # of them a list
DROPPED = 40  # now and then: so many that a person must look at the list
ENDS = (0, 3, 4)  # of an import: done, the broker was away for too long, set aside


class Lists:
    """One list after the other; each differs from the last one."""

    def __init__(self, dice):
        self.dice, self.folder, self.n = dice, scratch(), 0
        self.aliases = dict.fromkeys(references(PARTIES), "")

    def next(self):
        day = datetime.date(2020, 1, 1) + datetime.timedelta(days=self.n)
        self.n += 1
        for reference in self.dice.sample(list(self.aliases), CHANGED):
            self.aliases[reference] = f"{day}"
        gone = self.dice.sample(list(self.aliases), DROPPED if self.n % 4 == 0 else 2)
        return un_list(self.folder, str(day), [person(reference, alias=alias) for reference, alias
                                               in self.aliases.items() if reference not in gone])


class Told:
    """What the log says so far of requests, answers, notices and mails."""

    def __init__(self, i):
        self.i, self.next = i, 1
        self.asked, self.notices, self.sent = set(), [], []
        self.answers = collections.defaultdict(list)
        self.told = set()  # positions that a mail told of

    def read(self):
        """False when the broker does not answer."""
        done = self.i.run("event", "ls", "--from", str(self.next), "--json")
        if done.returncode == 0:
            for event in map(json.loads, done.stdout.splitlines()):
                self.next = event["position"] + 1
                self.take(event["position"], event["envelope"], event["payload"])
        return done.returncode == 0

    def take(self, position, envelope, payload):
        kind = envelope["type"].rsplit(".", 1)[-1]
        if envelope["stream"] in ("sanctions.in", "embargo.in") or kind == "SnapshotPublished":
            self.asked.add(position)
        if envelope["stream"] in ("un.feed", "embargo.out"):
            self.answers[int(envelope["cause"])].append((envelope.get("ordinal", 0), envelope["of"]))
        if kind in ("Notice", "EditorialNotice"):
            self.notices.append((position, int(payload["number"])))
        if kind == "Sent":
            self.sent.append(payload["messageId"])
            self.told |= set(map(int, payload["causes"]))

    def settled(self):
        return self.read() and self.asked <= self.answers.keys()

    def everybody_told(self):
        return self.read() and {position for position, _ in self.notices} <= self.told

    def check(self):
        for cause, answers in self.answers.items():
            assert sorted(answers) == [(n, answers[0][1]) for n in range(answers[0][1])], (cause, answers)
        assert [number for _, number in self.notices] == list(range(1, len(self.notices) + 1)), self.notices
        assert len(self.sent) == len(set(self.sent)), "a mail is recorded twice"


def mails(folder):
    """How often each came, by its Message-ID."""
    ids = collections.Counter()
    for path in glob.glob(os.path.join(folder, "*.eml")):
        with open(path, "rb") as f:
            ids[email.message_from_bytes(f.read())["Message-ID"].strip("<>")] += 1
    return ids


class Scene:
    def __init__(self, dice, sink, folder):
        self.dice, self.mails = dice, folder
        self.kills_of_alert = self.amid = 0
        self.i = Released("--smtp", f"smtp://127.0.0.1:{sink.port}", "--mail-from", "alerts@qma.example",
                          "--mail-to", "npc@qma.example")
        self.i.up()
        self.log = open(os.path.join(self.i.root, "commands.log"), "ab")
        self.lists, self.told = Lists(dice), Told(self.i)
        self.i.check("list", "import", self.lists.next())
        began = time.monotonic()
        self.i.check("list", "import", self.lists.next())
        self.span = 1.2 * (time.monotonic() - began)

    def begin(self, *words):
        wait_for("all run", lambda: self.i.pids().keys() >= set(NAMES))
        return spawn(self.i.program, *words, "--dir", self.i.dir, stdout=self.log, stderr=self.log)

    def kill(self, command, names, supervisor):
        time.sleep(self.dice.uniform(0.0, self.span))  # a random point, not a wait
        self.amid += command.poll() is None
        for name in names:
            self.i.kill(name)
        if supervisor:
            time.sleep(self.dice.uniform(0.0, 0.05))
            self.i.up_process.kill()
            self.i.up_process.wait()
            self.i.up()
        self.kills_of_alert += supervisor or "alert" in names
        assert command.wait(300) in ENDS, f"exit {command.returncode}\n{self.i.logs()}"

    def trial(self, names, supervisor):
        """An import, and a decision where one is needed, with a kill in each."""
        self.kill(self.begin("list", "import", self.lists.next()), names, supervisor)
        wait_for("every import is answered", self.told.settled)
        waits = self.i.json("list", "status")[0]["lists"][0].get("setAside")
        if waits:
            verb = self.dice.choice(("confirm", "reject"))
            snapshot = base64.b64decode(waits["snapshot"]).hex()
            self.kill(self.begin("list", verb, snapshot), names, supervisor)
            wait_for("the decision is answered", self.told.settled)
        self.judge()

    def judge(self):
        wait_for("a mail told of every notice", self.told.everybody_told)
        self.told.check()
        came = mails(self.mails)
        assert came.keys() == set(self.told.sent), came.keys() ^ set(self.told.sent)
        assert came.total() - len(came) <= self.kills_of_alert, came
        verify(self.i.dir)
        assert "ok:" in self.i.check("audit", self.i.dir, dir=False)


def whatever_is_killed_together_every_import_is_answered_and_told_once():
    if Sink is None:
        raise Skip("python3-aiosmtpd is not here")
    print(f"seed {SEED}", flush=True)
    dice, folder = random.Random(SEED), scratch()
    with Sink(folder) as sink:
        scene = Scene(dice, sink, folder)
        trials = [(names, supervisor) for names in SUBSETS for supervisor in (False, True)] * ROUNDS
        dice.shuffle(trials)
        for names, supervisor in trials:
            try:
                scene.trial(names, supervisor)
            except AssertionError as why:
                raise AssertionError(f"{names}, supervisor {supervisor}: {why}") from why
        scene.i.down()
    came = mails(folder)
    print(f"combinations: {len(trials)} of {len(SUBSETS)} with and without the supervisor, {scene.amid} kills in the "
          f"middle of a command, {scene.lists.n} imports, {len(scene.told.notices)} notices, {len(came)} mails, "
          f"{came.total() - len(came)} of them twice, 0 bad", flush=True)


if __name__ == "__main__":
    run([whatever_is_killed_together_every_import_is_answered_and_told_once])
