# SPDX-License-Identifier: Apache-2.0
"""fault.py - each write, sync, open and rename of a run fails in turn, or kills the broker there.

A publisher goes on until every event is recorded or refused; the broker ends as it must and serves when it is started
again; the history checker and `log verify` judge. Every call of a run of 12 events with parts; of 300 with CHANCERY_LONG."""
import collections
import concurrent.futures
import os

from bare import Bare, DOUBT, REFUSED, founded, shim
from history import checker, codes, judge
from instance import LONG, PATIENCE, run, wait_for

EVENTS = 300 if LONG else 12
WINDOWS = (4, 16) if LONG else (1, 4)  # events under way at once
KILLED = -9
ERRORS = ("EIO", "ENOSPC", "EDQUOT", "EINTR", "kill")
ACTIONS = {"write": ERRORS + ("short",), "sync": ERRORS, "open": ERRORS, "rename": ERRORS}
REFUSALS = {"log.full", "part.missing"}  # of an event; a part that cannot be stored is not sent


def calls_of(counts):
    """How many calls of each kind the broker made, as the shim wrote them down when it ended by itself."""
    if not os.path.exists(counts):
        return {}
    with open(counts) as f:
        words = f.read().split()
    return dict(zip(words[::2], map(int, words[1::2])))


def publish_through(i, first, window, history):
    """Publishes through the first broker, and what it leaves through a second; its exit status."""
    load = i.publish(EVENTS, window, history, 0, i.root)
    wait_for("the publisher or the broker ends",
             lambda: load.poll() is not None or first.poll() is not None, pause=0.002)
    if first.poll() is None:
        first.terminate()
    status = first.wait(PATIENCE)
    second = i.broker()
    assert load.wait(PATIENCE) == 0
    i.stop(second)
    return status


def fail(template, library, window, name, nth, action):
    """One run: (kind, action, exit status, whether the call was reached, calls made)."""
    i = Bare(template)
    counts = os.path.join(i.dir, "run", "counts")  # the broker writes nowhere else
    history = os.path.join(i.root, "history")
    first = i.broker({"LD_PRELOAD": library, "PF_DIR": i.dir, "PF_COUNTS": counts,
                      "PF_FAULT": f"{name}::{nth}:1:{action}"})
    try:
        status = publish_through(i, first, window, history)
        allowed = (0, KILLED) if action == "kill" else (0, REFUSED, DOUBT)
        assert status in allowed, f"exit status {status}"
        assert codes(history) <= REFUSALS, codes(history)
        judge(i.dir, [history], "sanctions.in")
    except AssertionError as why:
        raise AssertionError(f"window {window}, {name} {nth} {action}: {why}\n{i.said()[-2000:]}") from why
    calls = calls_of(counts)
    i.drop()
    return name, action, status, status != 0 or calls[name] >= nth, calls


def fail_each(window, library, template):
    clean = [fail(template, library, window, "write", 0, "EIO")[-1] for _ in range(3)]
    calls = {name: max(c[name] for c in clean) for name in ACTIONS}
    jobs = [(name, nth, action) for name, actions in ACTIONS.items()
            for nth in range(1, calls[name] + 1) for action in actions]
    with concurrent.futures.ThreadPoolExecutor(3 * os.cpu_count()) as pool:  # most of a run is waiting
        done = list(pool.map(lambda job: fail(template, library, window, *job), jobs))
    ends = collections.Counter((name, action, status) for name, action, status, _, _ in done)
    for error in ("EIO", "EINTR"):
        # of a checkpoint's syncs, which come in between, not every one ends the broker
        assert ends["sync", error, DOUBT] >= EVENTS / window / 2, f"a commit's failed sync was survived: {ends}"
    for error in ("ENOSPC", "EDQUOT"):  # the head is not written: refused, and certainly not in the log
        assert ends["sync", error, DOUBT] == 0, ends
    reached = sum(hit for _, _, _, hit, _ in done)
    assert reached > 0.8 * len(jobs), f"only {reached} of {len(jobs)} faults were reached"
    print(f"faults: {reached} calls failed in runs of {EVENTS} events, {window} at a time "
          f"({', '.join(f'{n} {calls[n]}' for n in ACTIONS)}), 0 bad", flush=True)


def whatever_call_fails_it_is_refused_or_ends_the_broker_and_nothing_is_lost():
    checker()
    library, template = shim(), founded()
    for window in WINDOWS:
        fail_each(window, library, template)


if __name__ == "__main__":
    run([whatever_call_fails_it_is_refused_or_ends_the_broker_and_nothing_is_lost])
