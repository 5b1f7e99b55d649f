# SPDX-License-Identifier: Apache-2.0
"""power.py - the power fails at each write and sync of a broker with four publishers.

A shim journals what the broker writes; every state that its disk could then be left in is rebuilt (a new name lost until
its directory is synced, sectors of 512 bytes torn) and compared with the acknowledgements given by then; on some a
broker is started. 5,000 states; 50,000 with CHANCERY_LONG."""
import concurrent.futures
import itertools
import os
import re
import subprocess
import sys

from bare import Bare, founded, shim
from history import admit, lines
from instance import LONG, PATIENCE, SHARED, plain, run

STATES = 50000 if LONG else 5000
SEATS = ("officer", "pat", "quinn", "robin")
EVENTS = 7  # of each publisher in one run
POWERFAIL = os.path.join(SHARED, "tools", "powerfail", "powerfail.py")
SERVED = os.path.join(os.path.dirname(__file__), "served.py")


def template():
    """A founded directory with four seats that may publish."""
    i = Bare(founded())
    broker = i.broker()
    for seat in SEATS[1:]:
        admit(i, seat)
    i.stop(broker)
    return i.dir


class Disk(Bare):
    """What the power can take lies in a directory of its own: the log, its key, and parts."""

    def __init__(self, source, parts):
        super().__init__(source)
        self.parts = self.root if parts else None
        self.disk, self.journal, self.pid = (os.path.join(self.root, n) for n in ("disk", "journal", "pid"))
        os.mkdir(self.disk)
        for name in ("log", "log.vkey") + (("parts",) if parts else ()):
            os.rename(os.path.join(self.dir, name), os.path.join(self.disk, name))
            os.symlink(os.path.join(self.disk, name), os.path.join(self.dir, name))

    def record(self, library, window, events, fault):
        """Four publishers at once, until the broker is stopped; the acknowledgements in a file."""
        prefix = (sys.executable, POWERFAIL, "run", "--dir", self.disk, "--journal", self.journal,
                  "--shim", library, "--", "sh", "-c", f'echo $$ >{self.pid}; exec "$@"', "sh")
        broker = self.broker({"PF_FAULT": fault}, prefix)
        histories = [os.path.join(self.root, seat) for seat in SEATS]
        more = (0, self.parts) if self.parts else ()
        loads = [self.publish(events, window, history, *more, seat=seat)
                 for seat, history in zip(SEATS, histories)]
        for load in loads:
            assert load.wait(PATIENCE) == 0
        with open(self.pid) as f:
            os.kill(int(f.read()), 15)
        assert broker.wait(PATIENCE) == 0, self.said()
        return acknowledgements(histories, os.path.join(self.root, "acks"))

    def replay(self, acks, *options):
        """(states, what the judge printed); fails when one is bad."""
        done = subprocess.run([sys.executable, POWERFAIL, "replay", "--journal", self.journal,
                               "--acks", acks, "--skip", "lock.mdb", "--strict", *options],
                              capture_output=True, text=True)
        counts = re.search(r"(\d+) disk states checked, (\d+) bad", done.stdout)
        assert done.returncode == 0 and counts and counts[2] == "0", done.stdout[-3000:] + done.stderr
        return int(counts[1])


def acknowledgements(histories, path):
    """When, and of which event: position, id and hash."""
    with open(path, "w") as f:
        for history in histories:
            hashes = {}
            for line in lines(history):
                if line["ev"] == "send":
                    hashes[line["id"]] = line["h"]
                elif line["ev"] == "ack":
                    f.write(f"{line['t']} {line['seq']} {line['id']} {hashes[line['id']]}\n")
    return path


def cut(source, library, seed, events=EVENTS, fault="", *options):
    """One run and all its states: (compared, served). Parts every other time: their directories take longest to rebuild."""
    disk = Disk(source, seed % 2 == 1)
    acks = disk.record(library, 1 + seed % 4, events, fault)
    seeded = (*options, "--seed", str(seed))
    compared = disk.replay(acks, *seeded, "--random", "3", "--", plain("acked"), "{dir}", "{acks}")
    served = disk.replay(acks, *seeded, "--random", "1", "--every", "41", "--", sys.executable,
                         SERVED, source, "{dir}", "{acks}")
    disk.drop()
    return compared, served


def whenever_the_power_fails_what_was_acknowledged_is_there():
    library, source, seeds, done = shim(), template(), itertools.count(), []

    def go_on(_):
        while sum(compared for compared, _ in done) < STATES:
            done.append(cut(source, library, next(seeds)))

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(go_on, range(os.cpu_count())))
    print(f"power: {sum(compared for compared, _ in done)} disk states of {len(done)} runs compared, "
          f"{sum(served for _, served in done)} of them served, 0 bad", flush=True)


def what_a_failed_sync_dropped_is_not_missed():
    """The batch is refused as the disk is full, the broker goes on, and the kernel never writes those pages again."""
    fault = ";".join(f"sync:data.mdb:{nth}:1:ENOSPC" for nth in (2, 3, 6, 9))
    compared, served = cut(template(), shim(), 0, 6, fault, "--fsyncgate")
    print(f"power: {compared} disk states with 4 failed syncs compared, {served} of them served, 0 bad",
          flush=True)


if __name__ == "__main__":
    run([whenever_the_power_fails_what_was_acknowledged_is_there,
         what_a_failed_sync_dropped_is_not_missed])
