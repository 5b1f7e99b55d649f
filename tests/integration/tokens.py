# SPDX-License-Identifier: Apache-2.0
"""tokens.py - seats and a log whose signing keys lie on a PKCS #11 token: softhsm2 in a directory of its own; real processes.

The processes are in their sandboxes: what a module reads while it signs is what [token] state names."""
import ctypes
import functools
import glob
import os
import shutil
import subprocess

from instance import SOURCE, Commands, Released, Skip, run, scratch, snapshot, spawn, tool, wait_for

EVENT = ("--stream", "qmb.in", "--type", "embargo.ConfirmSnapshot")
ADMIN = ("--yes", "--seat", "administrator")


class Tokens:
    """Two tokens, "qma" and "other", both with the PIN 1234."""

    def __init__(self):
        found = glob.glob("/usr/lib/softhsm/libsofthsm2.so") + glob.glob("/usr/lib/*/softhsm/libsofthsm2.so")
        if not found or not shutil.which("softhsm2-util"):
            raise Skip("softhsm2 is not installed")
        self.module, self.root = found[0], scratch()
        self.state = os.path.join(self.root, "tokens")
        os.mkdir(self.state)
        conf = self.write("softhsm2.conf", f"directories.tokendir = {self.state}\nlog.level = ERROR\n")
        os.environ["SOFTHSM2_CONF"] = conf
        os.environ["LSAN_OPTIONS"] = "print_suppressions=0:suppressions=" + os.path.join(SOURCE, "tests/support/softhsm.supp")
        for label in ("qma", "other"):
            subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "87654321", "--pin",
                            "1234"], check=True, capture_output=True, timeout=60)
        self.pin = self.write("pin", "1234\n")

    def write(self, name, text, mode=0o600):
        path = os.path.join(self.root, name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def uri(self, name, token="qma", pin=None, module=None):
        return f"pkcs11:token={token};object={name}?module-path={module or self.module}&pin-source=file:{pin or self.pin}"


class Desk(Commands):
    """A seat's own directory, as `join` made it, with its key on a token where `uri` names one."""

    def __init__(self, i, seat, uri=None):
        invitation = os.path.join(scratch(), "invitation")
        i.check("seat", "invite", seat, "QMB/desk", invitation)
        self.seat, self.dir = seat, os.path.join(scratch(), "desk")
        self.check("join", invitation, self.dir, *(["--token", uri] if uri else []), dir=False)
        self.key = os.path.join(self.dir, "keys", f"{seat}.key")
        i.check("seat", "admit", os.path.join(self.dir, f"{seat}.card"), *ADMIN)

    def publish(self):
        return self.run("event", "publish", "-", *EVENT, stdin='{"list": "un"}')

    def shown(self, file=None):
        return self.json("key", "show", file or self.key, dir=False)[0]


@functools.cache
def tokens():
    return Tokens()


@functools.cache
def service():
    """With QMB's desk; its log's key lies on a token."""
    t = tokens()
    i = Released("--log", "chancery.qma.example/token", "--log-token", t.uri("log"))
    configure(i, t.state)
    i.up()
    i.check("party", "add", "QMB", *ADMIN)
    i.check("office", "add", "QMB/desk", "--seats", "9", *ADMIN)
    i.check("access", "allow", "desk-reads", "QMB/desk", "read", "*", *ADMIN)
    i.check("access", "allow", "desk-writes", "QMB/desk", "publish", "qmb.in", *ADMIN)
    return i


def landlock():
    return ctypes.CDLL(None).syscall(444, None, 0, 1) >= 2


def configure(i, state):
    with open(i.conf, "a") as f:
        f.write(f"\n[token]\nstate = {state}\n")


def change(i, old, new):
    """A line of the settings, while nothing runs."""
    i.down()
    with open(i.conf) as f:
        text = f.read()
    assert f"\n{old}\n" in text, text
    with open(i.conf, "w") as f:
        f.write(text.replace(f"\n{old}\n", f"\n{new}\n"))
    i.up()


def text_of(folder):
    """All that is in the files below it."""
    text = b""
    for path, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(path, name), "rb") as f:
                text += f.read()
    return text


def refused(done, *texts):
    assert done.returncode in (1, 3), done
    for text in texts:
        assert text in done.stderr, (text, done.stderr)


def a_seat_on_a_token_publishes_and_its_event_verifies():
    i = service()
    desk = Desk(i, "bela", tokens().uri("bela"))
    assert b"sign-seed" not in text_of(desk.dir) and b"sign-token = pkcs11:token=qma;object=bela" in text_of(desk.dir)
    assert desk.shown()["token"] == tokens().uri("bela")
    done = desk.publish()
    assert done.returncode == 0, done
    position = desk.json("event", "ls", "--stream", "qmb.in")[-1]["position"]

    i.down()  # its last checkpoint covers the event
    copy, work = i.copy(), scratch()
    i.up()
    event, proof = os.path.join(work, "e.event"), os.path.join(work, "e.tlog-proof")
    with open(proof, "w") as f:
        subprocess.run([tool("chancery"), "log", "proof", copy, str(position), "--event", event], check=True,
                       stdout=f, timeout=60)
    with open(os.path.join(copy, "log.vkey")) as f:
        vkey = f.read().strip()
    shown = i.check("event", "verify", proof, "--event", event, "--key", vkey, "--seat-key", desk.shown()["ed25519"],
                    dir=False)
    assert "it is signed with the key" in shown, shown


def a_log_on_a_token_is_whole_and_goes_on():
    i = service()
    with open(os.path.join(i.dir, "keys", "log.key")) as f:
        text = f.read()
    assert "seed" not in text and "\ntoken = pkcs11:token=qma;object=log?" in text, text
    i.down()
    assert "ok: " in i.check("log", "verify", i.copy(), dir=False)
    i.up()


def a_seat_rotates_onto_a_token_and_to_the_next_one():
    i = service()
    desk = Desk(i, "rota")
    before = desk.shown()
    desk.check("seat", "rotate", "--yes", "--token", tokens().uri("rota"))
    now = desk.shown()
    assert now["token"] == tokens().uri("rota") and now["ed25519"] != before["ed25519"] and now["curve"] != before["curve"]
    with open(desk.key) as f:
        assert "sign-seed" not in f.read()
    assert desk.shown(desk.key + ".old")["ed25519"] == before["ed25519"]
    assert desk.publish().returncode == 0

    refused(desk.run("seat", "rotate", "--yes"), "lies on a token", "--token URI")
    refused(desk.run("seat", "rotate", "--yes", "--token", tokens().uri("rota")), "object=")
    assert desk.publish().returncode == 0
    desk.check("seat", "rotate", "--yes", "--token", tokens().uri("next", token="other"))
    assert desk.shown()["token"] == tokens().uri("next", token="other") and desk.publish().returncode == 0
    keys = [(k["revoked"]) for k in desk.json("seat", "show", "rota")[0]["keys"]]
    assert keys.count(False) == 3 and len(keys) == 9, keys


def who_cannot_reach_the_key_hears_why():
    t, i = tokens(), service()
    desk = Desk(i, "cora", t.uri("cora"))
    with open(desk.key) as f:
        text = f.read()
    wrong, open_pin = t.write("wrong", "9999\n"), t.write("open", "1234\n", 0o644)
    rows = [("token.pin", t.uri("cora", pin=wrong), "does not take the PIN"),
            ("token.pin", t.uri("cora", pin=t.pin + ".none"), "pin.none"),
            ("file.mode", t.uri("cora", pin=open_pin), "chmod 600"),
            ("token.absent", t.uri("cora", token="gone"), "no such token"),
            ("token.module", t.uri("cora", module="/nowhere.so"), "/nowhere.so"),
            ("token.key", t.uri("nobody"), "no private key"),
            ("token.key", t.uri("bela"), "another key")]
    for code, uri, words in rows:
        with open(desk.key, "w") as f:
            f.write(text.replace(t.uri("cora"), uri))
        refused(desk.publish(), words, code)
        done = desk.run("key", "new", os.path.join(scratch(), "k"), "--seat", "x", "--office", "QMB/desk", "--token", uri,
                        dir=False)
        if code not in ("token.key",):
            refused(done, words, code)
    with open(desk.key, "w") as f:
        f.write(text)
    assert desk.publish().returncode == 0
    assert "1234" not in desk.publish().stderr


def a_seat_on_a_token_delegates_to_one_on_a_token():
    i = service()
    dora, portal = Desk(i, "dora", tokens().uri("dora")), Desk(i, "portal", tokens().uri("portal"))
    delegation = os.path.join(scratch(), "delegation")
    assert dora.publish().returncode == 0
    dora.check("seat", "delegate", "portal", delegation, "--yes")
    assert "dora" in [e["envelope"]["seat"] for e in portal.json("event", "ls", "--stream", "qmb.in", "--delegation", delegation)]
    with open(delegation, "r+b") as f:
        f.seek(-1, os.SEEK_END)
        last = f.read(1)[0]
        f.seek(-1, os.SEEK_END)
        f.write(bytes([last ^ 1]))
    refused(portal.run("event", "ls", "--stream", "qmb.in", "--delegation", delegation), "delegation.")


def a_signer_waits_for_its_token_and_not_for_another_pin():
    t, i = tokens(), service()
    file = os.path.join(i.dir, "keys", "log.key")
    with open(file) as f:
        text = f.read()

    def signer():
        return subprocess.run([tool("chancery-signer"), "--config", i.dir], capture_output=True, text=True, timeout=60)

    i.down()
    os.rename(t.state, t.state + ".away")
    os.mkdir(t.state)
    away = signer()
    os.rmdir(t.state)
    os.rename(t.state + ".away", t.state)
    with open(file, "w") as f:
        f.write(text.replace(t.pin, t.write("other-pin", "9999\n")))
    locked = signer()
    with open(file, "w") as f:
        f.write(text)
    assert away.returncode == 1 and "code=token.absent" in away.stderr, away  # its supervisor tries again
    assert locked.returncode == 78 and "code=token.pin" in locked.stderr, locked
    i.up()


def processes_in_their_sandboxes_sign_on_a_token():
    t, i = tokens(), service()
    real = snapshot("2023-03-27", scratch())
    change(i, "processes = broker signer embargo sanctions", "processes = broker signer embargo")
    for seat in ("embargo", "sanctions"):
        i.check("seat", "rotate", "--token", t.uri(seat), "--yes", "--seat", seat)
    change(i, "processes = broker signer embargo", "processes = broker signer embargo sanctions")
    i.check("list", "import", "--list", "un", real)
    wait_for("the worker answers", lambda: i.json("event", "ls", "--stream", "embargo.out"))
    for seat in ("embargo", "sanctions"):
        with open(os.path.join(i.dir, "keys", f"{seat}.key")) as f:
            assert "sign-seed" not in f.read()


def what_the_settings_do_not_name_is_not_read():
    """Neither by the worker, which ends, nor by who signs the checkpoint; with the line put right both go on."""
    if not landlock():
        raise Skip("the kernel has no Landlock")
    t, i = tokens(), service()
    change(i, f"state = {t.state}", f"state = {t.state}.none")
    answers = len(i.json("event", "ls", "--stream", "embargo.out"))
    importing = spawn(i.program, "list", "import", "--list", "un", snapshot("2024-09-21", scratch()), "--dir", i.dir,
                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for("the worker says so", lambda: "client.unsigned" in i.logs())
    wait_for("and who signs the checkpoint", lambda: "signer.token" in i.logs() and "signer.refuses" in i.logs())
    assert "code=token.failed" in i.logs() and len(i.json("event", "ls", "--stream", "embargo.out")) == answers
    change(i, f"state = {t.state}.none", f"state = {t.state}")
    wait_for("the worker answers", lambda: len(i.json("event", "ls", "--stream", "embargo.out")) > answers)
    importing.wait(60)
    i.down()
    assert "ok: " in i.check("log", "verify", i.copy(), dir=False)


if __name__ == "__main__":
    run([a_seat_on_a_token_publishes_and_its_event_verifies, a_log_on_a_token_is_whole_and_goes_on,
         a_seat_rotates_onto_a_token_and_to_the_next_one, who_cannot_reach_the_key_hears_why,
         a_seat_on_a_token_delegates_to_one_on_a_token, a_signer_waits_for_its_token_and_not_for_another_pin,
         processes_in_their_sandboxes_sign_on_a_token, what_the_settings_do_not_name_is_not_read])
