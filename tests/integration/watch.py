# SPDX-License-Identifier: Apache-2.0
"""watch.py - `watch`: the shell's way out of the log, an event a line as it is recorded."""
import json
import os
import re
import select
import signal
import subprocess

from instance import Instance, Terminal, run, spawn, tool, wait_for

REQUEST = ("event", "publish", "--stream", "embargo.in", "--type", "embargo.ConfirmSnapshot")


def started():
    i = Instance("--seat", "amina")
    i.up()
    return i


class Watch:
    """A `chancery watch` whose lines are read as they come."""

    def __init__(self, i, *words, **pipes):
        self.process = spawn(tool("chancery"), "watch", "--dir", i.dir, *words, stdout=subprocess.PIPE,
                             stderr=pipes.get("stderr", subprocess.PIPE))
        self.i, self.text = i, b""
        wait_for("it reads", lambda: any(s["seat"] == "amina" and s.get("readings")
                                         for s in i.json("status")[0]["broker"]["seats"]))

    def lines(self, n):
        """The next n of them, parsed where they are JSON."""
        def come():
            if select.select([self.process.stdout], [], [], 0.05)[0]:
                self.text += os.read(self.process.stdout.fileno(), 1 << 20)
            return self.text.count(b"\n") >= n
        wait_for(f"{n} lines", come)
        *found, self.text = self.text.split(b"\n", n)
        return [json.loads(line) if line[:1] == b"{" else line.decode() for line in found]

    def end(self, number=None):
        """The exit status and what was printed since, once it has ended."""
        if number:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, (self.text + out).decode(), (err or b"").decode()


def say(i, *reasons):
    """Events with these reasons, and the worker's answers behind them."""
    text = "".join(json.dumps({"payload": {"list": "un", "reason": r}}) + "\n" for r in reasons)
    i.check(*REQUEST, "--ndjson", stdin=text)


def each_event_is_a_line_as_it_is_recorded():
    i = started()
    say(i, "the first, whose answers begin with the version of the rules")
    watch, some = Watch(i, "--json"), Watch(i, "--json", "--stream", "embargo.in")
    people, typed = Watch(i, "--stream", "embargo.i*"), Watch(i, "--json", "--type", "core.RequestRefused")
    say(i, "one", "two")
    events = watch.lines(4)
    assert all(list(e) == ["position", "received", "envelope", "payload"] for e in events), events
    positions = [e["position"] for e in events]
    assert positions == list(range(positions[0], positions[0] + 4))
    assert {e["envelope"]["stream"] for e in events} == {"embargo.in", "embargo.out"}
    assert [e["payload"]["reason"] for e in some.lines(2)] == ["one", "two"]
    assert {e["payload"]["code"] for e in typed.lines(2)} == {"list.unknown"}
    for said, line in zip(("one", "two"), people.lines(2)):
        assert re.fullmatch(r" *\d+  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC  embargo\.in +embargo\.ConfirmSnapshot +"
                            rf"amina QMA/secretariat  {said}", line), line
    for w in (watch, some, people, typed):
        assert w.end(signal.SIGINT) == (0, "", "")


def it_begins_where_it_is_told():
    i = started()
    say(i, "past")
    head = i.json("log", "head")[0]["head"]
    watch = Watch(i, "--json", "--from", "1")
    assert [e["position"] for e in watch.lines(head)] == list(range(1, head + 1))
    say(i, "next")
    assert [e["position"] for e in watch.lines(2)] == [head + 1, head + 2]
    assert watch.end(signal.SIGTERM) == (0, "", "")
    watch = Watch(i, "--json", "--from", str(head + 4))
    say(i, "a", "b")
    assert watch.lines(1)[0]["position"] == head + 4
    watch.end(signal.SIGINT)


def it_goes_on_where_it_was_when_the_broker_starts_again():
    i = started()
    watch = Watch(i, "--json", "--stream", "embargo.in")
    for k in range(3):
        say(i, f"before {k}")
        broker = i.pids()["broker"]
        i.kill("broker")
        wait_for("another broker", lambda: i.pids().get("broker", broker) != broker)
        say(i, f"behind {k}")
    found = [e["payload"]["reason"] for e in watch.lines(6)]
    assert found == [f"{when} {k}" for k in range(3) for when in ("before", "behind")], found
    assert watch.end(signal.SIGINT)[:2] == (0, "")


def it_says_when_it_waits_for_the_broker():
    i = started()
    say(i, "before")
    watch = Watch(i, "--json")
    i.down()
    err = watch.process.stderr
    line = err.readline().decode()
    assert line == "chancery: the broker does not answer; waiting for it\n", line
    i.up()
    line = err.readline().decode()
    assert line == "chancery: the broker is back\n", line
    say(i, "again")
    assert [e["envelope"]["stream"] for e in watch.lines(2)] == ["embargo.in", "embargo.out"]
    assert watch.end(signal.SIGINT) == (0, "", "")


def it_ends_when_nobody_reads_it():
    i = started()
    watch = Watch(i, "--json")
    watch.process.stdout.close()  # and no event comes
    assert watch.process.wait(60) == 0 and watch.process.stderr.read() == b""
    first = spawn("sh", "-c", f"{tool('chancery')} watch --from 1 --json --dir {i.dir}; echo $? >&2",
                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    head = subprocess.run(["head", "-n", "1"], stdin=first.stdout, capture_output=True, timeout=60)
    first.stdout.close()
    assert json.loads(head.stdout)["position"] == 1
    assert first.stderr.read() == b"0\n"


def on_a_terminal_it_says_what_it_does():
    i, terminal = started(), Terminal()
    watch = Watch(i, stderr=terminal.child)
    terminal.shows("chancery: following chancery.example/main from position")
    watch.end(signal.SIGINT)


if __name__ == "__main__":
    run([each_event_is_a_line_as_it_is_recorded, it_begins_where_it_is_told,
         it_goes_on_where_it_was_when_the_broker_starts_again, it_says_when_it_waits_for_the_broker,
         it_ends_when_nobody_reads_it, on_a_terminal_it_says_what_it_does])
