# SPDX-License-Identifier: Apache-2.0
"""worker.py - the runtime of workers under failure: what dies, hangs, comes twice or comes late.

The worker is `tally` of tests/support, supervised by `chancery up` as an operator's own, or the
embargo worker on a real list."""
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import threading

from instance import Instance, run, scratch, snapshot, spawn, tool, wait_for
from history import admit
from whole import hash_of, microseconds, say

PARTY, OFFICE = "core.PartyAdded", "core.OfficeAdded"
AGAIN = 75  # exit status of a worker that another instance is ahead of


def configure(i, old, new):
    with open(i.conf) as f:
        text = f.read()
    assert old in text, text
    with open(i.conf, "w") as f:
        f.write(text.replace(old, new))


def program(i, name):
    """What the instance runs as tally, from its next start on."""
    link = os.path.join(i.dir, "tally")
    if os.path.lexists(link):
        os.unlink(link)
    os.symlink(shutil.which("false") if name == "false" else tool(name), link)


def tally_instance(broker_settings=""):
    """An instance with a worker of its own: seat, rules, a section, and its name among the processes."""
    i = Instance()
    configure(i, "processes = broker", "processes = broker tally")
    configure(i, "[broker]\n", "[process tally]\nprogram = tally\nseat = tally\n\n[broker]\n"
              + broker_settings)
    program(i, "tally")
    i.up()
    admit(i, "tally", "QMA/services", "SEAT_KIND_PROCESS")
    for rule, subject, verbs, stream in (
            ("tally-inputs", "tally", ["READ"], "tally.in"),
            ("tally-feed", "tally", ["READ"], "tally.feed"),
            ("tally-answers", "tally", ["PUBLISH", "READ"], "tally.out"),
            ("tally-service", "tally", ["OFFER"], "tally"),
            ("tally-requests", "officer", ["PUBLISH"], "tally.in")):
        i.check("event", "publish", "--seat", "administrator", "--stream", "registry", "--type",
                "core.AccessRule", "-", stdin=json.dumps(
                    {"rule": rule, "effect": "EFFECT_ALLOW", "subjectKind": "SUBJECT_KIND_SEAT",
                     "subject": subject, "verbs": ["VERB_" + v for v in verbs], "stream": stream,
                     "type": "*"}))
    return i


def publish(i, stream, name, payload):
    """The event's position."""
    out = i.check("event", "publish", "--stream", stream, "--type", name, "--json", "-",
                  stdin=json.dumps(payload))
    return json.loads(out)["position"]


def request(i, party, name):
    return publish(i, "tally.in", PARTY, {"party": party, "name": name})


def answers(i, stream="tally.out"):
    """Events of the stream by cause, each list in order of position."""
    found = {}
    for event in i.json("event", "ls", "--stream", stream):
        found.setdefault(int(event["envelope"]["cause"]), []).append(event)
    return found


def kind(event):
    return event["envelope"]["type"].rsplit(".", 1)[-1]


def whole(events):
    """All answers to one input, each once and in order: their kinds."""
    ordinals = [e["envelope"].get("ordinal", 0) for e in events]
    assert ordinals == list(range(len(events))), ordinals
    assert {e["envelope"]["of"] for e in events} == {len(events)}, events
    return [kind(e) for e in events]


def answered(i, cause):
    """The kinds of its answers, once all of them are there."""
    def complete():
        events = answers(i).get(cause, [])
        return events if events and len(events) == events[0]["envelope"]["of"] else None
    return whole(wait_for(f"position {cause} is answered", complete))


def ask(i, at_least=0):
    """(as_of, the worker's dump) or (None, code)."""
    done = subprocess.run([tool("say"), i.conf, "officer", "tally", PARTY, str(at_least)],
                          input="{}", capture_output=True, text=True, timeout=60)
    if done.returncode:
        return None, done.stdout.strip() or done.stderr
    as_of, payload = done.stdout.split(" ", 1)
    return int(as_of), json.loads(payload)["name"]


def dump(i):
    return wait_for("the worker answers", lambda: ask(i) if ask(i)[0] else None)[1]


def failed(i):
    """What status and worker ls say of failed inputs: the same in both, as text and as JSON."""
    [status], [workers] = i.json("status"), i.json("worker", "ls")
    assert status["failed"] == workers["failed"], (status, workers)
    lines = [[line for line in i.check(*words).splitlines() if line.startswith("failed ")]
             for words in (("status",), ("worker", "ls"))]
    assert lines[0] == lines[1] and len(lines[0]) == len(status["failed"]), lines
    for line, f in zip(lines[0], status["failed"]):
        assert f"{f['stream']}: input {f['input']} ({f['type']})" in line, line
        assert f"chancery worker retry {f['input']}" in line, line
    return status["failed"]


def deaths(i):
    """How often the runtime remembers its worker to have died of which position."""
    with open(os.path.join(i.dir, "run", "tally.deaths"), "rb") as f:
        return struct.unpack("=QQ", f.read())


def aborted(i):
    """How often the supervisor saw it."""
    with open(os.path.join(i.root, "up.log")) as f:
        return f.read().count("tally was ended by signal 6")


def an_input_that_kills_the_worker_three_times_is_set_aside_and_can_be_asked_again():
    i = tally_instance()
    before = request(i, "QMB", "2")
    fatal = request(i, "QMC", "abort")
    behind = request(i, "QMD", "1")
    assert answered(i, before) == ["RulesAdopted", "OfficeAdded", "OfficeAdded"]
    assert answered(i, behind) == ["OfficeAdded"]
    assert answered(i, fatal) == ["WorkerFailed"]
    [event] = answers(i)[fatal]
    payload = event["payload"]
    assert payload["deaths"] == 3 and payload["input"] == str(fatal), payload
    assert payload["type"] == "chancery.core.v1.PartyAdded", payload
    assert f"chancery worker retry {fatal}" in payload["text"], payload
    [f] = failed(i)
    assert (f["input"], f["stream"], f["deaths"]) == (fatal, "tally.out", 3), f

    assert aborted(i) == 3
    wait_for("the deaths are forgotten", lambda: deaths(i) == (0, 0))

    # asked again it kills again: the request is answered so, and the input stays where it was
    done = i.run("worker", "retry", str(fatal))
    assert done.returncode == 1 and "fatal to the worker again" in done.stdout, done
    [f] = failed(i)
    assert f["input"] == fatal, f
    assert [whole(e) for e in answers(i).values()].count(["WorkerFailed"]) == 2

    # another domain's worker knows nothing of it
    elsewhere = publish(i, "embargo.in", "core.RetryInput", {"input": fatal})
    wait_for("the embargo worker answers", lambda: elsewhere in answers(i, "embargo.out"))
    assert answers(i, "embargo.out")[elsewhere][-1]["payload"]["code"] == "input.unknown"
    assert len(failed(i)) == 1

    # mended, it is decided: the cause is the request's position
    program(i, "tally_mended")
    i.kill("tally")
    out = i.check("worker", "retry", str(fatal))
    at = int(out.rsplit("position ", 1)[1])
    assert f"input {fatal} was decided, asked at position {at}" in out, out
    assert answered(i, at) == ["OfficeAdded"]
    [event] = answers(i)[at]
    assert event["payload"]["office"] == "QMC/1", event
    assert whole(answers(i)[fatal]) == ["WorkerFailed"]
    assert failed(i) == []


def a_retry_of_what_did_not_fail_is_refused_by_the_command_and_by_the_worker():
    i = tally_instance()
    fine = request(i, "QMB", "1")
    answered(i, fine)
    for position in (fine, 100000):
        done = i.run("worker", "retry", str(position))
        assert done.returncode == 1, done
        assert f"no worker failed on position {position}" in done.stderr, done
        assert "chancery worker ls" in done.stderr, done
        asked = publish(i, "tally.in", "core.RetryInput", {"input": position})
        assert answered(i, asked) == ["RequestRefused"]
        [event] = answers(i)[asked]
        assert event["payload"]["code"] == "input.unknown", event
        assert "chancery worker ls" in event["payload"]["text"], event
    assert failed(i) == []


def deaths_are_counted_over_a_restart_of_everything():
    i = tally_instance()
    answered(i, request(i, "QMB", "1"))
    program(i, "false")
    i.kill("tally")
    fatal = request(i, "QMC", "abort")
    i.down()
    died(i, "tally", fatal, 2)
    program(i, "tally")
    i.up()
    assert answered(i, fatal) == ["WorkerFailed"]
    assert aborted(i) == 1
    assert answers(i)[fatal][0]["payload"]["deaths"] == 3


def a_worker_killed_between_the_answers_to_one_input_goes_on_where_it_was():
    i = tally_instance("quota-events = 64\n")  # a batch a second, so there is a between
    many = request(i, "QMB", "500")
    part = wait_for("some answers are there", lambda: len(answers(i).get(many, [])))
    assert 0 < part < 500, part
    i.kill("tally")

    # the next one finds a part of them, and until all are there it knows less than the log
    wait_for("it says that it still folds", lambda: ask(i) == (None, "busy.folding"))
    assert len(answers(i)[many]) < 500
    i.kill("tally")
    assert answered(i, many) == ["RulesAdopted"] + ["OfficeAdded"] * 500
    offices = [e["payload"].get("office") for e in answers(i)[many][1:]]
    assert offices == [f"QMB/{n}" for n in range(1, 501)], offices
    as_of, state = wait_for("it answers", lambda: ask(i) if ask(i)[0] else None)
    assert as_of >= many and "1 requests, 500 offices" in state, (as_of, state)


def an_answer_knows_the_log_up_to_the_position_that_it_states():
    i = tally_instance("quota-events = 64\n")
    first = request(i, "QMB", "100")
    second = request(i, "QMC", "300")
    wait_for("the second one is being answered", lambda: second in answers(i))
    for asked in (0, first, second):  # it waits, or is told to come again
        as_of, state = ask(i, asked)
        assert state == "busy.folding" or (as_of >= second and "400 offices" in state), state
    answered(i, second)

    # any position may be asked for: of an answer, or of what the worker does not read at all
    last = answers(i)[second][-1]["position"]
    assert ask(i, last)[0] >= last
    elsewhere = publish(i, "embargo.in", "core.RetryInput", {"input": 1})
    assert ask(i, elsewhere)[0] >= elsewhere
    third = request(i, "QMD", "1")
    as_of, state = ask(i, third)
    assert as_of >= third and "401 offices" in state, (as_of, state)
    assert ask(i, third + 1000) == (None, "busy.folding")


def answers_that_the_broker_cannot_take_now_are_published_when_it_can():
    i = tally_instance()
    answered(i, request(i, "QMB", "1"))
    program(i, "false")
    i.kill("tally")
    at = request(i, "QMC", "2")
    i.down()
    configure(i, "[broker]\n", "[broker]\ndisk-reserve = 1000000G\n")
    program(i, "tally")
    i.up_process = spawn(tool("chancery"), "up", "--dir", i.dir, stderr=subprocess.DEVNULL)
    wait_for("the worker is refused and says so", lambda: "publishing waits code=log.full" in i.logs())
    pid = i.pids()["tally"]
    configure(i, "disk-reserve = 1000000G\n", "")
    i.kill("broker")
    assert answered(i, at) == ["OfficeAdded", "OfficeAdded"]
    assert i.pids()["tally"] == pid


class Wire:
    """Bytes between a socket of its own and the broker's; what goes down to the peer can be held."""

    def __init__(self, path, broker):
        self.broker, self.holds, self.armed, self.ends = broker, False, False, []
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            peer = self.socket.accept()[0]
            broker = socket.socket(socket.AF_UNIX)
            broker.connect(self.broker)
            self.ends, self.holds = [peer, broker], False
            for source, target in ((peer, broker), (broker, peer)):
                threading.Thread(target=self.carry, args=(source, target), daemon=True).start()

    def carry(self, source, target):
        up = source is self.ends[0]
        try:
            while data := source.recv(65536):
                if up and self.armed and len(data) > 300:  # a Publish, the largest that goes up
                    self.holds, self.armed = True, False
                if up or not self.holds:
                    target.sendall(data)
        except OSError:
            pass

    def hold_behind_the_next_publish(self):
        self.armed = True

    def cut(self):
        for end in self.ends:
            end.shutdown(socket.SHUT_RDWR)
            end.close()


def a_lost_acknowledgement_stops_nothing():
    i = tally_instance()
    program(i, "false")
    i.kill("tally")
    conf = os.path.join(i.dir, "wire.conf")
    with open(i.conf) as f, open(conf, "w") as out:
        out.write(f.read().replace("broker.sock", "wire.sock"))
    wire = Wire(os.path.join(i.dir, "run", "wire.sock"), os.path.join(i.dir, "run", "broker.sock"))
    worker = spawn(tool("tally"), "--config", conf, stderr=subprocess.DEVNULL)
    answered(i, request(i, "QMB", "1"))
    wire.hold_behind_the_next_publish()
    first, second = request(i, "QMC", "1"), request(i, "QMD", "1")
    assert answered(i, first) == ["OfficeAdded"]
    assert wire.holds and second not in answers(i)
    wire.cut()
    assert answered(i, second) == ["OfficeAdded"]
    assert worker.poll() is None


def more_answers_than_are_held_at_once_are_published_and_folded():
    i = tally_instance()
    many = request(i, "QMB", "32000")
    behind = request(i, "QMC", "1")
    wait_for("both are answered", lambda: "32001 offices" in (ask(i)[1] or ""))
    state = dump(i)
    i.kill("tally")
    assert dump(i) == state
    found = answers(i)
    assert len(whole(found[many])) == 32001 and len(whole(found[behind])) == 1


def answers_that_another_build_began_are_not_mixed_with_this_one_s():
    i = tally_instance()
    answered(i, request(i, "QMB", "1"))
    program(i, "false")
    i.kill("tally")
    at = request(i, "QMC", "2")
    [record] = [e for e in i.json("event", "ls", "--stream", "tally.in") if e["position"] == at]
    first = say(i, "tally", "tally.out", OFFICE, {"office": "QMC/one"}, at, 0, 2,
                microseconds(record["received"]))
    assert first.isdigit(), first
    program(i, "tally")
    message = f"input={at} answer=0 field=payload"
    wait_for("the worker says why it ends", lambda: message in i.logs())
    wait_for("and what to do", lambda: "let the build that has them finish" in i.logs())
    assert [e["payload"]["office"] for e in answers(i)[at]] == ["QMC/one"]


def what_another_build_answered_is_folded_as_it_is():
    i = tally_instance()
    answered(i, request(i, "QMB", "1"))
    dump(i)
    pid = i.pids()["tally"]
    os.kill(pid, signal.SIGSTOP)
    at = request(i, "QMC", "2")
    [record] = [e for e in i.json("event", "ls", "--stream", "tally.in") if e["position"] == at]
    assert say(i, "tally", "tally.out", OFFICE, {"office": "QMC/one"}, at, 0, 1,
               microseconds(record["received"])).isdigit()
    os.kill(pid, signal.SIGCONT)
    wait_for("it ended", lambda: i.pids().get("tally", pid) != pid)
    assert f"tally ended with status {AGAIN}," in open(os.path.join(i.root, "up.log")).read()
    assert answered(i, request(i, "QMD", "1")) == ["OfficeAdded"]
    assert "3 requests, 3 offices" in dump(i)


def a_worker_that_starts_again_has_the_state_it_had():
    i = tally_instance()
    answered(i, request(i, "QMB", "3"))
    fatal = request(i, "QMC", "abort")
    answered(i, fatal)
    answered(i, request(i, "QMD", "none"))
    program(i, "tally_mended")
    i.kill("tally")
    i.check("worker", "retry", str(fatal))
    state = dump(i)
    assert "3 requests, 4 offices" in state, state
    before = i.pids()["tally"]
    i.kill("tally")
    wait_for("it runs again", lambda: i.pids().get("tally", before) != before)
    assert dump(i) == state


def died(i, worker, position, times):
    """The worker does not run: what its runtime will remember."""
    with open(os.path.join(i.dir, "run", worker + ".deaths"), "wb") as f:
        f.write(struct.pack("=QQ", position, times))


def without_embargo(i):
    configure(i, "signer embargo sanctions", "signer sanctions")
    i.up_process = spawn(tool("chancery"), "up", "--dir", i.dir, stderr=subprocess.DEVNULL)
    wait_for("the broker answers", lambda: i.run("log", "head").returncode == 0)


def with_embargo(i):
    i.down()
    configure(i, "signer sanctions", "signer embargo sanctions")
    i.up()


def snapshot_published(i):
    """Positions of the snapshots in the feed."""
    return [e["position"] for e in i.json("event", "ls", "--stream", "un.feed", "--type",
                                          "sanctions.SnapshotPublished")]


def audit(i, status=0):
    """What it says of the log, which nobody owns then."""
    i.down()
    assert i.check("log", "verify", i.dir, dir=False).startswith("ok")
    return i.check("audit", i.dir, dir=False, status=status)


def an_embargo_worker_that_starts_again_answers_as_it_did():
    i = Instance()
    i.up()
    files = scratch()
    for date, status in (("2023-03-27", 0), ("2024-09-21", 4)):
        i.check("list", "import", "--list", "un", snapshot(date, files), status=status)
    questions = (("list", "ls"), ("list", "status"), ("list", "history", "IRi.001"))
    before, pid = [i.json(*words) for words in questions], i.pids()["embargo"]
    i.kill("embargo")
    wait_for("it runs again", lambda: i.pids().get("embargo", pid) != pid)
    wait_for("it answers", lambda: i.run("list", "status").returncode == 0)
    assert [i.json(*words) for words in questions] == before


def a_section_that_is_wrong_is_named_with_its_place():
    i = Instance()
    configure(i, "[broker]\n", "[process tally]\nprogram = tally\npath = x\n\n[broker]\n")
    with open(i.conf) as f:
        line = f.read().splitlines().index("path = x") + 1
    said = i.run("up")
    assert said.returncode == 1, said
    assert f"chancery.conf:{line}: [process tally] has no key \"path\"" in said.stderr, said
    configure(i, "path = x\n", "")
    configure(i, "processes = broker", "processes = broker tally")
    said = i.run("up")
    assert said.returncode == 1, said
    assert f"cannot run {i.dir}/tally: No such file or directory" in said.stderr, said


def an_audit_goes_on_over_an_input_that_failed_and_was_asked_for_again():
    i = Instance()
    files = scratch()
    first, second = (snapshot(d, files) for d in ("2023-03-27", "2024-09-21"))
    without_embargo(i)
    importing = spawn(tool("chancery"), "list", "import", "--list", "un", first, "--dir", i.dir,
                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    [at] = wait_for("the snapshot is published", lambda: snapshot_published(i))
    died(i, "embargo", at, 3)
    with_embargo(i)
    said = importing.communicate(timeout=120)[0]
    assert importing.returncode == 1 and f"worker retry {at}" in said, said
    said = audit(i)
    assert "embargo: 1 times answered by WorkerFailed" in said, said
    assert f"embargo: set aside until `chancery worker retry`: position {at}\n" in said, said

    i.up()
    assert "was decided" in i.check("worker", "retry", str(at))
    [retry] = [e["position"] for e in i.json("event", "ls", "--type", "core.RetryInput")]
    assert whole(answers(i, "embargo.out")[retry]) == ["RulesAdopted", "Baseline"]
    i.check("list", "import", "--list", "un", second, status=4)
    said = audit(i)
    assert "1 times answered by WorkerFailed" in said and "set aside until" not in said, said
    assert " 0 differences" in said, said


def asked_and_answered(i, name, payload):
    """Positions of a request and of the one answer that is planted for it while no worker runs."""
    at = int(say(i, "officer", "embargo.in", "embargo.ConfirmSnapshot", {"list": "un"}))
    [record] = [e for e in i.json("event", "ls", "--stream", "embargo.in") if e["position"] == at]
    answer = say(i, "embargo", "embargo.out", name, payload(at), at, 0, 1,
                 microseconds(record["received"]))
    return at, int(answer)


def a_planted_failure_is_named_by_audit_and_is_a_difference_only_where_it_is_false():
    i = Instance()
    without_embargo(i)
    request = "chancery.embargo.v1.ConfirmSnapshot"
    claims = [lambda at: {"input": at, "type": request, "deaths": 3},
              lambda at: {"input": at, "type": request, "deaths": 2},
              lambda at: {"input": 1, "type": request, "deaths": 3},
              lambda at: {"input": at, "type": "chancery.embargo.v1.Notice", "deaths": 3}]
    planted = [asked_and_answered(i, "core.WorkerFailed", claim) for claim in claims]
    said = audit(i, status=1)
    lines = [line for line in said.splitlines() if line.startswith("difference: ")]
    assert len(lines) == 3, said
    for line, (at, answer), field in zip(lines, planted[1:], ("deaths", "input", "type")):
        assert line.startswith(f"difference: embargo: position {answer}: field {field}: "), line
        assert f"not a WorkerFailed of position {at}" in line, line
    waiting = ", ".join(str(at) for at, _ in planted)
    assert f"set aside until `chancery worker retry`: position {waiting}\n" in said, said

    # the worker takes the log as it is, and decides the input when it is asked to
    with_embargo(i)
    first, second, _, last = [at for at, _ in planted]
    assert [f["input"] for f in i.json("worker", "ls")[0]["failed"]] == [first, second, 1, last]
    said = i.check("worker", "retry", str(first))
    assert " was refused" in said and "list.unknown" in said, said


def a_planted_decision_by_no_rules_is_a_difference():
    i = Instance()
    without_embargo(i)
    _, answer = asked_and_answered(i, "embargo.Baseline", lambda at: {"list": "un"})
    said = audit(i, status=1)
    assert f"difference: embargo: position {answer}: field type: " in said, said


class Embargo:
    """An embargo worker of the test's own, started again when it ends because another is ahead."""

    def __init__(self, i, name):
        self.i, self.log, self.stale = i, os.path.join(i.root, name + ".log"), 0
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            self.process = spawn(tool("chancery-embargo"), "--config", self.i.dir, stderr=log)

    def ended(self):
        """True once it ended, as it should: with its own exit status and a sentence that says why."""
        if self.process.poll() is None:
            return False
        with open(self.log) as f:
            last = f.read().splitlines()[-1]
        assert self.process.returncode == AGAIN, (self.process.returncode, last)
        assert "another instance of this worker is ahead and answered" in last, last
        assert "code=id.reused" in last or "code=seat.order" in last, last
        self.stale += 1
        return True

    def keep_up(self):
        if self.ended():
            self.start()


def sessions(i, seat):
    return sum(s.get("sessions", 0) for s in i.json("status")[0]["broker"]["seats"]
               if s["seat"] == seat)


def both_serve(i):
    """Questions go to one and the other in turn, and neither still folds."""
    wait_for("both are there", lambda: sessions(i, "embargo") == 2)
    wait_for("both answer",
             lambda: all(i.run("list", "status").returncode == 0 for _ in range(4)))


def beside(command, workers):
    """Runs a command while the workers are kept up; its exit status."""
    done = spawn(tool("chancery"), *command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    def over():
        for worker in workers:
            worker.keep_up()
        return done.poll() is not None
    wait_for("the command is done", over)
    return done.returncode


def nothing_is_there_twice(i):
    found = answers(i, "embargo.out")
    for cause in found:
        whole(found[cause])
    said = audit(i)
    assert " 0 differences" in said and "not answered" not in said, said


def two_instances_started_together_record_everything_once():
    i = Instance()
    without_embargo(i)
    files = scratch()
    first, second = (snapshot(d, files) for d in ("2023-03-27", "2024-09-21"))
    workers = [Embargo(i, "a"), Embargo(i, "b")]
    both_serve(i)
    for path, status in ((first, 0), (second, 4), (first, 4), (second, 4)):
        assert beside(["list", "import", "--list", "un", path, "--dir", i.dir], workers) == status
    assert beside(["list", "confirm", hash_of(second), "--dir", i.dir], workers) == 0
    for worker in workers:
        worker.keep_up()
    nothing_is_there_twice(i)


def an_instance_started_while_the_other_answers_does_no_harm():
    i = Instance()
    without_embargo(i)
    files = scratch()
    first, second = (snapshot(d, files) for d in ("2023-03-27", "2024-09-21"))
    workers = [Embargo(i, "a")]
    assert beside(["list", "import", "--list", "un", first, "--dir", i.dir], workers) == 0
    assert beside(["list", "import", "--list", "un", second, "--dir", i.dir], workers) == 4
    configure(i, "[broker]\n", "[broker]\nquota-events = 64\n")
    i.kill("broker")
    wait_for("the broker answers", lambda: i.run("log", "head").returncode == 0)
    confirming = spawn(tool("chancery"), "list", "confirm", hash_of(second), "--dir", i.dir,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    request = wait_for("it is asked", lambda: i.json("event", "ls", "--stream", "embargo.in"))
    cause = request[-1]["position"]
    part = wait_for("some answers are there",
                    lambda: len(answers(i, "embargo.out").get(cause, [])))
    workers.append(Embargo(i, "b"))
    wait_for("both are there", lambda: sessions(i, "embargo") == 2)
    now = answers(i, "embargo.out")[cause]
    assert part <= len(now) < now[0]["envelope"]["of"], (part, len(now))
    def over():
        for worker in workers:
            worker.keep_up()
        return confirming.poll() is not None
    wait_for("it is confirmed", over)
    assert confirming.returncode == 0
    nothing_is_there_twice(i)


def an_instance_that_is_behind_ends_and_says_why():
    i = Instance()
    without_embargo(i)
    files = scratch()
    first, second = (snapshot(d, files) for d in ("2023-03-27", "2024-09-21"))
    ahead = Embargo(i, "a")
    i.check("list", "import", "--list", "un", first)
    i.check("list", "import", "--list", "un", second, status=4)
    behind = Embargo(i, "b")
    both_serve(i)
    behind.process.send_signal(signal.SIGSTOP)
    i.check("list", "confirm", hash_of(second))
    behind.process.send_signal(signal.SIGCONT)
    wait_for("it ends", behind.ended)
    assert ahead.process.poll() is None
    nothing_is_there_twice(i)


if __name__ == "__main__":
    run([an_input_that_kills_the_worker_three_times_is_set_aside_and_can_be_asked_again,
         a_retry_of_what_did_not_fail_is_refused_by_the_command_and_by_the_worker,
         deaths_are_counted_over_a_restart_of_everything,
         a_worker_killed_between_the_answers_to_one_input_goes_on_where_it_was,
         an_answer_knows_the_log_up_to_the_position_that_it_states,
         answers_that_the_broker_cannot_take_now_are_published_when_it_can,
         a_lost_acknowledgement_stops_nothing,
         more_answers_than_are_held_at_once_are_published_and_folded,
         answers_that_another_build_began_are_not_mixed_with_this_one_s,
         what_another_build_answered_is_folded_as_it_is,
         a_worker_that_starts_again_has_the_state_it_had,
         an_embargo_worker_that_starts_again_answers_as_it_did,
         a_section_that_is_wrong_is_named_with_its_place,
         an_audit_goes_on_over_an_input_that_failed_and_was_asked_for_again,
         a_planted_failure_is_named_by_audit_and_is_a_difference_only_where_it_is_false,
         a_planted_decision_by_no_rules_is_a_difference,
         two_instances_started_together_record_everything_once,
         an_instance_started_while_the_other_answers_does_no_harm,
         an_instance_that_is_behind_ends_and_says_why])
