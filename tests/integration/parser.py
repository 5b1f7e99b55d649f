# SPDX-License-Identifier: Apache-2.0
"""parser.py - a parser that its sandbox, a limit or a fault ends: the import is refused with code and cause.

What stands in the parser's place ends itself by the signal that a file names, and is the real one where it names none."""
import os
import shutil
import subprocess

from instance import Instance, run, scratch, snapshot, tool

DEATHS = {"SYS": ("list.forbidden", "SIGSYS"), "XCPU": ("list.limit", "SIGXCPU"),
          "KILL": ("list.limit", "SIGKILL"), "ABRT": ("list.parser_died", "SIGABRT"),
          "SEGV": ("list.parser_died", "SIGSEGV"), "TERM": ("list.parser_died", "ended before")}


def stand_in(folder):
    """chancery-list-parse in the folder, and a function that says how it ends from now on."""
    program, word = os.path.join(folder, "chancery-list-parse"), os.path.join(folder, "word")
    with open(program, "w") as f:
        f.write(f'#!/bin/sh\nread -r word <{word}\n[ "$word" = none ] || kill -s "$word" $$\n'
                f'exec {tool("chancery-list-parse")} "$@"\n')
    os.chmod(program, 0o755)

    def ends_by(name):
        with open(word, "w") as f:
            f.write(name + "\n")
    return program, ends_by


def a_parser_that_dies_is_a_refused_import():
    i = Instance()
    files = scratch()
    program, ends_by = stand_in(files)
    with open(i.conf) as f:
        conf = f.read()
    with open(i.conf, "w") as f:
        f.write(conf.replace("[sanctions]\n", f"[sanctions]\nparser = {program}\n"))
    real = snapshot("2024-09-21", files)
    i.up()
    for word, (code, cause) in DEATHS.items():
        ends_by(word)
        done = i.run("list", "import", "--list", "un", real)
        assert done.returncode == 1, (word, done.stdout, done.stderr)
        last = i.json("event", "ls", "--stream", "un.feed")[-1]
        assert last["payload"]["code"] == code and cause in last["payload"]["text"], (word, last)
        assert code in done.stdout + done.stderr, (word, done.stdout, done.stderr)
    assert not i.json("event", "ls", "--stream", "embargo.out")
    ends_by("none")
    i.check("list", "import", "--list", "un", real)


def list_diff_says_why_the_parser_died():
    files = scratch()
    _, ends_by = stand_in(files)
    diff = shutil.copy(tool("chancery-list-diff"), files)
    real = snapshot("2024-09-21", files)
    for word, (code, cause) in DEATHS.items():
        ends_by(word)
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
