# SPDX-License-Identifier: Apache-2.0
"""instance.py - a real instance for a test: founded, started, asked, killed, and gone at the end.

BUILD_DIR names the build, PLAIN_DIR its programs without sanitizers, SOURCE_DIR the source tree (set by ctest). A test is a function; run()
calls those of a module, prints a line each, and ends with "N passed, N failed, N skipped"."""
import atexit
import json
import lzma
import os
import pty
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

BUILD = os.environ["BUILD_DIR"]
SOURCE = os.environ["SOURCE_DIR"]
BIN = os.path.join(BUILD, "bin")
PLAIN = os.environ.get("PLAIN_DIR", BIN)
SHARED = os.path.join(SOURCE, "..", "shared")
LONG = bool(os.environ.get("CHANCERY_LONG"))
PATIENCE = 120  # seconds that a condition may take on a loaded machine before it counts as false


class Skip(Exception):
    """What the test needs is not here."""


def tool(name):
    return os.path.join(BIN, name)


def plain(name):
    """A program as it is released: of a build with sanitizers, its twin without."""
    return os.path.join(PLAIN, name)


def wait_for(what, condition, patience=PATIENCE, pause=0.02):
    """Polls until the condition gives something true, and returns it."""
    end = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {patience} s for: {what}")
        time.sleep(pause)


def scratch(inside=None):
    """A fresh directory that goes away with the test."""
    path = tempfile.mkdtemp(prefix="chancery-test-", dir=inside)
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def spawn(*command, **keywords):
    """A process of the test's own, which ends with it whatever happens."""
    process = subprocess.Popen(command, **keywords)
    atexit.register(lambda: process.poll() is None and process.kill())
    return process


def free_port():
    """A port of this machine that nobody listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def snapshot(date, into):
    """A real UN list unpacked: shipped with the tree, or from the shared samples."""
    name = f"un-consolidated-{date}.xml"
    for folder in (os.path.join(SOURCE, "tests", "data", "un"),
                   os.path.join(SHARED, "data", "sanctions", "un")):
        packed = os.path.join(folder, name + ".xz")
        if os.path.exists(packed):
            path = os.path.join(into, name)
            if not os.path.exists(path):
                with lzma.open(packed) as src, open(path, "wb") as dst:
                    shutil.copyfileobj(src, dst)
            return path
    raise Skip(f"{name}.xz is not here")


class Commands:
    """What is asked of an instance by the `chancery` command."""

    environment = {}  # of what is run
    program = tool("chancery")

    def run(self, *arguments, dir=True, stdin=None, timeout=PATIENCE, env=None, cwd=None):
        command = [self.program, *arguments]
        if dir:
            command += ["--dir", self.dir]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, input=stdin, cwd=cwd,
                              env={**os.environ, **self.environment, **(env or {})})

    def check(self, *arguments, status=0, **keywords):
        """Runs and insists on the exit status (None: any); returns what was printed."""
        done = self.run(*arguments, **keywords)
        assert status in (None, done.returncode), (
            f"{' '.join(arguments)}: exit {done.returncode}, expected {status}\n"
            f"{done.stdout}{done.stderr}")
        return done.stdout

    def json(self, *arguments, status=0, **keywords):
        """The objects printed with --json, one a line."""
        out = self.check(*arguments, "--json", status=status, **keywords)
        return [json.loads(line) for line in out.splitlines() if line.strip()]

    def register(self, name, payload):
        """An event of the registry, by the administrator."""
        self.check("event", "publish", "-", "--seat", "administrator", "--stream", "registry",
                   "--type", f"core.{name}", stdin=json.dumps(payload))

    def admit(self, seat, office, **rules):
        """Seats somebody in an office of a party of its own; rules={verb: (stream, type)}."""
        party = office.split("/")[0]
        key = os.path.join(self.dir, "keys", f"{seat}.key")
        self.check("key", "new", key, "--seat", seat, "--office", office, dir=False)
        added = self.check("key", "show", key, "--ndjson", dir=False).splitlines()
        self.register("PartyAdded", {"party": party, "kind": "PARTY_KIND_STATE"})
        self.register("OfficeAdded", {"office": office, "clearance": "LABEL_RED"})
        self.register("SeatAdmitted", {"seat": seat, "office": office, "kind": "SEAT_KIND_PERSON"})
        for line in added:
            self.register("KeyAdded", {**json.loads(line)["payload"], "name": f"keys/{seat}.key"})
        for verb, (stream, name) in rules.items():
            self.register("AccessRule", {
                "rule": f"{seat}-{verb}", "effect": "EFFECT_ALLOW", "subject": seat,
                "subjectKind": "SUBJECT_KIND_SEAT", "verbs": [f"VERB_{verb.upper()}"],
                "stream": stream, "type": name})


class Instance(Commands):
    """DIR of its own; `up` runs what chancery.conf names."""

    def __init__(self, *init_arguments, root=None):
        self.root = root or scratch()
        self.dir = os.path.join(self.root, "i")
        self.conf = os.path.join(self.dir, "chancery.conf")
        self.up_process = None
        self.check("init", self.dir, "--exercise", *init_arguments, dir=False)
        atexit.register(self.down)

    def listen(self):
        """Lets metrics listen where nobody does; the port."""
        port = free_port()
        with open(self.conf) as f:
            conf = f.read()
        with open(self.conf, "w") as f:
            f.write(conf.replace("[metrics]\n", f"[metrics]\nlisten = 127.0.0.1:{port}\n"))
        return port

    def up(self):
        log = open(os.path.join(self.root, "up.log"), "ab")
        self.up_process = spawn(self.program, "up", "--dir", self.dir, stdout=log, stderr=log,
                                start_new_session=True)
        log.close()
        wait_for("the instance answers", self.ready)

    def ready(self):
        assert self.up_process.poll() is None, self.logs()
        return self.run("list", "status").returncode == 0

    def pids(self):
        """Process ids by name, as the supervisor wrote them down."""
        try:
            with open(os.path.join(self.dir, "run", "up.json")) as f:
                return {n: pid for n, pid in json.load(f)["processes"].items() if pid > 0}
        except (FileNotFoundError, ValueError):
            return {}

    def kill(self, name):
        """kill -9 by its id; the supervisor starts it again. False when it does not run."""
        pid = self.pids().get(name)
        try:
            if pid:
                os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pid = None
        return bool(pid)

    def down(self):
        if self.up_process and self.up_process.poll() is None:
            self.up_process.terminate()
            try:
                self.up_process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self.up_process.pid, signal.SIGKILL)
                self.up_process.wait()
        self.up_process = None

    def logs(self):
        text = []
        folder = os.path.join(self.dir, "run")
        for name in sorted(os.listdir(folder)):
            if name.endswith(".log"):
                with open(os.path.join(folder, name), errors="replace") as f:
                    text.append(f"--- {name}\n" + "".join(f.readlines()[-30:]))
        return "\n".join(text)

    def copy(self):
        """The directory once more, for tools that read a log without its broker."""
        target = os.path.join(scratch(), "copy")
        shutil.copytree(self.dir, target, ignore=shutil.ignore_patterns("*.sock"))
        return target


class Released(Instance):
    """Of the programs as they are released: for what is killed very often, or measured."""

    program = plain("chancery")


class Terminal:
    """A pseudo-terminal: give `child` to a process, and see what it shows there."""

    def __init__(self):
        self.parent, self.child = pty.openpty()
        self.seen = ""

    def read(self):
        if select.select([self.parent], [], [], 0.02)[0]:
            self.seen += os.read(self.parent, 65536).decode(errors="replace")
        return self.seen

    def shows(self, text):
        wait_for(f"the terminal shows {text!r}", lambda: text in self.read())

    def write(self, text):
        os.write(self.parent, text.encode())


def run(tests):
    # ended by the runner's time limit: what was started ends too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    passed = failed = skipped = 0
    for test in tests:
        name = test.__name__.replace("_", " ")
        try:
            test()
            print(f"ok      {name}", flush=True)
            passed += 1
        except Skip as why:
            print(f"skipped {name}: {why}", flush=True)
            skipped += 1
        except Exception:  # every failure is told, and the others still run
            print(f"FAILED  {name}", flush=True)
            traceback.print_exc(file=sys.stdout)
            failed += 1
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)
