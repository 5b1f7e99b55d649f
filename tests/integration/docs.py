# SPDX-License-Identifier: Apache-2.0
"""docs.py - the manual pages are sound, and the example of a configuration is one that every program takes."""
import glob
import os
import re
import shutil
import subprocess

from instance import BUILD, SOURCE, Instance, Skip, run, tool
from notify import started

EXAMPLE = os.path.join(SOURCE, "docs", "chancery.conf")
PROGRAMS = ("chancery", "chancery-broker", "chancery-embargo", "chancery-sanctions", "chancery-alert",
            "chancery-metrics")


def settings():
    """(section, key) of every table of settings, as the programs print them."""
    found = []
    for program in PROGRAMS:
        done = subprocess.run([tool(program), "--settings"], capture_output=True, text=True)
        assert done.returncode == 0, done
        for line in done.stdout.splitlines():
            head = re.fullmatch(r"## \[(.*)\]", line)
            key = re.match(r"\*(.*?)\* = ", line)
            if head:
                section = head[1]
            if key:
                found.append((section, key[1].replace("\\", "")))
    return found


def the_manual_pages_are_complete_and_without_a_warning():
    pages = glob.glob(os.path.join(BUILD, "docs", "*.[1-9]"))
    assert len(pages) == 10, pages
    if not shutil.which("groff"):
        raise Skip("groff is not here")
    for page in pages:
        done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-P-c", page], capture_output=True,
                              text=True)
        warnings = [line for line in done.stderr.splitlines() if "can't break line" not in line]
        assert done.returncode == 0 and not warnings, done.stderr
        if page.endswith("chancery.conf.5"):
            text = re.sub("\b.", "", done.stdout)  # bold is struck twice
            for section, key in settings():
                assert f"[{section}]" in text and f"{key} = " in text, (section, key)


def logged():
    """(level, id) of every line that a program may log."""
    found = set()
    for path in glob.glob(os.path.join(SOURCE, "*", "**", "*.c"), recursive=True):
        if os.path.relpath(path, SOURCE).split(os.sep)[0] in ("lib", "broker", "workers", "adapters"):
            with open(path) as f:
                found |= set(re.findall(r'\blog_(error|warn|info|debug)\(\s*"([^"]*)"', f.read()))
    return found


def every_message_has_an_id_that_its_page_explains():
    with open(os.path.join(SOURCE, "docs", "chancery-messages.7.scd")) as f:
        page = f.read().split("# ENVIRONMENT")[0]
    found = logged()
    assert len(found) > 50 and all(re.fullmatch(r"[a-z]+\.[a-z-]+", name) for _, name in found), found
    explained = re.findall(r"\*([a-z]+\.[a-z-]+)\*", page)
    assert len(explained) == len(set(explained)), explained
    assert set(explained) == {name for _, name in found}, set(explained) ^ {name for _, name in found}
    waiting = page[:page.index("# TO KNOW OF")]
    for level, name in found:
        assert level != "error" or f"*{name}*" in waiting, name


def the_example_names_every_setting_and_no_other():
    section, named = "", []
    with open(EXAMPLE) as f:
        for line in f:
            head = re.match(r"\[(.*?)(?: un| tally)?\]", line)
            key = re.match(r"(?:; )?([a-z-]+) = ", line)
            if head:
                section = head[1] + (" NAME" if head[1] in ("rule", "process") else "")
            if key:
                named.append((section, key[1]))
    assert sorted(named) == sorted(settings()), set(named) ^ set(settings())


def checked(program, i):
    return subprocess.run([tool(program), "--config", i.dir, "--check"], capture_output=True, text=True)


def every_program_says_what_it_reads():
    i = Instance()
    with open(EXAMPLE) as f, open(i.conf) as own:
        text = re.sub("server-key = .*", re.search("server-key = .*", own.read())[0], f.read())
    with open(i.conf, "w") as f:
        f.write(text)
    told = {}
    for program in PROGRAMS[1:]:
        done = checked(program, i)
        assert done.returncode == 0 and not done.stderr, (program, done)
        told |= dict(re.findall(r"^(\[\S+\] \S+) = (.*)$", done.stdout, re.M))
    common = {"[connection] server-key", "[up] processes", "[terminal] seat"}  # a key, and of the terminal
    stated = {f"[{section}] {key}" for section, key in settings() if "NAME" not in section}
    assert set(told) == stated - common, set(told) ^ (stated - common)
    assert told["[metrics] listen"] == "127.0.0.1:9464" and told["[broker] disk-reserve"] == "64M", told
    with open(i.conf, "w") as f:
        f.write(text.replace("[metrics]\n", "[metrics]\nlisten = 10.0.0.1:1\n"))
    done = checked("chancery-metrics", i)
    assert done.returncode == 78 and re.search(r"chancery\.conf:\d+: .*listen", done.stderr), done


def serves(i, text):
    """All processes of the instance with these settings, but for its own key."""
    with open(i.conf) as f:
        own = re.search("server-key = .*", f.read())[0]
    with open(i.conf, "w") as f:
        f.write(re.sub("server-key = .*", own, text))
    i.listen()
    processes = started(i, "broker", "signer", "embargo", "sanctions", "alert", "metrics")
    assert i.json("list", "status")
    for p in reversed(processes):
        p.end()


def every_program_takes_the_example():
    i = Instance("--log", "chancery.qma.example/main")
    with open(EXAMPLE) as f:
        text = f.read()
    serves(i, text)
    with open(os.path.join(i.dir, "keys", "smtp"), "w") as f:
        f.write("secret\n")
    os.chmod(f.name, 0o600)
    every = re.sub("(?m)^; (?!listen = 127)([a-z-]+ = )", r"\1", text)
    serves(i, every.replace("tcp://0.0.0.0:7312", "ipc://run/broker.sock"))


if __name__ == "__main__":
    run([the_manual_pages_are_complete_and_without_a_warning, every_message_has_an_id_that_its_page_explains,
         the_example_names_every_setting_and_no_other, every_program_says_what_it_reads,
         every_program_takes_the_example])
