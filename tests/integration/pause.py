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
CLIENTS = ("embargo", "sanctions")
SERVICES = ("signer", "broker", *CLIENTS)
SILENCE = "client.silence: "
SLEEPERS = 4         # readers that are stopped under a fast publisher
LATE = 30000         # events that are there before they begin, more than any credit
CREDIT = 1024 << 10  # of a reader: 1,024 records, here of less than 1 KiB


def stop(process):
    process.send_signal(signal.SIGSTOP)


def go_on(process):
    process.send_signal(signal.SIGCONT)


def said(path):
    with open(path, errors="replace") as f:
        return f.read()


class Scene:
    """Services that a manager watches, two publishers, a reader and imports."""

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
        logs = [self.services[name].log for name in CLIENTS]
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
        clients = [v for v in victims if v not in ("signer", "broker")]
        dice.shuffle(clients)
        for some in (clients[:2], clients[2:4], clients[4:]):
            scene.imports.go_on()
            scene.until_forgotten(some)
        scene.until_given_up()
    waited = scene.end()
    assert waited < WATCHDOG, f"a watchdog would have ended a process after {waited:.1f} s"
    print(f"pauses: {ROUNDS * SHORT} short, {ROUNDS * (len(victims) - 1)} until the other side gave up, "
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


class Stalled:
    """A fast publisher, a reader, and sleepers: each begins at the first event and is stopped once it has some."""

    def __init__(self):
        self.i, self.folder = Bare(founded()), scratch()
        self.broker = self.i.broker()
        self.sleepers = [f"sleeper{n}" for n in range(SLEEPERS)]
        for name in ("reader", *self.sleepers):
            admit(self.i, name)
        self.counters = {"officer": Counter(self.history("officer"), "ack")}
        self.publisher = self.i.publish(0, 64, self.history("officer"))
        self.readers = {}
        self.read("reader")

    def history(self, name):
        return os.path.join(self.folder, name)

    def read(self, name):
        self.readers[name] = self.i.spawn(plain("load"), "read", self.i.conf, name, "sanctions.in", "0",
                                          self.history(name))
        self.counters[name] = Counter(self.history(name), "recv")

    def have(self, n, *names):
        wait_for(f"{n} events", lambda: all(self.counters[name].count() >= n for name in names), pause=0.002)

    def sleep(self):
        for name in self.sleepers:
            self.read(name)
            self.have(1, name)
            stop(self.readers[name])
            assert self.counters[name].count() < LATE, f"{name} was not stopped in time"

    def most(self, n):
        """Bytes that the broker had at most until publisher and reader have so many events more."""
        most, until = 0, self.counters["officer"].count() + n

        def look():
            nonlocal most
            most = max(most, anonymous(self.broker))
            return self.counters["officer"].count() >= until and self.counters["reader"].count() >= until
        wait_for("the others go on", look)
        return most

    def wake(self):
        for name in self.sleepers:
            go_on(self.readers[name])

    def end(self):
        self.publisher.terminate()
        assert self.publisher.wait(120) == 0
        self.have(self.counters["officer"].count(), *self.readers)
        for reader in self.readers.values():
            reader.terminate()
            assert reader.wait(60) == 0
        self.i.stop(self.broker)
        judge(self.i.dir, [self.history(name) for name in self.counters], "sanctions.in", drained=True)


def readers_that_stop_cost_their_credit_and_delay_nobody():
    checker()
    s = Stalled()
    s.have(LATE, "officer", "reader")
    began, before = time.monotonic(), anonymous(s.broker)
    s.sleep()
    most = s.most(LATE)
    ended = time.monotonic()
    s.wake()
    s.end()
    lag = lags(s.history("officer"), s.history("reader"))
    times = [[late * 1000 for at, late in lag if at < began], [late * 1000 for at, late in lag if began <= at < ended]]
    p50, p99 = ([percentile(part, p) for part in times] for p in (50, 99))
    print(f"pauses: {SLEEPERS} readers stopped for {len(times[1])} events, broker {before >> 10} KiB before and "
          f"{most >> 10} KiB at most; another reader had an event after p50 {p50[0]:.1f} and {p50[1]:.1f} ms, p99 "
          f"{p99[0]:.1f} and {p99[1]:.1f} ms", flush=True)
    assert most - before < SLEEPERS * CREDIT, (before, most)
    assert p50[1] < 2 * p50[0] + 20 and p99[1] < 1000, (p50, p99)


if __name__ == "__main__":
    run([whoever_stops_and_goes_on_nothing_is_lost_and_sessions_come_back,
         readers_that_stop_cost_their_credit_and_delay_nobody])
