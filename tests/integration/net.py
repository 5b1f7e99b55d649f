# SPDX-License-Identifier: Apache-2.0
"""net.py - the network between broker and clients is cut: one way, both ways, for a moment and until both sides give up.

Broker, worker, adapter, publishers and reader on hosts of their own, over TCP. What was recorded and not
acknowledged is acknowledged later, once; the broker ends in a cut and starts again; connections stay half open. A round
of each; 20 with CHANCERY_LONG."""
import base64
import json
import os
import random
import re
import socket
import struct
import subprocess
import time
import uuid

from history import Load, admit, checker
from instance import Instance, LONG, run, scratch, spawn, tool, wait_for
from kill import Imports, Processes
from wire import Wire

SEED = int(os.environ.get("CHANCERY_SEED", time.time()))
ROUNDS = 20 if LONG else 1
GLANCES = 12  # cuts of a round that are shorter than any patience
PORT = 7312
PLACES = ("broker", "embargo", "sanctions", "pat", "quinn", "reader", "late", "lost", "guest")
CLIENTS = PLACES[1:6]
STRANGERS = 20
ESTABLISHED, CLOSE_WAIT = "01", "08"  # of /proc/net/tcp
SILENCE = "client.silence: "
REQUEST = ("--stream", "sanctions.in", "--type", "core.RetryInput")
PAYLOAD = {"input": "1099511627776"}  # of an input that never was


def id_of(event):
    """As it is written everywhere but in JSON of protobuf."""
    return str(uuid.UUID(bytes=base64.b64decode(event["envelope"]["id"])))


class Spread(Processes):
    """Each on its own host, the signer beside its broker."""

    def __init__(self, i, hosts):
        self.hosts = hosts
        super().__init__(i)

    def start(self, name):
        with self.hosts["broker" if name == "signer" else name].inside():
            super().start(name)


class Desk:
    """Somebody publishes event by event while the wire is cut one way: the answer is lost, or the question."""

    def __init__(self, scene, seat, way):
        self.scene, self.seat, self.way = scene, seat, way
        with scene.hosts[seat].inside():
            self.process = spawn(tool("chancery"), "event", "publish", "--ndjson", "--json", *REQUEST, "--seat",
                                 seat, "--dir", scene.i.dir, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, text=True)
        self.say()
        assert self.hear()["result"] == "recorded"
        way.cut()
        self.say()

    def say(self):
        self.process.stdin.write(json.dumps({"payload": PAYLOAD}) + "\n")
        self.process.stdin.flush()

    def hear(self):
        return json.loads(self.process.stdout.readline())

    def recorded(self, id):
        return sum(id_of(e) == id for e in self.scene.i.json("event", "ls", "--stream", "sanctions.in"))

    def end(self, times):
        """It was unknown, and was recorded so many times; what the seat says next comes behind it, and is known."""
        answer = self.hear()
        assert answer["result"] == "unknown", answer
        assert self.recorded(answer["id"]) == times
        self.way.clear()
        with self.scene.hosts[self.seat].inside():
            self.scene.i.check("event", "publish", "-", *REQUEST, "--seat", self.seat, stdin=json.dumps(PAYLOAD))
        assert self.recorded(answer["id"]) == 1
        again = self.scene.i.run("event", "publish", "-", *REQUEST, "--seat", self.seat, "--id", answer["id"],
                                 stdin=json.dumps(PAYLOAD))
        assert again.returncode == 1 and "id.reused" in again.stderr, again


class Scene:
    def __init__(self, wire):
        self.wire, self.hosts = wire, dict(zip(PLACES, wire.hosts))
        self.i = Instance()
        with open(self.i.conf) as f:
            conf = f.read()
        with open(self.i.conf, "w") as f:
            f.write(re.sub("endpoint = .*", f"endpoint = tcp://{self.hosts['broker'].address}:{PORT}", conf))
        self.processes = Spread(self.i, self.hosts)
        wait_for("the instance answers", self.answers)
        for seat in ("late", "lost", "guest"):
            admit(self.i, seat)
        self.load = Load(self.i, place=lambda seat: self.hosts[seat].inside())
        self.imports = Imports(self.i)

    def answers(self):
        return self.i.run("list", "status").returncode == 0

    def seats(self):
        return {s["seat"] for s in self.i.json("status")[0]["broker"]["seats"]}

    def flows(self):
        before = self.load.received.count()
        self.load.await_more()
        wait_for("the reader goes on", lambda: self.load.received.count() > before)

    def goes_on(self):
        """Publishers, reader and worker: all sessions are there and work."""
        self.imports.go_on()
        self.flows()
        wait_for("the worker answers", self.answers)
        wait_for("all are known", lambda: self.seats() >= set(CLIENTS))

    # ---- for a moment ----

    def glance(self, dice):
        """A cut that TCP mends."""
        host = self.hosts[dice.choice(PLACES[:6])]
        time.sleep(dice.uniform(0.0, 0.2))  # a random point, not a wait
        for way in dice.choice(((host.out,), (host.into,), (host.out, host.into))):
            way.cut()
        time.sleep(dice.uniform(0.05, 1.0))
        host.heal()

    def rough(self):
        """Packets are lost, late, twice, and overtake each other."""
        for host in self.wire.hosts[:6]:
            host.out.lost, host.out.doubled, host.out.delay, host.out.jitter = 0.02, 0.05, 0.002, 0.02
        for _ in range(10):
            self.flows()
        self.heal()

    # ---- until both sides give up ----

    def silences(self, name):
        path = self.load.log(name)
        if not os.path.exists(path):
            path = os.path.join(self.i.dir, "run", name + ".log")
        with open(path, errors="replace") as f:
            return f.read().count(SILENCE)

    def given_up(self, cuts):
        """`cuts` are names and their ways. The broker ends the sessions, the clients take other sockets."""
        before = {name: self.silences(name) for name in cuts}
        for ways in cuts.values():
            for way in ways:
                way.cut()

        def both():
            return (all(self.silences(name) > n for name, n in before.items())
                    and not self.seats() & set(cuts))
        wait_for(f"both sides give up: {' '.join(cuts)}", both, pause=0.5)

    def heal(self):
        for host in self.wire.hosts[:6]:
            host.heal()
        self.goes_on()

    def unacknowledged(self, seat, since):
        """Of those recorded behind a position, how many it was not told of."""
        with open(self.load.histories[("pat", "quinn").index(seat)]) as f:
            told = {line["id"] for line in map(json.loads, f.read().splitlines()[:-1]) if line["ev"] == "ack"}
        events = self.i.json("event", "ls", "--stream", "embargo.in", "--from", str(since))
        return sum(e["envelope"]["seat"] == seat and id_of(e) not in told for e in events)

    def answers_are_lost(self):
        """What pat publishes is recorded, and pat is not told; what quinn publishes gets nowhere."""
        head = self.i.json("log", "head")[0]["head"]
        self.given_up({"pat": [self.hosts["pat"].into], "quinn": [self.hosts["quinn"].out],
                       "embargo": [self.hosts["embargo"].into]})
        assert self.unacknowledged("pat", head) > 0
        self.heal()

    def all_are_cut_off(self):
        broker = self.hosts["broker"]
        self.given_up({name: [broker.out, broker.into] for name in CLIENTS})
        self.heal()

    def the_broker_restarts_in_a_cut(self):
        """Its end is not heard of: who is cut off holds a connection to nobody."""
        for name in ("pat", "reader", "sanctions"):
            self.hosts[name].cut()
        self.processes.kill("broker")
        before = self.load.acks[1].count()
        wait_for("quinn goes on", lambda: self.load.acks[1].count() > before)
        self.heal()

    # ---- half open ----

    def held(self):
        """Connections with the guest's host that the broker's host has: established or waiting to be closed."""
        guest = struct.unpack("=I", socket.inet_aton(self.hosts["guest"].address))[0]
        with open(f"/proc/{self.processes.running['broker'].pid}/net/tcp") as f:
            lines = [line.split() for line in f.read().splitlines()[1:]]
        return sum(remote.startswith(f"{guest:08X}:") and state in (ESTABLISHED, CLOSE_WAIT)
                   for _, _, remote, state, *_ in lines)

    def vanish(self):
        """A reader and strangers who said nothing are gone, and nobody tells the broker."""
        guest = self.hosts["guest"]
        with guest.inside():
            strangers = [socket.create_connection((self.hosts["broker"].address, PORT)) for _ in range(STRANGERS)]
            reader = spawn(tool("load"), "read", self.i.conf, "guest", "embargo.in", "0",
                           os.path.join(scratch(), "guest"))
        wait_for("the guest is there", lambda: "guest" in self.seats())
        wait_for("the broker holds all of them", lambda: self.held() == STRANGERS + 1)
        guest.cut()
        reader.kill()
        reader.wait()
        for stranger in strangers:
            stranger.close()

    def forgotten(self):
        wait_for("the broker closes what nobody holds", lambda: self.held() == 0)
        assert "guest" not in self.seats()
        self.hosts["guest"].heal()

    def end(self):
        self.load.end()
        self.imports.end()
        self.processes.end()
        self.load.judge()
        assert "ok:" in self.i.check("audit", self.i.dir, dir=False, timeout=900)


def round_of_cuts(scene, dice):
    for _ in range(GLANCES):
        scene.imports.go_on()
        scene.glance(dice)
    scene.goes_on()
    scene.rough()
    scene.vanish()
    scene.answers_are_lost()
    scene.forgotten()
    scene.all_are_cut_off()
    scene.the_broker_restarts_in_a_cut()


def whatever_the_wire_loses_nothing_acknowledged_is_lost_and_unknown_is_what_was_unknown():
    checker()
    print(f"seed {SEED}", flush=True)
    dice, wire = random.Random(SEED), Wire(len(PLACES), SEED)
    with wire.hosts[0].inside():
        scene = Scene(wire)
        late = Desk(scene, "late", scene.hosts["late"].into)
        lost = Desk(scene, "lost", scene.hosts["lost"].out)
        for _ in range(ROUNDS):
            round_of_cuts(scene, dice)
        late.end(1)
        lost.end(0)
        scene.end()
    print(f"network: {ROUNDS * GLANCES} cuts for a moment, {ROUNDS * 9} until both sides gave up, {wire.lost} of "
          f"{wire.lost + wire.carried} packets lost, {scene.load.acknowledged()} events acknowledged, "
          f"{scene.imports.n} imports, 0 bad", flush=True)


if __name__ == "__main__":
    run([whatever_the_wire_loses_nothing_acknowledged_is_lost_and_unknown_is_what_was_unknown])
