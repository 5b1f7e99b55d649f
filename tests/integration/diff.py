# SPDX-License-Identifier: Apache-2.0
"""diff.py - `list diff` in each verdict: its exit status, its object, and what people read."""
import json
import os

from instance import run, scratch
from invented import person, references, un_list
from verbs import chancery

KEYS = ["verdict", "code", "reason", "warnings", "old", "new", "added", "removed", "rekeyed", "amended"]


def diff(old, new, status, *more):
    done = chancery("list", "diff", "--list", "un", old, new, "--json", *more)
    assert done.returncode == status, done
    found = json.loads(done.stdout)
    assert list(found) == KEYS, list(found)
    for which in ("old", "new"):
        assert list(found[which]) == ["generated", "entries"], found[which]
    shown = chancery("list", "diff", "--list", "un", old, new)
    assert shown.returncode == status and found["verdict"] in shown.stdout, shown
    return found, shown.stdout


def base(folder):
    return un_list(folder, "2026-01-01", [person(r) for r in references(30)])


def what_would_be_taken_is_accepted():
    folder = scratch()
    rest = references(30)[2:]
    new = un_list(folder, "2026-01-02", [
        person("QDi.901", alias="ANOTHER NAME"), *[person(r) for r in rest if r != "QDi.903"],
        person("QDi.903", dataid=9999999), person("QDi.951")])
    found, shown = diff(base(folder), new, 0)
    assert (found["verdict"], found["code"], found["reason"], found["warnings"]) == (
        "accepted", "", "", []), found
    assert found["old"] == {"generated": "2026-01-01T00:00:00Z", "entries": 30}
    assert found["new"] == {"generated": "2026-01-02T00:00:00Z", "entries": 30}
    assert (found["added"], found["removed"]) == (["QDi.951"], ["QDi.902"]), found
    assert found["rekeyed"] == [{"reference": "QDi.903", "old_id": "9000903", "new_id": "9999999"}]
    [amended] = found["amended"]
    assert (amended["reference"], amended["weight"]) == ("QDi.901", "substantive")
    assert list(amended) == ["reference", "weight", "fields"], amended
    [field] = amended["fields"]
    assert list(field) == ["name", "source", "before", "after"], field
    assert (field["name"], field["source"], field["before"]) == ("alias", "INDIVIDUAL_ALIAS", []), field
    assert field["after"] and "ANOTHER NAME" in field["after"][0], field
    assert "1 added, 1 removed, 1 amended" in shown, shown


def what_needs_a_person_is_held():
    folder = scratch()
    new = un_list(folder, "2026-01-02", [person(r) for r in references(8)])
    found, shown = diff(base(folder), new, 4)
    assert (found["verdict"], found["code"]) == ("held", "snapshot.removals"), found
    assert "22 of 30 entries would go" in found["reason"] and found["reason"] in shown
    assert found["removed"] == references(30)[8:] and found["added"] == []


def what_is_no_list_is_refused_with_file_and_line():
    folder = scratch()
    cut = os.path.join(folder, "cut.xml")
    with open(base(folder)) as f:
        text = f.read()
    with open(cut, "w") as f:
        f.write(text[:len(text) // 2])
    line = text[:len(text) // 2].count("\n") + 1
    found, shown = diff(base(folder), cut, 1)
    assert found["verdict"] == "refused" and found["code"].startswith("list."), found
    assert found["reason"].startswith(f"{cut}:{line}: "), (found["reason"], line)
    assert found["reason"] in shown
    assert found["old"]["entries"] == 30 and found["new"] == {"generated": "", "entries": 0}
    assert [found[k] for k in ("added", "removed", "rekeyed", "amended")] == [[]] * 4
    found, _ = diff(cut, base(folder), 1)
    assert found["reason"].startswith(f"{cut}:{line}: ") and found["old"]["entries"] == 0
    absent = os.path.join(folder, "absent.xml")
    found, _ = diff(base(folder), absent, 1)
    assert found["reason"].startswith(f"{absent}: ") and found["code"] == "list.unreadable", found


def the_list_is_un_unless_it_is_said():
    folder = scratch()
    old = base(folder)
    done = chancery("list", "diff", old, old)
    assert done.returncode == 0 and "0 added, 0 removed" in done.stdout, done
    done = chancery("list", "diff", "--list", "eu", old, old, "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["verdict"], found["code"]) == (1, "refused", "list.unknown"), done
    assert '"un"' in found["reason"], found


if __name__ == "__main__":
    run([what_would_be_taken_is_accepted, what_needs_a_person_is_held,
         what_is_no_list_is_refused_with_file_and_line, the_list_is_un_unless_it_is_said])
