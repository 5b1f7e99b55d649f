# SPDX-License-Identifier: Apache-2.0
"""run.py [NAME...] [--long] [--peers] [--rounds N] - figures of the programs as built.

Each figure stands beside the command that made it; what is compared runs side by side, round by round,
and a ratio is taken within a round. --long: runs of 2 s and a log of a million events. --peers: Redis,
RabbitMQ and NATS in the same rounds, by the drivers of ../shared/bench. Nothing here passes or fails."""
import argparse
import atexit
import os
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

SOURCE = os.environ["SOURCE_DIR"]
sys.path.insert(0, os.path.join(SOURCE, "tests", "integration"))
from instance import BUILD, SHARED, Instance, scratch, snapshot, spawn, tool, wait_for  # noqa: E402

DRIVERS = os.path.join(BUILD, "..", "peers")
SEATS = "officer,embargo,sanctions,alert,administrator"
RULE = ('{"rule": "bench", "effect": "EFFECT_ALLOW", "subjectKind": "SUBJECT_KIND_ANY", "stream": "bench*",'
        ' "type": "*", "verbs": ["VERB_PUBLISH", "VERB_READ", "VERB_ASK", "VERB_OFFER"]}')
SIZES = {128: "128 B", 1024: "1 KiB", 16384: "16 KiB"}
CELLS = ((1, 1024), (8, 128), (1, 1), (8, 1))  # publishers, and under way for each
REST = 1.5  # seconds


def shown(command, env):
    words = [f"{k}={v}" for k, v in (env or {}).items() if k != "BENCH_SEAT_KEY"]
    return " ".join(words + [os.path.basename(command[0]), *command[1:]]).replace(scratch.root + "/", "")


class Lines:
    """What the drivers print: for each case its rounds, and the command that made them."""

    def __init__(self):
        self.rounds, self.commands = {}, {}

    def run(self, key, *command, env=None):
        """Keeps the first line under the key; the others come back as they are, for who wants them."""
        done = subprocess.run(command, capture_output=True, text=True, timeout=900,
                              env={**os.environ, **(env or {})})
        if done.returncode:
            print(f"$ {shown(command, env)}\n{done.stderr.strip()}", flush=True)
            return ""
        self.take(key, done.stdout.splitlines()[0])
        self.commands[key] = shown(command, env)
        return done.stdout

    def take(self, key, line):
        f = line.split("\t")
        self.rounds.setdefault(key, []).append(
            {"case": f[1], "size": int(f[3]), "producers": int(f[4]), "window": int(f[5]),
             "n": int(f[6]), "seconds": float(f[7]), "rate": float(f[8]), "p50": float(f[10]),
             "p99": float(f[11])})

    def table(self):
        print(f"{'':60} {'a second':>10} {'(least-most)':>19} {'p50 us':>8} {'p99 us':>8}")
        for key, rounds in self.rounds.items():
            rates = [r["rate"] for r in rounds]
            print(f"{key:60} {statistics.median(rates):>10.0f} {f'({min(rates):.0f}-{max(rates):.0f})':>19}"
                  f" {statistics.median(r['p50'] for r in rounds):>8.0f}"
                  f" {statistics.median(r['p99'] for r in rounds):>8.0f}  $ {self.commands.get(key, '')}")

    def ratio(self, text, ours, value):
        """The value of each round in which all took part: median, least and most."""
        values = []
        for i in range(max(map(len, self.rounds.values()), default=0)):
            try:
                values.append(value(lambda key: self.rounds[key][i]))
            except (IndexError, KeyError, ZeroDivisionError):
                continue
        if values:
            print(f"{text:90} {statistics.median(values):8.3f}  ({min(values):.3f}-{max(values):.3f})")
        else:
            print(f"{text:90} no figure for {ours}")


# ---- brokers ----

class Broker:
    """A broker alone on an instance of its own, on whose streams bench* every seat may do all."""

    def __init__(self, *without):
        self.instance, self.env = Instance(), None
        self.dir, self.without = self.instance.dir, without
        with open(self.instance.conf) as f:
            conf = f.read().replace("[broker]\n", "[broker]\nquota-events = 10000000\nquota-bytes = 100G\n"
                                    "scrub-rate = 0\n")
        with open(self.instance.conf, "w") as f:
            f.write(conf)
        self.signer = spawn(tool("chancery-signer"), "--config", self.dir, stderr=subprocess.DEVNULL)
        self.start("chancery-broker")
        self.instance.check("event", "publish", "-", "--stream", "registry", "--type", "core.AccessRule",
                            "--seat", "administrator", stdin=RULE)
        if without:
            self.stop()
            with open(os.path.join(self.dir, "keys", "officer.key")) as f:
                key = re.search(r"^curve-public = (\w+)", f.read(), re.M)[1]
            self.env = {"BENCH_WITHOUT": ",".join(without), "BENCH_SEAT_KEY": key}
            self.start("bench_broker")

    def start(self, program):
        self.started = time.monotonic()
        self.process = spawn(tool(program), "--config", self.dir, stderr=subprocess.DEVNULL,
                             env={**os.environ, **(self.env or {})})
        done = subprocess.run(self.client("ready"), capture_output=True, timeout=60,
                              env={**os.environ, **(self.env or {})})
        assert done.returncode == 0, done.stderr
        return time.monotonic() - self.started

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.process.wait(60)

    def client(self, mode, *options):
        """With everybody the officer where nobody is asked for a key."""
        seats = "officer" if "curve" in self.without else SEATS
        return [tool("bench_client"), "-d", self.dir, "-m", mode, *map(str, options), "-x", seats]

    def memory(self):
        """KiB of its own."""
        with open(f"/proc/{self.process.pid}/status") as f:
            return int(re.search(r"^RssAnon:\s+(\d+)", f.read(), re.M)[1])

    def on_disk(self):
        return os.stat(os.path.join(self.dir, "log", "data.mdb")).st_blocks * 512


def tell(what, figure, command=""):
    print(f"{what:60} {figure:>22}" + (f"  $ {command}" if command else ""), flush=True)


# ---- what is measured once ----

def each(program, *options):
    done = subprocess.run([tool(program), *options], capture_output=True, text=True, timeout=300)
    print(f"$ {program} {' '.join(options)}")
    for line in done.stdout.splitlines():
        f = line.split("\t")
        if len(f) == 12:
            print(f"  {f[1]:30} {f[8]:>12}/s {1e6 * float(f[7]) / int(f[6]):>10.2f} us {f[9]:>10} MB/s")
        else:
            print(f"  {line}")


def base(a):
    """Steps on one core."""
    each("bench_base", "-t", a.seconds)


def un_parse(_):
    """Reading the UN list and comparing it with an older one, beside expat alone."""
    older, newer = (os.path.join(SOURCE, "tests", "data", "un", f"un-consolidated-{date}.xml.xz")
                    for date in ("2023-03-27", "2024-09-21"))
    each("bench_un_parse", "-q", newer, "-x", older)
    next_one = os.path.join(SHARED, "data", "sanctions", "un", "un-consolidated-2024-09-26.xml.xz")
    if os.path.exists(next_one):
        each("bench_un_parse", "-q", next_one, "-x", newer)


def journal(a):
    """The log without a broker."""
    for batch in ("1", "64", "512", "2048"):
        each("bench_journal", "-d", scratch.root, "-b", batch, "-t", a.seconds)


def bytes_each(broker, lines, size, n):
    """Bytes on disk of an event beyond its payload and envelope."""
    before = broker.on_disk()
    lines.run(f"fill {size}", *broker.client("pub", "-s", size, "-n", n))
    grown = (broker.on_disk() - before) / n
    out = lines.run(f"read {size}", *broker.client("read", "-s", size))
    envelope = float(re.search(r"note: an envelope has (\d+)", out)[1])
    tell(f"disk, an event of {SIZES[size]}: all / beyond payload and envelope",
         f"{grown:.0f} / {grown - size - envelope:.0f} B", lines.commands[f"fill {size}"])


def stalled(broker):
    """Memory of the broker for one of 100 readers that take nothing."""
    before = broker.memory()
    command = broker.client("stall", "-n", 100)
    readers = spawn(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert readers.stdout.readline() == "stalled\n"
    last = [0]

    def settled():
        last.append(broker.memory())
        time.sleep(0.2)
        return broker.memory() == last[-1] == last[-2]
    wait_for("its memory no longer changes", settled)
    tell("memory of the broker, for one stalled reader of 100", f"{(last[-1] - before) / 100:.0f} KiB",
         shown(command, None))
    readers.stdin.close()
    readers.wait(30)


def store(a):
    """A broker with many events: memory, disk, start, verification."""
    lines, n = Lines(), 1000000 if a.long else 50000
    small = Broker()
    bytes_each(small, lines, 128, n)
    small.stop()
    broker = Broker()
    tell("memory of the broker, idle (RssAnon)", f"{broker.memory()} KiB")
    bytes_each(broker, lines, 1024, n)
    tell(f"memory of the broker, with {n} events", f"{broker.memory()} KiB")
    stalled(broker)
    broker.stop(signal.SIGKILL)
    tell(f"start with {n} events after kill -9, to the first Welcome",
         f"{broker.start('chancery-broker') * 1000:.0f} ms", shown(broker.client("ready"), None))
    broker.stop()
    for program, env, text in (("chancery-log", None, "with signatures"),
                               ("bench_verify", {"BENCH_WITHOUT": "signatures"}, "without")):
        command = [tool(program), "verify", broker.dir]
        begun = time.monotonic()
        done = subprocess.run(command, env={**os.environ, **(env or {})}, capture_output=True, text=True)
        assert done.returncode == 0, done
        tell(f"full verify of {n} events of 1 KiB, {text}", f"{time.monotonic() - begun:.2f} s",
             shown(command, env))
    shutil.rmtree(broker.instance.root)
    shutil.rmtree(small.instance.root)


def whole(_):
    """From `list import` to the last notice, all of it on disk."""
    i, files = Instance(), scratch()
    i.up()
    for date, status in (("2023-03-27", 0), ("2024-09-21", 4)):
        path = snapshot(date, files)
        begun = time.monotonic()
        i.check("list", "import", "--list", "un", path, status=status)
        tell(f"list import of {date}, to the last notice", f"{time.monotonic() - begun:.3f} s",
             f"chancery list import --list un {os.path.basename(path)}")
    i.down()
    for verb in (("log", "verify"), ("audit",)):
        begun = time.monotonic()
        i.check(*verb, i.dir, dir=False)
        tell(" ".join(verb), f"{time.monotonic() - begun:.3f} s", f"chancery {' '.join(verb)} DIR")


def access(a):
    """May this seat have this event? What the question costs at each delivery."""
    each("bench_access", "-t", a.seconds)


def bombs(_):
    """Bytes that are made to be dear to read."""
    each("bench_bombs")


class Crowd:
    """So many strangers at a time, who come again when they are shown the door."""

    def __init__(self, door, n, words):
        self.door, self.open, self.come, self.words = door, [None] * n, 0, words
        self.going = True
        self.thread = threading.Thread(target=self.knock, daemon=True)
        self.thread.start()

    def knock(self):
        while self.going:
            i = self.come % len(self.open)
            if self.open[i]:
                self.open[i].close()
            self.open[i] = self.door.knock(self.words[self.come % len(self.words)])
            self.come += 1
            time.sleep(2.0 / len(self.open))  # each waits for about 2 s

    def end(self):
        self.going = False
        self.thread.join()
        for s in self.open:
            if s:
                s.close()


def attack(a):
    """A seat's latency and the broker's memory under strangers, and beside readers that take little."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    from door import KNOCKS, CURVE, Door, Narrow, greeting  # noqa: PLC0415 (needs packages of its own)
    d, lines = Door().serve(), Lines()
    d.allow("bench", "any", "publish,read", "bench*")
    seconds = "10" if a.long else "3"

    def latency(key, stream):
        lines.run(key, tool("bench_client"), "-d", d.dir, "-m", "latency", "-r", "200", "-q", stream, "-t", seconds,
                  "-x", SEATS)

    def reading(c):
        from chancery.core.v1 import frames_pb2  # noqa: PLC0415
        c.hello()
        c.send(read=frames_pb2.Read(**{"from": 1}, streams=["bench*"], credit_events=1 << 20, credit_bytes=1 << 20))
        return c
    for _ in range(a.rounds):
        latency("alone", "bench-a")
        memory, files = d.memory(), d.files()
        for name, words in (("2,000 strangers that wait", [b"", greeting(CURVE)[:40], greeting(CURVE)]),
                            ("2,000 strangers of all kinds", list(KNOCKS.values()))):
            crowd = Crowd(d, 2000, words)
            wait_for("all of them came", lambda c=crowd: c.come >= 2000)
            latency(name, "bench-b")
            tell(f"{name}: memory above idle, files, came in all",
                 f"{(d.memory() - memory) >> 10} KiB, {d.files()}, {crowd.come}")
            crowd.end()
            wait_for("they are gone", lambda: d.files() <= files + 2)
        latency("afterwards", "bench-c")
        way = Narrow(d)
        stalled, slow = d.caller("officer"), d.caller("sanctions", endpoint=way.endpoint)
        memory = d.memory()
        reading(slow), reading(stalled)  # the latter is never received from again
        way.narrow = True
        load = spawn(tool("bench_client"), "-d", d.dir, "-m", "pub", "-s", "1024", "-p", "1", "-w", "8", "-t", seconds,
                     "-q", "bench-load", "-x", SEATS, stdout=subprocess.DEVNULL)
        latency("beside a load, a stalled reader and one of a byte a second", "bench-d")
        load.wait()
        tell("a stalled reader and one of a byte a second: memory above idle", f"{(d.memory() - memory) >> 10} KiB")
        for c in (stalled, slow):
            c.socket.close()
        load = spawn(tool("bench_client"), "-d", d.dir, "-m", "pub", "-s", "1024", "-p", "1", "-w", "8", "-t", seconds,
                     "-q", "bench-load", "-x", SEATS, stdout=subprocess.DEVNULL)
        latency("beside a load", "bench-e")
        load.wait()
    lines.table()
    for key, base in (("2,000 strangers that wait", "alone"), ("2,000 strangers of all kinds", "alone"),
                      ("afterwards", "alone"),
                      ("beside a load, a stalled reader and one of a byte a second", "beside a load")):
        lines.ratio(f"p99 of {key}, of {base}", key, lambda r, k=key, b=base: r(k)["p99"] / r(b)["p99"])
    d.stop(d.process)


# ---- what is compared ----

def cell(publishers, window):
    return f"{publishers}x{window}"


def transport(lines, a, size, text):
    for curve in ("", " with CURVE"):
        lines.run(f"limit: libzmq{curve} {text}", tool("bench_limit"), "-m", "zmq", "-s", str(size),
                  "-t", a.seconds, *(["-x", "curve"] if curve else []))


def database(lines, a, size, key):
    lines.run(key, tool("bench_limit"), "-m", "lmdb", "-d", scratch.root, "-b", "1000", "-s", str(size),
              "-t", a.seconds)


def publishing(lines, a, size, text, broker, without):
    """A cell and its limit, one after the other on a disk that has rested: it tires of much writing."""
    t = ("-t", a.seconds)
    for p, w in CELLS[:2]:
        end = f"{text} {cell(p, w)}"
        time.sleep(REST)
        database(lines, a, size, f"limit: LMDB 1,000 a commit {end}")
        lines.run(f"publish {end}", *broker.client("pub", "-s", size, "-p", p, "-w", w, *t))
        for b in without if size == 1024 else ():
            time.sleep(REST)
            key = f"publish {end} without {' and '.join(b.without)}"
            database(lines, a, size, f"limit of {key}")
            lines.run(key, *b.client("pub", "-s", size, "-p", p, "-w", w, *t), env=b.env)
    for p, w in CELLS[2:]:
        lines.run(f"publish {text} {cell(p, w)}", *broker.client("pub", "-s", size, "-p", p, "-w", w, *t))


def one_at_a_time(lines, a):
    lines.run("limit: one commit", tool("bench_limit"), "-m", "lmdb", "-d", scratch.root, "-b", "1",
              "-t", a.seconds)
    lines.run("limit: one round trip with CURVE", tool("bench_limit"), "-m", "zmq", "-x", "curve", "-w", "1",
              "-t", a.seconds)


def reading(lines, a, broker, full):
    lines.run("read a full log 1 KiB", *full.client("read"))
    lines.run("publish to delivery, 200/s", *full.client("latency", "-r", 200, "-q", "bench-late",
                                                         "-t", max(1, float(a.seconds))))
    proxy = ("-m", "proxy", "-p", "4", "-w", "256", "-t", a.seconds)
    lines.run("limit: zmq_proxy", tool("bench_limit"), *proxy)
    lines.run("limit: zmq_proxy with CURVE", tool("bench_limit"), "-x", "curve", *proxy)
    lines.run("ask and answer 1 KiB", *broker.client("ask", "-p", 4, "-w", 256, "-t", a.seconds))


def peers(lines, a, size):
    """A size of the shared drivers; what they measure comes under their own names."""
    raw = os.path.join(scratch.root, "peers.tsv")
    names = ["redis-always", "rabbit-quorum", "nats"]
    probe = tempfile.mkdtemp(dir=scratch.root)
    if subprocess.run(["chattr", "+S", probe], capture_output=True).returncode == 0:
        names.append("nats-osync")  # each write is a synchronous one
    command = [os.path.join(SHARED, "bench", "run-peers"), "--peers", ",".join(names), "--phases", "pub",
               "--sizes", str(size), "--runs", "1", "--secs", a.seconds, "--patience", "1", "--raw", raw]
    subprocess.run(command, env={**os.environ, "BENCH_BIN": DRIVERS, "BENCH_TMP": scratch.root},
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=900, check=False)
    with open(raw) as f:
        for line in f:
            x = line.split("\t")
            if x[1].startswith("publish"):
                key = f"{x[0]} [{x[2]}] {SIZES[int(x[3])]} {cell(x[4], x[5])}"
                lines.take(key, line)
                lines.commands[key] = shown(command, {"BENCH_BIN": "build/peers"})
    os.unlink(raw)


def compare_ratios(lines):
    def rate(ours, limit):
        return lambda r: r(ours)["rate"] / r(limit)["rate"]
    print(f"\n{'ratios, within a round':90} {'median':>8}  (least-most)")
    for text in SIZES.values():
        for p, w in CELLS[:2]:
            name = f"publish {text} {cell(p, w)}"
            lines.ratio(f"{name}, of one-put LMDB at 1,000 a commit", name,
                        rate(name, f"limit: LMDB 1,000 a commit {text} {cell(p, w)}"))
            lines.ratio(f"{name}, of libzmq with CURVE", name, rate(name, f"limit: libzmq with CURVE {text}"))
    name = "publish 1 KiB 1x1"
    lines.ratio("one at a time: p50 against one raw commit and one raw round trip", name,
                lambda r: r(name)["p50"] / (r("limit: one commit")["p50"]
                                            + r("limit: one round trip with CURVE")["p50"]))
    for p, w in CELLS[:2]:
        default = f"publish 1 KiB {cell(p, w)}"
        for key in [k for k in lines.rounds if k.startswith(default + " without")]:
            lines.ratio(f"{key}, of default", key, rate(key, default))
            lines.ratio(f"{key}, of LMDB", key, rate(key, f"limit of {key}"))
    key = "read a full log 1 KiB"
    lines.ratio(f"{key}, of libzmq with CURVE", key, rate(key, "limit: libzmq with CURVE 1 KiB"))
    key = "ask and answer 1 KiB"
    lines.ratio(f"{key}, against zmq_proxy", key, rate(key, "limit: zmq_proxy"))
    lines.ratio(f"{key}, against zmq_proxy with CURVE", key, rate(key, "limit: zmq_proxy with CURVE"))
    ends = [cell(p, w) for p, w in CELLS]
    for key in lines.rounds:
        name, _, end = key.rpartition(" ")
        text = next((s for s in SIZES.values() if name.endswith(s)), None)
        if text and end in ends and not key.startswith(("publish", "limit")):
            lines.ratio(f"publish {text} {end}, against {name.removesuffix(' ' + text)}", key,
                        rate(f"publish {text} {end}", key))


def compare(a):
    """Publishing, reading, delivery and questions, each beside its limit."""
    lines, broker, full = Lines(), Broker(), Broker()
    without = [Broker("curve"), Broker("signatures"), Broker("tree"), Broker("curve", "signatures")]
    Lines().run("fill", *full.client("pub", "-n", 1000000 if a.long else 50000))
    with_peers = a.peers and os.path.exists(os.path.join(SHARED, "bench", "run-peers"))
    if a.peers and not with_peers:
        print("skipped peers: ../shared/bench is not here")
    for _ in range(a.rounds):
        for size, text in SIZES.items():
            transport(lines, a, size, text)
            publishing(lines, a, size, text, broker, without)
            if with_peers:
                peers(lines, a, size)
        one_at_a_time(lines, a)
        reading(lines, a, broker, full)
    lines.table()
    compare_ratios(lines)
    for b in (broker, full, *without):
        b.stop()
        shutil.rmtree(b.instance.root)


ALL = {f.__name__: f for f in (base, access, bombs, un_parse, journal, store, compare, whole, attack)}


def main():
    parser = argparse.ArgumentParser(prog="./dev bench", description="prints figures",
                                     epilog="NAME is " + ", ".join(ALL))
    parser.add_argument("name", nargs="*", metavar="NAME")
    parser.add_argument("--long", action="store_true", help="runs of 2 s, and a million events")
    parser.add_argument("--peers", action="store_true", help="also Redis, RabbitMQ and NATS")
    parser.add_argument("--rounds", type=int, default=3, help="of what is compared (3)")
    a = parser.parse_args()
    a.seconds = "2" if a.long else "0.5"
    for name in a.name:
        if name not in ALL:
            parser.error(f"no '{name}'; there are: {' '.join(ALL)}")
    # on a disk: a tmpfs syncs nothing
    scratch.root = tempfile.tempdir = tempfile.mkdtemp(prefix="chancery-bench-", dir="/var/tmp")
    atexit.register(shutil.rmtree, scratch.root, ignore_errors=True)
    for name in a.name or ALL:
        print(f"== {name}: {ALL[name].__doc__}", flush=True)
        ALL[name](a)


if __name__ == "__main__":
    main()
