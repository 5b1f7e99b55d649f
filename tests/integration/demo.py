# SPDX-License-Identifier: Apache-2.0
"""demo.py - `chancery demo`, as long as somebody looks at it."""
import json
import os
import signal
import subprocess

from instance import run, scratch, spawn, tool


def an_interrupted_demo_leaves_nothing_running():
    where = os.path.join(scratch(), "d")
    demo = spawn(tool("chancery"), "demo", "--dir", where, text=True, stdout=subprocess.PIPE,
                 stderr=subprocess.STDOUT)
    shown = ""
    while "Ctrl-C here ends all" not in shown:
        line = demo.stdout.readline()
        assert line, shown
        shown += line
    with open(os.path.join(where, "instance", "run", "up.json")) as f:
        pids = json.load(f)
    demo.send_signal(signal.SIGINT)
    demo.stdout.read()
    assert demo.wait(60) == 0, shown
    for pid in [pids["up"], *pids["processes"].values()]:
        assert not os.path.exists(f"/proc/{pid}"), shown
    for said in ("baseline", "set aside", "confirmed", "no change", "Subject: EXERCISE", "ok: ", "0 differences"):
        assert said in shown, shown


if __name__ == "__main__":
    run([an_interrupted_demo_leaves_nothing_running])
