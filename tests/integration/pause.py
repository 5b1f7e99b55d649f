# SPDX-License-Identifier: Apache-2.0
"""pause.py - processes stop in the middle of what they do and go on later (SIGSTOP, SIGCONT).

At random moments: for random spans that nobody notices, and for as long as it takes until the other side gives them up.
Watchdogs hear from all of them in time. A round of each victim; 20 with CHANCERY_LONG."""
import os
import random
import signal
import time

from bare import Bare, founded
from history import Counter, Load, admit, checker, judge, lines
from instance import Instance, LONG, plain, run, scratch, tool, wait_for
from kill import Imports
from notify import Manager

SEED = int(os.environ.get("CHANCERY_SEED", time.time()))
ROUNDS = 20 if LONG else 1
SHORT = 16           # pauses of a round that are shorter than any patience
WATCHDOG = 30        # seconds that the service manager waits, as in the units
SERVICES = ("broker", "embargo", "sanctions")
SILENCE = "client: silence, connecting again"
SLEEPERS = 4         # readers that are stopped under a fast publisher
CREDIT = 1024 << 10  # of a reader: 1,024 records, here of less than 1 KiB


def stop(process):
    process.send_signal(signal.SIGSTOP)


def go_on(process):
    process.send_signal(signal.SIGCONT)


def said(path):
    with open(path, errors="replace") as f:
        return f.read()


class Scene:
    """Three services that a manager watches, two publishers, a reader and imports."""

    def __init__(self):
        self.i = Instance()
        watched = {"WATCHDOG_USEC": str(WATCHDOG * 1000000)}
        self.services = {name: Manager(tool("chancery-" + name), "--config", self.i.dir,
                                       environment=watched).ready() for name in SERVICES}
        self.load, self.imports = Load(self.i), Imports(self.i)
        self.processes = {name: s.process for name, s in self.services.items()}
        self.processes |= {"pat": self.load.publishers[0], "quinn": self.load.publishers[1],
                           "reader": self.load.reader}

    def seats(self):
        return {s["seat"] for s in self.i.json("status")[0]["broker"]["seats"]}

    def goes_on(self):
        """Publishers, reader and worker: all sessions are there and work."""
        before = self.load.received.count()
        self.load.await_more()
        wait_for("the reader goes on", lambda: self.load.received.count() > before)
        wait_for("the worker answers", lambda: self.i.run("list", "status").returncode == 0)
        wait_for("all are known", lambda: self.seats() >= {"embargo", "sanctions", "pat", "quinn", "reader"})

    def others_go_on(self, victims):
        for seat, acks in zip(("pat", "quinn"), self.load.acks):
            before = acks.count()
            if seat not in victims:
                wait_for(f"{seat} goes on while {victims} are stopped", lambda: acks.count() > before)

    def glance(self, victim, dice):
        """A pause that nobody notices."""
        time.sleep(dice.uniform(0.0, 0.3))  # a random point, not a wait
        stop(self.processes[victim])
        time.sleep(dice.uniform(0.01, 1.0))
        go_on(self.processes[victim])

    def until_forgotten(self, victims):
        """The broker ends the sessions of those who are stopped, and the others never wait."""
        for victim in victims:
            stop(self.processes[victim])
        wait_for(f"the broker forgets {victims}", lambda: not self.seats() & set(victims), pause=0.5)
        self.others_go_on(victims)
        for victim in victims:
            go_on(self.processes[victim])
        self.goes_on()

    def until_given_up(self):
        """The clients take other sockets while the broker is stopped."""
        logs = [self.services[name].log for name in SERVICES[1:]]
        before = [said(path).count(SILENCE) for path in logs]
        stop(self.processes["broker"])
        wait_for("its clients connect again",
                 lambda: all(said(path).count(SILENCE) > n for path, n in zip(logs, before)))
        go_on(self.processes["broker"])
        self.goes_on()

    def end(self):
        """Returns the longest that the manager waited for a sign of life."""
        self.load.end()
        self.imports.end()
        for service in reversed(self.services.values()):
            service.end()
        self.load.judge()
        assert "ok:" in self.i.check("audit", self.i.dir, dir=False, timeout=900)
        return max(longest_wait(service.said) for service in self.services.values())


def longest_wait(heard):
    signs = [at for at, line in heard if "WATCHDOG" in line or "READY" in line]
    return max(b - a for a, b in zip(signs, signs[1:] + [heard[-1][0]]))


def whoever_stops_and_goes_on_nothing_is_lost_and_sessions_come_back():
    checker()
    print(f"seed {SEED}", flush=True)
    dice, scene = random.Random(SEED), Scene()
    victims = list(scene.processes)
    for _ in range(ROUNDS):
        for victim in dice.choices(victims, k=SHORT):
            scene.imports.go_on()
            scene.glance(victim, dice)
        clients = dice.sample(victims[1:], len(victims) - 1)
        for some in (clients[:2], clients[2:4], clients[4:]):
            scene.imports.go_on()
            scene.until_forgotten(some)
        scene.until_given_up()
    waited = scene.end()
    assert waited < WATCHDOG, f"a watchdog would have ended a process after {waited:.1f} s"
    print(f"pauses: {ROUNDS * SHORT} short, {ROUNDS * len(victims)} until the other side gave up, "
          f"{scene.load.acknowledged()} events acknowledged, {scene.imports.n} imports, a watchdog heard nothing for "
          f"{waited:.1f} s at most, 0 bad", flush=True)


# ---- readers that stop under a fast publisher ----

def anonymous(process):
    """Bytes of memory of its own."""
    with open(f"/proc/{process.pid}/status") as f:
        return next(int(line.split()[1]) << 10 for line in f if line.startswith("RssAnon"))


def lags(publisher, reader):
    """When each event was acknowledged, and how much later a reader had it; seconds."""
    acks = {line["id"]: line["t"] for line in lines(publisher) if line["ev"] == "ack"}
    return [(acks[line["id"]] / 1e9, max(0, line["t"] - acks[line["id"]]) / 1e9)
            for line in lines(reader) if line["id"] in acks]


def percentile(values, p):
    return sorted(values)[len(values) * p // 100]


def readers_that_stop_cost_their_credit_and_delay_nobody():
    checker()
    i, folder = Bare(founded()), scratch()
    broker = i.broker()
    names = ["reader"] + [f"sleeper{n}" for n in range(SLEEPERS)]
    for name in names:
        admit(i, name)
    histories = {name: os.path.join(folder, name) for name in ["officer", *names]}
    publisher = i.publish(0, 64, histories["officer"])
    readers = {name: i.spawn(plain("load"), "read", i.conf, name, "sanctions.in", "0", histories[name])
               for name in names}
    counters = {name: Counter(path, "ack" if name == "officer" else "recv")
                for name, path in histories.items()}

    def all_have(n, whose, patience=120):
        wait_for(f"{n} events", lambda: all(counters[name].count() >= n for name in whose), patience)

    all_have(5000, histories)
    for name in names[1:]:
        stop(readers[name])
    stopped, before, most = time.monotonic(), anonymous(broker), 0

    def looked(n):
        nonlocal most
        most = max(most, anonymous(broker))
        return counters["officer"].count() >= n and counters["reader"].count() >= n

    wait_for("the others go on", lambda: looked(counters["sleeper0"].count() + 30000))
    went_on = time.monotonic()
    for name in names[1:]:
        go_on(readers[name])
    publisher.terminate()
    assert publisher.wait(120) == 0
    all_have(counters["officer"].count(), names)
    for name in names:
        readers[name].terminate()
        assert readers[name].wait(60) == 0
    i.stop(broker)
    judge(i.dir, histories.values(), "sanctions.in", drained=True)

    lag = lags(histories["officer"], histories["reader"])
    calm = [late for at, late in lag if at < stopped]
    meanwhile = [late for at, late in lag if stopped <= at < went_on]
    p50, p99 = ([percentile(values, p) * 1000 for values in (calm, meanwhile)] for p in (50, 99))
    print(f"pauses: {SLEEPERS} readers stopped for {len(meanwhile)} events, broker {before >> 10} KiB before and "
          f"{most >> 10} KiB at most; another reader had an event after p50 {p50[0]:.1f} and {p50[1]:.1f} ms, p99 "
          f"{p99[0]:.1f} and {p99[1]:.1f} ms", flush=True)
    assert most - before < SLEEPERS * CREDIT, (before, most)
    assert p50[1] < 2 * p50[0] + 20 and p99[1] < 4 * p99[0] + 100, (p50, p99)


if __name__ == "__main__":
    run([whoever_stops_and_goes_on_nothing_is_lost_and_sessions_come_back,
         readers_that_stop_cost_their_credit_and_delay_nobody])
