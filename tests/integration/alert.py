#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The alert adapter as a process: a real broker, a real SMTP server, killed at the bad moment."""
import email
import email.policy
import json
import os
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from instance import BUILD, run, scratch, tool, wait_for

try:
    from smtp_sink import Sink
except ImportError:
    print("skipped: python3-aiosmtpd is not installed")
    sys.exit(77)

SNAPSHOT = "WgECAwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


class Office:
    """A broker and an alert adapter; events of the embargo worker are said by hand."""

    def __init__(self, answers=()):
        self.root = scratch()
        self.mails = os.path.join(self.root, "mails")
        os.mkdir(self.mails)
        self.sink = Sink(self.mails, answers)
        self.sink.__enter__()
        self.dir = os.path.join(self.root, "i")
        subprocess.run([tool("chancery-init"), self.dir, "--exercise",
                        "--smtp", f"smtp://127.0.0.1:{self.sink.port}",
                        "--mail-from", "alerts@qma.example", "--mail-to", "npc@qma.example"],
                       check=True, stdout=subprocess.DEVNULL)
        self.conf = os.path.join(self.dir, "chancery.conf")
        self.processes = {}
        self.cause = 0
        self.start("chancery-broker")

    def start(self, name):
        log = open(os.path.join(self.root, name + ".log"), "ab")
        self.processes[name] = subprocess.Popen([tool(name), "--config", self.conf],
                                                stdout=log, stderr=log)
        log.close()

    def log_of(self, name):
        with open(os.path.join(self.root, name + ".log"), encoding="utf-8") as file:
            return file.read()

    def start_alert(self):
        said = self.log_of("chancery-alert").count("alert.caught-up: ") if \
            os.path.exists(os.path.join(self.root, "chancery-alert.log")) else 0
        self.start("chancery-alert")
        wait_for("the adapter to catch up",
                 lambda: self.log_of("chancery-alert").count("alert.caught-up: ") > said)

    def stop(self, name, number=signal.SIGTERM):
        process = self.processes.pop(name)
        process.send_signal(number)
        return process.wait(60)

    def say(self, message, body, ordinal=0, of=1):
        if ordinal == 0:
            self.cause += 1
        said = subprocess.run([os.path.join(BUILD, "bin", "say"), self.conf, "embargo", "embargo.out",
                               "embargo." + message, str(self.cause), str(ordinal), str(of),
                               "1772150409554000"],
                              input=json.dumps(body).encode(), stdout=subprocess.PIPE, check=True)
        return int(said.stdout)

    def notice(self, number, reference="QDe.168", kind="ADD", ordinal=0, of=1, **more):
        return self.say("Notice", {"list": "un", "number": str(number),
                                   "kind": "NOTICE_KIND_" + kind, "weight": "WEIGHT_SUBSTANTIVE",
                                   "standing": "STANDING_FINAL", "reference": reference,
                                   "committee": "Al-Qaida", "name": "INVENTED ENTITY",
                                   "newSnapshot": SNAPSHOT, **more}, ordinal, of)

    def received(self):
        found = []
        for name in sorted(os.listdir(self.mails)):
            if name.endswith(".eml"):
                with open(os.path.join(self.mails, name), "rb") as file:
                    found.append(email.message_from_bytes(file.read(),
                                                          policy=email.policy.default))
        return found

    def wait_mails(self, n):
        wait_for(f"{n} mails", lambda: len(self.received()) >= n)
        return self.received()

    def recorded(self, n):
        """Until the adapter's log tells of n mails that were sent."""
        wait_for(f"{n} sent", lambda: self.log_of("chancery-alert").count("alert.sent: ") >= n)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        for name in list(self.processes):
            self.stop(name, signal.SIGKILL)
        self.sink.__exit__()


def a_notice_becomes_a_mail_and_history_does_not():
    with Office() as office:
        office.notice(1, "QDe.901")
        office.start_alert()
        position = office.notice(2, kind="AMEND", changes=[
            {"name": "address", "source": "ENTITY_ADDRESS", "before": ["a"], "after": ["b"]},
            {"name": "alias", "source": "ENTITY_ALIAS", "after": ["c"]}])
        mail, = office.wait_mails(1)
        assert mail["Subject"] == "EXERCISE UN 1267: QDe.168 amended: address, alias", mail["Subject"]
        assert mail["Chancery-Position"] == str(position)
        assert office.stop("chancery-alert") == 0


def after_kill_nothing_is_told_twice_and_nothing_is_forgotten():
    with Office() as office:
        office.start_alert()
        office.notice(1, "QDe.901")
        office.recorded(1)
        office.stop("chancery-alert", signal.SIGKILL)
        office.notice(2, "QDe.902")
        office.start_alert()
        office.notice(3, "QDe.903")
        subjects = [mail["Subject"] for mail in office.wait_mails(3)]
        unique = list(dict.fromkeys(mail["Message-ID"] for mail in office.received()))
        assert len(unique) == 3, subjects
        # the log said "sent" before the record was on disk: that one may have come again
        assert subjects[-2:] == ["EXERCISE UN 1267: QDe.902 added",
                                 "EXERCISE UN 1267: QDe.903 added"], subjects


def a_broker_that_is_killed_is_a_pause():
    with Office() as office:
        office.start_alert()
        office.notice(1, "QDe.901")
        office.wait_mails(1)
        office.stop("chancery-broker", signal.SIGKILL)
        office.start("chancery-broker")
        office.notice(2, "QDe.902")
        office.wait_mails(2)
        assert office.stop("chancery-alert") == 0


def a_refused_recipient_is_recorded_and_the_next_mail_goes():
    with Office(answers=["550 5.1.1 nobody here"]) as office:
        office.start_alert()
        office.notice(1, "QDe.901")
        office.notice(2, "QDe.902")
        mail, = office.wait_mails(1)
        assert mail["Subject"].endswith("QDe.902 added"), mail["Subject"]
        office.stop("chancery-alert")
        office.start_alert()
        office.notice(3, "QDe.903")
        mails = office.wait_mails(2)
        assert [mail["Subject"][-12:] for mail in mails] == ["QDe.902 added"[-12:],
                                                             "QDe.903 added"[-12:]]


def a_snapshot_set_aside_alerts_at_once_and_threads_its_reminders():
    with Office() as office:
        with open(office.conf, encoding="utf-8") as file:
            text = file.read()
        with open(office.conf, "w", encoding="utf-8") as file:
            file.write(text.replace("[alert]\n", "[alert]\nremind = 2s\n"))
        office.start_alert()
        office.say("SnapshotSetAside", {"list": "un", "snapshot": SNAPSHOT, "removals": 84,
                                        "generatedText": "2026-02-27"})
        first, second = office.wait_mails(2)[:2]
        assert "a decision is needed" in first["Subject"], first["Subject"]
        assert "reminder 1" in second["Subject"], second["Subject"]
        assert second["References"] == first["Message-ID"]
        office.say("SnapshotRejected", {"list": "un", "snapshot": SNAPSHOT})
        office.notice(1, "QDe.901")
        wait_for("the notice", lambda: any("QDe.901" in m["Subject"] for m in office.received()))
        assert office.stop("chancery-alert") == 0


def killed_again_and_again_each_mail_comes_and_at_most_one_twice_a_kill():
    kills, notices = 6, 18
    with Office() as office:
        office.start_alert()
        for i in range(kills):
            for k in range(notices // kills):
                number = i * (notices // kills) + k + 1
                office.notice(number, f"QDe.9{number:02}")
            wait_for("a mail", lambda: len(office.received()) > i)
            office.stop("chancery-alert", signal.SIGKILL)
            office.start_alert()
        wait_for("all mails", lambda: len({m["Message-ID"] for m in office.received()}) == notices)
        assert office.stop("chancery-alert") == 0
        assert len(office.received()) <= notices + kills, len(office.received())


def a_mail_server_that_hangs_does_not_hold_the_process():
    with Office() as office, socket.create_server(("127.0.0.1", 0)) as silent:
        with open(office.conf, encoding="utf-8") as file:
            text = file.read()
        with open(office.conf, "w", encoding="utf-8") as file:
            file.write(text.replace(str(office.sink.port), str(silent.getsockname()[1])))
        office.start_alert()
        office.notice(1, "QDe.901")
        connection, _ = silent.accept()
        with connection:
            began = time.monotonic()
            assert office.stop("chancery-alert") == 0
            assert time.monotonic() - began < 30


def a_setting_that_cannot_be_is_refused_with_file_and_cause():
    with Office() as office:
        with open(office.conf, "a", encoding="utf-8") as file:
            file.write("[rule odd]\nto = nobody\n")
        office.start("chancery-alert")
        assert office.processes.pop("chancery-alert").wait(60) == 78
        assert '"nobody" is not a mail address' in office.log_of("chancery-alert")


if __name__ == "__main__":
    run([a_notice_becomes_a_mail_and_history_does_not,
         after_kill_nothing_is_told_twice_and_nothing_is_forgotten,
         a_broker_that_is_killed_is_a_pause,
         a_refused_recipient_is_recorded_and_the_next_mail_goes,
         a_snapshot_set_aside_alerts_at_once_and_threads_its_reminders,
         killed_again_and_again_each_mail_comes_and_at_most_one_twice_a_kill,
         a_mail_server_that_hangs_does_not_hold_the_process,
         a_setting_that_cannot_be_is_refused_with_file_and_cause])
