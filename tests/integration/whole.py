# SPDX-License-Identifier: Apache-2.0
"""whole.py - the whole way with real processes and real lists: files in, notices out, provable."""
import datetime
import json
import os
import re
import subprocess

from instance import Instance, run, scratch, snapshot, spawn, tool, wait_for


def say(i, seat, stream, name, payload, cause=0, ordinal=0, of=0, received=0):
    """One event by any seat; the position, or the refusal's code."""
    done = subprocess.run([tool("say"), i.conf, seat, stream, name, str(cause), str(ordinal),
                           str(of), str(received)], input=json.dumps(payload),
                          capture_output=True, text=True, timeout=60)
    return done.stdout.strip() or done.stderr


def events(i, *arguments):
    return i.json("event", "ls", *arguments)


def types(i, *arguments):
    return [kind(e) for e in events(i, *arguments)]


def kind(event):
    return event["envelope"]["type"].rsplit(".", 1)[-1]


def microseconds(text):
    """Of an RFC 3339 time."""
    moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return (moment - epoch) // datetime.timedelta(microseconds=1)


def a_list_becomes_notices_and_the_log_proves_them():
    i = Instance()
    i.up()
    files = scratch()
    first, second = (snapshot(d, files) for d in ("2023-03-27", "2024-09-21"))

    i.check("list", "import", "--list", "un", first)
    assert types(i, "--stream", "embargo.out")[-1] == "Baseline"
    assert "no change" in i.check("list", "import", "--list", "un", first)
    assert types(i, "--stream", "un.feed")[-1] == "Unchanged"

    # the second one drops a whole committee: a person looks at it first
    i.check("list", "import", "--list", "un", second, status=4)
    out = types(i, "--stream", "embargo.out")
    assert "SnapshotSetAside" in out
    assert out.count("SnapshotSetAside") == 1
    assert i.json("list", "status")[0]["lists"][0]["setAside"]["removals"] == 98
    i.check("list", "show", "IRi.001")
    i.check("list", "confirm", hash_of(second))
    out = types(i, "--stream", "embargo.out")
    assert "SnapshotConfirmed" in out
    i.check("list", "confirm", hash_of(second), status=1)
    history = i.check("list", "history", "IRi.001")
    assert "remove" in history.lower(), history

    i.down()
    verified = i.check("log", "verify", i.dir, dir=False)
    assert verified.startswith("ok"), verified
    audited = i.check("audit", i.dir, dir=False)
    assert "ok:" in audited, audited
    a_changed_byte_is_named(i)


def hash_of(path):
    return subprocess.run(["sha256sum", path], capture_output=True, text=True).stdout.split()[0]


def a_changed_byte_is_named(i):
    """On a copy: one byte of a stored record."""
    copy = i.copy()
    data = os.path.join(copy, "log", "data.mdb")
    with open(data, "r+b") as f:
        content = f.read()
        at = content.find(b"administrators-read") + 3
        f.seek(at)
        f.write(bytes([content[at] ^ 1]))
    done = subprocess.run([tool("chancery"), "log", "verify", copy], capture_output=True, text=True)
    assert done.returncode == 1, done.stdout
    assert re.search(r"position \d+", done.stdout), done.stdout


def a_rejected_snapshot_leaves_what_was_in_force():
    i = Instance()
    i.up()
    files = scratch()
    first, second = (snapshot(d, files) for d in ("2023-03-27", "2024-09-21"))
    i.check("list", "import", "--list", "un", first)
    i.check("list", "import", "--list", "un", second, status=4)
    i.check("list", "reject", hash_of(second))
    assert types(i, "--stream", "embargo.out").count("SnapshotRejected") == 1
    assert "IRi.001" in i.check("list", "show", "IRi.001")


def hostile_files_are_refused_and_no_notice_follows():
    i = Instance()
    i.up()
    files = scratch()
    good = snapshot("2023-03-27", files)
    with open(good, "rb") as f:
        content = f.read()
    i.check("list", "import", "--list", "un", good)
    before = len(events(i, "--stream", "embargo.out"))
    entry = content.index(b"<INDIVIDUAL>")
    end = content.index(b"</INDIVIDUAL>", entry) + len(b"</INDIVIDUAL>")
    twice = content[entry:end].replace(b"<FIRST_NAME>", b"<FIRST_NAME>OTHER ", 1)
    cases = {
        "truncated.xml": content[:len(content) // 2],
        "doctype.xml": content.replace(b"?>", b"?><!DOCTYPE x [<!ENTITY e 'x'>]>", 1),
        "page.xml": b"<html><head><title>503</title></head><body>busy</body></html>",
        "empty.xml": b"",
        "no-entries.xml": (b'<?xml version="1.0"?><CONSOLIDATED_LIST dateGenerated='
                           b'"2026-01-01T00:00:00Z"><INDIVIDUALS/><ENTITIES/></CONSOLIDATED_LIST>'),
        "twice.xml": content[:end] + twice + content[end:],
        "attributes.xml": content[:entry] + b"<INDIVIDUAL " + b" ".join(
            b"a%d='x'" % n for n in range(200000)) + b"/>" + content[entry:],
    }
    for name, body in cases.items():
        path = os.path.join(files, name)
        with open(path, "wb") as f:
            f.write(body)
        done = i.run("list", "import", "--list", "un", path)
        assert done.returncode == 1, (name, done.returncode, done.stdout, done.stderr)
        said = done.stdout + done.stderr
        assert name in said and "list." in said, (name, said)
    assert len(events(i, "--stream", "embargo.out")) == before
    assert types(i, "--stream", "un.feed").count("ImportRefused") == len(cases)


def a_wrong_decision_is_found_by_audit():
    i = Instance()
    with open(i.conf) as f:
        conf = f.read()
    with open(i.conf, "w") as f:
        f.write(conf.replace("processes = broker signer embargo sanctions", "processes = broker signer sanctions"))
    i.up_process = spawn(tool("chancery"), "up", "--dir", i.dir, stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)
    wait_for("the broker answers", lambda: i.run("log", "head").returncode == 0)
    request = say(i, "officer", "embargo.in", "embargo.ConfirmSnapshot", {"list": "un"})
    position = int(request)
    record = [e for e in events(i, "--stream", "embargo.in")][0]
    received = microseconds(record["received"])
    answers = [say(i, "embargo", "embargo.out", "core.RulesAdopted", {"version": 1}, position, 0, 2,
                   received),
               say(i, "embargo", "embargo.out", "embargo.Baseline", {"list": "un", "entries": 999},
                   position, 1, 2, received)]
    assert all(a.isdigit() for a in answers), answers
    i.down()
    assert i.check("log", "verify", i.dir, dir=False).startswith("ok")
    said = i.check("audit", i.dir, dir=False, status=1)
    assert f"position {answers[1]}" in said and "type" in said, said


def nobody_does_what_no_rule_allows():
    i = Instance()
    i.up()
    assert say(i, "alert", "embargo.out", "embargo.Baseline", {"list": "un"}) == "access.denied"
    assert say(i, "officer", "un.feed", "embargo.Baseline", {"list": "un"}) == "access.denied"
    assert say(i, "officer", "registry", "core.PartyAdded",
               {"party": "QMB", "kind": "PARTY_KIND_STATE"}) == "access.denied"
    assert say(i, "administrator", "registry", "core.PartyAdded",
               {"party": "QMB", "kind": "PARTY_KIND_STATE"}).isdigit()
    assert say(i, "administrator", "registry", "core.PartyAdded",
               {"party": "qmb", "kind": "PARTY_KIND_STATE"}) == "exists"


if __name__ == "__main__":
    run([a_list_becomes_notices_and_the_log_proves_them,
         a_rejected_snapshot_leaves_what_was_in_force,
         hostile_files_are_refused_and_no_notice_follows,
         a_wrong_decision_is_found_by_audit,
         nobody_does_what_no_rule_allows])
