# SPDX-License-Identifier: Apache-2.0
"""service.py - how the service fares: processes, seats, keys, workers, the head; and long work that shows how far it is."""
import base64
import json
import os
import re
import signal
import struct
import subprocess
import termios
import time

from instance import Instance, Terminal, run, scratch, spawn, tool, wait_for
from invented import person, references, un_list


def started():
    i = Instance("--seat", "amina")
    i.up()
    return i


def base(i):
    path = un_list(scratch(), "2026-01-01", [person(r) for r in references(30)])
    i.check("list", "import", path)
    return path


def the_status_tells_how_the_service_fares():
    i = started()
    base(i)
    [status] = i.json("status")
    assert list(status) == ["broker", "processes", "failed", "alerts", "forecast", "embargo"], status
    assert status["failed"] == [] and status["alerts"] == {"failed": 0} and status["forecast"] is None
    assert {p["name"]: p["pid"] for p in status["processes"]} == i.pids()
    assert all(p["restarts"] == 0 for p in status["processes"])
    assert {s["seat"] for s in status["broker"]["seats"]} >= {"amina", "embargo", "sanctions"}
    assert status["embargo"]["lists"][0]["entries"] == 30
    shown = i.check("status", env={"TZ": "Asia/Tashkent"})
    head = i.json("log", "head")[0]["head"]
    assert re.search(rf"^log             chancery\.example/main, head {head}$", shown, re.M), shown
    assert re.search(r"^broker          version \S+, since [\d-]+ [\d:]+ UTC \([\d-]+ [\d:]+ \+0500\)$", shown, re.M)
    assert re.search(r"^publishing      yes$", shown, re.M) and re.search(r"^list +un: 30 entries", shown, re.M)
    assert re.search(r"^embargo +QMA/services +embargo +1 +2 +0 +embargo", shown, re.M), shown
    assert re.search(r"^forecast        none in the first hour of a log$", shown, re.M), shown
    assert re.search(r"^log on disk     \d+\.\d [KM]iB, parts \d+\.\d KiB$", shown, re.M), shown
    assert re.search(r"^checkpoint      of \d+ records, [\d-]+ [\d:]+ UTC \(", shown, re.M), shown
    wait_for("the log was scrubbed", lambda: re.search(r"^scrubbed        [\d-]+ .*, \d+ records, all sound$",
                                                       i.check("status"), re.M))
    pid = i.pids()["sanctions"]
    line = rf"^ +sanctions +pid {pid} since [\d-]+ [\d:]+ UTC, started again 0 times$"
    assert re.search(line, shown, re.M), shown


def a_process_that_was_started_again_is_told():
    i = started()
    before = i.pids()["embargo"]
    assert i.kill("embargo")
    wait_for("another one", lambda: i.pids().get("embargo", before) != before)
    [embargo] = [p for p in i.json("status")[0]["processes"] if p["name"] == "embargo"]
    assert embargo["restarts"] == 1 and embargo["pid"] == i.pids()["embargo"], embargo
    up = json.loads(open(os.path.join(i.dir, "run", "up.json")).read())
    assert list(up) == ["up", "processes", "since", "restarts"], up


def requests(i, n):
    """To the worker, which refuses each."""
    i.check("event", "publish", "--stream", "embargo.in", "--type", "embargo.ConfirmSnapshot", "--ndjson",
            stdin='{"payload": {"list": "un"}}\n' * n)


def the_backlog_of_a_worker_that_hangs_is_shown():
    i = started()
    base(i)
    worker = i.pids()["embargo"]

    def backlog():
        [seat] = [s for s in i.json("status")[0]["broker"]["seats"] if s["seat"] == "embargo"]
        return int(seat.get("backlog", 0))

    wait_for("it has read all", lambda: backlog() == 0)
    os.kill(worker, signal.SIGSTOP)
    begun = time.monotonic()
    requests(i, 2000)
    assert 2000 - 1024 <= backlog() <= 2000, backlog()  # what it may be sent before it takes any
    asked = time.monotonic()
    shown = i.run("status")
    assert time.monotonic() - asked < 5 and "timeout" in shown.stderr, shown
    assert re.search(r"^embargo +QMA/services +embargo +1 +2 +[1-9]\d+ +embargo", shown.stdout, re.M), shown
    assert time.monotonic() - begun < 60
    os.kill(worker, signal.SIGCONT)
    wait_for("it has read all", lambda: backlog() == 0)


def alerts_that_were_given_up_are_shown_for_a_week():
    i = started()
    failed = {"channel": "CHANNEL_MAIL", "rule": "un", "messageId": "a@qma.example", "recipient": "duty@qmb.example",
              "subject": "EXERCISE UN 2140", "code": "mail.unreached", "text": "Could not connect to server",
              "tries": 4, "key": "notices"}
    for recipient in ("first@qmb.example", "duty@qmb.example"):
        said = i.check("event", "publish", "-", "--seat", "alert", "--stream", "alert.out", "--type", "alert.Failed",
                       stdin=json.dumps({**failed, "recipient": recipient}))
    position = int(said.split()[-1])
    [status] = i.json("status")
    assert status["alerts"] == {"failed": 2, "newest": {
        "position": position, "rule": "un", "recipient": "duty@qmb.example", "code": "mail.unreached",
        "text": "Could not connect to server"}}, status["alerts"]
    assert ("alerts          2 given up in the last 7 days, the newest to duty@qmb.example (rule un): mail.unreached: "
            "Could not connect to server\n"
            "                the server was not reached: look at [alert] smtp and the network; what it should have "
            f"told: chancery event show {position}\n") in i.check("status")
    i.check("clock", "move", "8d", "--seat", "administrator")
    [status] = i.json("status")
    assert status["alerts"] == {"failed": 0}, status["alerts"]
    assert status["forecast"]["eventsADay"] == 0 and status["forecast"]["days"] > 3650, status["forecast"]
    shown = i.check("status")
    assert "alerts " not in shown, shown
    assert "forecast        at 0 events a day the disk reserve is not reached in 10 years\n" in shown, shown


def top_shows_what_happens_a_second():
    i = started()
    terminal = Terminal()
    elsewhere = spawn(tool("chancery"), "top", "--dir", i.dir, stdout=subprocess.PIPE, text=True)
    picture = spawn(tool("chancery"), "top", "--dir", i.dir, stdin=terminal.child, stdout=terminal.child)
    terminal.shows("commits         0.0 a second")
    requests(i, 300)

    def blocks():
        for line in elsewhere.stdout:
            if line.startswith("a second "):
                yield line
    line = next(line for line in blocks() if re.search(r"recorded [1-9]", line))
    assert re.fullmatch(r"a second        recorded \d+\.\d \(.*B\), delivered [1-9]\d*\.\d, asked \d\.\d, refused 0\.0\n",
                        line), line
    assert re.match(r"commits         \d+\.\d a second, p50 \d+\.\d ms, p99 \d+\.\d ms\n", elsewhere.stdout.readline())
    elsewhere.send_signal(signal.SIGINT)
    out, _ = elsewhere.communicate(timeout=60)
    assert elsewhere.returncode == 0 and "\x1b" not in out, out
    assert re.search(r"\x1b\[Hchancery\.example/main, head \d+, [\d-]+ [\d:]+ UTC\x1b\[K\r", terminal.seen), terminal.seen
    assert re.search(r"SEAT +BACKLOG +UNSENT +QUESTIONS +READINGS +SOFTWARE", terminal.read())
    terminal.write("x")
    terminal.write("q")
    assert picture.wait(60) == 0
    assert termios.tcgetattr(terminal.child)[3] & termios.ECHO  # it is as it was


def top_goes_on_when_the_broker_is_back_and_ends_with_its_reader():
    i = started()
    top = spawn(tool("chancery"), "top", "--dir", i.dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def shows(beginning):
        return next(line for line in top.stdout if line.startswith(beginning))

    assert shows("chancery.example/main, head ") and shows("a second        recorded")
    assert i.kill("broker")
    assert shows("a second        known in a second")  # of another broker nothing can be compared
    assert shows("a second        recorded")
    top.stdout.close()
    assert top.wait(60) == 0


def the_head_is_told_with_its_checkpoint():
    i = started()
    base(i)
    events = i.json("event", "ls")

    def caught_up():
        [head] = i.json("log", "head")
        return head if head["checkpoint"].split("\n")[1] == str(head["head"]) else None

    head = wait_for("a checkpoint of the head", caught_up)
    assert list(head) == ["head", "checkpoint"] and head["head"] == events[-1]["position"]
    with open(os.path.join(i.dir, "log", "checkpoint")) as f:
        assert f.read() == head["checkpoint"]
    assert i.check("log", "head") == f"head {head['head']}\n\n{head['checkpoint']}"


def seats_are_told_with_their_keys():
    i = started()
    i.admit("b", "QMB/npc")
    seats = {s["seat"]: s for s in i.json("seat", "ls")}
    assert set(seats) == {"administrator", "broker", "embargo", "sanctions", "alert", "metrics", "amina", "b"}
    assert (seats["b"]["office"], seats["b"]["kind"]) == ("QMB/npc", "person")
    for name, seat in seats.items():
        assert [k["kind"] for k in seat["keys"]].count("ed25519") == 1, seat
        shown = i.check("key", "show", os.path.join(i.dir, "keys", f"{name}.key"), dir=False)
        assert {k["keyId"] for k in seat["keys"]} == set(re.findall(r"fingerprint   ([0-9a-f]{16})", shown))
        assert not any(k["revoked"] for k in seat["keys"])
    [key] = [k["keyId"] for k in seats["b"]["keys"] if k["kind"] == "ed25519"]
    i.register("KeyRevoked", {"seat": "b", "keyId": base64.b64encode(bytes.fromhex(key)).decode()})
    keys = {s["seat"]: s["keys"] for s in i.json("seat", "ls")}["b"]
    assert [k["keyId"] for k in keys if k["revoked"]] == [key]
    table = i.check("seat", "ls").splitlines()
    assert table[0].split() == ["SEAT", "OFFICE", "KIND", "STANDING", "KEYS", "REVOKED", "NAME"]
    assert ["b", "QMB/npc", "person", "seated", "2", "1"] in [line.split() for line in table], table


def an_input_that_a_worker_failed_on_is_shown_and_retried():
    i = started()
    base(i)
    assert i.json("worker", "ls")[0]["failed"] == []
    done = i.run("worker", "retry", "1")
    assert done.returncode == 1 and "no worker failed on position 1" in done.stderr, done
    i.down()
    with open(i.conf) as f:
        conf = f.read()
    with open(i.conf, "w") as f:
        f.write(conf.replace("processes = broker signer embargo sanctions", "processes = broker signer"))
    i.up_process = spawn(tool("chancery"), "up", "--dir", i.dir, stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)

    def failing(position, answer):
        """The worker finds that it died three times on this input."""
        with open(os.path.join(i.dir, "run", "embargo.deaths"), "wb") as f:
            f.write(struct.pack("=QQ", position, 3))
        worker = spawn(tool("chancery-embargo"), "--config", i.dir, stderr=subprocess.DEVNULL)
        wait_for("its answer", answer)
        worker.terminate()
        worker.wait(30)

    def failures(n):
        return lambda: len(i.json("event", "ls", "--type", "core.WorkerFailed")) == n

    said = i.check("event", "publish", "-", "--stream", "embargo.in", "--type", "embargo.ConfirmSnapshot",
                   stdin='{"list": "un"}')
    position = int(said.split()[-1])
    failing(position, failures(1))
    [workers] = i.json("worker", "ls")
    assert workers["failed"] == [{"input": position, "stream": "embargo.out", "deaths": 3,
                                  "type": "chancery.embargo.v1.ConfirmSnapshot"}], workers
    line = f"failed          embargo.out: input {position} (chancery.embargo.v1.ConfirmSnapshot), 3 deaths; " \
           f"chancery worker retry {position}\n"
    wait_for("the worker's session is gone", lambda: i.json("worker", "ls")[0]["workers"] == [])
    assert i.check("worker", "ls").endswith(line) and line in i.check("status")

    retry = spawn(tool("chancery"), "worker", "retry", str(position), "--json", "--dir", i.dir,
                  stdout=subprocess.PIPE, text=True)
    request = wait_for("the request", lambda: i.json("event", "ls", "--type", "core.RetryInput"))[0]["position"]
    failing(request, failures(2))
    out, _ = retry.communicate(timeout=60)
    assert retry.returncode == 1, out
    assert json.loads(out) == {"input": position, "request": request, "outcome": "failed", "code": ""}
    assert [f["input"] for f in i.json("worker", "ls")[0]["failed"]] == [position]

    worker = spawn(tool("chancery-embargo"), "--config", i.dir, stderr=subprocess.DEVNULL)
    said = i.check("worker", "retry", str(position))
    assert re.fullmatch(rf"input {position} was refused, asked at position \d+: snapshot\.unknown\n", said), said
    [workers] = i.json("worker", "ls")
    assert workers["failed"] == [] and [w["seat"] for w in workers["workers"]] == ["embargo"]
    assert re.search(r"^embargo +QMA/services +embargo", i.check("worker", "ls"), re.M)
    worker.terminate()
    worker.wait(30)


def one_supervisor_is_enough():
    i = started()
    done = i.run("up")
    assert done.returncode == 1 and "this instance is up already" in done.stderr, done


def long_work_shows_a_bar_on_a_terminal_and_a_line_elsewhere():
    i = started()
    path, worker = base(i), i.pids()["embargo"]
    assert i.run("list", "import", path).stderr == ""  # what is short shows nothing

    def imports(day, **pipes):
        path = un_list(scratch(), day, [person(r, alias=day) for r in references(30)])
        return spawn(tool("chancery"), "list", "import", path, "--dir", i.dir, stdout=subprocess.PIPE,
                     text=True, **pipes)

    terminal = Terminal()
    os.kill(worker, signal.SIGSTOP)
    shown = imports("2026-01-02", stderr=terminal.child)
    terminal.shows("comparing the list\x1b[K")
    assert re.search(r"\r[-\\|/] comparing the list\x1b\[K", terminal.seen), repr(terminal.seen)
    elsewhere = imports("2026-01-03", stderr=subprocess.PIPE)
    assert elsewhere.stderr.readline() == "comparing the list: 10 s\n"
    os.kill(worker, signal.SIGCONT)
    out, _ = shown.communicate(timeout=60)
    assert shown.returncode == 0 and out == "un: 30 entries, 30 amended\n", out
    wait_for("the line is cleared", lambda: terminal.read().endswith("\r\x1b[K"))
    out, err = elsewhere.communicate(timeout=60)
    assert elsewhere.returncode == 0 and "\r" not in out + err, (out, err)


def who_is_not_known_is_told_what_may_be_wrong():
    i = started()
    i.check("key", "new", os.path.join(i.dir, "keys", "nobody.key"), "--seat", "nobody", "--office",
            "QMB/npc", dir=False)
    done = i.run("status", "--seat", "nobody")
    assert done.returncode == 3 and "or it does not know the keys of nobody" in done.stderr, done
    done = i.run("status", "--seat", "absent")
    assert done.returncode == 1 and "keys/absent.key: No such file" in done.stderr, done


if __name__ == "__main__":
    run([the_status_tells_how_the_service_fares, a_process_that_was_started_again_is_told,
         the_backlog_of_a_worker_that_hangs_is_shown, alerts_that_were_given_up_are_shown_for_a_week,
         top_shows_what_happens_a_second, top_goes_on_when_the_broker_is_back_and_ends_with_its_reader, the_head_is_told_with_its_checkpoint,
         seats_are_told_with_their_keys, an_input_that_a_worker_failed_on_is_shown_and_retried,
         one_supervisor_is_enough, long_work_shows_a_bar_on_a_terminal_and_a_line_elsewhere,
         who_is_not_known_is_told_what_may_be_wrong])
