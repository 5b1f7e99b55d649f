# SPDX-License-Identifier: Apache-2.0
"""usage.py - the table of verbs: its help, errors of usage, manual page and completion; no broker."""
import os
import re
import subprocess

from instance import Skip, Terminal, run, scratch, spawn
from verbs import chancery, table


def refused(*words, text, usage="usage: chancery "):
    done = chancery(*words)
    assert done.returncode == 2, (words, done)
    assert done.stdout == "", (words, done)
    assert text in done.stderr and usage in done.stderr, (words, text, done.stderr)


def every_verb_has_help():
    verbs = table()
    assert len(verbs) > 25
    for verb in verbs:
        assert verb.help.startswith(f"usage: chancery {verb.name}"), verb.help
        for asked in ("--help", "-h"):
            done = chancery(*verb.words, asked)
            assert (done.returncode, done.stdout, done.stderr) == (0, verb.help, ""), (verb.name, done)
        assert verb.json if "json" in verb.options else not verb.json, verb.help
    for noun in {v.words[0] for v in verbs if len(v.words) == 2}:
        for asked in ((noun, "--help"), ("help", noun)):
            done = chancery(*asked)
            assert done.returncode == 0, done
            for verb in verbs:
                if verb.words[0] == noun:
                    assert f"chancery {verb.name}" in done.stdout, (verb.name, done.stdout)


def every_verb_names_its_usage_in_every_error():
    for verb in table():
        usage = f"usage: chancery {verb.name}"
        refused(*verb.call(), "--no-such", text="no such option: --no-such", usage=usage)
        refused(*verb.words, *["x"] * (verb.most + 1), text="one argument too many: x", usage=usage)
        if verb.arguments:
            refused(*verb.words, text="an argument is missing: " + verb.arguments[0], usage=usage)
        for option in verb.needed:
            words = verb.call()
            at = words.index(f"--{option}")
            refused(*words[:at], *words[at + 2:], text=f"an option is missing: --{option}", usage=usage)
        for option, argument in verb.options.items():
            if argument:
                refused(*verb.words, f"--{option}", text=f"a value is missing behind: --{option}",
                        usage=usage)
            else:
                refused(*verb.words, f"--{option}=1", text=f"takes no value: --{option}", usage=usage)
                refused(*verb.words, f"--{option}", f"--{option}", text=f"given twice: --{option}",
                        usage=usage)


def words_that_mean_nothing_are_named():
    where = ("--dir", scratch())
    publish = ("event", "publish", "-", "--stream", "embargo.in", "--type", "embargo.ConfirmSnapshot")
    refused("list", "show", "a", "--at", "x", *where, text="not a position (1, 2, 3 ...): x")
    refused("list", "show", "a", "--at", "0", *where, text="not a position (1, 2, 3 ...): 0")
    refused("list", "ls", "--at", "-1", *where, text="not a position (1, 2, 3 ...): -1")
    for verb in ("confirm", "reject"):
        for word in ("", "e5d3640", "e5d3640g", "g" * 64, "0" * 65):
            refused("list", verb, word, *where, text="nor at least the first 8 digits of it",
                    usage=f"usage: chancery list {verb}")
    refused("event", "ls", "--from", "x", *where, text="not a position (1, 2, 3 ...): x")
    refused("event", "ls", "--limit", "-1", *where, text="--limit: not a whole number: -1")
    refused("event", "ls", "--stream", "Embargo", *where, text="--stream: not a stream")
    refused("event", "ls", "--stream", "a*b", *where, text="--stream: not a stream")
    refused("event", "ls", "--type", "Notice", *where, text="--type: not a type")
    refused("watch", "--type", "embargo.Notise", *where, text="--type: not a type")
    refused("event", "show", "0", *where, text="not a position (1, 2, 3 ...): 0")
    refused("worker", "retry", "one", *where, text="not a position (1, 2, 3 ...): one")
    refused("event", "publish", text="an argument is missing: FILE")
    refused("event", "publish", "-", text="no stream is stated")
    refused("event", "publish", "-", "--stream", "embargo.in", text="no type is stated")
    refused("event", "publish", "-", "--stream", "embargo.in", "--type", "No.Such",
            text="--type: not a type that this program knows: No.Such")
    refused(*publish, "--label", "pink", text="--label is one of: clear green amber")
    refused(*publish, "--mode", "real", text="--mode is one of: actual exercise test")
    refused(*publish, "--kind", "", text="--kind is one of: new update cancel recall")
    for label in ("amber", "amber+strict", "red"):
        refused(*publish, "--label", label, text="needs recipients")
    refused(*publish, "--kind", "recall", text="names the event that it is about")
    refused(*publish, "--to", "QMA,", text="not a recipient, PARTY, PARTY/OFFICE, GROUP@VERSION or seat:SEAT")
    refused(*publish, "--references", "1,x", text="not a position (1, 2, 3 ...): x")
    refused(*publish, "--in-reply-to", "0", text="not a position (1, 2, 3 ...): 0")
    refused(*publish, "--case", "a b", text="not an identifier")
    refused(*publish, "--expires", "tomorrow", text="not a time as RFC 3339 writes it")
    refused(*publish, "--id", "7", text="not a UUID of the form 8-4-4-4-12: 7")
    refused("event", "publish", "--ndjson", "--id", "01a21443-ba8c-7bef-87fa-eda488c49d35",
            text="--id names one event")
    refused("key", "new", "x", "--seat", "a b", "--office", "QMA/npc", text="--seat a b: not an identifier")
    refused("key", "new", "x", "--seat", "a", "--office", "QMA", text="--office QMA: not PARTY/NAME")


def a_seat_that_is_none_is_named():
    instance = os.path.join(scratch(), "i")
    assert chancery("init", instance).returncode == 0
    refused("status", "--dir", instance, "--seat", "a b", text="--seat a b: not an identifier",
            usage="usage: chancery status")


def what_is_not_there_suggests_what_is_near():
    for words, meant in ((["lst"], "list"), (["statsu"], "status"), (["stat"], "status"),
                         (["list", "shw"], "list show"), (["list", "hist"], "list history"),
                         (["log", "verfiy"], "log verify"), (["import", "x"], "list import"),
                         (["confirm"], "list confirm"), (["evnt", "ls"], "event ls"),
                         (["help", "lsit"], "list"), (["help", "list", "shwo"], "list show"),
                         (["wach"], "watch")):
        name = " ".join(w for w in words if w not in ("help", "x"))
        refused(*words, text=f"there is no '{name}")
        refused(*words, text=f"did you mean '{meant}'?")
    refused("list", "shw", text="", usage="usage: chancery list import")
    refused("status", "--jsn", text="no such option: --jsn; did you mean --json?")
    refused("list", "ls", "--comittee", "x", text="did you mean --committee?")
    for words in (["nonsense"], ["list", "nonsense"], ["help", "nonsense"], ["help", "list", "nonsense"]):
        done = chancery(*words)
        assert done.returncode == 2 and "did you mean" not in done.stderr, done
    refused("list", text="usage: chancery list import FILE")
    refused(text="usage: chancery NOUN")


def the_manual_page_has_every_verb_and_option():
    page = chancery("help", "--man").stdout
    try:
        roff = subprocess.run(["scdoc"], input=page, text=True, capture_output=True)
    except FileNotFoundError:
        raise Skip("scdoc is not installed")
    assert (roff.returncode, roff.stderr) == (0, ""), roff.stderr
    plain = page.replace("\\", "")
    shared = plain.split("# OPTIONS OF MANY VERBS")[1]
    for verb in table():
        m = re.search(r"^\*%s\*.*?(?=^\S)" % verb.name, plain, re.M | re.S)
        assert m, verb.name
        for option, argument in verb.options.items():
            assert f"*--{option}*" in m[0], (verb.name, option)
            line = f"*--{option}* _{argument}_" if argument else f"*--{option}*"
            assert f"\t{line}\n" in m[0] or f"\n{line}\n" in shared, (verb.name, line)
        if verb.json:
            assert "With *--json* " + verb.json in m[0], (verb.name, verb.json, m[0])


class Bash:
    """A real one on a terminal of its own, with the completion sourced."""

    def __init__(self):
        folder = scratch()
        self.script = os.path.join(folder, "chancery.bash")
        with open(self.script, "w") as f:
            f.write(chancery("completion", "bash").stdout)
        self.terminal, self.number = Terminal(), 0
        child = self.terminal.child
        self.process = spawn("bash", "--norc", "--noprofile", "-i", stdin=child, stdout=child,
                             stderr=child, cwd=folder, start_new_session=True,
                             env={"PATH": os.environ["PATH"], "PS1": "", "TERM": "dumb",
                                  "HISTFILE": "/dev/null", "INPUTRC": "/dev/null"})
        os.mkdir(os.path.join(folder, "a-directory"))
        open(os.path.join(folder, "a-file.xml"), "w").close()
        self.line(f"source {self.script}; bind 'set enable-bracketed-paste off'")

    def line(self, text):
        """What the shell prints for it."""
        self.number += 1
        self.terminal.seen = ""
        self.terminal.write(f"{text}\necho end-''{self.number}\n")
        self.terminal.shows(f"\nend-{self.number}\r\n")
        return self.terminal.seen.replace("\r", "").split(f"\nend-{self.number}\n")[0]

    def complete(self, typed):
        """The line as it stands after a Tab: Ctrl-A puts an echo before it."""
        shown = self.line(f"{typed}\t\x01echo '<' \x05 '>'")
        return re.findall(r"^< (.*?) ?>$", shown, re.M)[-1]

    def close(self):
        self.process.kill()
        self.process.wait()


def completion_works_in_a_real_bash():
    shell = Bash()
    try:
        for typed, line in (("chancery li", "chancery list"),
                            ("chancery list im", "chancery list import"),
                            ("chancery help list im", "chancery help list import"),
                            ("chancery help --m", "chancery help --man"),
                            ("chancery event publish --label amber+", "chancery event publish --label amber+strict"),
                            ("chancery event publish --mode ex", "chancery event publish --mode exercise"),
                            ("chancery status --dir a-", "chancery status --dir a-directory/"),
                            ("chancery list import a-f", "chancery list import a-file.xml")):
            got = shell.complete(typed)
            assert got == line, (typed, got)
        verbs = table()
        for verb in verbs:
            begun = verb.name[:-1]
            got = shell.complete("chancery " + begun)
            alone = sum(v.name.startswith(begun) for v in verbs) == 1
            assert not alone or got.startswith("chancery " + verb.name), (verb.name, got)
            options = [*verb.options, "help"]
            for option in options:
                whole = f"chancery {verb.name} --{option}"
                several = sum(o.startswith(option[:-1]) for o in options) > 1
                got = shell.complete(whole if several else whole[:-1])
                assert got.startswith(whole), (whole, got)
    finally:
        shell.close()


def keys_are_made_shown_and_not_overwritten():
    file = os.path.join(scratch(), "a.key")
    words = ("key", "new", "--seat", "a", "--office", "QMA/npc", file)
    assert chancery(*words).returncode == 0
    assert os.stat(file).st_mode & 0o777 == 0o600
    with open(file) as f:
        before = f.read()
    done = chancery(*words)
    assert done.returncode == 1 and file in done.stderr, done
    with open(file) as f:
        assert f.read() == before
    shown = chancery("key", "show", file)
    assert re.search(r"^transport key   [0-9a-f]{64}$", shown.stdout, re.M), shown
    assert len(re.findall(r"fingerprint   [0-9a-f]{16}  (?:[a-z]{5}-){3}[a-z]{5}", shown.stdout)) == 3
    assert re.search(r"^age key         age1[0-9a-z]{58}$", shown.stdout, re.M), shown
    os.chmod(file, 0o644)
    done = chancery("key", "show", file)
    assert done.returncode == 1 and "chmod 600" in done.stderr, done


def an_instance_is_founded_once():
    instance = os.path.join(scratch(), "i")
    done = chancery("init", instance, "--party", "QMB", "--office", "npc", "--seat", "b", "--log", "b.example/x")
    assert done.returncode == 0 and "founded b.example/x" in done.stdout, done
    done = chancery("init", instance)
    assert done.returncode == 1 and "not empty" in done.stderr, done
    done = chancery("init", instance + "2", "--party", "Q M")
    assert done.returncode == 2 and "--party 'Q M' is not allowed" in done.stderr, done
    done = chancery("init", instance + "2", "--smtp", "smtp://127.0.0.1:25")
    assert done.returncode == 2 and "go together" in done.stderr, done
    assert not os.path.exists(instance + "2")


def the_version_is_told():
    done = chancery("--version")
    assert done.returncode == 0 and re.fullmatch(r"chancery \d+\.\d+\.\d+\n", done.stdout), done


if __name__ == "__main__":
    run([every_verb_has_help, every_verb_names_its_usage_in_every_error,
         words_that_mean_nothing_are_named, a_seat_that_is_none_is_named,
         what_is_not_there_suggests_what_is_near, the_manual_page_has_every_verb_and_option,
         completion_works_in_a_real_bash, keys_are_made_shown_and_not_overwritten,
         an_instance_is_founded_once, the_version_is_told])
