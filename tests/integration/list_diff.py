#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""list_diff.py PROGRAM DATA: `list diff` over every neighbouring pair of the real UN lists.

What it finds is compared with expected-notices.json, which an independent script computed: the
references added, removed and amended, the changed elements of each, and the re-issued ids.
"""
import json
import lzma
import os
import subprocess
import sys
import tempfile

SKIP = 77


def unpack(data, directory, day):
    name = f"un-consolidated-{day}.xml"
    path = os.path.join(directory, name)
    if not os.path.exists(path):
        with lzma.open(os.path.join(data, name + ".xz")) as packed, open(path, "wb") as out:
            out.write(packed.read())
    return path


def found(program, old, new):
    run = subprocess.run([program, "--list", "un", old, new, "--json"],
                         stdout=subprocess.PIPE, check=False)
    assert run.returncode in (0, 4), f"exit status {run.returncode}"
    result = json.loads(run.stdout)
    assert result["verdict"] == {0: "accepted", 4: "held"}[run.returncode]
    return result


def differences(result, expected):
    """Lines that say where the result is not what is expected."""
    pairs = {
        "added": (set(result["added"]), {p["ref"] for p in expected["added"]}),
        "removed": (set(result["removed"]), {p["ref"] for p in expected["removed"]}),
        "rekeyed": ({p["reference"] for p in result["rekeyed"]},
                    set(expected["dataid_changed"])),
        "amended": ({(p["reference"], f["source"]) for p in result["amended"]
                     for f in p["fields"]},
                    {(p["ref"], f) for p in expected["amended"] for f in p["fields"]}),
        "entries": ({("old", result["old"]["entries"]), ("new", result["new"]["entries"])},
                    {("old", expected["old_count"]), ("new", expected["new_count"])}),
    }
    for what, (got, want) in pairs.items():
        if got != want:
            yield f"{what}: too many {sorted(got - want)[:5]}, too few {sorted(want - got)[:5]}"


def main():
    program, data = sys.argv[1:]
    if not os.path.isdir(data):
        print("SKIP list_diff: no real lists at ../shared/data/sanctions/un")
        return SKIP
    with open(os.path.join(data, "expected-notices.json"), encoding="utf-8") as file:
        steps = json.load(file)
    failed = 0
    with tempfile.TemporaryDirectory() as directory:
        for step in steps:
            old, new = (unpack(data, directory, step[day]) for day in ("old", "new"))
            result = found(program, old, new)
            wrong = list(differences(result, step))
            print(step["old"], step["new"], result["verdict"], result["reason"],
                  *(wrong or ["equal"]), sep=" | ")
            failed += bool(wrong)
            assert "snapshot.identity" != result["code"] and "disagree" not in result["reason"]
    print(f"{len(steps) - failed} of {len(steps)} pairs equal")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
