# SPDX-License-Identifier: Apache-2.0
"""publish.py - `event publish`: one event, and an event a line; recorded, refused and unknown."""
import json
import os
import re
import signal
import subprocess
import time
import uuid

from instance import Instance, run, scratch, spawn, tool, wait_for

WORDS = ("event", "publish", "--stream", "embargo.in", "--type", "embargo.ConfirmSnapshot")


def started():
    i = Instance("--seat", "amina")
    i.up()
    return i


def published(i, *words, payload='{"list": "un"}', **keywords):
    """The position; the payload is said on standard input."""
    said = i.check(*WORDS, "-", *words, stdin=payload, **keywords)
    return int(re.fullmatch(r"recorded at position (\d+)\n", said)[1])


def reasons(i, *words):
    """What the requests of the first user say, in the order of the log."""
    return [e["payload"].get("reason") for e in i.json("event", "ls", "--stream", "embargo.in", *words)]


def line(reason, **members):
    return json.dumps({"payload": {"list": "un", "reason": reason}, **members})


def an_event_says_what_the_options_say():
    i = started()
    first = published(i, payload='{"list": "un", "reason": "\u0639"}')
    other = published(i, "--label", "clear")
    position = published(i, "--kind", "update", "--references", f"{first},{other}", "--in-reply-to", str(other),
                         "--case", "case-1", "--expires", "2030-01-02T03:04:05+01:00", "--label", "clear")
    [event] = i.json("event", "show", str(position))
    e = event["envelope"]
    assert (e["kind"], e["mode"], e["caseId"]) == ("KIND_UPDATE", "MODE_EXERCISE", "case-1"), e
    assert [r["position"] for r in e["references"]] == [str(first), str(other)]
    assert (e["inReplyTo"], e["handling"]) == ({"position": str(other)}, {"label": "LABEL_CLEAR"}), e
    assert e["expires"] == "1893549845000000"
    shown = i.check("event", "show", str(position), env={"TZ": "Asia/Tashkent"})
    for text in ("kind            update, exercise", "label           clear", "case            case-1",
                 f"references      {first}\n                {other}", f"in reply to     {other}",
                 "expires         2030-01-02 02:04:05 UTC (2030-01-02 07:04:05 +0500)",
                 "by              QMA/secretariat amina"):
        assert text in shown, (text, shown)
    assert reasons(i)[0] == "\u0639"


def what_became_of_it_is_one_object():
    i = started()
    own = str(uuid.UUID(int=(int(time.time() * 1000) << 80) | (7 << 76) | (2 << 62) | 5))
    [result] = i.json(*WORDS, "-", "--id", own, stdin="{}")
    assert list(result) == ["result", "position", "received", "id"], result
    assert (result["result"], result["id"]) == ("recorded", own)
    [again] = i.json(*WORDS, "-", "--id", own, stdin="{}", status=1)
    assert list(again) == ["result", "code", "text", "field", "id"], again
    assert (again["result"], again["code"], again["id"]) == ("refused", "id.reused", own)
    [other] = i.json(*WORDS, "-", stdin="{}")
    assert other["id"] != own and other["position"] > result["position"]
    done = i.run(*WORDS, "-", "--id", own, stdin="{}")
    assert done.returncode == 1 and "refused, nothing was recorded: id.reused" in done.stderr, done
    done = i.run("event", "publish", "-", "--stream", "registry", "--type", "core.PartyAdded",
                 stdin='{"party": "QMB"}')
    assert done.returncode == 1 and "access.denied" in done.stderr, done
    done = i.run(*WORDS, "-", "--mode", "actual", stdin="{}")
    assert done.returncode == 1 and "refused, nothing was recorded" in done.stderr, done


def a_mistake_in_the_payload_is_named_with_file_line_and_column():
    i, folder = started(), scratch()
    file = os.path.join(folder, "request.json")
    for text, why in (('{"list": "un",\n "snapsho": "AAAA"}',
                       ":2:2: /snapsho: ConfirmSnapshot has no field of that name"),
                      ('{"list": "un",\n "snapshot" "AAAA"}', ":2:18: ':' expected near '\"AAAA\"'"),
                      ('{\n\n  "reason": 7}', ":3:3: /reason: not a string"),
                      ("[]", ":1:1: /: not an object (ConfirmSnapshot)")):
        with open(file, "w") as f:
            f.write(text)
        done = i.run(*WORDS, file)
        assert (done.returncode, done.stdout) == (1, ""), done
        assert done.stderr == f"chancery: {file}{why}\n", done.stderr
    done = i.run(*WORDS, os.path.join(folder, "absent"))
    assert done.returncode == 1 and "absent: No such file" in done.stderr, done
    assert reasons(i) == []


def from_amber_on_the_named_alone_receive_it():
    i = started()
    i.admit("b", "QMB/npc", read=("embargo.in", "*"))
    i.admit("c", "QMC/npc", read=("embargo.in", "*"))
    i.admit("d", "QMD/npc", read=("embargo.in", "*"))
    cases = {"clear": ((), "bcd"), "green": ((), "bcd"), "amber": (("--to", "QMB"), "b"),
             "amber+strict": (("--to", "QMB,QMC/npc"), "bc"), "red": (("--to", "seat:d"), "d")}
    for label, (words, _) in cases.items():
        published(i, "--label", label, *words, payload=json.dumps({"reason": label}))
    for seat in "bcd":
        seen = set(reasons(i, "--seat", seat))
        assert seen == {label for label, (_, readers) in cases.items() if seat in readers}, (seat, seen)
    assert reasons(i) == list(cases)  # the originator's office
    shown = i.check("event", "ls", "--stream", "embargo.in", "--json").splitlines()[-2]
    position = json.loads(shown)["position"]
    said = i.check("event", "show", str(position))
    assert "label           amber-strict" in said and "to              party QMB" in said, said
    assert "                office QMC/npc" in said, said
    done = i.run(*WORDS, "-", "--label", "amber", "--to", "QMX", stdin="{}")
    assert done.returncode == 1 and "QMX is not registered" in done.stderr, done


def an_event_a_line_comes_in_and_a_result_a_line_goes_out():
    i = started()
    text = "\n".join([
        line("one"), "", line("two", label="green", case="c-1"),
        json.dumps({"stream": "registry", "type": "core.PartyAdded", "payload": {"party": "QMB"}}),
        "{no json", json.dumps({"payload": {"reasn": "x"}}), line("three", label="amber"),
        line("four", references=[1, 2], inReplyTo=3, to="QMA"), line("five", references=999999),
        "   ", line("six")])  # and no end of line
    words = (*WORDS, "--ndjson")
    results = i.json(*words, stdin=text, status=1)
    assert [r["line"] for r in results] == [1, 3, 4, 5, 6, 7, 8, 9, 11], results
    told = {r["line"]: r for r in results}
    assert [n for n in told if told[n]["result"] == "recorded"] == [1, 3, 8, 11]
    assert {n: told[n]["code"] for n in told if told[n]["result"] == "refused"} == {
        4: "access.denied", 5: "field.invalid", 6: "field.invalid", 7: "field.invalid",
        9: "reference.invalid"}
    assert told[6]["text"].startswith("-:6:14: /payload/reasn: ") and "id" not in told[6]
    assert told[7]["text"].startswith("-:7:1: /: from amber on a label needs recipients")
    assert len({r["id"] for r in results if "id" in r}) == 6
    assert reasons(i) == ["one", "two", "four", "six"]
    positions = [told[n]["position"] for n in (1, 3, 8, 11)]
    assert positions == sorted(positions)

    said = i.check(*words, stdin=line("seven") + "\n" + line("x", case="a b") + "\n", status=1).splitlines()
    assert re.fullmatch(r"1 recorded \d+", said[0]), said
    assert said[1].startswith("2 refused field.invalid: -:2:") and "/case: not an identifier" in said[1]
    assert i.check(*words, stdin="") == ""
    file = os.path.join(scratch(), "lines")
    with open(file, "w") as f:
        f.write(line("eight") + "\n")
    assert re.fullmatch(r"1 recorded \d+\n", i.check(*words, file))
    assert i.run(*words, file + "-absent").returncode == 1


def many_lines_are_recorded_once_and_in_order_though_the_broker_is_killed():
    i = started()
    n = 3000
    file = os.path.join(scratch(), "results")
    with open(file, "w") as out:
        feeder = spawn(tool("chancery"), *WORDS, "--ndjson", "--json", "--dir", i.dir, text=True,
                       stdin=subprocess.PIPE, stdout=out, stderr=subprocess.DEVNULL)

    def results():
        with open(file) as f:
            return [json.loads(text) for text in f if text.endswith("\n")]

    for k in range(n):
        feeder.stdin.write(line(str(k)) + "\n")
        if k % 1000 == 500:
            feeder.stdin.flush()
            wait_for("some are recorded", lambda: len(results()) > k - 400)
            i.kill("broker")
    feeder.communicate(timeout=300)
    told = results()
    assert feeder.returncode == 0, told[-3:]
    assert [r["line"] for r in told] == list(range(1, n + 1))
    assert {r["result"] for r in told} == {"recorded"}
    assert reasons(i) == [str(k) for k in range(n)]
    events = i.json("event", "ls", "--stream", "embargo.in")
    assert [e["position"] for e in events] == [r["position"] for r in told]
    sizes = {i.json("event", "show", str(r["position"]))[0]["signed"]["treeSize"] for r in told[-200::40]}
    assert max(sizes) > 1, sizes  # in batches


def a_line_is_answered_before_the_next_comes():
    i = started()
    feeder = spawn(tool("chancery"), *WORDS, "--ndjson", "--dir", i.dir, text=True,
                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for k in range(3):
        feeder.stdin.write(line(str(k)) + "\n")
        feeder.stdin.flush()
        assert re.fullmatch(rf"{k + 1} recorded \d+\n", feeder.stdout.readline())
    feeder.stdin.write(line("half")[:20])
    feeder.stdin.flush()
    feeder.send_signal(signal.SIGINT)
    out, err = feeder.communicate(timeout=60)
    assert reasons(i) == ["0", "1", "2"], (out, err)
    assert feeder.returncode == 1 and out.startswith("4 refused field.invalid"), (out, err)


def lines_too_long_are_refused_and_the_next_are_not():
    i = started()
    text = line("a") + "\n" + line("x" * 3000000) + "\n" + line("y" * 600000) + "\n" + line("b") + "\n"
    results = i.json(*WORDS, "--ndjson", stdin=text, status=1)
    assert [(r["line"], r["result"], r.get("code")) for r in results] == [
        (1, "recorded", None), (2, "refused", "bounds.exceeded"), (3, "refused", "bounds.exceeded"),
        (4, "recorded", None)], results
    assert reasons(i) == ["a", "b"]


def what_the_broker_does_not_answer_is_unknown():
    i = started()
    broker = i.pids()["broker"]
    words = [tool("chancery"), *WORDS, "--ndjson", "--json", "--dir", i.dir]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    feeder = spawn(*words, **pipes)
    feeder.stdin.write(line("first") + "\n")
    feeder.stdin.flush()
    assert json.loads(feeder.stdout.readline())["result"] == "recorded"
    os.kill(broker, signal.SIGSTOP)
    single = spawn(tool("chancery"), *WORDS, "-", "--seat", "administrator", "--dir", i.dir, **pipes)
    feeder.stdin.write(line("second") + "\n" + line("third") + "\n")
    feeder.stdin.flush()
    _, err = single.communicate("{}", timeout=120)
    assert single.returncode == 3 and "the broker does not answer" in err, err
    [unknown] = [json.loads(text) for text in [feeder.stdout.readline()]]
    out, err = feeder.communicate(line("fourth") + "\n", timeout=120)
    os.kill(broker, signal.SIGCONT)
    rest = [json.loads(text) for text in out.splitlines()]
    assert (unknown["line"], unknown["result"], unknown["code"]) == (2, "unknown", "outcome.unknown")
    assert [r["result"] for r in rest] in ([], ["unknown"]), rest
    assert feeder.returncode == 3 and "what stands behind was not published" in err, (rest, err)
    wait_for("the broker answers", lambda: i.run("log", "head").returncode == 0)
    results = i.json(*WORDS, "--ndjson", stdin=line("second", id=unknown["id"]) + "\n" + line("fourth"),
                     status=None)
    assert (results[0]["result"], results[0].get("code")) in (("recorded", None), ("refused", "id.reused"))
    assert reasons(i).count("second") == 1 and reasons(i)[-1] == "fourth"


if __name__ == "__main__":
    run([an_event_says_what_the_options_say, what_became_of_it_is_one_object,
         a_mistake_in_the_payload_is_named_with_file_line_and_column,
         from_amber_on_the_named_alone_receive_it,
         an_event_a_line_comes_in_and_a_result_a_line_goes_out,
         many_lines_are_recorded_once_and_in_order_though_the_broker_is_killed,
         a_line_is_answered_before_the_next_comes, lines_too_long_are_refused_and_the_next_are_not,
         what_the_broker_does_not_answer_is_unknown])
