# SPDX-License-Identifier: Apache-2.0
"""kill.py - kill -9 of broker, signer, worker and adapter at random points of an import, and what is left.

Two publishers and a reader write their history while lists are imported; after the last kill the log is read from the
directory, and the history checker, `log verify` and `audit` judge. 100 kills; 100 times that with CHANCERY_LONG."""
import json
import os
import random
import subprocess
import time

from history import Load, checker
from instance import Instance, LONG, run, scratch, snapshot, spawn, tool, wait_for

ROUNDS = 100 if LONG else 1
KILLS = 100
SEED = int(os.environ.get("CHANCERY_SEED", time.time()))


class Processes:
    """Those of an instance, started again the moment they are killed."""

    def __init__(self, i, names=("signer", "broker", "embargo", "sanctions")):
        self.i, self.running = i, {}
        for name in names:
            self.start(name)

    def start(self, name):
        with open(os.path.join(self.i.dir, "run", name + ".log"), "ab") as log:
            self.running[name] = spawn(tool("chancery-" + name), "--config", self.i.dir,
                                       stdout=log, stderr=log)

    def kill(self, name):
        process = self.running[name]
        assert process.poll() is None, f"{name} ended by itself\n{self.i.logs()}"
        process.kill()
        process.wait()
        self.start(name)

    def end(self):
        for name in reversed(self.running):
            self.running[name].terminate()
            assert self.running[name].wait(60) == 0, f"{name}\n{self.i.logs()}"


class Imports:
    """The two lists, one import after the other, until `end`."""

    def __init__(self, i):
        files = scratch()
        self.i, self.n, self.process = i, 0, None
        self.lists = [snapshot(d, files) for d in ("2023-03-27", "2024-09-21")]

    def go_on(self):
        if self.process is None or self.process.poll() is not None:
            self.process = spawn(tool("chancery"), "list", "import", "--list", "un",
                                 self.lists[self.n % 2], "--dir", self.i.dir,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.n += 1

    def end(self):
        self.process.wait(600)
        wait_for("every import is answered", lambda: settled(self.i), 300, 0.2)


def settled(i):
    """As many answers as requests: sanctions.in by un.feed, snapshots and embargo.in by embargo.out."""
    done = i.run("event", "ls", "--json")
    if done.returncode:
        return False
    events = [json.loads(line) for line in done.stdout.splitlines()]
    asked, answered = set(), set()
    for event in events:
        envelope = event["envelope"]
        if envelope["stream"] in ("sanctions.in", "embargo.in") or envelope["type"].endswith(
                "SnapshotPublished"):
            asked.add(str(event["position"]))
        if envelope["stream"] in ("un.feed", "embargo.out"):
            answered.add(envelope.get("cause"))
    return asked <= answered


def kill_and_judge(dice):
    """One round: (events acknowledged, imports)."""
    i = Instance()
    processes = Processes(i)
    wait_for("the instance answers", lambda: i.run("list", "status").returncode == 0)
    load, imports = Load(i), Imports(i)
    for _ in range(KILLS):
        imports.go_on()
        victim = dice.choice(["broker", "broker", "signer", "embargo", "sanctions"])
        if victim == "broker":
            load.await_more()
        time.sleep(dice.uniform(0.0, 0.1))  # a random point, not a wait
        processes.kill(victim)
    load.end()
    imports.end()
    processes.end()
    load.judge()
    assert "ok:" in i.check("audit", i.dir, dir=False, timeout=900)
    return load.acknowledged(), imports.n


def whatever_is_killed_nothing_acknowledged_is_lost():
    checker()
    print(f"seed {SEED}", flush=True)
    dice = random.Random(SEED)
    rounds = [kill_and_judge(dice) for _ in range(ROUNDS)]
    print(f"kills: {ROUNDS * KILLS} of broker, signer, worker and adapter, {sum(a for a, _ in rounds)} events "
          f"acknowledged, {sum(n for _, n in rounds)} imports, 0 bad", flush=True)


if __name__ == "__main__":
    run([whatever_is_killed_nothing_acknowledged_is_lost])
