# SPDX-License-Identifier: Apache-2.0
"""receipts.py - what a seat published from here is kept, shown, and compared with the log."""
import json
import os
import shutil
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


if __name__ == "__main__":
    run([receipts_are_kept_shown_and_compared, two_commands_of_a_seat_publish_one_after_the_other,
         who_waits_for_an_answer_keeps_nobody_from_publishing, receipts_that_a_log_has_not_are_missing])
