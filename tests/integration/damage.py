# SPDX-License-Identifier: Apache-2.0
"""damage.py - a broker on a damaged log: it refuses to start, or stops with the position; it never dies of it.

Found at the start, by a reader, or by the scrubber that reads the log over in the background. 40 flips of bits at
random; 1,000 with CHANCERY_LONG."""
import os
import random
import re
import subprocess

from bare import Bare, DOUBT, REFUSED
from instance import LONG, PATIENCE, plain, run, tool, wait_for
from verify import base, head, middle

FLIPS = 1000 if LONG else 40
SEED = int(os.environ.get("CHANCERY_SEED", 20260227))


def bare(scrub, *fault):
    """A copy of a real instance with a fault in it, and the scrubber at a rate."""
    i = Bare(base()[0].dir)
    with open(i.conf) as f:
        conf = f.read()
    with open(i.conf, "w") as f:
        f.write(conf.replace("[broker]\n", f"[broker]\nscrub-rate = {scrub}\n"))
    if fault:
        subprocess.run([tool("plant"), i.dir, *map(str, fault)], check=True, timeout=60)
    return i


def data(i):
    return os.path.join(i.dir, "log", "data.mdb")


def flip(path, at, bit):
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)[0] ^ (1 << bit)
        f.seek(at)
        f.write(bytes([byte]))


def ends_in_doubt(i, broker, *words):
    assert broker.wait(PATIENCE) == DOUBT, (broker.returncode, i.said())
    assert all(word in i.said() for word in words), i.said()
    i.drop()


def a_sound_log_is_read_over_and_told():
    i = bare("100M")
    broker = i.broker()
    wait_for("a pass is told", lambda: "scrub.sound: " in i.said())
    records = int(re.search(r"scrub.sound: records=(\d+)", i.said())[1])
    assert records >= head(), (records, head())
    i.stop(broker)
    i.drop()


def a_flip_that_nobody_reads_is_found_by_the_scrubber():
    i = bare("100M", "payload", middle())
    ends_in_doubt(i, i.broker(), "scrub.damaged: ", f"position={middle()} ",
                  "what=record", "code=record.damaged", "chancery log verify")


def a_flip_while_the_broker_runs_is_found_before_the_pass_ends():
    i = bare("200K")  # the pass takes some seconds, and the last records come last
    with open(data(i), "rb") as f:
        at = f.read().rindex(b"chancery.sanctions.v1.PartyPublished")
    broker = i.broker()
    flip(data(i), at + 3, 1)
    ends_in_doubt(i, broker, "scrub.damaged: ", "code=record.damaged")


def an_altered_index_is_found_by_the_scrubber():
    i = bare("100M", "id", middle(), 1)
    ends_in_doubt(i, i.broker(), f"position={middle()} ", "what=ids")


def a_reader_that_comes_to_a_flip_gets_no_record_and_the_broker_stops():
    i = bare("0", "payload", middle())
    broker = i.broker()
    i.check("log", "head")  # what is sound is served
    done = i.run("event", "ls", "--from", str(middle()), "--limit", "1")
    assert done.returncode != 0 and not done.stdout, done
    ends_in_doubt(i, broker, f"position={middle()}", "broker.damaged: ")


def a_file_that_is_cut_while_the_broker_runs_stops_it():
    i = bare("0")
    broker = i.broker()
    os.truncate(data(i), 64 * 1024)
    i.run("event", "ls")
    ends_in_doubt(i, broker, "stopping")


def a_file_that_is_cut_is_not_served():
    size = os.path.getsize(os.path.join(base()[0].dir, "log", "data.mdb"))
    for cut in (1, 4096, size // 2, size - 8192, size - 1):
        i = bare("0")
        os.truncate(data(i), size - cut)
        assert i.broker().wait(PATIENCE) == REFUSED, i.said()
        assert "record.damaged" in i.said(), i.said()
        done = subprocess.run([tool("chancery-log"), "verify", i.dir], capture_output=True,
                              text=True, timeout=PATIENCE)
        assert done.returncode == 1 and "data.mdb" in done.stdout, done
        i.drop()


def whatever_bit_is_wrong_nobody_dies_of_it():
    dice = random.Random(SEED)
    print(f"seed {SEED}", flush=True)
    served = stopped = refused = 0
    for _ in range(FLIPS):
        i = bare("1G")
        at, bit = dice.randrange(os.path.getsize(data(i))), dice.randrange(8)
        flip(data(i), at, bit)
        done = subprocess.run([plain("chancery-log"), "verify", i.dir], capture_output=True,
                              text=True, timeout=PATIENCE)
        assert done.returncode in (0, 1) and done.stdout, (at, bit, done)
        broker = i.broker()
        i.spawn(tool("chancery"), "event", "ls", "--dir", i.dir, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL)
        wait_for("it ends or calls the log sound", lambda: broker.poll() is not None
                 or "scrub.sound: " in i.said())
        if broker.poll() is None:
            i.stop(broker)
        assert broker.returncode in (0, REFUSED, DOUBT), (at, bit, broker.returncode, i.said())
        # the scrubber does not ask for signatures, nor for entries that no record asks for
        assert done.returncode == 1 or broker.returncode == 0, (at, bit, i.said())
        served += broker.returncode == 0
        stopped += broker.returncode == DOUBT
        refused += broker.returncode == REFUSED
        i.drop()
    print(f"{FLIPS} flips: {served} served, {stopped} stopped, {refused} refused")
    assert stopped > FLIPS // 4


if __name__ == "__main__":
    run([a_sound_log_is_read_over_and_told,
         a_flip_that_nobody_reads_is_found_by_the_scrubber,
         a_flip_while_the_broker_runs_is_found_before_the_pass_ends,
         an_altered_index_is_found_by_the_scrubber,
         a_reader_that_comes_to_a_flip_gets_no_record_and_the_broker_stops,
         a_file_that_is_cut_while_the_broker_runs_stops_it,
         a_file_that_is_cut_is_not_served,
         whatever_bit_is_wrong_nobody_dies_of_it])
