# SPDX-License-Identifier: Apache-2.0
"""notify.py - what the service manager hears of real processes: ready when they serve, fed while work goes on.

The manager is a socket of the test's own. A broker whose disk does not answer feeds nothing though its loop turns."""
import os
import signal
import socket
import threading
import time

from bare import shim
from instance import Instance, plain, run, scratch, snapshot, spawn, tool, wait_for

PATIENCE = 2000000  # microseconds: what the manager says it waits for a sign of life
STALL = 8000        # milliseconds that the disk does not answer


class Manager:
    """Starts one program as a service manager does, and keeps what it says, with the time."""

    def __init__(self, *command, environment=None, socket_path=None):
        path = socket_path or os.path.join(scratch(), "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.said = []
        threading.Thread(target=self.listen, daemon=True).start()
        self.log = os.path.join(scratch(), "log")
        with open(self.log, "wb") as log:
            self.process = spawn(*command, stderr=log,
                                 env={**os.environ, "NOTIFY_SOCKET": path,
                                      "WATCHDOG_USEC": str(PATIENCE), **(environment or {})})

    def listen(self):
        while True:
            text = self.socket.recv(4096).decode()
            self.said.append((time.monotonic(), dict(line.split("=", 1)
                                                     for line in text.splitlines())))

    def hear(self, what, wanted, since=0):
        """The first thing said after `since` things that is wanted; its number."""
        def look():
            for n, (_, said) in enumerate(self.said[since:], since):
                if wanted(said):
                    return n + 1
            assert self.process.poll() is None, open(self.log).read()
            return None
        return wait_for(f"{what}, see {self.log}", look) - 1

    def ready(self):
        self.hear("READY", lambda said: "READY" in said)
        return self

    def fed(self, times=1):
        """Hears so many signs of life from now on."""
        n = len(self.said)
        for _ in range(times):
            n = self.hear("WATCHDOG", lambda said: "WATCHDOG" in said, n) + 1

    def starved(self):
        """A look that fed nothing, from now on; its number."""
        return self.hear("a look without WATCHDOG",
                         lambda said: "STATUS" in said and "WATCHDOG" not in said, len(self.said))

    def end(self):
        self.process.terminate()
        assert self.process.wait(60) == 0, open(self.log).read()
        # a sign of life may still come behind it
        wait_for("STOPPING", lambda: any("STOPPING" in said for _, said in self.said))
        assert sum("READY" in said for _, said in self.said) == 1


def started(i, *names):
    return [Manager(tool("chancery-" + name), "--config", i.dir).ready() for name in names]


def the_broker_is_ready_when_it_serves_and_fed_while_it_is_idle():
    i = Instance()
    broker, = started(i, "broker")
    i.check("log", "head")
    assert broker.said[0][1]["STATUS"].startswith("chancery.example/main: head "), broker.said[0]
    broker.fed(3)
    broker.end()


def a_disk_that_does_not_answer_starves_the_broker_though_its_loop_turns():
    library = shim()
    i = Instance()
    broker = Manager(plain("chancery-broker"), "--config", i.dir, environment={
        "LD_PRELOAD": library, "PF_DIR": os.path.join(i.dir, "log"),
        "PF_FAULT": f"sync:data.mdb:3:1:stop:{STALL}"}).ready()
    broker.fed()
    load = spawn(tool("load"), "publish", i.conf, "officer", "sanctions.in", "50", "1",
                 os.path.join(scratch(), "history"))
    first = broker.starved()
    i.check("log", "head")  # the loop turns, and would have fed a watchdog that asks no more
    assert load.poll() is None
    assert "does not answer" in broker.said[first][1]["STATUS"]
    assert load.wait(120) == 0
    broker.fed(2)
    meals = [at for at, said in broker.said if "WATCHDOG" in said]
    pause = max(b - a for a, b in zip(meals, meals[1:]))
    assert pause * 1000000 > PATIENCE, pause  # the manager would have ended it
    broker.end()


def a_worker_is_ready_when_it_answers_and_adapters_when_they_read():
    i = Instance("--smtp", "smtp://127.0.0.1:9", "--mail-from", "a@qma.example", "--mail-to",
                 "b@qma.example")
    i.listen()
    services = started(i, "broker", "embargo", "sanctions")
    i.check("list", "import", "--list", "un", snapshot("2023-03-27", scratch()))
    services[1].end()
    services[1], = started(i, "embargo")
    assert i.json("list", "status")[0]["lists"], "the first question after READY is answered"
    services += started(i, "alert", "metrics")
    for s in services:
        s.fed(2)
    for s in reversed(services):
        s.end()


def who_waits_for_a_broker_that_is_gone_is_fed_and_who_gets_no_answer_is_not():
    i = Instance("--smtp", "smtp://127.0.0.1:9", "--mail-from", "a@qma.example", "--mail-to",
                 "b@qma.example")
    i.listen()
    broker, *clients = started(i, "broker", "embargo", "sanctions", "alert", "metrics")
    clients[-1].hear("its session: metrics serve without one too",
                     lambda said: "scrapes" in said.get("STATUS", ""))
    broker.process.send_signal(signal.SIGSTOP)
    try:
        for c in clients:
            c.starved()
    finally:
        broker.process.send_signal(signal.SIGCONT)
    for c in clients:
        c.fed(2)
    broker.end()
    for c in clients:
        c.hear("that it waits", lambda said: "waiting for the broker" in said.get("STATUS", ""),
               len(c.said))
        c.fed(2)
        c.end()


if __name__ == "__main__":
    run([the_broker_is_ready_when_it_serves_and_fed_while_it_is_idle,
         a_disk_that_does_not_answer_starves_the_broker_though_its_loop_turns,
         a_worker_is_ready_when_it_answers_and_adapters_when_they_read,
         who_waits_for_a_broker_that_is_gone_is_fed_and_who_gets_no_answer_is_not])
