# SPDX-License-Identifier: Apache-2.0
"""sandboxed.py - processes that gave up what they do not need do their whole work, and are ended when they reach for more.

What the kernel says of each thread of a running instance; the way from a list to a mail, a backup beside it, kill -9
and SIGTERM; a broker and its worker over TCP."""
import ctypes
import os
import re
import signal
import subprocess
import urllib.request

from instance import Instance, free_port, run, scratch, snapshot, spawn, tool, wait_for

PROCESSES = {"broker": "broker", "signer": "signer", "embargo": "worker", "sanctions": "lists", "alert": "sender", "metrics": "metrics"}


def landlock():
    """Which one the kernel has; one that cannot let a file be moved to another directory is none."""
    version = ctypes.CDLL(None).syscall(444, None, 0, 1)
    return version if version >= 2 else 0


def status_of(pid, thread):
    """Of a thread that has not ended."""
    try:
        with open(f"/proc/{pid}/task/{thread}/status") as f:
            return dict(line.rstrip("\n").split(":\t", 1) for line in f)
    except (FileNotFoundError, ProcessLookupError):
        return None


def configure(i, old, new):
    with open(i.conf) as f:
        text = f.read()
    assert re.search(old, text), text
    with open(i.conf, "w") as f:
        f.write(re.sub(old, new, text))


def said(i, name):
    with open(os.path.join(i.dir, "run", f"{name}.log")) as f:
        return f.read()


class Office:
    """An instance with all its processes, and a mail server that goes by a name."""

    def __init__(self):
        self.mails = scratch()
        port = os.path.join(scratch(), "port")
        self.sink = spawn(tool("chancery-mail-sink"), "--dir", self.mails, "--port-file", port, stderr=subprocess.DEVNULL)
        wait_for("the mail server", lambda: os.path.exists(port) and open(port).read())
        self.i = Instance("--smtp", f"smtp://localhost:{open(port).read().strip()}",
                          "--mail-from", "alerts@qma.example", "--mail-to", "npc@qma.example")
        configure(self.i, "processes = broker signer embargo sanctions alert", "processes = broker signer embargo sanctions alert metrics")
        configure(self.i, "tls = required", "tls = none")
        self.port = self.i.listen()

    def received(self):
        return [n for n in os.listdir(self.mails) if n.endswith(".eml")]


def entered(i, name, lives):
    """What it said to be in force in the last of so many lives."""
    found = re.findall(r"sandbox\.entered: (.*)", said(i, name))
    return found[-1] if len(found) == lives else None


def threads_of(name, pid):
    """Once it has those of libzmq; the signer has none."""
    threads = os.listdir(f"/proc/{pid}/task")
    return threads if len(threads) > 1 or name == "signer" else None


def all_are_confined(i, lives):
    """Each thread of each process by the filter and without a way to privileges; files by Landlock, where it is."""
    wait_for("all run", lambda: set(i.pids()) == set(PROCESSES))
    held = "held" if landlock() else "by-owner"
    for name, profile in PROCESSES.items():
        line = wait_for(f"{name} says what is in force", lambda: entered(i, name, lives))
        assert line.startswith(f"profile={profile} calls=filtered files={held} landlock={landlock()} "), line
        pid = i.pids()[name]
        for thread in wait_for(f"{name} has threads", lambda: threads_of(name, pid)):
            status = status_of(pid, thread)
            assert not status or (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2"), (name, status)
        with open(f"/proc/{pid}/limits") as f:
            assert re.search(r"^Max core file size +0 +0 ", f.read(), re.M), name


def a_list_becomes_a_mail_and_a_backup_is_taken():
    office = Office()
    i, files = office.i, scratch()
    i.up()
    all_are_confined(i, 1)
    first, second = (snapshot(d, files) for d in ("2023-03-27", "2024-09-21"))
    i.check("list", "import", "--list", "un", first)
    i.check("list", "import", "--list", "un", second, status=4)  # its parts were put, got and parsed
    wait_for("a mail", office.received)
    with urllib.request.urlopen(f"http://127.0.0.1:{office.port}/metrics", timeout=30) as scraped:
        assert b"chancery_up 1" in scraped.read()
    backup = os.path.join(scratch(), "backup")
    i.check("log", "backup", i.dir, backup, dir=False)

    for name in PROCESSES:
        before = i.pids()[name]
        assert i.kill(name)
        wait_for(f"another {name}", lambda: i.pids().get(name, before) != before)
    all_are_confined(i, 2)
    assert "no change" in i.check("list", "import", "--list", "un", second)
    wait_for("it is whole", lambda: i.run("list", "status").returncode == 0)
    up = i.up_process
    i.down()
    assert up.returncode == 0
    for name in PROCESSES:
        assert "EPERM" not in said(i, name) and "not permitted" not in said(i, name), said(i, name)
    assert i.check("log", "verify", i.dir, dir=False).startswith("ok")
    assert "0 differences" in i.check("audit", i.dir, dir=False)
    there = os.path.join(scratch(), "there")
    i.check("log", "restore", backup, there, dir=False)


def over_tcp_each_goes_to_the_brokers_port():
    i = Instance()
    configure(i, "endpoint = .*", f"endpoint = tcp://localhost:{free_port()}")
    configure(i, r"\[broker\]", "[broker]\nlisten = " + re.search("tcp://.*", open(i.conf).read())[0].replace("localhost", "127.0.0.1"))
    i.up()
    i.check("list", "import", "--list", "un", snapshot("2023-03-27", scratch()))
    for name in ("broker", "embargo", "sanctions"):
        assert " network=internet" in said(i, name), said(i, name)


def what_reaches_for_more_is_ended_and_told():
    """By a signal, as the kernel does it: the supervisor says so, and starts it again."""
    i = Instance()
    i.up()
    before = i.pids()["embargo"]
    os.kill(before, signal.SIGSYS)
    wait_for("another one", lambda: i.pids().get("embargo", before) != before)
    with open(os.path.join(i.root, "up.log")) as f:
        assert re.search(r"error up\.forbidden: embargo asked", f.read())


if __name__ == "__main__":
    run([a_list_becomes_a_mail_and_a_backup_is_taken, over_tcp_each_goes_to_the_brokers_port,
         what_reaches_for_more_is_ended_and_told])
