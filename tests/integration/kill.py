# SPDX-License-Identifier: Apache-2.0
"""kill.py - kill -9 of broker, worker and adapter at random points of an import, and what is left.

Two publishers and two readers write their history; after the last kill the log is read from the
directory, and the history checker, `log verify` and `audit` judge. 30 kills; 1,000 with CHANCERY_LONG."""
import json
import os
import random
import subprocess
import sys
import time

from instance import Instance, LONG, SHARED, Skip, run, scratch, snapshot, spawn, tool, wait_for

KILLS = 1000 if LONG else 30
SEED = int(os.environ.get("CHANCERY_SEED", time.time()))


def admit(i, seat, office="QMA/secretariat", kind="SEAT_KIND_PERSON"):
    """A seat more, by signed registry events; by default in the first user's office."""
    key = os.path.join(i.dir, "keys", seat + ".key")
    i.check("key", "new", "--seat", seat, "--office", office, key, dir=False)
    shown = json.loads(i.check("key", "show", key, "--json", dir=False))
    records = [("SeatAdmitted", {"seat": seat, "office": office, "kind": kind, "name": seat}),
               ("KeyAdded", {"seat": seat, "kind": "KEY_KIND_CURVE",
                             "publicKey": b64(shown["curve"])}),
               ("KeyAdded", {"seat": seat, "kind": "KEY_KIND_ED25519",
                             "publicKey": b64(shown["ed25519"])})]
    for kind, payload in records:
        i.check("event", "publish", "--seat", "administrator", "--stream", "registry", "--type",
                "chancery.core.v1." + kind, "-", stdin=json.dumps(payload))


def b64(digits):
    import base64
    return base64.b64encode(bytes.fromhex(digits)).decode()


def log_lines(i, path, stream):
    """One stream of the log as the history checker reads it."""
    out = subprocess.run([tool("chancery-log"), "ls", i.dir, "--json"], capture_output=True,
                         text=True, timeout=300)
    assert out.returncode == 0, out.stderr
    with open(path, "w") as f:
        for line in out.stdout.splitlines():
            e = json.loads(line)
            if e["stream"] == stream:
                f.write(json.dumps({"ev": "log", "seq": e["position"], "id": e["id"],
                                    "topic": e["stream"], "pub": e["seat"],
                                    "h": e["payloadHash"]}) + "\n")


def dense(lines):
    """Positions of one stream have gaps that are other streams' events: number them anew."""
    order = {}
    for line in lines:
        order.setdefault(line["seq"], None)
    return {seq: n for n, seq in enumerate(sorted(order), 1)}


def renumber(paths):
    logs = [json.loads(line) for line in open(paths[-1])]
    numbers = dense(logs)
    for path in paths:
        lines = []
        for text in open(path):
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if "seq" in line:
                if line["seq"] not in numbers:
                    raise AssertionError(f"position {line['seq']} is not in the log: {line}")
                line["seq"] = numbers[line["seq"]]
            lines.append(json.dumps(line))
        with open(path, "w") as f:
            f.write("\n".join(lines) + "\n")


def whatever_is_killed_nothing_acknowledged_is_lost():
    checker = os.path.join(SHARED, "tools", "histcheck", "histcheck.py")
    if not os.path.exists(checker):
        raise Skip("the history checker is not here")
    dice = random.Random(SEED)
    print(f"seed {SEED}, {KILLS} kills", flush=True)
    i = Instance()
    files = scratch()
    lists = [snapshot(d, files) for d in ("2023-03-27", "2024-09-21")]
    i.up()
    for seat in ("pat", "quinn", "reader"):
        admit(i, seat)
    history = [os.path.join(files, n) for n in ("pat", "quinn", "reader", "log")]
    count = 40 * KILLS
    load = [spawn(tool("load"), "publish", i.conf, seat, "embargo.in", str(count), "16", path)
            for seat, path in zip(("pat", "quinn"), history)]
    reader = spawn(tool("load"), "read", i.conf, "reader", "embargo.in", str(2 * count), history[2])
    imports = []
    for n in range(KILLS):
        if not imports or imports[-1].poll() is not None:
            imports.append(spawn(tool("chancery"), "list", "import", "--list", "un", lists[n % 2],
                                 "--dir", i.dir, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL))
        time.sleep(dice.uniform(0.0, 0.4))  # a random point, not a wait
        i.kill(dice.choice(["broker", "broker", "embargo", "sanctions"]))
        wait_for("the supervisor has started it again", lambda: len(i.pids()) >= 3)
    for process in load:
        assert process.wait(600) == 0
    for path in history[:2]:
        assert '"nack"' not in open(path).read(), "refused under kills"
    assert reader.wait(600) == 0
    for process in imports:
        process.wait(600)
    wait_for("every import is answered", lambda: settled(i), 300)
    i.down()
    log_lines(i, history[3], "embargo.in")
    renumber(history)
    judged = subprocess.run([sys.executable, checker, *history], capture_output=True, text=True)
    assert judged.returncode == 0, judged.stdout[-4000:]
    assert i.check("log", "verify", i.dir, dir=False, timeout=900).startswith("ok")
    assert "ok:" in i.check("audit", i.dir, dir=False, timeout=900)


def settled(i):
    """As many answers as requests: sanctions.in by un.feed, snapshots and embargo.in by embargo.out."""
    done = i.run("event", "ls", "--json")
    if done.returncode:
        return False
    events = [json.loads(line) for line in done.stdout.splitlines()]
    asked, answered = set(), set()
    for event in events:
        envelope = event["envelope"]
        if envelope["stream"] in ("sanctions.in", "embargo.in") or envelope["type"].endswith(
                "SnapshotPublished"):
            asked.add(str(event["position"]))
        if envelope["stream"] in ("un.feed", "embargo.out"):
            answered.add(envelope.get("cause"))
    return asked <= answered


if __name__ == "__main__":
    run([whatever_is_killed_nothing_acknowledged_is_lost])
