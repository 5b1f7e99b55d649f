# SPDX-License-Identifier: Apache-2.0
"""clock.py - the machine's clock jumps: publishing waits until an administrator accepts it, everything else goes on.

faketime moves the real-time clock of broker, publisher and terminal; forward, back, by a year, across a restart."""
import os
import signal

from bare import Bare, founded
from history import Counter, codes, judge, verify
from instance import PATIENCE, Skip, plain, run, scratch, wait_for
from whole import microseconds

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
DAY = 86400
PARTY = '{"party": "%s", "kind": "PARTY_KIND_STATE"}'


class Clocked(Bare):
    """A broker, a publisher that never stops, and the clock that both and the terminal see."""

    def __init__(self):
        if not os.path.exists(FAKETIME):
            raise Skip("libfaketime is not here")
        super().__init__(founded())
        self.offset = os.path.join(self.dir, "run", "offset")  # the broker reads nothing else
        self.environment = {"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": self.offset,
                            "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        self.history = os.path.join(self.root, "history")
        self.acks, self.nacks = Counter(self.history, "ack"), Counter(self.history, "nack")
        self.set("+0")
        self.process = self.broker()
        self.load = self.publish(0, 2, self.history, 20)
        self.goes_on()

    def set(self, offset):
        with open(self.offset + ".new", "w") as f:
            f.write(offset)
        os.rename(self.offset + ".new", self.offset)

    def restart(self, offset):
        """The clock is another one when it starts again."""
        self.stop(self.process)
        self.set(offset)
        self.process = self.broker()

    def goes_on(self):
        before = self.acks.count()
        wait_for("events are recorded", lambda: self.acks.count() > before + 4, pause=0.005)

    def waits(self, party):
        """Nothing is recorded but in the registry, and all is read."""
        for _ in range(2):
            recorded, before = self.acks.count(), self.nacks.count()
            wait_for("an event is refused", lambda: self.nacks.count() > before, pause=0.005)
        assert self.acks.count() == recorded
        reader = self.spawn(plain("load"), "read", self.conf, "officer", "sanctions.in", str(recorded),
                            os.path.join(scratch(), "reader"))
        assert reader.wait(PATIENCE) == 0
        self.check("event", "publish", "--seat", "administrator", "--stream", "registry", "--type",
                   "chancery.core.v1.PartyAdded", "-", stdin=PARTY % party)
        assert self.json("status", "--seat", "administrator")[0]["broker"]["halted"] == "clock.jump"

    def accept(self, seat="administrator", refused=""):
        done = self.run("clock", "accept", "--seat", seat, "--reason", "looked at the clock")
        assert done.returncode == (1 if refused else 0) and refused in done.stderr, done

    def end(self, *also):
        """How many events were refused: because the clock jumped, or with one of these codes."""
        self.load.terminate()
        assert self.load.wait(PATIENCE) == 0
        self.stop(self.process)
        assert codes(self.history) <= {"clock.jump", *also}, codes(self.history)
        judge(self.dir, [self.history], "sanctions.in")
        self.drop()
        return self.nacks.count()


def a_clock_that_jumps_is_accepted_by_an_administrator_and_nobody_else():
    refused, offsets = 0, ("+1d", "-2h", "+400d")
    for offset in offsets:
        c = Clocked()
        c.set(offset)
        c.waits("QMB")
        c.accept("officer", "access.denied")
        c.environment = {**c.environment, "LD_PRELOAD": ""}
        c.accept(refused="the broker's clock says")
        c.environment = {**c.environment, "LD_PRELOAD": FAKETIME}
        c.accept()
        c.goes_on()
        c.accept(refused="did not jump")
        c.restart(offset)
        c.goes_on()
        refused += c.end()
    print(f"clock: {len(offsets)} jumps accepted, {refused} events refused meanwhile, 0 bad", flush=True)


def a_clock_a_year_back_is_not_accepted_until_it_is_set_right():
    c = Clocked()
    c.set("-365d")
    c.waits("QMB")
    c.accept(refused="receipt times never go back")
    c.set("+0")
    c.waits("QMC")
    c.accept()
    c.goes_on()
    c.end()


def a_clock_that_jumped_while_the_broker_was_down_is_noticed():
    for offset, party in (("+365d", "QMB"), ("-1h", "QMC")):
        c = Clocked()
        c.restart(offset)
        c.waits(party)
        c.restart(offset)  # nobody accepted it: it still waits
        c.waits(party + "A")
        c.load.send_signal(signal.SIGSTOP)
        c.accept()
        c.restart(offset)  # nothing was recorded since: it is known all the same
        c.load.send_signal(signal.SIGCONT)
        c.goes_on()
        c.end()


def downtime_of_days_is_no_jump():
    c = Clocked()
    c.restart("+20d")
    c.goes_on()
    c.end("id.stale")  # what was under way is 20 days old when it comes


def received(i):
    """Of the last request, in seconds."""
    return microseconds(i.json("event", "ls", "--stream", "sanctions.in")[-1]["received"]) / 1e6


def the_clock_of_an_exercise_is_moved_forward():
    i = Bare(founded())
    history = os.path.join(i.root, "history")
    broker = i.broker()
    assert i.publish(1, 1, history).wait(PATIENCE) == 0
    before = received(i)
    for days in (1, 60):
        i.check("clock", "move", f"{days}d", "--seat", "administrator")
        assert i.publish(1, 1, history).wait(PATIENCE) == 0
        assert days * DAY <= received(i) - before < days * DAY + PATIENCE
        before = received(i)
    i.stop(broker)
    broker = i.broker()
    assert i.publish(1, 1, history).wait(PATIENCE) == 0
    assert 0 <= received(i) - before < PATIENCE
    i.check("clock", "move", "1d", "--seat", "officer", status=1)
    i.check("clock", "move", "-1d", "--seat", "administrator", status=2)
    i.stop(broker)
    verify(i.dir)
    i.drop()


def the_clock_of_a_log_that_is_none_is_not_moved():
    i = Bare(founded("--log", "qma.example/actual"))
    broker = i.broker()
    done = i.run("clock", "move", "1d", "--seat", "administrator")
    assert done.returncode == 1 and "exercises" in done.stderr, done
    i.stop(broker)
    i.drop()


if __name__ == "__main__":
    run([a_clock_that_jumps_is_accepted_by_an_administrator_and_nobody_else,
         a_clock_a_year_back_is_not_accepted_until_it_is_set_right,
         a_clock_that_jumped_while_the_broker_was_down_is_noticed,
         downtime_of_days_is_no_jump,
         the_clock_of_an_exercise_is_moved_forward,
         the_clock_of_a_log_that_is_none_is_not_moved])
