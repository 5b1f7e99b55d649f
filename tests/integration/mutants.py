# SPDX-License-Identifier: Apache-2.0
"""mutants.py - spoilt configurations: a broker refuses one and says where, or serves no more than the good one would.

It lets no stranger in, and listens where its configuration says and nowhere else. 300 of them, 10,000 with CHANCERY_LONG;
CHANCERY_SEED repeats a run."""
import os
import random
import re
import time

from door import Door
from instance import LONG, run

MUTANTS = 10000 if LONG else 300
SEED = int(os.environ.get("CHANCERY_SEED", time.time()))
WORDS = ["", "no", "0", "-1", "99999999999999999999", "broker", "officer", "*", "tcp://127.0.0.1:*", "tcp://lo:0",
         "ipc://run/broker.sock", "ipc://", "tcp://", "inproc://x", "chancery.example/other", "\0", "\xff", "=", "[broker]",
         "[connection", "; ", "  ", "00" * 32, "ff" * 32]
KEYS = ["listen", "endpoint", "server-key", "seat", "name", "key-file", "disk-reserve", "quota-events", "scrub-rate",
        "sandbox", "directory"]


def spoil(text, chance):
    """One change: of lines, of words, or of a byte."""
    lines = text.split("\n")
    i, k = chance.randrange(len(lines)), chance.randrange(len(lines))
    kind = chance.randrange(8)
    if kind == 0:
        del lines[i]
    elif kind == 1:
        lines.insert(k, lines[i])
    elif kind == 2:
        lines[i], lines[k] = lines[k], lines[i]
    elif kind == 3:
        lines[i] = lines[i].split("=")[0] + "= " + chance.choice(WORDS)
    elif kind == 4:
        lines.insert(i, f"{chance.choice(KEYS)} = {chance.choice(WORDS)}")
    elif kind == 5:
        lines[i] = lines[i][:chance.randrange(len(lines[i]) + 1)]
    else:
        at = chance.randrange(len(text))
        return text[:at] + chr(chance.randrange(256)) + text[at + (kind == 6):]
    return "\n".join(lines)


def said_of(text):
    """What a reader of the file would say that it listens at: of [broker] listen, or [connection] endpoint."""
    section, found = "", {}
    for line in text.split("\n"):
        line = line.strip()
        if line.startswith("["):
            section = line[1:].partition("]")[0]
        name, is_setting, value = line.partition("=")
        if is_setting:
            found[section, name.strip()] = value.strip()
    return found.get(("broker", "listen")) or found.get(("connection", "endpoint"), "")


def listens(pid):
    """Addresses and ports that the process listens at, of all kinds of TCP."""
    inodes = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            inodes |= set(re.findall(r"socket:\[(\d+)\]", os.readlink(f"/proc/{pid}/fd/{fd}")))
        except FileNotFoundError:  # it was closed meanwhile
            pass
    found = []
    for version in ("tcp", "tcp6"):
        with open(f"/proc/{pid}/net/{version}") as f:
            for words in map(str.split, list(f)[1:]):
                if words[3] == "0A" and words[9] in inodes:
                    address, port = words[1].split(":")
                    found.append((".".join(map(str, reversed(bytes.fromhex(address)))), int(port, 16)))
    return found


def lets_in(server_key, endpoint):
    """A stranger with a key of its own."""
    import zmq  # noqa: PLC0415
    from zmq.utils.monitor import recv_monitor_message  # noqa: PLC0415
    c = zmq.Context.instance().socket(zmq.DEALER)
    c.linger, c.reconnect_ivl, c.curve_serverkey = 0, -1, bytes.fromhex(server_key)
    c.curve_publickey, c.curve_secretkey = zmq.curve_keypair()
    monitor = c.get_monitor_socket()
    c.connect(endpoint)
    ends = (zmq.EVENT_HANDSHAKE_SUCCEEDED, zmq.EVENT_HANDSHAKE_FAILED_AUTH, zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL,
            zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL, zmq.EVENT_DISCONNECTED)
    event = 0
    while event not in ends:
        assert monitor.poll(10000), "the handshake has no end"
        event = recv_monitor_message(monitor)["event"]
    c.disable_monitor()
    c.close()
    return event == zmq.EVENT_HANDSHAKE_SUCCEEDED


def no_spoilt_configuration_opens_a_door():
    print(f"seed {SEED}", flush=True)
    chance, door = random.Random(SEED), Door()
    with open(door.conf) as f:
        good = f.read()
    key = door.server_key()  # that of the good one
    refused = served = 0
    for n in range(MUTANTS):
        text = good
        for _ in range(chance.randint(1, 3)):
            text = spoil(text, chance)
        with open(door.conf, "w", encoding="latin-1", newline="") as f:
            f.write(text)
        begin = os.path.getsize(door.log) if os.path.exists(door.log) else 0
        process = door.broker()
        said = door.said(begin)
        if process.poll() is not None:
            refused += 1
            assert process.returncode in (1, 2, 78), (n, process.returncode, said, text)
            assert re.search(r"refusing to serve code=[a-z.]+: .*\S", said), (n, said, text)
            continue
        served += 1
        stated, at = said_of(text), listens(process.pid)
        match = re.fullmatch(r"tcp://([\w.*]+):(\d+|\*)", stated)
        for address, port in at:
            assert match and match[1] == address and match[2] in (str(port), "*"), (n, stated, at, text)
            assert not lets_in(key, f"tcp://{address}:{port}"), (n, text)
        if not at:
            assert stated.startswith("ipc://"), (n, stated, said, text)
        process.terminate()
        process.wait(60)
        door.processes.clear()
    print(f"        {MUTANTS} configurations: {refused} refused, {served} served, none of them to a stranger")
    assert refused > MUTANTS // 10 and served > MUTANTS // 10


if __name__ == "__main__":
    run([no_spoilt_configuration_opens_a_door])
