# SPDX-License-Identifier: Apache-2.0
"""door.py - a broker alone at a TCP port of this machine, as it is released, and who knocks there."""
import contextlib
import os
import re
import socket
import struct

from bare import Bare, founded
from examples import python_client
from instance import free_port

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


READY = command(b"READY", b"\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER")
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


class Door(Bare):
    def __init__(self, template=None):
        python_client()
        super().__init__(template or founded())
        self.port = free_port()
        with open(self.conf) as f:
            text = f.read()
        with open(self.conf, "w") as f:
            f.write(text.replace("ipc://run/broker.sock", self.endpoint()))
        self.process = None

    def endpoint(self):
        return f"tcp://127.0.0.1:{self.port}"

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

    def knock(self, said):
        """A connection of somebody who says that and then waits."""
        s = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        with contextlib.suppress(OSError):  # it was shown the door while it spoke
            s.sendall(said)
        return s


def anonymous(pid):
    """Bytes of memory of a process's own."""
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) << 10 for line in f if line.startswith("RssAnon"))
