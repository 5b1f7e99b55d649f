# SPDX-License-Identifier: Apache-2.0
"""parser.py - a parser that its sandbox, a limit or a fault ends: the import is refused with code and cause.

What stands in the parser's place ends itself by the signal that a file beside the list names (support/dies.c)."""
import os
import shutil
import signal
import subprocess

from instance import Instance, run, scratch, snapshot, tool

DEATHS = {"SYS": ("list.forbidden", "SIGSYS"), "XCPU": ("list.limit", "SIGXCPU"),
          "KILL": ("list.limit", "SIGKILL"), "ABRT": ("list.parser_died", "SIGABRT"),
          "SEGV": ("list.parser_died", "SIGSEGV"), "TERM": ("list.parser_died", "ended before")}


def ends_by(name, folder):
    """How the stand-in ends on a file in the folder from now on."""
    with open(os.path.join(folder, "death"), "w") as f:
        f.write(f"{getattr(signal, 'SIG' + name).value}\n")


def a_parser_that_dies_is_a_refused_import():
    i = Instance()
    real = snapshot("2024-09-21", scratch())
    with open(i.conf) as f:
        conf = f.read()
    with open(i.conf, "w") as f:
        f.write(conf.replace("[sanctions]\n", f"[sanctions]\nparser = {tool('dies')}\n"))
    i.up()
    for word, (code, cause) in DEATHS.items():
        ends_by(word, os.path.join(i.dir, "run"))
        done = i.run("list", "import", "--list", "un", real)
        assert done.returncode == 1, (word, done.stdout, done.stderr)
        last = i.json("event", "ls", "--stream", "un.feed")[-1]
        assert last["payload"]["code"] == code and cause in last["payload"]["text"], (word, last)
        assert code in done.stdout + done.stderr, (word, done.stdout, done.stderr)
    assert not i.json("event", "ls", "--stream", "embargo.out")
    with open(i.conf, "w") as f:
        f.write(conf)
    assert i.kill("sanctions")
    i.check("list", "import", "--list", "un", real)


def list_diff_says_why_the_parser_died():
    files = scratch()
    shutil.copy(tool("dies"), os.path.join(files, "chancery-list-parse"))
    diff = shutil.copy(tool("chancery-list-diff"), files)
    real = snapshot("2024-09-21", files)
    for word, (code, cause) in DEATHS.items():
        ends_by(word, files)
        done = subprocess.run([diff, "--list", "un", real, real, "--json"], capture_output=True,
                              text=True, timeout=60)
        assert done.returncode == 1, (word, done)
        assert f'"{code}"' in done.stdout and cause in done.stdout, (word, done.stdout)


def a_file_beyond_all_measure_is_refused_before_it_is_read():
    path = os.path.join(scratch(), "large.xml")
    with open(path, "wb") as f:
        f.truncate(300 << 20)
    done = subprocess.run([tool("chancery-list-diff"), "--list", "un", path, path, "--json"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and '"list.limit"' in done.stdout, done
    assert "256 MiB" in done.stdout, done


if __name__ == "__main__":
    run([a_parser_that_dies_is_a_refused_import,
         list_diff_says_why_the_parser_died,
         a_file_beyond_all_measure_is_refused_before_it_is_read])
