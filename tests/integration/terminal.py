#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The chancery command: usage, help, completion; and its verbs against a real instance."""
import json
import lzma
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

BUILD = pathlib.Path(os.environ["BUILD_DIR"])
SOURCE = pathlib.Path(os.environ["SOURCE_DIR"])
CHANCERY = str(BUILD / "bin" / "chancery")
LISTS = sorted((SOURCE / "tests/data/un").glob("*.xml.xz"))


def run(*words, stdin=None, env=None, dir=None):
    environment = dict(os.environ, TZ="UTC", **(env or {}))
    environment.pop("CHANCERY_DIR", None)
    if dir:
        environment["CHANCERY_DIR"] = str(dir)
    return subprocess.run([CHANCERY, *map(str, words)], input=stdin, env=environment, text=True,
                          capture_output=True, timeout=300)


def wait_for(condition, seconds=60):
    """The first true value of the condition."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError("condition did not come true in time")


def verbs():
    """(noun, verb) of every line of the help."""
    found = []
    for line in run("help").stdout.splitlines():
        m = re.match(r"  ([a-z]+)(?: ([a-z]+))?  +\S", line)
        if m:
            found.append((m[1], m[2] or ""))
    return found


OTHERS = {("init", ""), ("audit", ""), ("list", "diff"), ("log", "verify"), ("log", "records"),
          ("log", "ls"), ("log", "proof")}


class Usage(unittest.TestCase):
    def refused(self, *words, text=""):
        result = run(*words)
        self.assertEqual(result.returncode, 2, result)
        self.assertEqual(result.stdout, "")
        self.assertIn(text, result.stderr)

    def test_what_is_not_there_is_a_usage_error(self):
        self.refused()
        self.refused("nonsense", text="there is no 'nonsense'")
        self.refused("list", text="usage: chancery list import")
        self.refused("list", "nonsense", text="usage: chancery list import")
        self.refused("help", "nonsense", text="there is no 'nonsense'")
        self.refused("help", "list", "nonsense", text="there is no 'list nonsense'")

    def test_wrong_options_and_arguments_are_named(self):
        self.refused("list", "show", text="an argument is missing: REFERENCE")
        self.refused("list", "show", "a", "b", text="one argument too many: b")
        self.refused("status", "--bogus", text="no such option: --bogus")
        self.refused("status", "--json=1", text="takes no value: --json=1")
        self.refused("status", "--json", "--json", text="given twice: --json")
        self.refused("status", "--dir", text="a value is missing behind: --dir")
        self.refused("event", "ls", "--from", "x", text="not a whole number: x")
        self.refused("event", "ls", "--limit", "-1", text="not a whole number: -1")
        self.refused("event", "show", "0", text="not a position (1, 2, 3 ...): 0")
        self.refused("event", "publish", "-", text="--stream and --type are needed")
        self.refused("event", "publish", "-", "--stream", "embargo.in", "--type", "No.Such",
                     text="not a type that this program knows")
        self.refused("key", "new", "x", text="--seat IDENTIFIER and --office PARTY/NAME")

    def test_every_verb_has_help(self):
        self.assertGreater(len(verbs()), 25)
        for noun, verb in verbs():
            words = [noun, verb] if verb else [noun]
            if (noun, verb) not in OTHERS:
                result = run(*words, "--help")
                self.assertEqual((result.returncode, result.stderr), (0, ""), words)
                self.assertIn(f"usage: chancery {' '.join(words)}", result.stdout)
            result = run("help", *words)
            self.assertEqual(result.returncode, 0, words)
            self.assertIn(f"usage: chancery {' '.join(words)}", result.stdout)

    def test_completion_knows_nouns_verbs_and_options(self):
        script = run("completion", "bash").stdout
        for words, expected in ((["chancery", "li"], ["list"]),
                                (["chancery", "list", "im"], ["import"]),
                                (["chancery", "event", "ls", "--fr"], ["--from"]),
                                (["chancery", "watch", "--str"], ["--stream"])):
            shell = (script + f"\nCOMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}\n"
                     + "_chancery; printf '%s\\n' \"${COMPREPLY[@]}\"")
            found = subprocess.run(["bash", "-c", shell], text=True, capture_output=True)
            self.assertEqual(found.stdout.split(), expected, found.stderr)

    def test_the_manual_page_is_scdoc(self):
        page = run("help", "--man").stdout
        try:
            roff = subprocess.run(["scdoc"], input=page, text=True, capture_output=True)
        except FileNotFoundError:
            self.skipTest("scdoc is not installed")
        self.assertEqual((roff.returncode, roff.stderr), (0, ""))
        for noun, verb in verbs():
            self.assertIn(f"*{noun}{' ' + verb if verb else ''}*", page)

    def test_no_instance_is_an_error_that_says_what_to_do(self):
        with tempfile.TemporaryDirectory() as dir:
            result = run("status", "--dir", dir)
            self.assertEqual(result.returncode, 1)
            self.assertIn("chancery init", result.stderr)

    def test_a_broker_that_does_not_run_is_unreachable(self):
        with tempfile.TemporaryDirectory() as dir:
            self.assertEqual(run("init", f"{dir}/i").returncode, 0)
            result = run("status", "--dir", f"{dir}/i")
            self.assertEqual(result.returncode, 3, result)
            self.assertIn("chancery up --dir", result.stderr)

    def test_keys_are_made_shown_and_not_overwritten(self):
        with tempfile.TemporaryDirectory() as dir:
            file = pathlib.Path(dir) / "a.key"
            words = ("key", "new", "--seat", "a", "--office", "QMA/npc", file)
            self.assertEqual(run(*words).returncode, 0)
            self.assertEqual(file.stat().st_mode & 0o777, 0o600)
            self.assertEqual(run(*words).returncode, 1)
            shown = json.loads(run("key", "show", "--json", file).stdout)
            self.assertEqual((shown["seat"], shown["office"]), ("a", "QMA/npc"))
            self.assertRegex(run("key", "show", file).stdout, r"[0-9a-f]{16}  ([a-z]{5}-){3}[a-z]{5}")
            file.chmod(0o644)
            result = run("key", "show", file)
            self.assertEqual(result.returncode, 1)
            self.assertIn("chmod 600", result.stderr)


class Instance(unittest.TestCase):
    """One instance for all; the tests run in the order of their names."""

    @classmethod
    def setUpClass(cls):
        if len(LISTS) < 2:
            raise unittest.SkipTest("tests/data/un/*.xml.xz are not there")
        cls.temporary = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.temporary.name)
        cls.dir = cls.root / "i"
        cls.lists = []
        for packed in LISTS[:1] + LISTS[-1:]:
            plain = cls.root / packed.name[:-3]
            plain.write_bytes(lzma.decompress(packed.read_bytes()))
            cls.lists.append(plain)
        made = run("init", cls.dir, "--exercise", "--seat", "amina")
        assert made.returncode == 0, made
        cls.log = open(cls.root / "up.log", "w")
        cls.up = subprocess.Popen([CHANCERY, "up", "--dir", str(cls.dir)], stderr=cls.log)
        wait_for(lambda: run("list", "status", dir=cls.dir).returncode == 0)

    @classmethod
    def tearDownClass(cls):
        pids = json.loads((cls.dir / "run/up.json").read_text())["processes"].values()
        cls.up.send_signal(signal.SIGTERM)
        status = cls.up.wait(timeout=30)
        cls.log.close()
        alive = [p for p in pids if os.path.exists(f"/proc/{p}")]
        left = (cls.dir / "run/up.json").exists()
        cls.temporary.cleanup()
        assert status == 0 and not alive and not left, (status, alive, left)

    def ok(self, *words, status=0, **more):
        result = run(*words, dir=self.dir, **more)
        self.assertEqual(result.returncode, status, result)
        return result.stdout

    def json(self, *words, **more):
        return [json.loads(line) for line in self.ok(*words, "--json", **more).splitlines()]

    def test_1_a_file_that_is_no_list_is_refused_with_its_line(self):
        bad = self.root / "page.html"
        bad.write_text("<html>\n<body>moved</html>\n")
        out = self.ok("list", "import", bad, status=1)
        self.assertRegex(out, r"un: refused: page.html(:\d+)?: .* \(list\.[a-z._]+\)")
        self.ok("list", "import", self.root / "absent", status=1)
        [answer] = self.json("list", "import", bad, status=1)
        self.assertEqual(answer["outcome"], "refused")

    def test_2_imports_tell_what_changed(self):
        self.assertRegex(self.ok("list", "import", "--list", "un", self.lists[0]),
                         r"^un: \d+ entries, baseline")
        out = self.ok("list", "import", self.lists[1], status=4)
        self.assertIn("set aside", out)
        [answer] = self.json("list", "import", self.lists[0], status=4)
        self.assertEqual(answer["outcome"], "set-aside")
        self.assertEqual(answer["answer"]["doubts"][0]["kind"], "DOUBT_KIND_DATE")

    def test_3_what_waits_is_confirmed_by_the_beginning_of_its_hash(self):
        self.ok("list", "import", self.lists[1], status=4)
        [status] = self.json("list", "status")
        self.assertIn("setAside", status["lists"][0])
        prefix = re.search(r"list confirm ([0-9a-f]{12})", self.ok("list", "status"))[1]
        self.ok("list", "confirm", "ffffffff", status=1)
        self.assertIn("un: confirmed", self.ok("list", "confirm", prefix[:8], "--reason", "checked"))
        self.ok("list", "confirm", prefix, status=1)
        self.assertIn("no change", self.ok("list", "import", self.lists[1]))

    def test_4_parties_are_listed_and_shown(self):
        parties = self.json("list", "ls")
        table = self.ok("list", "ls").splitlines()
        self.assertEqual(len(table), len(parties) + 1)
        reference = parties[0]["reference"]
        self.assertIn(reference, self.ok("list", "show", reference))
        [party] = self.json("list", "show", reference)
        self.assertEqual(party["party"]["reference"], reference)
        self.ok("list", "show", "QDi.999999", status=1)
        self.assertIn("baseline", self.ok("list", "history", reference))
        committee = parties[0]["committee"]
        some = self.json("list", "ls", "--committee", committee)
        self.assertEqual({p["committee"] for p in some}, {committee})

    def test_5_events_are_listed_shown_and_counted(self):
        [head] = self.json("log", "head")
        events = self.json("event", "ls", "--limit", "20")
        self.assertEqual([e["position"] for e in events], list(range(1, 21)))
        self.assertEqual(events[0]["envelope"]["type"], "chancery.core.v1.LogFounded")
        notices = self.json("event", "ls", "--type", "embargo.Notice", "--limit", "3")
        self.assertEqual({e["envelope"]["stream"] for e in notices}, {"embargo.out"})
        [event] = self.json("event", "show", notices[0]["position"])
        self.assertEqual(event["payload"], notices[0]["payload"])
        self.assertIn("leafIndex", event["signed"])
        self.assertIn("embargo.v1.Notice", self.ok("event", "show", notices[0]["position"]))
        self.ok("event", "show", head["head"] + 1000, status=1)
        self.assertIn("chancery.example/main", head["checkpoint"])

    def test_6_an_event_is_published_or_refused_with_a_reason(self):
        payload = json.dumps({"list": "un", "snapshot": "AAAA", "reason": "\u0639"})
        words = ("event", "publish", "--stream", "embargo.in", "--type", "embargo.ConfirmSnapshot")
        first = self.json(*words, "-", stdin=payload)[0]["position"]
        [event] = self.json("event", "show", first)
        self.assertEqual(event["payload"]["reason"], "\u0639")
        bad = run(*words, "-", stdin='{"lists": "un"}', dir=self.dir)
        self.assertEqual(bad.returncode, 1)
        self.assertIn("/lists: ConfirmSnapshot has no field of that name", bad.stderr)
        refused = run("event", "publish", "--stream", "registry", "--type", "core.PartyAdded", "-",
                      stdin='{"party": "QMB"}', dir=self.dir)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("access.denied", refused.stderr)

    def test_6_receipts_are_kept_shown_and_compared(self):
        words = ("event", "publish", "--stream", "embargo.in", "--type", "embargo.ConfirmSnapshot")
        at = [self.json(*words, "-", stdin=f'{{"list": "x{n}"}}')[0]["position"] for n in range(2)]
        receipts = self.json("receipt", "ls")
        self.assertEqual([r["position"] for r in receipts][-2:], at)
        self.assertEqual(receipts[-1]["stream"], "embargo.in")
        self.assertEqual(len(self.ok("receipt", "ls").splitlines()), len(receipts))
        [shown], [logged] = (self.json(noun, "show", at[1]) for noun in ("receipt", "event"))
        self.assertEqual(shown, logged)
        self.assertIn("chancery.example/main", self.ok("receipt", "show", at[1]))
        self.ok("receipt", "show", 1, status=1)
        self.assertRegex(self.ok("receipt", "check"), f"^ok: {len(receipts)} receipts")
        for seat in ("sanctions", "alert"):  # read beside their owners
            [checked] = self.json("receipt", "check", "--seat", seat)
            self.assertTrue(checked["ok"])
        self.assertGreater(len(self.json("receipt", "ls", "--seat", "sanctions")), 1)

    def test_6_two_commands_of_a_seat_publish_one_after_the_other(self):
        words = ("event", "publish", "--stream", "embargo.in", "--type", "embargo.ConfirmSnapshot")
        with ThreadPoolExecutor(4) as pool:
            done = list(pool.map(lambda n: self.json(*words, "-", stdin=f'{{"list": "y{n}"}}'),
                                 range(4)))
        self.assertEqual(len({d[0]["position"] for d in done}), 4)

    def test_6_receipts_that_a_log_has_not_are_missing(self):
        receipts = self.json("receipt", "ls")
        with tempfile.TemporaryDirectory() as dir:
            self.assertEqual(run("init", f"{dir}/i", "--seat", "amina").returncode, 0)
            shutil.copytree(self.dir / "keep/amina", f"{dir}/i/keep/amina")
            broker = subprocess.Popen([BUILD / "bin/chancery-broker", "--config", f"{dir}/i"],
                                      stderr=subprocess.DEVNULL)
            try:
                checked = run("receipt", "check", "--json", "--dir", f"{dir}/i")
            finally:
                broker.terminate()
                broker.wait()
        self.assertEqual(checked.returncode, 1)
        lines = [json.loads(line) for line in checked.stdout.splitlines()]
        self.assertEqual([line["position"] for line in lines[:-1]],
                         [r["position"] for r in receipts])
        self.assertEqual(lines[-1]["missing"], len(receipts))

    def test_7_watch_follows_and_outlives_the_broker(self):
        watch = subprocess.Popen([CHANCERY, "watch", "--stream", "un.feed", "--json", "--dir",
                                  str(self.dir)], stdout=subprocess.PIPE, text=True)
        self.addCleanup(watch.stdout.close)
        self.addCleanup(watch.wait)
        self.addCleanup(watch.kill)
        before = self.json("log", "head")[0]["head"]
        wait_for(lambda: any(s["seat"] == "amina" and s.get("readings")
                             for s in self.json("status")[0]["broker"]["seats"]))
        broker = json.loads((self.dir / "run/up.json").read_text())["processes"]["broker"]
        os.kill(broker, signal.SIGKILL)
        wait_for(lambda: json.loads((self.dir / "run/up.json").read_text())
                 ["processes"]["broker"] not in (0, broker))
        wait_for(lambda: run("log", "head", dir=self.dir).returncode == 0)
        self.ok("list", "import", self.lists[1])
        ready, _, _ = select.select([watch.stdout], [], [], 60)
        self.assertTrue(ready)
        event = json.loads(watch.stdout.readline())
        self.assertEqual(event["envelope"]["type"], "chancery.sanctions.v1.Unchanged")
        self.assertGreater(event["position"], before)

    def test_8_status_seats_and_workers_are_shown(self):
        seats = {s["seat"]: s for s in self.json("seat", "ls")}
        self.assertEqual(set(seats), {"administrator", "broker", "embargo", "sanctions", "alert",
                                      "amina"})
        self.assertEqual({s["keys"] for s in seats.values()}, {2})
        wait_for(lambda: "embargo" in self.json("status")[0])
        [status] = self.json("status")
        self.assertEqual(status["failed"], [])
        self.assertIn("head", self.ok("status"))
        [workers] = self.json("worker", "ls")
        self.assertIn("embargo", [w["seat"] for w in workers["workers"]])
        self.ok("worker", "retry", "1", status=1)

    def test_9_long_work_shows_a_bar_on_a_terminal_only(self):
        parent, child = pty.openpty()
        result = subprocess.run([CHANCERY, "list", "import", str(self.lists[1]), "--dir",
                                 str(self.dir)], stdout=subprocess.PIPE, stderr=child, timeout=120)
        os.close(child)
        os.close(parent)
        self.assertEqual(result.returncode, 0)
        self.assertEqual(run("list", "import", self.lists[1], dir=self.dir).stderr, "")

    def test_a_second_supervisor_is_refused(self):
        result = run("up", "--dir", self.dir)
        self.assertEqual(result.returncode, 1)
        self.assertIn("this instance is up already", result.stderr)


class Demo(unittest.TestCase):
    def test_an_interrupted_demo_leaves_nothing_running(self):
        if len(LISTS) < 2:
            self.skipTest("tests/data/un/*.xml.xz are not there")
        with tempfile.TemporaryDirectory() as dir:
            demo = subprocess.Popen([CHANCERY, "demo", "--dir", f"{dir}/d"], text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            shown = ""
            while "Ctrl-C here ends all" not in shown:
                line = demo.stdout.readline()
                self.assertTrue(line, shown)
                shown += line
            pids = json.loads((pathlib.Path(dir) / "d/instance/run/up.json").read_text())
            demo.send_signal(signal.SIGINT)
            demo.stdout.read()
            demo.stdout.close()
            self.assertEqual(demo.wait(timeout=60), 0)
            for pid in [pids["up"], *pids["processes"].values()]:
                self.assertFalse(os.path.exists(f"/proc/{pid}"), shown)
            for said in ("baseline", "set aside", "confirmed", "no change", "Subject: EXERCISE",
                         "ok: ", "0 differences"):
                self.assertIn(said, shown)


if __name__ == "__main__":
    unittest.main(verbosity=2)
