# SPDX-License-Identifier: Apache-2.0
"""seal.py - sealed parts: read by the named recipients alone, not by the broker, not by a worker; and by Debian's age."""
import base64
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import subprocess

from instance import Instance, Released, Skip, run, scratch, tool

WORDS = ("event", "publish", "--stream", "embargo.in", "--type", "embargo.ConfirmSnapshot", "-")
AGE = shutil.which("age")


class World:
    """Amina and the administrator of QMA; bilal of QMB and chipo of QMC, who read what amina publishes."""

    def __init__(self, kind=Instance):
        self.i = kind("--seat", "amina")
        self.i.up()
        self.dir = scratch()
        for seat, office in (("bilal", "QMB/npc"), ("chipo", "QMC/npc")):
            self.i.admit(seat, office, read=("embargo.in", "*"))

    def register_age(self, seat):
        """What an administrator does with the line that the seat sends."""
        lines = self.i.check("key", "show", self.key(seat), "--ndjson", dir=False).splitlines()
        [line] = [text for text in lines if "KEY_KIND_AGE" in text]
        self.i.check("event", "publish", "--ndjson", "--seat", "administrator", stdin=line + "\n")

    def key(self, seat):
        return os.path.join(self.i.dir, "keys", f"{seat}.key")

    def file(self, name, content):
        path = os.path.join(self.dir, name)
        with open(path, "wb") as f:
            f.write(content)
        return path

    def publish(self, path, to="QMB", label="red", payload="{}"):
        """The position of an event with the file sealed, and what was said of it."""
        said = self.i.check(*WORDS, "--label", label, "--to", to, "--seal", path, stdin=payload)
        return int(re.search(r"^recorded at position (\d+)$", said, re.M)[1]), said

    def attach(self, path, said, label=2):
        """The position of an event with the file as it is, or why it was refused."""
        done = subprocess.run([tool("attach"), self.i.dir, "amina", path, said, str(label), "QMB"],
                              capture_output=True, text=True, timeout=60)
        return done.stdout.strip()

    def stored(self):
        """The files of the parts."""
        return [os.path.join(d, n) for d, _, names in os.walk(os.path.join(self.i.dir, "parts")) for n in names]

    def part(self, position):
        [event] = self.i.json("event", "show", str(position))
        [part] = event["envelope"]["parts"]
        return part

    def open(self, seat, position, name, out):
        return self.i.run("part", "open", str(position), name, "--out", out, "--seat", seat)

    def opens(self, seat, position, name):
        """What the seat finds in the part."""
        out = os.path.join(scratch(), "out")
        done = self.open(seat, position, name, out)
        assert done.returncode == 0 and done.stdout == out + "\n", done
        assert stat.S_IMODE(os.stat(out).st_mode) == 0o600
        with open(out, "rb") as f:
            return f.read()


def age(*words, **keywords):
    if not AGE:
        raise Skip("age is not installed")
    return subprocess.run([AGE, *words], capture_output=True, timeout=60, **keywords)


def recipients_open_it_and_others_who_read_the_event_do_not():
    w = World()
    content = secrets.token_bytes(200000)
    path = w.file("minutes.pdf", content)
    position, said = w.publish(path, label="green")  # chipo may read the event, and even fetch the part
    seats = re.findall(r"^sealed for (\S+) (\S+), key [0-9a-f]{16}  (?:[a-z]{5}-){3}[a-z]{5}$", said, re.M)
    assert seats == [("QMB/npc", "bilal"), ("QMA/secretariat", "amina")], said
    part = w.part(position)
    assert (part["name"], part["mediaType"], part["sealed"]) == ("minutes.pdf", "application/pdf", True), part
    assert w.opens("bilal", position, "minutes.pdf") == content
    assert w.opens("amina", position, "minutes.pdf") == content  # her own
    shown = w.i.check("event", "show", str(position))
    sha256 = re.search(r"\b[0-9a-f]{64}$", shown[shown.index("sealed"):], re.M)[0]
    assert w.opens("bilal", position, sha256) == content
    for seat in ("chipo", "administrator"):
        out = os.path.join(w.dir, "out")
        done = w.open(seat, position, "minutes.pdf", out)
        assert done.returncode == 1 and not os.path.exists(out), done
        assert f"part.sealed: the part is not sealed for the keys of {seat}" in done.stderr, done
        assert "ask QMA/secretariat amina" in done.stderr, done
    done = subprocess.run([w.i.program, "part", "open", str(position), "minutes.pdf", "--out", "-", "--seat",
                           "bilal", "--dir", w.i.dir], capture_output=True, timeout=60)
    assert done.returncode == 0 and done.stdout == content, done.stderr


def what_was_sealed_before_a_rotation_is_opened_after_it():
    w = World()
    contents = [secrets.token_bytes(1000) for _ in range(3)]
    positions = []
    for n, content in enumerate(contents):
        positions.append(w.publish(w.file(f"{n}.txt", content), label="green")[0])
        w.i.check("seat", "rotate", "--seat", "bilal", "--yes")
    for n, content in enumerate(contents):
        assert w.opens("bilal", positions[n], f"{n}.txt") == content
    # it says which were tried, what is wrong with one, and leaves no file
    os.chmod(w.key("bilal") + ".old", 0o644)
    out = os.path.join(w.dir, "out")
    done = w.open("bilal", positions[2], "2.txt", out)
    assert done.returncode == 1 and not os.path.exists(out), done
    assert re.search(r"part\.sealed: .*tried: bilal\.key, bilal\.key\.old \(a secret file can be read by others; chmod 600 it\), "
                     r"bilal\.key\.old\.[0-9a-f]{16}, bilal\.key\.old\.[0-9a-f]{16};", done.stderr), done
    os.unlink(w.key("bilal") + ".old")
    assert w.open("bilal", positions[2], "2.txt", out).returncode == 1


def nothing_is_sealed_for_keys_on_the_word_of_the_broker():
    w, other = World(), Instance("--log", "chancery.qmz.example/other")
    path = w.file("minutes.txt", b"for bilal")
    vkey, held = os.path.join(w.i.dir, "log.vkey"), os.path.join(w.dir, "log.vkey")
    head = w.i.json("log", "head")[0]["head"]

    def refused(seat, *texts):
        done = w.i.run(*WORDS, "--label", "green", "--to", "QMB", "--seal", path, "--seat", seat, stdin="{}")
        assert done.returncode == 1 and "recorded" not in done.stdout, done
        for text in texts:
            assert text in done.stderr, (text, done.stderr)
    # a tree that another key signed than the one that this reader knows the log by
    shutil.move(vkey, held)
    shutil.copy(os.path.join(other.dir, "log.vkey"), vkey)
    refused("amina", "does not show that the log has the registry event at position 1", "Nothing is sealed on its word")
    os.unlink(vkey)
    refused("amina", "log.vkey", "nothing that the broker says can be verified")
    shutil.move(held, vkey)
    # who reads none of the registry, or not all of it
    refused("bilal", "access.denied")
    words = ("--yes", "--seat", "administrator")
    w.i.check("access", "allow", "some", "QMB/npc", "read", "registry", "--type", "chancery.core.v1.A*", *words)
    w.i.check("access", "allow", "some-publish", "QMB/npc", "publish", "embargo.in", *words)
    refused("bilal", "does not read the registry whole")
    w.i.check("access", "allow", "some", "QMB/npc", "read", "registry", *words)
    done = w.i.run(*WORDS, "--label", "green", "--to", "QMB", "--seal", path, "--seat", "bilal", stdin="{}")
    assert done.returncode == 0, done
    assert w.i.json("log", "head")[0]["head"] >= head + 4


def a_red_event_is_seen_by_its_recipients_alone():
    w = World()
    position, said = w.publish(w.file("a.txt", b"to QMB alone"), to="QMB/npc")
    assert w.opens("bilal", position, "a.txt") == b"to QMB alone"
    for seat in ("chipo", "administrator"):
        done = w.open(seat, position, "a.txt", os.path.join(w.dir, "out"))
        assert done.returncode == 1 and "no event at position" in done.stderr, done
    assert "sealed for QMC" not in said
    position, said = w.publish(w.file("b.txt", b"x"), to="seat:chipo,QMB")
    assert w.opens("chipo", position, "b.txt") == w.opens("bilal", position, "b.txt") == b"x"
    position, said = w.publish(w.file("c.txt", b""), to="QMA")  # persons, not the processes of QMA/services
    assert re.findall(r"^sealed for \S+ (\S+),", said, re.M) == ["administrator", "amina"], said
    assert w.opens("administrator", position, "c.txt") == b""


def nothing_is_overwritten_and_mistakes_are_named():
    w = World()
    path = w.file("a.txt", b"text")
    position, _ = w.publish(path)
    done = w.open("bilal", position, "a.txt", path)
    assert done.returncode == 1 and "File exists" in done.stderr, done
    with open(path, "rb") as f:
        assert f.read() == b"text"
    done = w.open("bilal", position, "b.txt", os.path.join(w.dir, "out"))
    assert done.returncode == 1 and "has no part b.txt" in done.stderr, done
    done = w.open("bilal", 99999, "a.txt", os.path.join(w.dir, "out"))
    assert done.returncode == 1 and "no event at position 99999" in done.stderr, done
    for words, why in ((("--label", "red", "--to", "QMB", "--seal", path + "-absent"), "No such file"),
                       (("--label", "red", "--to", "QMB", "--seal", w.dir), "not a file"),
                       (("--label", "red", "--to", "QMX", "--seal", path), "QMX is nobody who could open it"),
                       (("--to", "QMA/services", "--seal", path), "no person is seated there")):
        done = w.i.run(*WORDS, *words, stdin="{}")
        assert done.returncode == 1 and why in done.stderr and "recorded" not in done.stdout, done
    for words, why in ((("--seal", path), "--seal needs recipients"),
                       (("--ndjson", "--to", "QMB", "--seal", path), "not with --ndjson")):
        done = w.i.run(*WORDS, *words, stdin="{}")
        assert done.returncode == 2 and why in done.stderr, done
    [result] = w.i.json(*WORDS, "--to", "QMB", "--seal", path, stdin="{}")
    assert result["result"] == "recorded", result


def a_seat_without_an_age_key_is_named():
    w = World()
    w.i.register("SeatAdmitted", {"seat": "dina", "office": "QMB/npc", "kind": "SEAT_KIND_PERSON"})
    path = w.file("a.txt", b"text")
    done = w.i.run(*WORDS, "--label", "red", "--to", "QMB", "--seal", path, stdin="{}")
    assert done.returncode == 1 and "no age key is registered of: dina. " in done.stderr, done
    assert "chancery key new" in done.stderr and "KeyAdded" in done.stderr, done
    w.i.check("key", "new", w.key("dina"), "--seat", "dina", "--office", "QMB/npc", dir=False)
    w.register_age("dina")
    position, said = w.publish(path)
    assert re.findall(r"^sealed for \S+ (\S+),", said, re.M) == ["bilal", "dina", "amina"], said
    # once it is revoked nothing more is sealed for it
    [[dina]] = [s["keys"] for s in w.i.json("seat", "ls") if s["seat"] == "dina"]
    key = base64.b64encode(bytes.fromhex(dina["keyId"])).decode()
    w.i.check("event", "publish", "-", "--seat", "administrator", "--stream", "registry", "--type",
              "core.KeyRevoked", stdin=json.dumps({"seat": "dina", "reason": "lost", "keyId": key}))
    done = w.i.run(*WORDS, "--label", "red", "--to", "QMB", "--seal", path, stdin="{}")
    assert done.returncode == 1 and "no age key is registered of: dina. " in done.stderr, done
    # a key file from before there were any
    with open(w.key("amina")) as f:
        older = "".join(line for line in f if not line.startswith("age-"))
    with open(w.key("amina"), "w") as f:
        f.write(older)
    assert w.i.json("key", "show", w.key("amina"), dir=False)[0]["age"] == ""
    done = w.i.run(*WORDS, "--label", "red", "--to", "QMC", "--seal", path, stdin="{}")
    assert done.returncode == 1 and "before there were age keys" in done.stderr, done
    done = w.open("amina", position, "a.txt", os.path.join(w.dir, "out"))
    assert done.returncode == 1 and "has no age key" in done.stderr, done


def debians_age_opens_what_was_sealed_here():
    w = World()
    content = secrets.token_bytes(3 * 65536)
    position, _ = w.publish(w.file("scan.jpg", content))
    [path] = w.stored()
    with open(path, "rb") as f:
        assert os.path.basename(path) == hashlib.sha256(f.read()).hexdigest()
    identity = os.path.join(w.dir, "bilal.age")
    w.i.check("key", "export-age", "bilal", identity)
    assert stat.S_IMODE(os.stat(identity).st_mode) == 0o600
    done = age("-d", "-i", identity, path)
    assert done.returncode == 0 and done.stdout == content, done.stderr
    other = os.path.join(w.dir, "chipo.age")
    w.i.check("key", "export-age", "chipo", other)
    done = age("-d", "-i", other, path)
    assert done.returncode != 0 and done.stdout == b"", done
    done = w.i.run("key", "export-age", "chipo", identity)
    assert done.returncode == 1 and "File exists" in done.stderr, done
    assert age("-d", "-i", identity, path).returncode == 0
    done = w.i.run("key", "export-age", "nobody", identity + "2")
    assert done.returncode == 1 and "nobody.key" in done.stderr, done


def sealed_by_age_is_opened_here():
    w = World()
    recipient = w.i.json("key", "show", w.key("bilal"), dir=False)[0]["age"]
    assert f"age key         {recipient}" in w.i.check("key", "show", w.key("bilal"), dir=False)
    put = os.path.join(w.dir, "put.age")
    for size in (0, 1, 65535, 65536, 65537, 200000):
        content = secrets.token_bytes(size)
        done = age("-r", recipient, "-o", put, input=content)
        assert done.returncode == 0, done.stderr
        position = int(w.attach(put, "sealed"))
        assert w.opens("bilal", position, "put.age") == content
        done = w.open("chipo", position, "put.age", os.path.join(w.dir, "out"))
        assert done.returncode == 1 and "part.sealed" in done.stderr, done
        os.unlink(put)


def what_is_not_as_it_says_is_refused_by_the_broker_or_the_reader():
    w = World()
    clear = w.file("clear.txt", b"nothing to hide")
    assert w.attach(clear, "sealed") == "part.mismatch"
    assert w.attach(clear, "clear", label=5) == "field.invalid"  # red
    position = int(w.attach(clear, "clear"))
    assert w.opens("chipo", position, "clear.txt") == b"nothing to hide"  # as it is
    begins = w.file("begins.age", b"age-encryption.org/v1\n-> X25519 and nothing more\n")
    position = int(w.attach(begins, "sealed", label=5))
    out = os.path.join(w.dir, "out")
    done = w.open("bilal", position, "begins.age", out)
    assert done.returncode == 1 and "bytes.malformed" in done.stderr and not os.path.exists(out), done
    # two chunks, the second one changed: what was verified is taken back too
    content = secrets.token_bytes(100000)
    position, _ = w.publish(w.file("two.bin", content))
    [stored] = [path for path in w.stored() if os.path.getsize(path) > 100000]
    with open(stored, "rb") as f:
        sealed = f.read()
    changed = w.file("changed.bin", sealed[:-1] + bytes([sealed[-1] ^ 1]))
    position = int(w.attach(changed, "sealed", label=5))
    done = w.open("bilal", position, "changed.bin", out)
    assert done.returncode == 1 and "record.damaged" in done.stderr and not os.path.exists(out), done


def memory(pid):
    """What a process has in memory, a mapping at a time."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            m = re.match(r"([0-9a-f]+)-([0-9a-f]+) r", line)
            if not m or "[v" in line:  # not vvar, vdso, vsyscall
                continue
            at, end = int(m[1], 16), int(m[2], 16)
            overlap = b""
            while at < end:
                try:
                    piece = os.pread(mem.fileno(), min(1 << 20, end - at), at)
                except OSError:
                    break  # of a file that ends before its mapping, or not there
                if not piece:
                    break
                yield overlap + piece
                overlap, at = piece[-64:], at + len(piece)


def holds(pieces, marker):
    return any(marker in piece for piece in pieces)


def files(top):
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            if stat.S_ISREG(os.stat(path).st_mode):
                with open(path, "rb") as f:
                    yield f.read()


def the_clear_text_is_in_no_file_and_no_process_of_the_instance():
    w = World(Released)  # with sanitizers a process has terabytes of mappings
    marker, head = secrets.token_hex(16).encode(), secrets.token_hex(16).encode()
    assert len(marker) == 32
    path = w.file("secret.txt", b"about " * 3000 + marker + b" and so on " * 9000)
    payload = json.dumps({"reason": head.decode()})
    positions = [w.publish(path, label=label, payload=payload)[0] for label in ("red", "amber", "green")]
    for position in positions:
        assert marker in w.opens("bilal", position, "secret.txt")
    running = w.i.pids()
    assert {"broker", "embargo"} <= set(running), running
    # the open head is found, so the search finds what is there
    assert holds(files(os.path.join(w.i.dir, "log")), head)
    try:
        assert holds(memory(running["broker"]), head)
    except PermissionError as why:
        raise Skip(f"the memory of other processes cannot be read here: {why}") from None
    assert not holds(files(w.i.dir), marker)
    for name, pid in running.items():
        assert not holds(memory(pid), marker), name
    w.i.down()
    assert not holds(files(w.i.dir), marker)
    with open(path, "rb") as f:
        assert holds([f.read()], marker)


if __name__ == "__main__":
    run([recipients_open_it_and_others_who_read_the_event_do_not,
         what_was_sealed_before_a_rotation_is_opened_after_it, nothing_is_sealed_for_keys_on_the_word_of_the_broker, a_red_event_is_seen_by_its_recipients_alone,
         nothing_is_overwritten_and_mistakes_are_named, a_seat_without_an_age_key_is_named,
         debians_age_opens_what_was_sealed_here, sealed_by_age_is_opened_here,
         what_is_not_as_it_says_is_refused_by_the_broker_or_the_reader,
         the_clear_text_is_in_no_file_and_no_process_of_the_instance])
