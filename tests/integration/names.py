# SPDX-License-Identifier: Apache-2.0
"""names.py - names in their own script, wherever they are printed: shown, and never obeyed."""
import json
import os
import re
import signal
import subprocess

from instance import Instance, Terminal, run, scratch, spawn, tool, wait_for
from invented import COMMITTEES, person, references, un_list

# colours and clears by the one-byte CSI, overrides and isolates the direction, is not there, ends a line
HOSTILE = "\u009b2J\u009b31m\u202e\u2066\u200b\u200e\u2028\ufeff\U000e0041"
# what a terminal must not get: controls (a line's end apart), format characters (the joiners of
# Persian and Indic names apart), separators
OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u00ad\u0600-\u0605\u061c\u06dd\u180e\u200b\u200e\u200f"
                    "\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0001-\U000e007f]")
NAME, SCRIPT = f"BAD{HOSTILE}NAME", "\u0639\u0644\u06cc\u200c\u0646\u0627\u0645\u202e\u674e"
SHOWN = "\u0639\u0644\u06cc\u200c\u0646\u0627\u0645\\u202e\u674e"


def harmless(text, where):
    found = OBEYED.search(text)
    assert not found, (where, found, text[max(0, found.start() - 40):found.end() + 40])


def hostile_instance():
    """A list of such names, one of them amended, one removed; a snapshot set aside, refused files,
    requests with such a reason."""
    i, folder = Instance("--seat", "amina"), scratch()
    i.up()
    COMMITTEES["ZZi"] = f"Inven{HOSTILE}ted"

    def bad(alias=""):
        return person("QDi.901", name=NAME, script=SCRIPT, alias=alias, comments=f"c{HOSTILE}c")

    rest = [person(r) for r in references(30)[1:]]
    said = [i.run("list", "import", un_list(folder, "2026-01-01", [bad(), person("ZZi.902", name=NAME), *rest])),
            i.run("list", "import", un_list(folder, "2026-01-02", [bad(f"a{HOSTILE}"), *rest[1:], person("ZZi.902")],
                                            name="evil\u202e.xml")),
            i.run("list", "import", un_list(folder, "2026-01-03", [bad(f"a{HOSTILE}")]))]
    assert [done.returncode for done in said] == [0, 0, 4], said
    digits = i.json("list", "import", os.path.join(folder, "invented-2026-01-03.xml"), status=None)
    page = os.path.join(folder, "\u202epage.html")
    with open(page, "w") as f:
        f.write("<html>")
    said.append(i.run("list", "import", page))
    said.append(i.run("list", "reject", "f" * 64, "--reason", f"why\x1b[31m{HOSTILE}\n\r\tnot"))
    for n, done in enumerate(said):
        harmless(done.stdout + done.stderr, n)
    assert said[3].returncode == said[4].returncode == 1 and digits, said[3:]
    return i


def names_are_shown_and_not_obeyed_wherever_they_are_printed():
    i = hostile_instance()
    verbs = [("list", "show", "QDi.901"), ("list", "show", "ZZi.902"), ("list", "history", "QDi.901"), ("list", "ls"),
             ("list", "ls", "--committee", COMMITTEES["ZZi"]), ("list", "status"), ("status",), ("event", "ls"),
             ("seat", "ls"), ("worker", "ls"),
             ("list", "show", f"x{HOSTILE}\x1b[2J"), ("list", "history", f"x{HOSTILE}\x1b[2J"),
             ("list", "ls", "--committee", f"x{HOSTILE}\x1b[2J")]
    verbs += [("event", "show", str(e["position"])) for e in i.json("event", "ls")
              if e["envelope"]["stream"] != "registry"]
    told = {}
    for words in verbs:
        for more in ((), ("--json",)):
            done = i.run(*words, *more)
            assert done.returncode in (0, 1), done
            harmless(done.stdout + done.stderr, (words, more))
            told[words, more] = done.stdout
    for words in (("list", "show", "QDi.901"), ("event", "ls")):
        assert "BAD\\u009b2J\\u009b31m\\u202e" in told[words, ()], told[words, ()]
    assert f"in own script   {SHOWN}" in told[("list", "show", "QDi.901"), ()]
    shown = json.loads(told[("list", "show", "QDi.901"), ("--json",)])["party"]
    assert shown["nameOriginalScript"] == SCRIPT and "\u009b31m\u202e" in shown["name"], shown
    assert "evil\\u202e.xml" in told[("event", "ls"), ()]
    assert "why\\u001b[31m" in told[("event", "ls"), ()]


def a_watch_does_not_obey_them_either():
    i = hostile_instance()
    for more in ((), ("--json",)):
        head = i.json("log", "head")[0]["head"]
        watch = spawn(tool("chancery"), "watch", "--from", "1", "--dir", i.dir, *more,
                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        text = "".join(watch.stdout.readline() for _ in range(head))
        watch.send_signal(signal.SIGINT)
        out, err = watch.communicate(timeout=60)
        harmless(text + out + err, more)
        assert "BAD\\u009b2J" in text, more


def errors_do_not_obey_what_they_repeat():
    i, evil = Instance(), f"x\x1b[2J{HOSTILE}"
    for words in ((evil,), ("list", evil), ("status", f"--{evil}"), ("list", "ls", evil),
                  ("event", "show", evil), ("event", "ls", "--type", evil), ("event", "ls", "--stream", evil),
                  ("status", "--seat", evil), ("list", "confirm", evil), ("help", evil),
                  ("event", "publish", "-", "--stream", "a", "--type", evil),
                  ("event", "publish", "-", "--label", evil), ("list", "import", evil),
                  ("key", "show", evil), ("key", "new", "f", "--seat", evil, "--office", evil)):
        done = i.run(*words, dir=words[0] in ("list", "event", "status") and len(words) > 1)
        assert done.returncode in (1, 2) and done.stderr, done
        harmless(done.stdout + done.stderr, words)
    done = i.run("status", "--dir", evil, dir=False)
    assert done.returncode == 1
    harmless(done.stderr, "--dir")
    done = i.run("event", "publish", "-", "--stream", "a", "--type", "embargo.ConfirmSnapshot",
                 stdin=json.dumps({f"n\x1b{HOSTILE}": 1}))
    assert done.returncode == 1 and "has no field of that name" in done.stderr, done
    harmless(done.stderr, "payload")


def a_list_is_compared_without_obeying_it():
    folder = scratch()
    old = un_list(folder, "2026-01-01", [person("QDi.901", name=NAME), person("QDi.902", script=SCRIPT)])
    new = un_list(folder, "2026-01-02", [person("QDi.901", name=NAME, alias=f"a{HOSTILE}"), person("QDi.903", name=NAME)],
                  name="n\x1b[2J.xml")
    for more in ((), ("--json",)):
        done = subprocess.run([tool("chancery"), "list", "diff", "--list", "un", old, new, *more],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done
        harmless(done.stdout + done.stderr, more)


if __name__ == "__main__":
    run([names_are_shown_and_not_obeyed_wherever_they_are_printed, a_watch_does_not_obey_them_either,
         errors_do_not_obey_what_they_repeat, a_list_is_compared_without_obeying_it])
