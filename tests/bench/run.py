# SPDX-License-Identifier: Apache-2.0
"""run.py - figures of the programs as built; names as arguments, all without.

Prints what was measured and by which command; nothing here passes or fails."""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.environ["SOURCE_DIR"], "tests", "integration"))
from instance import Instance, scratch, snapshot, spawn, tool, wait_for  # noqa: E402


def show(*command):
    print("$ " + " ".join([os.path.basename(command[0]), *command[1:]]), flush=True)
    subprocess.run(command, check=False)


def base():
    show(tool("bench_base"))


def journal():
    show(tool("bench_journal"))


def un_parse():
    files = scratch()
    for date in ("2023-03-27", "2024-09-21"):
        snapshot(date, files)
        show(tool("bench_un_parse"), os.path.join(os.environ["SOURCE_DIR"], "tests", "data", "un",
                                                  f"un-consolidated-{date}.xml.xz"))


def own_memory(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(line.split()[1] for line in f if line.startswith("RssAnon"))


def publish():
    """Durable, signed, over CURVE, by a client on the same machine."""
    i = Instance()
    broker = spawn(tool("chancery-broker"), "--config", i.dir, stderr=subprocess.DEVNULL)
    wait_for("the broker answers", lambda: i.run("log", "head").returncode == 0)
    print(f"broker idle: {own_memory(broker.pid)} KiB of its own (RssAnon)")
    for events, size, batch, window in ((100000, 1024, 64, 16), (100000, 128, 64, 16),
                                        (20000, 16384, 32, 8), (3000, 1024, 1, 1)):
        show(tool("bench_publish"), i.conf, str(events), str(size), str(batch), str(window),
             "officer:sanctions.in")
    broker.terminate()
    broker.wait()


def whole():
    """From `list import` to the last notice, all of it on disk."""
    i = Instance()
    i.up()
    files = scratch()
    for date, status in (("2023-03-27", 0), ("2024-09-21", 4)):
        path = snapshot(date, files)
        start = time.monotonic()
        i.check("list", "import", "--list", "un", path, status=status)
        print(f"list import of {date}, to the last notice: {time.monotonic() - start:.3f} s")
    for name, pid in i.pids().items():
        print(f"{name}: {own_memory(pid)} KiB of its own (RssAnon)")
    i.down()
    for verb in (("log", "verify"), ("audit",)):
        start = time.monotonic()
        i.check(*verb, i.dir, dir=False)
        print(f"{' '.join(verb)}: {time.monotonic() - start:.3f} s")


ALL = {f.__name__: f for f in (base, journal, un_parse, publish, whole)}

if __name__ == "__main__":
    for name in sys.argv[1:] or ALL:
        if name not in ALL:
            sys.exit(f"bench: no '{name}'; there are: {' '.join(ALL)}")
        print(f"== {name}", flush=True)
        ALL[name]()
