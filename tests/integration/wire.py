# SPDX-License-Identifier: Apache-2.0
"""wire.py - hosts with a network of their own, and a wire between them that loses, delays and doubles packets.

A host is a network namespace with one device, and the other end of all devices is a thread of this process: each packet
passes through here. Nothing of the machine's own network is touched."""
import contextlib
import ctypes
import fcntl
import heapq
import ipaddress
import itertools
import os
import random
import select
import struct
import subprocess
import threading
import time

from instance import Skip

NEW_NETWORK = 0x40000000  # CLONE_NEWNET
TUNSETIFF, TUN, NO_INFORMATION = 0x400454CA, 0x0001, 0x1000
DEVICE = "wire"
MOST = 65536  # bytes of a packet
libc = ctypes.CDLL(None, use_errno=True)


def own_network():
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def device():
    """The wire's end of a new device in the network of the thread."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", DEVICE.encode(), TUN | NO_INFORMATION))
    return fd


class Way:
    """What happens to packets in one direction: shares of 1, and seconds."""

    def __init__(self):
        self.clear()

    def clear(self):
        self.lost = self.doubled = self.delay = self.jitter = 0.0

    def cut(self):
        self.lost = 1.0


class Host:
    """`out` is the way of what it sends, `into` of what it gets."""

    def __init__(self, address):
        self.address, self.out, self.into = address, Way(), Way()
        home = own_network()
        if libc.unshare(NEW_NETWORK) != 0:
            raise Skip("a network of its own needs root")
        try:
            self.network, self.fd = own_network(), device()
            for words in ("link set lo up", f"address add {address}/24 dev {DEVICE}",
                          f"link set {DEVICE} up"):
                subprocess.run(["ip", *words.split()], check=True)
        except OSError as why:
            raise Skip(f"no device of its own: {why}") from why
        finally:
            libc.setns(home, NEW_NETWORK)
            os.close(home)

    @contextlib.contextmanager
    def inside(self):
        """What is started meanwhile lives there."""
        home = own_network()
        libc.setns(self.network, NEW_NETWORK)
        try:
            yield self
        finally:
            libc.setns(home, NEW_NETWORK)
            os.close(home)

    def cut(self):
        self.out.cut()
        self.into.cut()

    def heal(self):
        self.out.clear()
        self.into.clear()


class Wire:
    """Carries packets between hosts, 10.77.0.1 the first, until the process ends."""

    def __init__(self, hosts, seed):
        self.hosts = [Host(f"10.77.0.{n}") for n in range(1, hosts + 1)]
        self.to = {ipaddress.ip_address(host.address).packed: host for host in self.hosts}
        self.of = {host.fd: host for host in self.hosts}
        self.under_way, self.numbers = [], itertools.count()  # (when, number, host, packet)
        self.dice = random.Random(seed)
        self.carried = self.lost = 0
        threading.Thread(target=self.carry, daemon=True).start()

    def carry(self):
        while True:
            wait = max(0.0, self.under_way[0][0] - time.monotonic()) if self.under_way else None
            for fd in select.select(list(self.of), [], [], wait)[0]:
                self.take(self.of[fd], os.read(fd, MOST))
            while self.under_way and self.under_way[0][0] <= time.monotonic():
                _, _, host, packet = heapq.heappop(self.under_way)
                self.carried += 1
                with contextlib.suppress(OSError):  # the device takes no more: lost as well
                    os.write(host.fd, packet)

    def take(self, sender, packet):
        host = self.to.get(packet[16:20])  # where IPv4 has the address it goes to
        if packet[0] >> 4 != 4 or host is None:
            return
        ways = (sender.out, host.into)
        if any(self.dice.random() < way.lost for way in ways):
            self.lost += 1
            return
        for _ in range(2 if any(self.dice.random() < way.doubled for way in ways) else 1):
            late = sum(way.delay + way.jitter * self.dice.random() for way in ways)
            heapq.heappush(self.under_way,
                           (time.monotonic() + late, next(self.numbers), host, packet))
