# SPDX-License-Identifier: Apache-2.0
"""fault.py - the broker's disk fails at the n-th call: no acknowledgement without the event, ever.

A shim from outside fails one write, sync or rename of the running broker, or kills it there; a publisher goes on until
every event is recorded or refused, and the history checker judges. A few calls of each kind; more with CHANCERY_LONG."""
import json
import os
import subprocess
import sys

from instance import (Instance, LONG, SHARED, Skip, run, scratch, spawn, tool, wait_for)
from kill import log_lines, renumber

EVENTS = 300
CALLS = range(1, 60) if LONG else (1, 2, 5, 11)
DOUBT = 70  # exit status of a broker that does not know whether its last batch is on disk


def shim():
    source = os.path.join(SHARED, "tools", "powerfail", "pfshim.c")
    checker = os.path.join(SHARED, "tools", "histcheck", "histcheck.py")
    if not os.path.exists(source) or not os.path.exists(checker):
        raise Skip("the shim and the history checker are not here")
    library = os.path.join(scratch(), "pfshim.so")
    subprocess.run(["gcc", "-O2", "-fPIC", "-shared", "-w", "-o", library, source, "-ldl"],
                   check=True)
    return library, checker


def preload(library):
    """A sanitizer's library comes first, where the programs have one."""
    needed = subprocess.run(["ldd", tool("chancery-broker")], capture_output=True, text=True).stdout
    asan = [line.split()[2] for line in needed.splitlines() if "libasan" in line]
    return ":".join(asan + [library])


def broker(i, environment=None):
    return spawn(tool("chancery-broker"), "--config", i.dir, stderr=subprocess.DEVNULL,
                 env={**os.environ, **(environment or {})})


def publish_through(i, library, fault):
    """Publishes EVENTS while the first broker has the fault; returns that broker's exit status."""
    histories = [os.path.join(scratch(), name) for name in ("pub", "log")]
    first = broker(i, {"LD_PRELOAD": preload(library), "PF_DIR": os.path.join(i.dir, "log"),
                       "PF_FAULT": fault, "ASAN_OPTIONS": "detect_leaks=0"})
    load = spawn(tool("load"), "publish", i.conf, "officer", "sanctions.in", str(EVENTS), "8",
                 histories[0])
    wait_for("the publisher or the broker ends",
             lambda: load.poll() is not None or first.poll() is not None)
    second = broker(i) if first.poll() is not None else None
    assert load.wait(120) == 0
    for process in (first, second):
        if process and process.poll() is None:
            process.terminate()
    first.wait(60)
    if second:
        assert second.wait(60) == 0
    return first.returncode, histories


def judge(i, histories, checker):
    log_lines(i, histories[-1], "sanctions.in")
    renumber(histories)
    judged = subprocess.run([sys.executable, checker, *histories], capture_output=True, text=True)
    assert judged.returncode == 0, judged.stdout[-2000:]
    assert i.check("log", "verify", i.dir, dir=False).startswith("ok")


def nacks(histories):
    with open(histories[0]) as f:
        return sum(1 for line in f if json.loads(line)["ev"] == "nack")


def a_failed_sync_ends_the_broker_and_loses_nothing():
    library, checker = shim()
    for call in CALLS:
        i = Instance()
        status, histories = publish_through(i, library, f"sync:data.mdb:{call}:1:EIO")
        assert status == DOUBT, (call, status)
        assert nacks(histories) == 0
        judge(i, histories, checker)


def a_kill_at_a_write_loses_nothing():
    library, checker = shim()
    for call in CALLS:
        i = Instance()
        status, histories = publish_through(i, library, f"write:data.mdb:{call}:1:kill")
        assert status == -9, (call, status)
        judge(i, histories, checker)


def a_failed_write_is_refused_or_ends_the_broker_and_the_two_are_told_apart():
    library, checker = shim()
    for error in ("ENOSPC", "EIO", "short"):
        for call in CALLS:
            i = Instance()
            status, histories = publish_through(i, library, f"write:data.mdb:{call}:1:{error}")
            assert status in (0, DOUBT), (error, call, status)
            judge(i, histories, checker)


if __name__ == "__main__":
    run([a_failed_sync_ends_the_broker_and_loses_nothing,
         a_kill_at_a_write_loses_nothing,
         a_failed_write_is_refused_or_ends_the_broker_and_the_two_are_told_apart])
