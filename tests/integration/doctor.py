# SPDX-License-Identifier: Apache-2.0
"""doctor.py - `chancery doctor` on a healthy instance and on broken ones, and what it says mends them."""
import json
import os
import re
import shutil
import subprocess

from instance import Instance, Skip, run, scratch, snapshot, spawn, tool, wait_for

TEST_MACHINE = {"time"}  # no time service needs to run where tests do
CHECKS = ["configuration", "keys", "file-system", "sync", "space", "parts", "broker", "time", "log", "workers", "lists",
          "alerts", "mail", "backup"]


def examined(i, status=None):
    """What it found, by check: [(health, text, next)]."""
    report = json.loads(i.check("doctor", "--format", "json", status=status))
    found = {}
    for f in report["findings"]:
        found.setdefault(f["check"], []).append((f["health"], f["text"], f["next"]))
    return found


def healths(found):
    return {check: max((h for h, _, _ in list_), key=["ok", "warn", "fail"].index)
            for check, list_ in found.items() if check not in TEST_MACHINE}


def broken(i, check, health, text, next_step):
    """It names that and nothing else that failed: the finding."""
    found = examined(i, status=1 if health == "fail" else 0)
    assert healths(found).get(check) == health, found
    others = {c for c, h in healths(found).items() if h == "fail"} - {check}
    assert not others, found
    [finding] = [f for f in found[check] if re.search(text, f[1])]
    assert finding[0] == health and re.search(next_step, finding[2]), found
    return finding


def healthy(*options):
    i = Instance(*options)
    i.up()
    i.check("log", "backup", i.dir, os.path.join(i.root, "backup"), dir=False)
    return i


def change(i, old, new):
    with open(i.conf) as f:
        text = f.read()
    assert old in text, text
    with open(i.conf, "w") as f:
        f.write(text.replace(old, new))


def a_healthy_instance_is_well():
    i = healthy()
    found = examined(i, status=0)
    assert list(found) == CHECKS and set(healths(found).values()) == {"ok"}, found
    lines = i.check("doctor").splitlines()
    assert re.fullmatch(r"\d+ ok, [01] to look at, 0 failed", lines[-1]), lines
    assert not [f for f in os.listdir(os.path.join(i.dir, "log")) if "probe" in f]


def a_key_that_others_can_read_is_mended_by_what_it_says():
    i = healthy()
    os.chmod(os.path.join(i.dir, "keys", "broker.key"), 0o644)
    _, _, command = broken(i, "keys", "fail", r"broker\.key is open to others \(mode 644\)", "^chmod 600 ")
    subprocess.run(command.split(), check=True)
    assert healths(examined(i))["keys"] == "ok"


def old_keys_are_as_secret_and_an_interrupted_rotation_is_named():
    i = healthy()
    key = os.path.join(i.dir, "keys", "officer.key")
    for ending in (".old", ".old.0123456789abcdef"):
        shutil.copy(key, key + ending)
        os.chmod(key + ending, 0o640)
        _, _, command = broken(i, "keys", "fail", rf"officer\.key{re.escape(ending)} is open to others", "^chmod 600 ")
        subprocess.run(command.split(), check=True)
    shutil.copy(key, key + ".new")
    _, _, step = broken(i, "keys", "warn", r"officer\.key\.new is left by a rotation", "chancery seat rotate --seat officer$")
    os.unlink(key + ".new")
    assert healths(examined(i))["keys"] == "ok"


def parts_that_others_can_read_are_named():
    i = healthy()
    parts = os.path.join(i.dir, "parts")
    os.chmod(parts, 0o755)
    _, _, command = broken(i, "parts", "fail", r"parts is open to others \(mode 755\)", "^chmod 700 ")
    subprocess.run(command.split(), check=True)
    assert healths(examined(i))["parts"] == "ok"
    if os.geteuid() == 0:
        os.chown(parts, 65534, 65534)
        _, _, command = broken(i, "parts", "fail", "parts has another owner than", "^chown -R --reference=")
        subprocess.run(command.split(), check=True)
        assert healths(examined(i))["parts"] == "ok"


def a_key_that_is_gone_is_named():
    i = healthy()
    key = os.path.join(i.dir, "keys", "embargo.key")
    os.rename(key, key + ".away")
    broken(i, "keys", "fail", r"keys/embargo\.key", "bring the key back")


def a_setting_that_is_wrong_is_named_with_its_line():
    i = healthy()
    change(i, "[broker]\n", "[broker]\nquota-events = many\n")
    with open(i.conf) as f:
        line = f.read().split("quota-events")[0].count("\n") + 1
    broken(i, "configuration", "fail", rf"broker: .*chancery\.conf:{line}: .*quota-events", "mend what is named")
    change(i, "quota-events = many", "quota-evens = 1")
    broken(i, "configuration", "fail", "quota-events", "mend what is named")


def a_broker_that_does_not_run_is_named():
    i = healthy()
    i.down()
    found = examined(i, status=1)
    assert found["broker"][0][0] == "fail" and "chancery up" in found["broker"][0][2], found
    assert set(found) == set(CHECKS) - {"log", "workers", "lists", "alerts"}, found


def a_worker_that_does_not_run_is_named():
    i = Instance()
    broker = spawn(tool("chancery-broker"), "--config", i.dir, stderr=subprocess.DEVNULL)
    wait_for("it answers", lambda: i.run("log", "head").returncode == 0)
    broken(i, "workers", "fail", "no worker offers the service embargo", "start it")
    broker.terminate()
    broker.wait(30)


def a_mail_server_that_is_not_there_is_named():
    i = healthy("--smtp", "smtp://127.0.0.1:1", "--mail-from", "a@qma.example", "--mail-to", "b@qma.example")
    broken(i, "mail", "fail", "smtp://127.0.0.1:1: ", r"\[alert\] smtp")


def a_disk_below_its_reserve_is_named():
    i = healthy()
    change(i, "[broker]\n", "[broker]\ndisk-reserve = 8000000G\n")
    i.kill("broker")
    wait_for("it answers again", i.ready)
    found = examined(i, status=1)
    assert found["space"][0][0] == "fail" and "below the reserve" in found["space"][0][1], found
    assert found["broker"][0][0] == "fail" and "halted: log.full" in found["broker"][0][1], found


def a_log_in_memory_is_named():
    if not os.path.isdir("/dev/shm") or b"tmpfs /dev/shm" not in open("/proc/mounts", "rb").read():
        raise Skip("/dev/shm is no tmpfs here")
    i = Instance(root=scratch("/dev/shm"))
    found = examined(i, status=1)
    assert found["file-system"][0][:2] == ("fail", f"{i.dir}/log lies on tmpfs, which is memory: the log is gone "
                                                   "when the machine restarts"), found
    assert found["sync"][0][0] == "fail" and "no disk is that quick" in found["sync"][0][1], found


def a_log_without_a_backup_is_named():
    i = Instance()
    i.up()
    _, _, command = broken(i, "backup", "warn", "never backed up", "chancery log backup DIR FILE")
    i.check(*re.search("chancery (log backup)", command)[1].split(), i.dir, os.path.join(i.root, "b"), dir=False)
    assert healths(examined(i))["backup"] == "ok"
    noted = os.path.join(i.dir, "log", "backup.json")
    with open(noted) as f:
        last = json.load(f)
    assert last["backup"] == os.path.join(i.root, "b"), last

    def note(**changed):
        with open(noted, "w") as f:
            json.dump({**last, **changed}, f)
    note(made="2020-01-01T00:00:00Z")
    broken(i, "backup", "warn", r"\d+ days old", "daily by a timer")
    note(head=1000000)
    broken(i, "backup", "fail", "rolled back", "--successor")
    note(made="yesterday")
    broken(i, "backup", "warn", "cannot be read", "log backup")


def a_list_that_waits_for_a_person_is_named():
    i, files = healthy(), scratch()
    i.check("list", "import", snapshot("2023-03-27", files))
    i.check("list", "import", snapshot("2024-09-21", files), status=4)
    broken(i, "lists", "warn", "un: the list of 2024-09-21.* is set aside", "chancery list status")


def monitors_are_told_in_their_own_words():
    i = healthy()
    told = i.check("doctor", "--format", "nagios", status=None)
    assert re.fullmatch(r"CHANCERY (OK|WARNING) - .*\| sync_seconds=\S+ .*head=\d+ .*\n", told), told
    os.chmod(os.path.join(i.dir, "keys", "broker.key"), 0o644)
    told = i.check("doctor", "--format", "nagios", status=2)
    assert re.match(r"CHANCERY CRITICAL - keys: .*broker\.key is open to others", told), told
    text = i.check("doctor", "--format", "prometheus", status=1)
    assert 'chancery_check{check="keys"} 2\n' in text and 'chancery_check{check="broker"} 0\n' in text, text
    i.check("doctor", "--format", "html", status=2)
    if not shutil.which("promtool"):
        raise Skip("promtool is not here")
    done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr


if __name__ == "__main__":
    run([a_healthy_instance_is_well, a_key_that_others_can_read_is_mended_by_what_it_says,
         old_keys_are_as_secret_and_an_interrupted_rotation_is_named, parts_that_others_can_read_are_named, a_key_that_is_gone_is_named,
         a_setting_that_is_wrong_is_named_with_its_line, a_broker_that_does_not_run_is_named,
         a_worker_that_does_not_run_is_named, a_mail_server_that_is_not_there_is_named,
         a_disk_below_its_reserve_is_named, a_log_in_memory_is_named, a_log_without_a_backup_is_named,
         a_list_that_waits_for_a_person_is_named, monitors_are_told_in_their_own_words])
