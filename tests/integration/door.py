# SPDX-License-Identifier: Apache-2.0
"""door.py - a broker at a TCP port of this machine, as it is released, and who knocks there."""
import contextlib
import os
import re
import socket
import struct
import threading
import time

from bare import Bare, founded
from examples import python_client
from instance import Released, free_port

GREETING = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x01"  # ZMTP 3.1; the mechanism's name, 20 bytes, and more follow
NULL, PLAIN, CURVE = b"NULL", b"PLAIN", b"CURVE"
TYPE = "chancery.embargo.v1.ConfirmSnapshot"
STREAM = "attack"


def greeting(mechanism):
    return GREETING + mechanism.ljust(20, b"\0") + bytes(32)


def command(name, body=b""):
    """A ZMTP command in a long frame."""
    whole = bytes([len(name)]) + name + body
    return b"\x06" + struct.pack(">Q", len(whole)) + whole


METADATA = b"\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER" + b"\x08Identity" + bytes(4)
READY = command(b"READY", METADATA)
KNOCKS = {  # what a stranger says, who then waits
    "nothing": b"",
    "half a greeting": GREETING[:5],
    "a greeting and no more": greeting(CURVE),
    "NULL": greeting(NULL) + READY,
    "PLAIN": greeting(PLAIN) + command(b"HELLO", b"\x05admin\x05admin"),
    "a frame of 1 GiB before any greeting": b"\x02" + struct.pack(">Q", 1 << 30) + b"x" * 1000,
    "a command of 1 GiB": greeting(CURVE) + b"\x06" + struct.pack(">Q", 1 << 30) + b"\x05HELLO" + b"x" * 10000,
    "a message of 1 GiB": greeting(NULL) + READY + b"\x02" + struct.pack(">Q", 1 << 30) + b"x" * 10000,
    "a CURVE hello that is too short": greeting(CURVE) + command(b"HELLO", b"\1\0"),
    "a CURVE hello of nobody": greeting(CURVE) + command(b"HELLO", b"\1\0" + bytes(198)),
    "rubbish": bytes(range(256)) * 16,
    "HTTP": b"GET / HTTP/1.1\r\nHost: chancery.example\r\n\r\n",
}


class Callers:
    """Whose keys are at hand: of an instance's directory and its endpoint."""

    def endpoint(self):
        with open(self.conf) as f:
            found = re.search(r"^endpoint = (\S+)", f.read(), re.M)[1]
        return found.replace("ipc://run", f"ipc://{self.dir}/run")

    def allow(self, rule, subject, verbs, stream):
        self.check("access", "allow", rule, subject, verbs, stream, "--yes", "--seat", "administrator")

    def key(self, seat):
        with open(os.path.join(self.dir, "keys", f"{seat}.key")) as f:
            return dict(line.strip().split(" = ") for line in f if not line.startswith("#"))

    def server_key(self):
        with open(self.conf) as f:
            return re.search(r"^server-key = (\w+)", f.read(), re.M)[1]

    def caller(self, seat, **options):
        """A Python client, of this key for the transport and with these options of its socket."""
        import client  # noqa: PLC0415 (found once protoc has run)
        import zmq  # noqa: PLC0415
        from nacl.signing import SigningKey  # noqa: PLC0415
        key = self.key(seat)
        c = client.Client.__new__(client.Client)
        with open(os.path.join(self.dir, "log.vkey")) as f:
            c.vkey = f.read().strip()
        c.signer, c.ref, c.welcome = SigningKey(bytes.fromhex(key["sign-seed"])), 0, None
        c.socket = zmq.Context.instance().socket(zmq.DEALER)
        endpoint = options.pop("endpoint", self.endpoint())
        settings = {"linger": 0, "sndtimeo": 2000, "maxmsgsize": 1 << 20,
                    "curve_serverkey": bytes.fromhex(self.server_key()),
                    "curve_publickey": bytes.fromhex(key["curve-public"]),
                    "curve_secretkey": bytes.fromhex(key["curve-secret"]), **options}
        for name, value in settings.items():
            setattr(c.socket, name, value)
        c.socket.connect(endpoint)
        return c


class Door(Callers, Bare):
    def __init__(self, template=None):
        python_client()
        super().__init__(template or founded())
        self.port = free_port()
        with open(self.conf) as f:
            text = f.read()
        with open(self.conf, "w") as f:
            f.write(text.replace("ipc://run/broker.sock", f"tcp://127.0.0.1:{self.port}"))
        self.process = None

    def serve(self):
        self.process = self.broker()
        assert self.process.poll() is None, self.said()
        return self

    def lives(self):
        return self.process.poll() is None

    def memory(self):
        """Bytes of its own."""
        return anonymous(self.process.pid)

    def files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def knock(self, said):
        """A connection of somebody who says that and then waits."""
        s = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        with contextlib.suppress(OSError):  # it was shown the door while it spoke
            s.sendall(said)
        return s


class House(Callers, Released):
    """The same of a whole instance, whose processes are started again when they die."""

    def __init__(self):
        python_client()
        super().__init__()


class Curve:
    """A CURVE client by hand (ZeroMQ RFC 26), who says what no library would."""

    def __init__(self, house, seat):
        from nacl import bindings  # noqa: PLC0415
        key, server = house.key(seat), bytes.fromhex(house.server_key())
        own, secret = bytes.fromhex(key["curve-public"]), bytes.fromhex(key["curve-secret"])
        short, short_secret = bindings.crypto_box_keypair()
        self.seal, self.sent = bindings.crypto_box_afternm, 0
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(house.endpoint().removeprefix("ipc://"))
        self.socket.sendall(greeting(CURVE))
        self.read(64)
        hello = bindings.crypto_box(bytes(64), b"CurveZMQHELLO---" + self.count(), server, short_secret)
        self.socket.sendall(command(b"HELLO", b"\1\0" + bytes(72) + short + self.last + hello))
        welcome = self.frame()[8:]
        opened = bindings.crypto_box_open(welcome[16:], b"WELCOME-" + welcome[:16], server, short_secret)
        session, cookie = opened[:32], opened[32:]
        nonce = os.urandom(16)
        vouch = bindings.crypto_box(short + server, b"VOUCH---" + nonce, session, secret)
        self.shared = bindings.crypto_box_beforenm(session, short_secret)
        box = self.seal(own + nonce + vouch + METADATA, b"CurveZMQINITIATE" + self.count(), self.shared)
        self.socket.sendall(command(b"INITIATE", cookie + self.last + box))
        assert self.frame().startswith(b"\5READY")

    def count(self):
        self.sent += 1
        self.last = struct.pack(">Q", self.sent)
        return self.last

    def read(self, n):
        data = b""
        while len(data) < n:
            got = self.socket.recv(n - len(data))
            assert got, "it was shown the door"
            data += got
        return data

    def frame(self):
        long = self.read(1)[0] & 2
        return self.read(struct.unpack(">Q", self.read(8))[0] if long else self.read(1)[0])

    def part(self, data):
        """A part of a message, behind which another one comes."""
        body = b"\7MESSAGE" + self.count()
        body += self.seal(b"\1" + data, b"CurveZMQMESSAGEC" + self.last, self.shared)
        self.socket.sendall(b"\2" + struct.pack(">Q", len(body)) + body)


class Narrow:
    """A way to the door through which, while it is narrow, what the broker sends comes a byte a second."""

    def __init__(self, door):
        self.door, self.narrow, self.passed = door, False, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.carry, daemon=True).start()

    def carry(self):
        while True:
            near, _ = self.listener.accept()
            far = socket.create_connection(("127.0.0.1", self.door.port))
            far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 17)
            for ends in ((near, far, lambda: False), (far, near, lambda: self.narrow)):
                threading.Thread(target=self.pump, args=ends, daemon=True).start()

    def pump(self, source, sink, slow):
        with contextlib.suppress(OSError):
            at, data = time.monotonic(), b"x"
            while data:
                if slow() and time.monotonic() < at:
                    time.sleep(0.01)
                    continue
                data = source.recv(1 if slow() else 65536)
                sink.sendall(data)
                self.passed += len(data)
                at = time.monotonic() + 1
        for s in (source, sink):  # the other one ends as well
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)


def anonymous(pid):
    """Bytes of memory of a process's own."""
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) << 10 for line in f if line.startswith("RssAnon"))
