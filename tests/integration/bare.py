# SPDX-License-Identifier: Apache-2.0
"""bare.py - a broker and its signer by themselves, as they are released, with publishers outside: for thousands of short runs.

Its directory lies in memory: what a disk would lose is made by the shim, not by the machine."""
import os
import shutil
import subprocess

from instance import Commands, PATIENCE, SHARED, Skip, plain, scratch, spawn, wait_for

MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None
DOUBT = 70  # exit status of a broker that does not know whether its last batch is on disk
REFUSED = 1  # that of one that does not serve


def founded(*arguments):
    """A directory as `chancery init` leaves it."""
    path = os.path.join(scratch(MEMORY), "i")
    subprocess.run([plain("chancery-init"), path, *(arguments or ("--exercise",))], check=True,
                   stdout=subprocess.DEVNULL)
    return path


def shim():
    """The library that journals and fails what a program writes, built from where it stands."""
    source = os.path.join(SHARED, "tools", "powerfail", "pfshim.c")
    if not os.path.exists(source):
        raise Skip("the shim is not here")
    library = os.path.join(scratch(), "pfshim.so")
    subprocess.run(["gcc", "-O2", "-fPIC", "-shared", "-w", "-o", library, source, "-ldl"],
                   check=True)
    return library


class Bare(Commands):
    """A copy of a founded directory; ends with `drop`."""

    program = plain("chancery")

    def __init__(self, template, root=None):
        self.root = root or scratch(MEMORY)
        self.dir = os.path.join(self.root, "i")
        self.conf = os.path.join(self.dir, "chancery.conf")
        self.log = os.path.join(self.root, "broker.log")
        subprocess.run(["cp", "-a", template, self.dir], check=True)
        self.processes, self.signer = [], None

    def spawn(self, *command, **keywords):
        keywords.setdefault("env", {**os.environ, **self.environment})
        self.processes.append(spawn(*command, **keywords))
        return self.processes[-1]

    def broker(self, environment=None, prefix=()):
        """Starts it and waits until it serves or has ended."""
        if not self.signer:  # one for all brokers of the directory: it finds the next one
            self.signer = self.spawn(plain("chancery-signer"), "--config", self.dir, stderr=subprocess.DEVNULL)
        begin = os.path.getsize(self.log) if os.path.exists(self.log) else 0
        with open(self.log, "ab") as log:
            process = self.spawn(*prefix, plain("chancery-broker"), "--config", self.dir,
                                 stderr=log,
                                 env={**os.environ, **self.environment, **(environment or {})})
        wait_for("the broker serves or ends", lambda: process.poll() is not None
                 or "broker.ready: " in self.said(begin), pause=0.002)
        return process

    def said(self, begin=0):
        with open(self.log, errors="replace") as f:
            f.seek(begin)
            return f.read()

    def publish(self, count, window, history, *more, seat="officer", stream="sanctions.in"):
        return self.spawn(plain("load"), "publish", self.conf, seat, stream, str(count),
                          str(window), history, *map(str, more))

    def stop(self, process, status=0):
        process.terminate()
        assert process.wait(PATIENCE) == status, (process.returncode, self.said()[-2000:])

    def drop(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(self.root, ignore_errors=True)
