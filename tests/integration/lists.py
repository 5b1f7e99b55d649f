# SPDX-License-Identifier: Apache-2.0
"""lists.py - the verbs of `list` on a real instance: what is in force, since when, by whose word."""
import hashlib
import os
import re
import subprocess

from instance import Instance, Terminal, run, scratch, spawn, tool, wait_for
from invented import person, references, un_list


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def started():
    i = Instance("--seat", "amina")
    i.up()
    return i, scratch()


def base(i, folder):
    return i.check("list", "import", "--list", "un",
                   un_list(folder, "2026-01-01", [person(r) for r in references(30)]))


def head(i):
    return i.json("log", "head")[0]["head"]


def before_the_first_list_there_is_nothing():
    i, folder = started()
    assert "no list was imported yet" in i.check("list", "status")
    assert i.json("list", "status") == [{}]
    for words in (("show", "QDi.901"), ("history", "QDi.901"), ("ls",), ("status", "--list", "un")):
        done = i.run("list", *words)
        assert done.returncode == 1 and "list.unknown" in done.stderr, done


def an_import_tells_what_changed():
    i, folder = started()
    assert base(i, folder) == "un: 30 entries, baseline: all of them are in force\n"
    second = un_list(folder, "2026-01-02", [
        person("QDi.901", alias="ANOTHER"), *[person(r) for r in references(30)[2:]],
        person("TAi.951")])
    assert i.check("list", "import", second) == "un: 30 entries, 1 added, 1 removed, 1 amended\n"
    third = un_list(folder, "2026-01-03", [
        person("QDi.901", alias="ANOTHER"), *[person(r) for r in references(30)[1:]],
        person("TAi.951", dataid=9999999)])
    assert i.check("list", "import", third) == (
        "un: 31 entries, 1 listed again, 1 with a new internal id\n")
    assert i.check("list", "import", third).startswith("un: no change (the list of 2026-01-03T00:00:00Z")
    [answer] = i.json("list", "import", third)
    assert (answer["outcome"], answer["type"]) == ("unchanged", "chancery.sanctions.v1.Unchanged")
    assert answer["request"] < answer["position"]


def a_file_that_is_no_list_is_refused_with_its_line():
    i, folder = started()
    bad = os.path.join(folder, "page.html")
    with open(bad, "w") as f:
        f.write("<html>\n<body>moved</html>\n")
    said = i.check("list", "import", bad, status=1)
    assert re.match(r"un: refused: page\.html: .* \(list\.html\); nothing was taken from it\n", said), said
    cut = un_list(folder, "2026-01-01", [person(r) for r in references(30)], name="cut.xml")
    with open(cut) as f:
        text = f.read()[:5000]
    with open(cut, "w") as f:
        f.write(text)
    said = i.check("list", "import", cut, status=1)
    assert said.startswith(f"un: refused: cut.xml:{text.count(chr(10)) + 1}: "), said
    [answer] = i.json("list", "import", bad, status=1)
    assert answer["outcome"] == "refused" and answer["answer"]["fileName"] == "page.html"
    said = i.check("list", "import", "--list", "eu", bad, status=1)
    assert "eu: refused" in said and "list.unknown" in said, said
    for path in (os.path.join(folder, "absent"), folder):
        done = i.run("list", "import", path)
        assert done.returncode == 1 and path in done.stderr, done


def a_party_is_shown_as_it_is_and_as_it_was():
    i, folder = started()
    before = head(i)
    base(i, folder)
    first = head(i)
    i.check("list", "import", un_list(folder, "2026-01-02", [
        person("QDi.901", alias="ANOTHER"), *[person(r) for r in references(30)[2:]]]))
    shown = i.check("list", "show", "QDi.901")
    assert "reference       QDi.901 (Al-Qaida, person)" in shown and "ANOTHER (good)" in shown, shown
    assert "in force        finally, since position" in shown
    assert "ANOTHER" not in i.check("list", "show", "QDi.901", "--at", str(first))
    assert i.check("list", "show", "QDi.901", "--at", str(before), status=1) == "QDi.901 is not in force\n"
    [now] = i.json("list", "show", "QDi.901")
    [then] = i.json("list", "show", "QDi.901", "--at", str(first))
    assert now["listed"] and then["listed"] and now["party"]["aliases"] and not then["party"].get("aliases")
    assert int(then["position"]) <= first < int(now["position"])

    said = i.check("list", "show", "QDi.902", status=1)
    assert re.fullmatch(r"QDi\.902 is not in force: removed by notice \d+\n", said), said
    assert i.json("list", "show", "QDi.902", status=1)[0].get("listed") is None
    assert "INVENTED 902" in i.check("list", "show", "QDi.902", "--at", str(first))
    beyond = i.run("list", "show", "QDi.901", "--at", str(head(i) + 1))
    assert beyond.returncode == 1 and "is not in the log yet" in beyond.stderr, beyond
    never = i.run("list", "show", "QDi.999")
    assert never.returncode == 1 and "reference.unknown" in never.stderr, never


def what_was_notified_of_a_reference_is_its_history():
    i, folder = started()
    base(i, folder)
    i.check("list", "import", un_list(folder, "2026-01-02", [
        person("QDi.901", alias="ANOTHER"), *[person(r) for r in references(30)[2:]]]))
    i.check("list", "import", un_list(folder, "2026-01-03", [
        person("QDi.901", alias="ANOTHER", comments="text"), *[person(r) for r in references(30)[1:]]]))
    amended = i.check("list", "history", "QDi.901").splitlines()
    assert re.fullmatch(r"position \d+ +baseline, list of 2026-01-01T00:00:00Z", amended[0]), amended
    assert re.fullmatch(r"position \d+ +amend, notice 1, final, list of 2026-01-02T00:00:00Z",
                        amended[1]), amended
    assert [line.strip() for line in amended[2:4]] == ["alias", "+ ANOTHER (good)"], amended
    assert any("comments (editorial)" in line for line in amended[4:]), amended
    kinds = [line["kind"] for line in i.json("list", "history", "QDi.902")[1:]]
    assert kinds == ["NOTICE_KIND_REMOVE", "NOTICE_KIND_RELIST"], kinds
    never = i.run("list", "history", "QDi.999")
    assert never.returncode == 1 and "reference.unknown" in never.stderr, never


def the_parties_in_force_are_listed():
    i, folder = started()
    i.check("list", "import", un_list(folder, "2026-01-01", [
        *[person(r) for r in references(1200)], person("TAi.901", script="\u0639\u0644\u064a")]))
    first = head(i)
    i.check("list", "import", un_list(folder, "2026-01-02", [person(r) for r in references(1199)]),
            status=4)  # all of a committee would go
    parties = i.json("list", "ls")
    assert len(parties) == 1201 and parties[0]["reference"] == "QDi.1000", len(parties)
    table = i.check("list", "ls").splitlines()
    assert len(table) == 1202 and table[0].split() == ["REFERENCE", "COMMITTEE", "TYPE", "STANDING", "NAME"]
    assert [p["reference"] for p in i.json("list", "ls", "--committee", "Taliban")] == ["TAi.901"]
    assert len(i.json("list", "ls", "--at", str(first))) == 1201
    done = i.run("list", "ls", "--committee", "taliban")
    assert done.returncode == 1 and "no entry of a committee 'taliban'" in done.stderr, done
    done = i.run("list", "ls", "--at", "99999999")
    assert done.returncode == 1 and "is not in the log yet" in done.stderr, done


def held(i, folder):
    """One added, one amended, 22 removed: the snapshot is set aside. Its file."""
    base(i, folder)
    path = un_list(folder, "2026-01-02", [
        person("QDi.901", alias="ANOTHER"), *[person(r) for r in references(8)[1:]], person("TAi.951")])
    said = i.check("list", "import", path, status=4)
    assert "set aside, a person must look at it" in said and "22 of 30 entries would go" in said, said
    assert f"chancery list reject {sha256(path)[:12]}" in said, said
    return path


def rejecting_takes_provisional_notices_back():
    i, folder = started()
    path = held(i, folder)
    digits = sha256(path)
    assert "in force        provisionally" in i.check("list", "show", "TAi.951")
    assert "ANOTHER" in i.check("list", "show", "QDi.901")
    waiting = i.check("list", "status")
    assert "31 entries in force, 2 of them provisional" in waiting and digits[:12] in waiting, waiting
    provisional = {n["payload"]["number"]: n["payload"] for n in i.json("event", "ls", "--type", "embargo.Notice")}
    assert {n["standing"] for n in provisional.values()} == {"STANDING_PROVISIONAL"}

    said = i.check("list", "reject", digits[:8].upper(), "--reason", "a committee is missing")
    assert said == "un: rejected, 2 provisional notices withdrawn\n", said
    notices = [n["payload"] for n in i.json("event", "ls", "--type", "embargo.Notice")]
    back = [n for n in notices if n["kind"] == "NOTICE_KIND_WITHDRAW"]
    assert {n["withdraws"]: n["reference"] for n in back} == {
        number: n["reference"] for number, n in provisional.items()}, back
    [rejected] = i.json("event", "ls", "--type", "embargo.SnapshotRejected")
    assert (rejected["payload"]["bySeat"], rejected["payload"]["byOffice"], rejected["payload"]["reason"],
            rejected["payload"]["withdrawn"]) == ("amina", "QMA/secretariat", "a committee is missing", 2)

    assert "TAi.951 is not in force" in i.check("list", "show", "TAi.951", status=1)
    assert "ANOTHER" not in i.check("list", "show", "QDi.901")
    assert "in force        finally" in i.check("list", "show", "QDi.901")
    assert "withdrawn" in i.check("list", "history", "TAi.951")
    status = i.check("list", "status")
    assert "30 entries in force, 0 of them provisional" in status and "set aside" not in status, status
    i.down()
    assert i.check("audit", i.dir, dir=False).splitlines()[-1].endswith("0 differences")


def only_what_waits_is_decided():
    i, folder = started()
    path = held(i, folder)
    digits = sha256(path)
    for verb in ("confirm", "reject"):
        done = i.run("list", verb, "ffffffff")
        assert done.returncode == 1 and "no snapshot set aside begins with ffffffff" in done.stderr, done
        said = i.check("list", verb, "f" * 64, status=1)
        assert "refused: no snapshot with this hash" in said and "snapshot.unknown" in said, said
    [answer] = i.json("list", "reject", digits)
    assert (answer["outcome"], answer["answer"]["withdrawn"]) == ("rejected", 2), answer
    done = i.run("list", "reject", digits[:12])
    assert done.returncode == 1 and "no snapshot set aside begins with" in done.stderr, done
    [answer] = i.json("list", "confirm", digits, status=1)
    assert answer["outcome"] == "refused" and answer["answer"]["code"] == "snapshot.decided", answer


def who_may_not_decide_is_refused():
    i, folder = started()
    path = held(i, folder)
    i.admit("visitor", "QMB/npc", ask=("embargo", "*"), read=("embargo.out", "*"))
    before = i.json("event", "ls", "--stream", "embargo.in")
    for verb in ("confirm", "reject"):
        for digits in (sha256(path), sha256(path)[:12]):
            done = i.run("list", verb, digits, "--seat", "visitor")
            assert done.returncode == 1 and done.stdout == "", done
            assert "refused, nothing was recorded: access.denied" in done.stderr, done
    assert i.json("event", "ls", "--stream", "embargo.in") == before
    assert sha256(path)[:12] in i.check("list", "status", "--seat", "visitor")
    i.admit("stranger", "QMC/npc")
    done = i.run("list", "status", "--seat", "stranger")
    assert done.returncode == 1 and "access.denied" in done.stderr, done
    assert "confirmed, 2 provisional made final, 22 removed" in i.check("list", "confirm", sha256(path)[:12])


def a_question_waits_for_the_worker():
    i, folder = started()
    base(i, folder)
    i.down()
    with open(i.conf) as f:
        conf = f.read()
    with open(i.conf, "w") as f:
        f.write(conf.replace("processes = broker signer embargo sanctions", "processes = broker signer"))
    i.up_process = spawn(tool("chancery"), "up", "--dir", i.dir, stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)
    refusals = i.json("status")[0]["broker"].get("refusals", "0")
    terminal = Terminal()
    asking = spawn(tool("chancery"), "list", "show", "QDi.901", "--dir", i.dir,
                   stdout=subprocess.PIPE, stderr=terminal.child, text=True)
    terminal.shows("waiting for an answer")
    worker = spawn(tool("chancery-embargo"), "--config", i.dir, stderr=subprocess.DEVNULL)
    out, _ = asking.communicate(timeout=60)
    assert asking.returncode == 0 and "reference       QDi.901" in out, (out, terminal.seen)
    assert i.json("status")[0]["broker"].get("refusals", "0") == refusals
    worker.terminate()
    worker.wait(30)
    wait_for("the worker is gone", lambda: not any(
        s["seat"] == "embargo" for s in i.json("status")[0]["broker"]["seats"]))
    done = i.run("list", "show", "QDi.901")
    assert done.returncode == 1, done
    assert "service.none: nobody offers embargo now; is its worker running? See `chancery status`" in done.stderr
    assert "no worker offers this service now" in i.check("status")


if __name__ == "__main__":
    run([before_the_first_list_there_is_nothing, an_import_tells_what_changed,
         a_file_that_is_no_list_is_refused_with_its_line, a_party_is_shown_as_it_is_and_as_it_was,
         what_was_notified_of_a_reference_is_its_history, the_parties_in_force_are_listed,
         rejecting_takes_provisional_notices_back, only_what_waits_is_decided,
         who_may_not_decide_is_refused, a_question_waits_for_the_worker])
