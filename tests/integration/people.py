# SPDX-License-Identifier: Apache-2.0
"""people.py - how a person gets a seat and keeps its keys: invitation, card, admission, rotation; real processes.

Two parties: QMA runs the service, QMB/desk fills two seats itself. Directories of seats are made by `chancery join`."""
import base64
import json
import os
import re
import shutil
import signal
import subprocess

from instance import Commands, Instance, run, scratch, spawn, wait_for

EVENT = ("--stream", "qmb.in", "--type", "embargo.ConfirmSnapshot")
WORDS = "-".join(["[a-z]{5}"] * 6)
running = []


class Desk(Commands):
    """A seat's own directory, as `join` made it."""

    def __init__(self, invitation, seat):
        self.seat, self.dir = seat, os.path.join(scratch(), "desk")
        self.joined = self.check("join", invitation, self.dir, dir=False)
        self.card = os.path.join(self.dir, f"{seat}.card")
        self.key = os.path.join(self.dir, "keys", f"{seat}.key")

    def publish(self):
        return self.run("event", "publish", "-", *EVENT, stdin='{"list": "un"}')

    def keys(self):
        """Of the seat: [id, revoked or not], oldest first."""
        return [(k["keyId"], k["revoked"]) for k in self.json("seat", "show", self.seat)[0]["keys"]]

    def id_of(self, file):
        return [line["hex"] for line in self.json("key", "fingerprint", file, dir=False)]


def service():
    """The one instance of this module, with QMB's desk; started at its first use."""
    if running:
        return running[0]
    i = Instance("--log", "chancery.qma.example/people")
    i.up()
    admin = ("--yes", "--seat", "administrator")
    i.check("party", "add", "QMB", *admin)
    i.check("office", "add", "QMB/desk", "--seats", "2", *admin)
    i.check("access", "allow", "desk-reads", "QMB/desk", "read", "*", *admin)
    i.check("access", "allow", "desk-writes", "QMB/desk", "publish", "qmb.in", *admin)
    running.append(i)
    return i


def invite(i, seat, office="QMB/desk", *options):
    file = os.path.join(scratch(), "invitation")
    i.check("seat", "invite", seat, office, file, *options)
    return file


def refused(done, *texts):
    assert done.returncode == 1, done
    for text in texts:
        assert text in done.stderr, (text, done.stderr)


def seated(i):
    return {s["seat"]: s for s in i.json("seat", "ls")}


def admitted(seat):
    """A desk whose seat was admitted by the administrator, of an office with room."""
    i = service()
    desk = Desk(invite(i, seat), seat)
    i.check("seat", "admit", desk.card, "--yes", "--seat", "administrator")
    return desk


# ---- a seat ----

def who_is_invited_joins_is_admitted_publishes_and_reads():
    i = service()
    desk = Desk(invite(i, "bela", "QMB/desk", "--name", "Béla B., clerk"), "bela")
    assert os.stat(desk.key).st_mode & 0o777 == 0o600 and os.stat(desk.dir).st_mode & 0o777 == 0o700
    with open(desk.card) as card, open(desk.key) as key:
        secrets = [line.split(" = ")[1].strip() for line in key if "secret" in line or "seed" in line]
        text = card.read()
        assert secrets and all(s and s not in text for s in secrets)
    assert desk.publish().returncode == 3, "a seat that is not admitted has no session"

    shown = i.check("seat", "admit", desk.card, "--yes", "--seat", "administrator")
    words = desk.json("key", "fingerprint", desk.card, dir=False)[0]["words"]
    assert words in desk.joined and words in shown, (words, desk.joined, shown)
    assert "Béla B., clerk" in shown and "QMB/desk" in shown

    assert desk.publish().returncode == 0
    desk.check("log", "head")
    assert desk.check("event", "ls", "--stream", "qmb.in").count("ConfirmSnapshot") == 1
    seat = desk.json("seat", "show", "BELA")[0]
    assert (seat["seat"], seat["standing"], seat["name"]) == ("bela", "seated", "Béla B., clerk")
    assert sorted(k["keyId"] for k in seat["keys"]) == sorted(desk.id_of(desk.key))
    refused(desk.run("seat", "show", "nobody"), "nobody: no such seat", "seat ls")


def nothing_is_signed_without_a_word():
    i = service()
    desk = Desk(invite(i, "unasked"), "unasked")
    done = i.run("seat", "admit", desk.card, "--seat", "administrator", stdin="y\n")
    refused(done, "unasked is seated in QMB/desk", "Sign it?", "nothing was signed")
    assert "unasked" not in seated(i)


def a_card_changed_by_one_byte_is_refused():
    i = service()
    desk = Desk(invite(i, "changed"), "changed")
    with open(desk.card, "rb") as f:
        whole = f.read()
    for at in [0, len(whole) - 1, *range(7, len(whole), 61)]:
        for flip in (0x01, 0x20):
            with open(desk.card, "wb") as f:
                f.write(whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1:])
            done = desk.run("key", "fingerprint", desk.card, dir=False)
            assert done.returncode == 1 and done.stderr, (at, flip, done)
    refused(i.run("seat", "admit", desk.card, "--yes", "--seat", "administrator"), desk.card)
    with open(desk.card, "wb") as f:
        f.write(whole[:-1])
    refused(i.run("seat", "admit", desk.card, "--yes", "--seat", "administrator"), desk.card)
    assert "changed" not in seated(i)


def a_card_for_another_log_or_broker_is_refused():
    i, other = service(), Instance("--log", "chancery.qmz.example/other")
    desk = Desk(invite(other, "foreign"), "foreign")
    refused(i.run("seat", "admit", desk.card, "--yes", "--seat", "administrator"), desk.card,
            "for the log chancery.qmz.example/other; this is chancery.qma.example/people")
    same = Instance("--log", "chancery.qma.example/people")
    desk = Desk(invite(same, "foreign"), "foreign")
    refused(i.run("seat", "admit", desk.card, "--yes", "--seat", "administrator"), desk.card,
            "another broker's key")
    invitation = invite(i, "foreign")
    with open(invitation) as f, open(os.path.join(same.dir, "log.vkey")) as vkey:
        ours, theirs = f.read(), vkey.read().strip()
    with open(invitation, "w") as f:
        f.write("".join(f"log-key = {theirs}\n" if line.startswith("log-key") else line
                        for line in ours.splitlines(True)))
    desk = Desk(invitation, "foreign")
    refused(i.run("seat", "admit", desk.card, "--yes", "--seat", "administrator"), desk.card,
            "another verifier key")
    assert "foreign" not in seated(i)


def a_directory_that_is_not_empty_is_left_alone():
    i, folder = service(), scratch()
    open(os.path.join(folder, "mine"), "w").close()
    refused(i.run("join", invite(i, "late"), folder, dir=False), "is not empty; name a new directory")
    assert os.listdir(folder) == ["mine"]
    file = invite(i, "late")
    refused(i.run("seat", "invite", "late", "QMB/desk", file), file, "exists")


def an_office_fills_its_own_seats_and_no_more():
    i = service()
    admin = ("--yes", "--seat", "administrator")
    i.check("office", "add", "QMB/own", "--seats", "2", *admin)
    first = Desk(invite(i, "own-1", "QMB/own"), "own-1")
    i.check("seat", "admit", first.card, *admin)
    second = Desk(invite(i, "own-2", "QMB/own"), "own-2")
    first.check("seat", "admit", second.card, "--yes")
    third = Desk(invite(i, "own-3", "QMB/own"), "own-3")
    refused(first.run("seat", "admit", third.card, "--yes"), "nothing was recorded", "QMB/own has its 2 seats")
    elsewhere = Desk(invite(i, "own-4", "QMB/desk"), "own-4")
    refused(first.run("seat", "admit", elsewhere.card, "--yes"), "nothing was recorded",
            "not its own office's to sign")
    now = seated(i)
    assert "own-2" in now and len(now["own-2"]["keys"]) == 3
    assert "own-3" not in now and "own-4" not in now
    refused(i.run("seat", "admit", second.card, *admin), "is there already")


def a_table_of_contacts_is_invited_and_a_wrong_line_is_named():
    i, folder = service(), scratch()
    table, out = os.path.join(folder, "contacts.csv"), os.path.join(folder, "out")
    lines = ["seat,office,name", 'vera,QMB/desk,"Vera ""V"", QMB"', "karl,QMB,Karl"]
    with open(table, "w") as f:
        f.write("\r\n".join(lines) + "\r\n")
    refused(i.run("seat", "invite", "--from", table, "--out", out), f"{table}:3: the office must be")
    assert not os.path.exists(out), "nothing is written for a table that is wrong"
    with open(table, "w") as f:
        f.write("\r\n".join([*lines[:2], "karl,QMB/desk,"]) + "\r\n")
    i.check("seat", "invite", "--from", table, "--out", out, "--endpoint", "tcp://192.0.2.7:7312")
    assert sorted(os.listdir(out)) == ["karl.invitation", "vera.invitation"]
    with open(os.path.join(out, "vera.invitation")) as f:
        text = f.read()
    assert 'name = Vera "V", QMB\n' in text and "endpoint = tcp://192.0.2.7:7312\n" in text, text
    Desk(os.path.join(out, "vera.invitation"), "vera")


# ---- its keys ----

def stands_and_revoked_seats_show():
    i = service()
    desk = admitted("leaves")
    i.check("seat", "revoke", "leaves", "--reason", "moved", "--yes", "--seat", "administrator")
    seat = seated(i)["leaves"]
    assert seat["standing"] == "revoked" and all(k["revoked"] for k in seat["keys"]), seat
    assert "revoked" in i.check("seat", "show", "leaves")
    assert desk.publish().returncode == 3


def an_act_that_waits_or_was_withdrawn_changes_no_key_shown():
    i = Instance()
    i.up()
    admin = ("--yes", "--seat", "administrator")
    first = i.json("seat", "ls")[0]["office"]
    second = Desk(invite(i, "second", first), "second")
    i.check("seat", "admit", second.card, *admin)
    i.check("quorum", "set", "2", *admin)
    before = seated(i)["second"]
    key = bytes.fromhex(before["keys"][0]["keyId"])
    revoke = {"seat": "second", "keyId": base64.b64encode(key).decode()}
    position = str(i.json("event", "publish", "-", "--seat", "administrator", "--stream", "registry", "--type",
                          "core.KeyRevoked", stdin=json.dumps(revoke))[0]["position"])
    assert seated(i)["second"] == before
    i.check("act", "withdraw", position, *admin)
    assert seated(i)["second"] == before
    i.down()


def an_administrator_is_admitted_by_two_together():
    i = Instance()
    i.up()
    admin, second = ("--yes", "--seat", "administrator"), ("--yes", "--seat", "second")
    office = next(s["office"] for s in i.json("seat", "ls") if s["seat"] == "administrator")
    desks = {name: Desk(invite(i, name, office), name) for name in ("second", "third")}
    i.check("seat", "admit", desks["second"].card, *admin)
    i.check("quorum", "set", "2", *admin)
    told = i.check("seat", "admit", desks["third"].card, *admin)
    positions = re.search(r"chancery act confirm ((?:\d+ ?)+)$", told, re.M)[1].split()
    assert len(positions) == 4, told
    assert "third" not in seated(i), "nothing of it is in force"
    [fate] = [x for x in i.json("seat", "invitations") if x["seat"] == "third"]
    assert (fate["state"], fate["position"]) == ("waiting", int(positions[0])), fate
    own = i.run("act", "confirm", *positions, *admin)
    refused(own, "another one must")
    shutil.copy(desks["second"].key, os.path.join(i.dir, "keys"))
    keys_first = i.run("act", "confirm", positions[1], positions[0], *second)
    refused(keys_first, "confirm its admission")
    assert len(i.json("act", "ls")) == 4, "all of them or none"
    i.check("act", "confirm", *positions, *second)
    assert i.json("act", "ls") == []
    assert len(seated(i)["third"]["keys"]) == 3
    assert desks["third"].json("seat", "show", "third")[0]["standing"] == "seated", "its keys are good"
    # one that is not wanted any more goes as a whole
    fourth = Desk(invite(i, "fourth", office), "fourth")
    told = i.check("seat", "admit", fourth.card, *admin)
    i.check("act", "withdraw", *re.search(r"chancery act confirm ((?:\d+ ?)+)$", told, re.M)[1].split(), *admin)
    assert i.json("act", "ls") == [] and "fourth" not in seated(i)
    i.down()
    i.check("log", "verify", i.dir, dir=False)


def every_invitation_is_followed_up():
    i = Instance()
    i.up()
    admin, out = ("--yes", "--seat", "administrator"), os.path.join(scratch(), "out")
    i.check("party", "add", "QMB", *admin)
    i.check("office", "add", "QMB/desk", *admin)
    i.check("office", "add", "QMB/other", *admin)
    table = os.path.join(scratch(), "contacts.csv")
    with open(table, "w") as f:
        f.write("seat,office,name\nopen,QMB/desk,Olu O.\nhere,QMB/desk,\nleft,QMB/desk,\ngone,QMB/desk,\n")
    i.check("seat", "invite", "--from", table, "--out", out)
    stray = invite(i, "stray", "QMB/desk", "--name", "Sara; of the desk")
    assert os.stat(os.path.join(i.dir, "invitations", "open")).st_mode & 0o777 == 0o600

    def fates(*options):
        return {x["seat"]: x for x in i.json("seat", "invitations", *options)}
    assert {x["state"] for x in fates().values()} == {"open"} and len(fates()) == 5
    assert fates()["stray"]["name"] == "Sara; of the desk"
    with open(stray) as f:
        assert f"code = {fates()['stray']['code']}\n" in f.read()
    for seat in ("here", "left", "gone"):
        i.check("seat", "admit", Desk(os.path.join(out, f"{seat}.invitation"), seat).card, *admin)
    i.check("seat", "leave", "left", *admin)
    i.check("seat", "revoke", "gone", *admin)
    i.register("SeatAdmitted", {"seat": "stray", "office": "QMB/other", "kind": "SEAT_KIND_PERSON"})
    found = fates()
    assert {s: x["state"] for s, x in found.items()} == {
        "open": "open", "here": "admitted", "left": "left", "gone": "revoked", "stray": "keyless"}, found
    event = i.json("event", "show", str(found["here"]["position"]), "--seat", "administrator")[0]
    assert event["payload"]["seat"] == "here" and event["envelope"]["type"].endswith("SeatAdmitted"), event
    record = os.path.join(i.dir, "invitations", "open")
    with open(record) as f:
        text = f.read()
    with open(record, "w") as f:
        f.write(re.sub(r"(?m)^at = .*", "at = 2026-01-02T03:04:05Z", text))
    assert list(fates("--older", "30")) == ["open"] and fates("--older", "30")["open"]["days"] > 30
    said = i.check("seat", "invitations")
    assert re.search(r"^open +QMB/desk +2026-01-02 03:04:05 UTC +open for \d+ days +Olu O\.$", said, re.M), said
    # a new invitation takes the place; one that cannot be kept is not written
    invite(i, "open")
    assert list(fates("--older", "30")) == []
    with open(record, "w") as f:
        f.write("[invited]\nseat = open\n")
    refused(i.run("seat", "invitations"), "invitations/open", "office")
    os.unlink(record)
    os.mkdir(record)
    file = os.path.join(scratch(), "invitation")
    refused(i.run("seat", "invite", "open", "QMB/desk", file), "invitations/open", "cannot be kept")
    assert not os.path.exists(file)
    i.down()


def new_keys_take_the_place_of_the_old_ones():
    i, desk = service(), admitted("rota")
    old = desk.id_of(desk.key)
    desk.check("seat", "rotate", "--yes")
    new = desk.id_of(desk.key)
    assert not set(old) & set(new)
    assert desk.keys() == [(k, True) for k in old] + [(k, False) for k in new]
    assert desk.id_of(desk.key + ".old") == old and os.stat(desk.key).st_mode & 0o777 == 0o600
    assert sorted(os.listdir(os.path.dirname(desk.key))) == ["rota.key", "rota.key.old"]
    assert desk.publish().returncode == 0
    shutil.move(desk.key, desk.key + ".kept")
    shutil.copy(desk.key + ".old", desk.key)
    done = desk.publish()
    assert done.returncode == 3 and "does not know the keys of rota" in done.stderr, done
    os.replace(desk.key + ".kept", desk.key)
    assert desk.publish().returncode == 0
    # what was signed with the old keys, the rotation too, is sound
    assert "ok: " in i.check("log", "verify", i.copy(), dir=False)


def old_keys_are_kept_for_what_was_sealed_for_them():
    desk = admitted("keeper")
    ages = []
    for _ in range(3):
        ages.append(desk.json("key", "show", desk.key, dir=False)[0]["age"])
        desk.check("seat", "rotate", "--yes")
    folder = os.path.dirname(desk.key)
    kept = [desk.json("key", "show", os.path.join(folder, name), dir=False)[0]["age"]
            for name in os.listdir(folder) if ".old" in name]
    assert sorted(kept) == sorted(ages), (kept, ages)


def a_process_gets_no_age_key():
    i = service()
    before = i.json("key", "show", os.path.join(i.dir, "keys", "metrics.key"), dir=False)[0]
    assert before["age"] == ""
    i.check("seat", "rotate", "--yes", "--seat", "metrics")
    after = i.json("key", "show", os.path.join(i.dir, "keys", "metrics.key"), dir=False)[0]
    assert after["age"] == "" and after["curve"] != before["curve"]
    assert sum(not k["revoked"] for k in seated(i)["metrics"]["keys"]) == 2


def keys_that_the_broker_is_known_by_are_not_rotated():
    refused(service().run("seat", "rotate", "--yes", "--seat", "broker"), "cannot be changed")


def a_refused_rotation_leaves_the_old_keys_in_force():
    i, desk = service(), admitted("denied")
    admin = ("--yes", "--seat", "administrator")
    i.check("access", "deny", "denied-keys", "seat:denied", "publish", "registry", *admin)
    refused(desk.run("seat", "rotate", "--yes"), "nothing was recorded", "access.denied")
    assert desk.publish().returncode == 0
    i.check("access", "rm", "denied-keys", *admin)
    waiting = desk.id_of(desk.key + ".new")
    desk.check("seat", "rotate", "--yes")
    assert desk.id_of(desk.key) == waiting and desk.publish().returncode == 0


def killed(desk, moment):
    """Kills a rotation when moment() holds, another one where it was too quick; the ids of the keys before and of
    those that it had made."""
    def once():
        old, holds = desk.id_of(desk.key), moment()
        process = spawn(desk.program, "seat", "rotate", "--yes", "--dir", desk.dir, stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL)
        wait_for("the moment to kill", lambda: holds() or process.poll() is not None, pause=0)
        process.send_signal(signal.SIGKILL)
        process.wait()
        return os.path.exists(new) and (old, desk.id_of(new))

    new = desk.key + ".new"
    return wait_for("a rotation killed on its way", once)


def is_finished(desk, old, made):
    """Run again it ends with the keys that were made in force, and those before revoked, each once."""
    assert desk.id_of(desk.key) == old, "until then the old file is in place"
    desk.check("seat", "rotate", "--yes")
    assert desk.id_of(desk.key) == made and desk.publish().returncode == 0
    keys = desk.keys()
    assert sorted(k for k, revoked in keys if not revoked) == sorted(made), (keys, made)
    assert set(old) <= {k for k, revoked in keys if revoked}
    assert len({k for k, _ in keys}) == len(keys)
    left = os.listdir(os.path.dirname(desk.key))
    assert not [name for name in left if ".new" in name or ".made" in name], left


def a_rotation_killed_before_it_publishes_is_finished():
    desk = admitted("early")
    is_finished(desk, *killed(desk, lambda: lambda: os.path.exists(desk.key + ".new")))


def a_rotation_killed_once_it_is_recorded_is_finished():
    i, desk = service(), admitted("middle")

    def recorded():
        made_before = len(seated(i)["middle"]["keys"])
        return lambda: len(seated(i)["middle"]["keys"]) > made_before

    old, made = killed(desk, recorded)
    assert made[0] in [k for k, _ in in_force(i, "middle")], "it was recorded before the kill"
    is_finished(desk, old, made)


def in_force(i, seat):
    return [(k["keyId"], k["revoked"]) for k in seated(i)[seat]["keys"] if not k["revoked"]]


def a_rotation_killed_before_it_renames_is_finished():
    desk = admitted("last")

    def kept():
        if os.path.exists(desk.key + ".old"):
            os.remove(desk.key + ".old")
        return lambda: os.path.exists(desk.key + ".old")

    is_finished(desk, *killed(desk, kept))


def keys_torn_while_they_were_made_are_made_anew():
    desk = admitted("torn")
    shutil.copy2(desk.key, desk.key + ".new.made")
    os.truncate(desk.key + ".new.made", 100)
    old = desk.id_of(desk.key)
    desk.check("seat", "rotate", "--yes")
    assert desk.id_of(desk.key) != old and desk.publish().returncode == 0
    assert sorted(os.listdir(os.path.dirname(desk.key))) == ["torn.key", "torn.key.old"]


def a_rotation_without_a_broker_says_so_and_is_finished_later():
    i = Instance()
    i.up()
    before = Desk(invite(i, "alone", "QMA/secretariat"), "alone")
    i.check("seat", "admit", before.card, "--yes", "--seat", "administrator")
    i.down()
    done = before.run("seat", "rotate", "--yes")
    assert done.returncode == 3 and "run this again: it finishes" in done.stderr, done
    i.up()
    old, made = before.id_of(before.key), before.id_of(before.key + ".new")
    before.check("seat", "rotate", "--yes")
    assert before.id_of(before.key) == made != old
    i.down()


if __name__ == "__main__":
    run([who_is_invited_joins_is_admitted_publishes_and_reads, nothing_is_signed_without_a_word,
         a_card_changed_by_one_byte_is_refused, a_card_for_another_log_or_broker_is_refused,
         a_directory_that_is_not_empty_is_left_alone, an_office_fills_its_own_seats_and_no_more,
         a_table_of_contacts_is_invited_and_a_wrong_line_is_named, stands_and_revoked_seats_show,
         an_act_that_waits_or_was_withdrawn_changes_no_key_shown,
         an_administrator_is_admitted_by_two_together, every_invitation_is_followed_up, new_keys_take_the_place_of_the_old_ones,
         old_keys_are_kept_for_what_was_sealed_for_them, a_process_gets_no_age_key,
         keys_that_the_broker_is_known_by_are_not_rotated, a_refused_rotation_leaves_the_old_keys_in_force,
         a_rotation_killed_before_it_publishes_is_finished, a_rotation_killed_once_it_is_recorded_is_finished,
         a_rotation_killed_before_it_renames_is_finished, keys_torn_while_they_were_made_are_made_anew,
         a_rotation_without_a_broker_says_so_and_is_finished_later])
