# SPDX-License-Identifier: Apache-2.0
"""disk.py - the disk fills: publishing is refused and resumes by itself, everything else goes on.

On a small file system of its own, at every 64 KiB of free space down to nothing. Needs root."""
import os
import signal
import subprocess

from bare import Bare, founded
from history import Counter, checker, codes, judge, verify
from instance import Instance, PATIENCE, plain, run, scratch, snapshot, spawn, tool, wait_for
from small import SmallDisk, own_mounts
from whole import hash_of

STEP = 64 << 10
RESERVE = 2 << 20  # below it only the registry's events are taken
LEAST = 1 << 20    # below it nothing is: a commit must not find the disk full in its middle
PARTY = '{"party": "%s", "kind": "PARTY_KIND_STATE"}'


def reserve(i):
    with open(i.conf) as f:
        text = f.read()
    with open(i.conf, "w") as f:
        f.write(text.replace("[broker]\n", f"[broker]\ndisk-reserve = {RESERVE}\n"))


def registers(i, party):
    """Whether the registry takes an event, or says that the log is full."""
    done = i.run("event", "publish", "--seat", "administrator", "--stream", "registry", "--type",
                 "chancery.core.v1.PartyAdded", "-", stdin=PARTY % party)
    assert done.returncode == 0 or "log.full" in done.stderr, done.stderr
    return done.returncode == 0


def reads(i, seen):
    """All that was acknowledged so far can be read."""
    history = os.path.join(scratch(), "reader")
    reader = i.spawn(plain("load"), "read", i.conf, "officer", "sanctions.in", str(seen), history)
    assert reader.wait(PATIENCE) == 0


class Filling:
    """A broker on a small disk, and a publisher that never stops."""

    def __init__(self):
        self.disk = SmallDisk(24)
        self.i = Bare(founded(), root=self.disk.dir)
        self.i.program = tool("chancery")
        self.i.log = os.path.join(scratch(), "broker.log")
        reserve(self.i)
        self.broker = self.i.broker()
        self.history = os.path.join(scratch(), "publisher")
        self.load = self.i.publish(0, 4, self.history, 20)
        self.acks, self.nacks = Counter(self.history, "ack"), Counter(self.history, "nack")

    def recorded(self):
        before = self.acks.count()
        wait_for("an event is recorded", lambda: self.acks.count() > before, pause=0.005)

    def refused(self):
        """Refusals come, and then nothing else: what is on its way to the disk still gets there."""
        def alone():
            recorded, before = self.acks.count(), self.nacks.count()
            wait_for("events are refused", lambda: self.nacks.count() >= before + 8, pause=0.005)
            return self.acks.count() == recorded
        wait_for("nothing is recorded between refusals", alone)

    def look(self, room, n):
        """What holds with so much room."""
        self.disk.leave(room)
        if room >= RESERVE + STEP:
            self.recorded()
        elif room <= RESERVE - STEP:
            self.refused()
        reads(self.i, self.acks.count())
        if n % 4 == 0 and abs(room - LEAST) > STEP:
            assert registers(self.i, "QN" + chr(65 + n // 4)) == (room > LEAST), room
        assert self.broker.poll() is None, self.i.said()

    def verify_when_full(self):
        """In its place, with no block free; and a broker that starts there serves readers."""
        self.i.stop(self.broker)
        verify(self.i.dir)
        self.i.check("audit", self.i.dir, dir=False)
        self.broker = self.i.broker()
        reads(self.i, self.acks.count())
        self.refused()

    def end(self):
        self.load.terminate()
        assert self.load.wait(PATIENCE) == 0
        self.i.stop(self.broker)
        assert codes(self.history) == {"log.full"}
        judge(self.i.dir, [self.history], "sanctions.in")
        self.disk.close()


def the_log_is_read_while_the_disk_fills_and_goes_on_when_there_is_room():
    checker()
    own_mounts()
    f = Filling()
    rooms = range(RESERVE + 4 * STEP, -1, -STEP)
    for n, room in enumerate(rooms):
        f.look(room, n)
    f.verify_when_full()
    f.disk.empty()
    f.recorded()
    assert registers(f.i, "QOA")
    for room in (0, LEAST + STEP, 0):
        f.disk.leave(room)
        f.refused()
        f.disk.empty()
        f.recorded()
    assert f.broker.poll() is None
    f.end()
    print(f"disk: {len(rooms)} fillings, {f.acks.count()} events recorded, {f.nacks.count()} refused "
          "as log.full, 0 bad", flush=True)


def broker_status(i):
    return i.json("status")[0]["broker"]


def what_people_and_workers_publish_goes_on_when_there_is_room():
    """Without an end of any process: a worker's answers that find the disk full wait."""
    own_mounts()
    disk, files = SmallDisk(64), scratch()
    i = Instance(root=disk.dir)
    reserve(i)
    i.up()
    first, second = (snapshot(date, files) for date in ("2023-03-27", "2024-09-21"))
    i.check("list", "import", "--list", "un", first)
    i.check("list", "import", "--list", "un", second, status=4)
    confirm = ("list", "confirm", hash_of(second))
    processes = i.pids()

    disk.leave(LEAST + 4 * STEP)
    wait_for("the disk is full", lambda: broker_status(i).get("halted") == "log.full")
    for words in (confirm, ("list", "import", "--list", "un", first)):
        done = i.run(*words)
        assert done.returncode == 1 and "log.full" in done.stderr, (words, done.stderr)
    for words in (("list", "show", "QDi.430"), ("list", "status"), ("event", "ls"), ("log", "head")):
        i.check(*words)
    assert registers(i, "QMB")
    disk.empty()
    wait_for("there is room", lambda: broker_status(i).get("publishing"))

    os.kill(processes["embargo"], signal.SIGSTOP)
    asking = spawn(tool("chancery"), *confirm, "--dir", i.dir, stdout=subprocess.DEVNULL)
    wait_for("the request is recorded",
             lambda: i.check("event", "ls", "--type", "embargo.ConfirmSnapshot"))
    disk.leave(LEAST + 4 * STEP)
    wait_for("the disk is full", lambda: broker_status(i).get("halted") == "log.full")
    before = int(broker_status(i)["refusals"])
    os.kill(processes["embargo"], signal.SIGCONT)
    wait_for("the answers are refused", lambda: int(broker_status(i)["refusals"]) > before)
    disk.empty()
    assert asking.wait(PATIENCE) == 0
    assert i.pids() == processes, "a process ended"
    i.down()
    verify(i.dir)
    i.check("audit", i.dir, dir=False)
    disk.close()


if __name__ == "__main__":
    run([the_log_is_read_while_the_disk_fills_and_goes_on_when_there_is_room,
         what_people_and_workers_publish_goes_on_when_there_is_room])
