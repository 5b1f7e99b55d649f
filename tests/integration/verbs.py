# SPDX-License-Identifier: Apache-2.0
"""verbs.py - the table of verbs as `chancery help` tells it, for tests that hold for every verb."""
import re
import subprocess

from instance import tool


def chancery(*words, stdin=None, env=None, timeout=120, cwd=None):
    return subprocess.run([tool("chancery"), *map(str, words)], input=stdin, text=True, env=env,
                          capture_output=True, timeout=timeout, cwd=cwd)


class Verb:
    """One row: its words, the arguments it asks for, its options, what --json prints."""

    def __init__(self, noun, verb):
        self.words = [noun, verb] if verb else [noun]
        self.name = " ".join(self.words)
        self.help = chancery("help", *self.words).stdout
        usage = self.help.split("\n\n")[0]
        behind = usage.split(self.name, 1)[1]
        words = re.sub(r"\[?--[a-z-]+( [A-Z]+)?\]?", "", behind)
        self.most = len(re.findall(r"[A-Z]+", words))
        if "..." in words:
            self.most = int(re.search(r"At most (\d+)", self.help)[1])
        self.arguments = re.findall(r"[A-Z]+", re.sub(r"\[.*\]", "", words))
        self.needed = re.findall(r"(?<!\[)--(\S+) ", behind)
        self.options = {m[1]: (m[2] or "").strip()
                        for m in re.finditer(r"^  --([a-z-]+)( [A-Z]+)?", self.help, re.M)}
        m = re.search(r"^--json prints (.*)", self.help, re.M | re.S)
        self.json = " ".join(m[1].split()) if m else None
        self.fields = set(self.json.split(": ", 1)[1].split(", ")) if m else None

    def call(self):
        """The least that is no error of usage, but for what the words mean."""
        words = [*self.words, *["x" for _ in self.arguments]]
        for option in self.needed:
            words += [f"--{option}", "x"]
        return words


def table():
    found = []
    for line in chancery("help").stdout.splitlines():
        m = re.match(r"  ([a-z]+)(?: ([a-z-]+))?  +\S", line)
        if m:
            found.append(Verb(m[1], m[2] or ""))
    return found
