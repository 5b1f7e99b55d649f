# SPDX-License-Identifier: Apache-2.0
"""readme.py - what README.md shows is what is printed.

Lines must come in the order shown; `...` stands for any lines. What differs from run to run (paths, hashes, process
ids) is masked on both sides."""
import os
import re
import shutil
import subprocess

from instance import SOURCE, run, scratch, snapshot, spawn, tool, wait_for


def block(marker, page="README.md"):
    """The lines of the console block behind <!-- marker -->."""
    with open(os.path.join(SOURCE, page)) as f:
        text = f.read()
    found = re.search(r"<!-- %s -->\n```console\n(.*?)```" % re.escape(marker), text, re.S)
    assert found, f"{page} has no block '{marker}'"
    return found.group(1).splitlines()


def mask(line):
    line = re.sub(r"/tmp/chancery-demo-\w+|/\S*/(?=instance|un-consolidated)", "DIR", line)
    line = re.sub(r"DIR/", "DIR", line)
    line = re.sub(r" of \S+Z, root", " of TIME, root", line)
    return re.sub(r"\b[0-9a-f]{64}\b", "HASH", line).rstrip()


def shows(expected, printed):
    """Fails at the first shown line that does not come where it should."""
    rest, gap = [mask(line) for line in printed], True
    for line in map(mask, expected):
        if line == "...":
            gap = True
            continue
        if gap:
            assert line in rest, f"not printed: {line}\n" + "\n".join(rest)
            rest = rest[rest.index(line) + 1:]
        else:
            assert rest and rest[0] == line, f"expected: {line}\nprinted:  {rest[:1]}"
            rest = rest[1:]
        gap = False


def the_demo_prints_what_is_shown():
    where = os.path.join(scratch(), "demo")
    done = subprocess.run([tool("chancery"), "demo", "--once", "--dir", where], timeout=300,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          env={**os.environ, "TMPDIR": scratch()})
    assert done.returncode == 0, done.stdout
    shows(block("chancery demo --once"), [line.replace(where, "/tmp/chancery-demo-x")
                                          for line in done.stdout.splitlines()])


def an_instance_of_one_s_own_prints_what_is_shown():
    work, printed, up = scratch(), [], None
    snapshot("2023-03-27", work)
    expected = block("instance")
    for command in [line[2:] for line in expected if line.startswith("$ ")]:
        printed.append("$ " + command)
        words = command.split()
        assert words[0] == "chancery"
        words[0] = tool("chancery")
        if words[-1] == "&":
            up = spawn(*words[:-1], cwd=work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            wait_for("the instance answers", lambda: subprocess.run(
                [words[0], "list", "status", "--dir", "here"], cwd=work,
                capture_output=True).returncode == 0)
            continue
        done = subprocess.run(words, cwd=work, timeout=300, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True)
        assert done.returncode == 0, (command, done.stdout)
        printed += done.stdout.splitlines()
    up.terminate()
    up.wait(30)
    shows(expected, printed)
    shutil.rmtree(work)


def every_folder_named_has_its_page():
    with open(os.path.join(SOURCE, "README.md")) as f:
        links = re.findall(r"\]\((\S+?)\)", f.read())
    assert links
    for link in links:
        assert os.path.exists(os.path.join(SOURCE, link)), link


def every_verb_named_is_there():
    with open(os.path.join(SOURCE, "README.md")) as f:
        text = f.read()
    verbs = subprocess.run([os.path.join(SOURCE, "dev"), "help"], capture_output=True,
                           text=True).stdout
    for verb in set(re.findall(r"\./dev (\w+)", text)):
        assert re.search(rf"^  {verb}\b", verbs, re.M), verb


if __name__ == "__main__":
    run([the_demo_prints_what_is_shown, an_instance_of_one_s_own_prints_what_is_shown,
         every_folder_named_has_its_page, every_verb_named_is_there])
