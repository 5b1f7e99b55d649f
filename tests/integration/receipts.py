# SPDX-License-Identifier: Apache-2.0
"""receipts.py - what a seat published from here is kept, shown, and compared with the log."""
import glob
import hashlib
import json
import os
import shutil
import struct
from concurrent.futures import ThreadPoolExecutor

from instance import Instance, run, scratch, snapshot, spawn, tool, wait_for
from invented import person, references, un_list

REQUEST = ("event", "publish", "--stream", "embargo.in", "--type", "embargo.ConfirmSnapshot", "-")


def say(i, name):
    return i.json(*REQUEST, stdin=json.dumps({"list": name}))[0]["position"]


def receipts_are_kept_shown_and_compared():
    i = Instance("--seat", "amina")
    i.up()
    i.check("list", "import", snapshot("2023-03-27", scratch()))
    at = [say(i, name) for name in ("x0", "x1")]
    receipts = i.json("receipt", "ls")
    assert [r["position"] for r in receipts][-2:] == at, receipts
    assert receipts[-1]["stream"] == "embargo.in" and len(i.check("receipt", "ls").splitlines()) == len(receipts)
    [shown], [logged] = (i.json(noun, "show", str(at[1])) for noun in ("receipt", "event"))
    assert shown == logged, (shown, logged)
    assert "chancery.example/main" in i.check("receipt", "show", str(at[1]))
    assert "no receipt of position 1;" in i.run("receipt", "show", "1").stderr
    i.check("receipt", "show", "1", status=1)
    assert i.check("receipt", "check").startswith(f"ok: {len(receipts)} receipts"), receipts
    for seat in ("sanctions", "alert"):  # read beside their owners
        assert i.json("receipt", "check", "--seat", seat)[0]["ok"]
    assert len(i.json("receipt", "ls", "--seat", "sanctions")) > 1


def two_commands_of_a_seat_publish_one_after_the_other():
    i = Instance("--seat", "amina")
    i.up()
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(lambda n: say(i, f"y{n}"), range(4)))) == 4


def who_waits_for_an_answer_keeps_nobody_from_publishing():
    i = Instance("--seat", "amina")
    i.up()
    worker, path = i.pids()["embargo"], un_list(scratch(), "2026-01-01", [person(r) for r in references(30)])
    os.kill(worker, 19)  # SIGSTOP
    importing = spawn(tool("chancery"), "list", "import", path, "--dir", i.dir)
    wait_for("it is read", lambda: i.json("event", "ls", "--type", "sanctions.SnapshotPublished"))
    say(i, "another")
    assert importing.poll() is None
    os.kill(worker, 18)
    assert importing.wait(60) == 0


def receipts_that_a_log_has_not_are_missing():
    i, other = Instance("--seat", "amina"), Instance("--seat", "amina")
    i.up()
    at = [say(i, name) for name in ("x0", "x1")]
    shutil.copytree(os.path.join(i.dir, "keep", "amina"), os.path.join(other.dir, "keep", "amina"))
    other.up()
    *lines, last = other.json("receipt", "check", status=1)
    assert [line["position"] for line in lines] == at and {line["found"] for line in lines} == {"missing"}, lines
    assert last["missing"] == 2 and not last["ok"], last
    assert last["countersigned"] == 0 and last["forged"] == 2, last  # by the broker of another registry


def a_receipt_is_countersigned_and_exchanged_for_a_proof():
    i, folder = Instance("--seat", "amina"), scratch()
    i.up()
    at = [say(i, name) for name in ("x0", "x1", "x2")]
    *lines, last = i.json("receipt", "check")
    assert not lines and last["countersigned"] == last["receipts"] == 3 and last["forged"] == 0, last
    said = i.check("receipt", "prove", str(at[1]), cwd=folder)
    assert said.startswith(f"{at[1]}.tlog-proof and {at[1]}.event"), said
    vkey = open(os.path.join(i.dir, "log.vkey")).read().strip()
    proof = os.path.join(folder, f"{at[1]}.tlog-proof")
    verified = json.loads(i.check("event", "verify", proof, "--key", vkey, "--json"))
    assert verified["position"] == at[1] and len(verified["checked"]) == 3, verified
    assert "no receipt of position 1 in" in i.run("receipt", "prove", "1").stderr
    # another seat that may read it gets the same two files
    theirs = scratch()
    i.check("event", "prove", str(at[1]), "--seat", "administrator", cwd=theirs)
    for name in (f"{at[1]}.tlog-proof", f"{at[1]}.event"):
        mine, its = (open(os.path.join(d, name), "rb").read() for d in (folder, theirs))
        assert mine == its or name.endswith("proof"), name
    # a log that is another one than the seat knows proves nothing to it
    other = Instance("--seat", "amina")
    other.up()
    shutil.copy(os.path.join(other.dir, "log.vkey"), os.path.join(i.dir, "log.vkey"))
    assert i.run("event", "prove", str(at[1]), cwd=scratch()).returncode == 1


def a_countersignature_that_was_changed_is_found():
    i = Instance("--seat", "amina")
    i.up()
    say(i, "x0")
    [segment] = glob.glob(os.path.join(i.dir, "keep", "amina", "receipts", "*"))
    data = bytearray(open(segment, "rb").read())
    whole = bytes(data)
    entries = entries_of(whole)
    [(start, size)] = [(at, size) for at, kind, size in entries if kind == 5]
    data[start + size - 1] ^= 1  # of the signature, with the check of the entry made anew
    reseal(data, start - 28, 5, size)
    open(segment, "wb").write(data)
    *lines, last = i.json("receipt", "check", status=1)
    assert last["forged"] == 1 and last["same"] == 1 and lines[0]["found"] == "the same", (lines, last)
    assert "with a countersignature that is not the broker's" in i.run("receipt", "check").stdout


def entries_of(data):
    """(offset of the body, kind, its size) of each entry of a file of entries (entries.h)."""
    at, found = 192, []
    while at + 28 <= len(data):
        kind, size = struct.unpack(">II", data[at + 4:at + 12])
        found.append((at + 28, kind, size))
        at += 28 + size
    return found


def reseal(data, at, kind, size):
    body = hashlib.sha256(data[at + 28:at + 28 + size]).digest()
    text = bytes(data[16:32]) + struct.pack(">QII", at, kind, size) + body
    data[at + 12:at + 28] = hashlib.sha256(text).digest()[:16]


if __name__ == "__main__":
    run([receipts_are_kept_shown_and_compared, two_commands_of_a_seat_publish_one_after_the_other,
         who_waits_for_an_answer_keeps_nobody_from_publishing, receipts_that_a_log_has_not_are_missing,
         a_receipt_is_countersigned_and_exchanged_for_a_proof, a_countersignature_that_was_changed_is_found])
