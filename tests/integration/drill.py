# SPDX-License-Identifier: Apache-2.0
"""drill.py - the log is backed up while it grows, then its disk is gone: a successor goes on from the backup, and the
publishers bring back what their receipts show was recorded behind it."""
import json
import os
import shutil
import signal
import subprocess

from history import Counter, admit, lines, verify
from instance import Commands, Instance, run, scratch, spawn, tool, wait_for

PUBLISHERS = ("pat", "quinn")
STREAM = "embargo.in"
SUCCESSOR = "chancery.example/second"


class Restored(Instance):
    """An instance in a directory that is there."""

    def __init__(self, root):
        self.root, self.dir = root, os.path.join(root, "i")
        self.conf = os.path.join(self.dir, "chancery.conf")
        self.up_process = None


def log(*arguments, status=0):
    done = subprocess.run([tool("chancery-log"), *arguments], capture_output=True, text=True)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def start(i, histories):
    return [spawn(tool("load"), "keep", i.conf, seat, STREAM, "0", "4", path, "20")
            for seat, path in zip(PUBLISHERS, histories)]


def acknowledged(histories):
    return {line["id"] for path in histories for line in lines(path) if line["ev"] == "ack"}


def recorded(i):
    """Ids of the stream, in order, by seat."""
    ids = {seat: [] for seat in PUBLISHERS}
    for line in log("ls", i.dir, "--json", "--stream", STREAM).splitlines():
        event = json.loads(line)
        if event["seat"] in ids:
            ids[event["seat"]].append(event["id"])
    return ids


def end(processes, how):
    for process in processes:
        process.send_signal(how)
    for process in processes:
        process.wait(60)


def disaster(i, histories, safe):
    """Returns what a person has afterwards: keys, settings, receipts, and the newest checkpoint anybody saw."""
    for name in ("keys", "keep", "chancery.conf", "log/checkpoint"):
        source, target = os.path.join(i.dir, name), os.path.join(safe, os.path.basename(name))
        (shutil.copytree if os.path.isdir(source) else shutil.copy)(source, target)
    shutil.rmtree(i.dir)


def put_back(i, safe):
    for name in os.listdir(os.path.join(safe, "keys")):
        if name != "log.key":
            shutil.copy2(os.path.join(safe, "keys", name), os.path.join(i.dir, "keys", name))
    shutil.copytree(os.path.join(safe, "keep"), os.path.join(i.dir, "keep"))
    with open(os.path.join(safe, "chancery.conf")) as f:
        settings = f.read()
    assert "chancery.example/main" in settings
    with open(i.conf, "w") as f:
        f.write(settings.replace("chancery.example/main", SUCCESSOR))


def what_was_acknowledged_behind_the_backup_comes_back_once():
    i, safe, folder = Instance(), scratch(), scratch()
    i.up()
    for seat in PUBLISHERS:
        admit(i, seat)
    histories = [os.path.join(folder, seat) for seat in PUBLISHERS]
    counters = [Counter(path, "ack") for path in histories]
    publishers = start(i, histories)
    wait_for("the publishers publish", lambda: all(c.count() >= 50 for c in counters))
    backup = os.path.join(folder, "backup.tar.zst")
    said = json.loads(log("backup", i.dir, backup, "--json"))
    assert "ok:" in log("backup", "--verify", backup)
    before = [c.count() for c in counters]
    wait_for("they go on", lambda: all(c.count() >= n + 100 for c, n in zip(counters, before)))
    end(publishers, signal.SIGKILL)
    i.down()
    kept = acknowledged(histories)
    disaster(i, histories, safe)

    second = Restored(scratch())
    key = os.path.join(safe, "keys", "administrator.key")
    assert "--successor" in log("restore", backup, second.dir)
    shutil.rmtree(second.dir)
    text = log("restore", backup, second.dir, "--successor", SUCCESSOR, "--administrator", key, "--checkpoint",
               os.path.join(safe, "checkpoint"))
    assert f"head {said['head']} " in text and f"it goes on as {SUCCESSOR}" in text, text
    put_back(second, safe)
    second.up()
    lost = kept - {id for ids in recorded(second).values() for id in ids}
    assert len(lost) >= 200, len(lost)
    publishers = start(second, histories)
    wait_for("what was lost is back",
             lambda: kept <= {id for ids in recorded(second).values() for id in ids}, 120)
    end(publishers, signal.SIGTERM)
    for seat, ids in recorded(second).items():
        assert len(ids) == len(set(ids)), f"{seat}: an event is there twice"
        order = [id for id in ids if id in kept]
        assert order == sorted(order), f"{seat}: its order changed"  # ids ascend as they were made
    second.check("event", "publish", "--seat", "administrator", "--stream", "registry", "--type",
                 "chancery.core.v1.ReturnEnded", "-", stdin="{}")
    note = os.path.join(folder, "note.txt")
    with open(note, "w") as f:
        f.write("whose keys are whose is read from both logs' signed events")
    second.check("event", "publish", "-", "--stream", "embargo.in", "--type", "embargo.ConfirmSnapshot", "--label", "green",
                 "--to", "seat:officer", "--seal", note, stdin="{}")
    second.down()
    verify(second.dir)
    second.check("audit", second.dir, dir=False)
    print(f"{len(kept)} acknowledged, {len(lost)} of them behind the backup, 0 lost")


def a_backup_that_is_cut_or_altered_is_refused_and_leaves_nothing():
    i, folder = Instance(), scratch()
    backup = os.path.join(folder, "backup.tar.zst")
    log("backup", i.dir, backup)
    assert "(exists)" in log("backup", i.dir, backup, status=1)
    with open(backup, "rb") as f:
        whole = f.read()
    for n, bad in enumerate((whole[:len(whole) // 2], whole[:-1], b"", b"<html>",
                             whole[:900] + bytes([whole[900] ^ 1]) + whole[901:])):
        path, place = os.path.join(folder, f"bad{n}"), os.path.join(folder, f"place{n}")
        with open(path, "wb") as f:
            f.write(bad)
        log("restore", path, place, status=1)
        assert not os.path.exists(place), n
        log("backup", "--verify", path, status=1)
    assert sorted(os.listdir(folder)) == ["backup.tar.zst"] + [f"bad{n}" for n in range(5)]


def an_archive_that_is_not_what_its_manifest_says_is_refused():
    i, folder = Instance(), scratch()
    backup, tree = os.path.join(folder, "b.tar.zst"), os.path.join(folder, "tree")
    log("backup", i.dir, backup)
    os.mkdir(tree)
    subprocess.run(["tar", "--zstd", "-xf", backup, "-C", tree], check=True)
    listed = subprocess.run(["tar", "--zstd", "-tf", backup], check=True, capture_output=True,
                            text=True).stdout.split()
    assert listed == ["MANIFEST", "log/checkpoint", "log.vkey", "log/data.mdb"], listed

    def packed(names, *more):
        path = os.path.join(scratch(), "other.tar.zst")
        subprocess.run(["tar", "--zstd", "-cf", path, "-C", tree, *more, *names], check=True)
        return path

    place = os.path.join(folder, "place")
    log("restore", packed(listed), place)
    shutil.rmtree(place)
    for path, code in ((packed(listed[1:]), "bytes.malformed"), (packed(listed[:3]), "record.damaged"),
                       (packed([listed[0], listed[2], listed[1], listed[3]]), "record.damaged"),
                       (packed(listed + ["log.vkey"]), "record.damaged"),
                       (packed(listed, "--transform", "s,log.vkey,../../escaped,"), "record.damaged")):
        assert f"({code})" in log("restore", path, place, status=1), log("restore", path, place, status=1)
        assert not os.path.exists(place)
    with open(os.path.join(tree, "MANIFEST")) as f:
        manifest = f.read()
    for line in ("file " + "0" * 64 + " 3 ../escaped", "file x", "", manifest.splitlines()[0]):
        with open(os.path.join(tree, "MANIFEST"), "w") as f:
            f.write(manifest + line + "\n" if line else "chancery-backup 1\n")
        assert "MANIFEST: line" in log("restore", packed(listed), place, status=1)


def a_successor_is_founded_by_an_administrator_and_for_a_loss():
    i, folder = Instance(), scratch()
    backup, place = os.path.join(folder, "b.tar.zst"), os.path.join(folder, "place")
    head = str(json.loads(log("backup", i.dir, backup, "--json"))["head"])
    keys = os.path.join(i.dir, "keys")
    administrator, officer = (os.path.join(keys, name + ".key") for name in ("administrator", "officer"))
    for arguments, code in (
            (("--successor", "Not A Name", "--administrator", administrator), "field.invalid"),
            (("--successor", SUCCESSOR, "--administrator", officer), "access.denied"),
            (("--successor", SUCCESSOR, "--administrator", os.path.join(keys, "nobody.key")), "not.found"),
            (("--successor", "chancery.example/main", "--administrator", administrator), None),
            (("--successor", SUCCESSOR, "--administrator", administrator, "--lost", head), "exists")):
        said = log("restore", backup, place, *arguments, status=1)
        assert code is None or f"({code})" in said, said
        assert not os.path.exists(place), arguments
    log("restore", backup, place, "--successor", SUCCESSOR, status=2)


if __name__ == "__main__":
    run([what_was_acknowledged_behind_the_backup_comes_back_once,
         a_backup_that_is_cut_or_altered_is_refused_and_leaves_nothing,
         an_archive_that_is_not_what_its_manifest_says_is_refused,
         a_successor_is_founded_by_an_administrator_and_for_a_loss])
