#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Mails as a real SMTP server gets them, read by Python's email package.

mail.py MAIL_ONCE MAIL_SINK: the program that sends one scenario's mails, and the product's own sink.
"""
import email
import email.policy
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
try:
    from smtp_sink import Sink
except ImportError:
    print("skipped: python3-aiosmtpd is not installed")
    sys.exit(77)

MAIL_ONCE, MAIL_SINK = sys.argv[1:3]
TO = "npc@qma.example"


def send(port, scenario, *options):
    done = subprocess.run([MAIL_ONCE, f"smtp://127.0.0.1:{port}", scenario, TO, *options],
                          stdout=subprocess.PIPE, timeout=120, check=True)
    return [line.split(" ", 4) for line in done.stdout.decode().splitlines()]


def mails(directory):
    found = []
    for name in sorted(os.listdir(directory)):
        if name.endswith(".eml"):
            with open(os.path.join(directory, name), "rb") as file:
                found.append(file.read())
    return found


def parse(raw):
    return email.message_from_bytes(raw, policy=email.policy.default)


class Mails(unittest.TestCase):
    def setUp(self):
        self.held = tempfile.TemporaryDirectory()
        self.dir = self.held.name
        self.addCleanup(self.held.cleanup)

    def received(self, scenario, *options, answers=()):
        with Sink(self.dir, answers) as sink:
            self.lines = send(sink.port, scenario, *options)
            self.envelopes = sink.keeper.envelopes
        return [parse(raw) for raw in mails(self.dir)]

    def test_a_subject_says_what_happened(self):
        mail, = self.received("amend")
        self.assertEqual(mail["Subject"], "UN 1267: QDe.168 amended: address, alias")
        self.assertEqual(mail["To"], TO)
        self.assertEqual(mail["From"].addresses[0].display_name, "Commission régionale")
        self.assertEqual(mail["From"].addresses[0].addr_spec, "alerts@qma.example")
        self.assertEqual(mail["List-Id"], "<un-all.alert.qma.example.alerts>")
        self.assertEqual(mail["Auto-Submitted"], "auto-generated")
        self.assertEqual(mail["Date"].datetime.isoformat(), "2026-02-27T00:01:40+00:00")
        self.assertIsNone(mail["References"])
        self.assertEqual(self.envelopes, [("alerts@qma.example", [TO])])

    def test_text_and_html_tell_the_same(self):
        mail, = self.received("amend")
        self.assertEqual(mail.get_content_type(), "multipart/alternative")
        text, html = [part.get_content() for part in mail.iter_parts()]
        for word in ("QDe.168", "INVENTED ENTITY", "Rue de l", "Église 9", "Quelimane",
                     "qma.example/alerts", "5a010203", "2026-02-27T00:00:09.554Z", "اسم مخترع",
                     "ISIL (Da", "un_all", "chancery list show QDe.168"):
            self.assertIn(word, text)
            self.assertIn(word, html)
        self.assertIn("\u2068اسم مخترع\u2069", text)
        self.assertIn("<bdi>اسم مخترع</bdi>", html)
        self.assertNotIn("EXERCISE", text)

    def test_lines_keep_their_bounds(self):
        self.received("committee")
        for raw in mails(self.dir):
            self.assertNotIn(b"\n", raw.replace(b"\r\n", b""))
            self.assertLessEqual(max(len(line) for line in raw.split(b"\r\n")), 78)
            self.assertTrue(raw.isascii())

    def test_an_exercise_is_marked_in_subject_and_body(self):
        mail, = self.received("amend", "exercise")
        self.assertTrue(mail["Subject"].startswith("EXERCISE UN 1267: "))
        for part in mail.iter_parts():
            self.assertIn("EXERCISE - EXERCISE", part.get_content())

    def test_the_same_item_has_the_same_message_id(self):
        first, = self.received("amend")
        again = self.received("amend")[0]
        self.assertEqual(first["Message-ID"], again["Message-ID"])
        self.assertRegex(first["Message-ID"], r"^<[0-9a-f]{40}@qma\.example\.alerts>$")
        self.assertEqual("<" + self.lines[0][2] + ">", first["Message-ID"])

    def test_a_later_amendment_threads_on_the_first(self):
        first, second = self.received("twice")
        self.assertEqual(second["References"], first["Message-ID"])
        self.assertEqual(second["In-Reply-To"], first["Message-ID"])
        self.assertNotEqual(second["Message-ID"], first["Message-ID"])

    def test_nothing_in_a_list_ends_a_header_or_the_mail(self):
        mail, = self.received("hostile")
        self.assertIsNone(mail["Bcc"])
        self.assertEqual(mail.defects, [])
        self.assertEqual(len(self.envelopes), 1)
        self.assertIn("<U+000D><U+000A>Bcc:", mail["Subject"])
        text, html = [part.get_content() for part in mail.iter_parts()]
        for body in (text, html):
            self.assertNotIn("\u202e", body)
            self.assertNotIn("<script", html)
        self.assertIn("EVIL<U+000D><U+000A>.<U+000D><U+000A><U+202E><script>", text)
        self.assertIn("&lt;U+202E&gt;&lt;script&gt;", html)
        self.assertIn("&lt;/bdi&gt;&amp;amp;", html)
        self.assertIn("=?UTF-8?Q?a?= <U+2069> ..<U+000A>.", text)

    def test_many_notices_are_one_mail(self):
        mail, = self.received("committee")
        self.assertEqual(mail["Subject"], "UN 1267: 600 notices: 300 added, 300 removed")
        text = mail.get_body(("plain",)).get_content()
        self.assertIn("QDi.9000 removed", text)
        self.assertIn("QDi.9599 added", text)

    def test_a_snapshot_set_aside_names_the_commands(self):
        mail, = self.received("set-aside")
        self.assertEqual(mail["Subject"], "UN: snapshot of 2026-02-27T00:00:09.554Z set aside, "
                                          "84 removals: a decision is needed")
        snapshot = "5a010203" + "00" * 28
        for part in mail.iter_parts():
            self.assertIn("chancery list confirm " + snapshot, part.get_content())
            self.assertIn("chancery list reject " + snapshot, part.get_content())
            self.assertIn("84 of 955 entries would go", part.get_content())
            self.assertIn("IRi.901", part.get_content())

    def test_a_reminder_threads_on_the_first_alert(self):
        first, = self.received("set-aside")
        mail = self.received("reminder")[0]
        self.assertEqual(mail["References"], first["Message-ID"])
        self.assertIn("still waits for a decision (reminder 2)", mail["Subject"])
        self.assertEqual(mail["Date"].datetime.isoformat(), "2026-02-27T08:01:40+00:00")

    def test_what_is_restricted_stays_in_the_log(self):
        mail, = self.received("restricted")
        self.assertEqual(mail["Subject"], "restricted notice at position 1")
        self.assertNotIn(b"SECRET", mails(self.dir)[0])
        self.assertIn("TLP:AMBER", mail.get_body(("plain",)).get_content())

    def test_a_deferred_mail_is_tried_again(self):
        began = time.monotonic()
        mail, = self.received("amend", answers=["451 4.7.1 come back later", "452 4.2.2 full"])
        self.assertGreaterEqual(time.monotonic() - began, 3)  # 1 s and 2 s
        self.assertEqual(self.lines[0][:2], ["sent", "3"])
        self.assertIn("250 2.0.0 kept", self.lines[0][4])

    def test_a_deferred_mail_is_given_up_in_the_end(self):
        self.assertEqual(self.received("amend", "actual", "1", answers=["451 4.7.1 no"] * 9), [])
        self.assertEqual(self.lines[0][0], "failed")
        self.assertEqual(self.lines[0][3:], ["mail.deferred", "451 4.7.1 no"])

    def test_a_refused_mail_is_not_tried_again(self):
        self.assertEqual(self.received("amend", answers=["550 5.1.1 nobody here"]), [])
        self.assertEqual(self.lines[0][:2], ["failed", "1"])
        self.assertEqual(self.lines[0][3:], ["mail.rejected", "550 5.1.1 nobody here"])

    def test_a_refused_mail_does_not_stop_the_next(self):
        second, = self.received("twice", answers=["550 5.1.1 nobody here"])
        self.assertEqual([line[0] for line in self.lines], ["failed", "sent"])

    def test_no_server_is_not_reached(self):
        lines = send(1, "amend", "actual", "0")
        self.assertEqual(lines[0][3], "mail.unreached")

    def test_the_sink_of_the_product_keeps_what_it_gets(self):
        port_file = os.path.join(self.dir, "port")
        sink = subprocess.Popen([MAIL_SINK, "--dir", os.path.join(self.dir, "mails"),
                                 "--port-file", port_file], stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 20
            while not os.path.exists(port_file) and time.monotonic() < deadline:
                time.sleep(0.02)
            with open(port_file, encoding="ascii") as file:
                lines = send(int(file.read()), "twice")
        finally:
            sink.send_signal(signal.SIGTERM)
            self.assertEqual(sink.wait(20), 0)
        self.assertEqual([line[0] for line in lines], ["sent", "sent"])
        kept = mails(os.path.join(self.dir, "mails"))
        expected = self.received("twice")
        self.assertEqual([str(parse(raw)) for raw in kept], [str(mail) for mail in expected])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
