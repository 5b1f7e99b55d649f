# SPDX-License-Identifier: Apache-2.0
"""verify.py - faults planted in copies of a real instance's directory: `log verify` names each, with its position.

What a broker can see at its start it refuses to serve."""
import functools
import glob
import json
import os
import subprocess

from instance import Instance, run, scratch, snapshot, tool

REFUSED = 1  # exit status of a broker that does not serve, and of a verify that finds something


@functools.cache
def base():
    """A stopped instance with a list imported, and its records in order."""
    i = Instance()
    i.up()
    real = snapshot("2023-03-27", scratch())
    for _ in range(4):  # the last records are of a kind that was there before
        i.check("list", "import", "--list", "un", real)
    i.down()
    out = subprocess.run([tool("chancery-log"), "ls", i.dir, "--json"], capture_output=True,
                         text=True, timeout=120, check=True).stdout
    return i, [json.loads(line) for line in out.splitlines()]


def records(**wanted):
    return [r for r in base()[1] if all(r[k].endswith(v) for k, v in wanted.items())]


def head():
    return base()[1][-1]["position"]


def plant(*fault):
    """A copy of the base with the fault in it."""
    copy = base()[0].copy()
    if fault:
        subprocess.run([tool("plant"), copy, *map(str, fault)], check=True, timeout=60)
    return copy


def verify(copy):
    """What is found: (position, in what), and the text of it all."""
    done = subprocess.run([tool("chancery"), "log", "verify", copy, "--json"], capture_output=True,
                          text=True, timeout=120)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode == 0:
        assert [line["ok"] for line in lines] == [True], done
        return [], done.stdout
    assert done.returncode == REFUSED and done.stderr == "", done
    return [(line["position"], line["what"]) for line in lines], done.stdout


def broker(copy):
    """What a broker says that refuses to serve the copy."""
    done = subprocess.run([tool("chancery-broker"), "--config", copy], capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == REFUSED, done
    return done.stderr


def middle():
    """A record with others of its seat and stream behind it, and a later receipt next to it."""
    parties = records(stream="un.feed", type="PartyPublished")
    for r in parties[len(parties) // 2:]:
        if base()[1][r["position"]]["received"] > r["received"]:
            return r["position"]
    raise AssertionError("no record of the middle has a later one behind it")


def follower(position):
    """The next record of its seat in its stream."""
    of = base()[1][position - 1]
    return next(r["position"] for r in base()[1][position:]
                if (r["seat"], r["stream"]) == (of["seat"], of["stream"]))


def a_sound_log_is_ok():
    found, text = verify(plant())
    assert found == [] and f'"head":{head()}' in text, (found, text)


def a_bad_signature_is_named():
    found, _ = verify(plant("signature", middle()))
    assert found == [(middle(), "signature")], found


def an_altered_envelope_is_named_by_all_that_depends_on_it():
    position = middle()
    found, _ = verify(plant("envelope", position))
    assert {what for at, what in found if at == position} == {"signature", "ids", "tree"}, found
    assert (follower(position), "previous") in found, found
    assert all(what == "tree" and at > position for at, what in found
               if at != position and what != "previous"), found


def a_record_whose_tree_was_made_to_fit_is_shown_by_the_checkpoint_alone():
    copy = plant("received", middle(), 1)
    found, text = verify(copy)
    assert found == [(head(), "checkpoint")] and f"first {head()} records" in text, text
    assert "log.rolled_back" in broker(copy)


def a_missing_and_an_altered_part_are_named():
    position = records(stream="sanctions.in")[0]["position"]
    for spoil in (os.remove, alter):
        copy = plant()
        parts = [f for f in glob.glob(os.path.join(copy, "parts", "**"), recursive=True)
                 if os.path.isfile(f)]
        assert len(parts) == 1, parts
        spoil(parts[0])
        found, text = verify(copy)
        assert found == [(position, "part")] and os.path.basename(parts[0]) in text, text


def alter(path):
    os.chmod(path, 0o600)
    with open(path, "r+b") as f:
        f.seek(100000)
        byte = f.read(1)
        f.seek(100000)
        f.write(bytes([byte[0] ^ 1]))


def a_log_without_its_last_record_is_rolled_back():
    copy = plant("removed")
    found, text = verify(copy)
    assert found == [(head(), "checkpoint")] and "rolled back" in text, text
    said = broker(copy)
    assert "log.rolled_back" in said and f"says {head()} records, the log has {head() - 1}" in said


def an_older_copy_of_the_log_is_rolled_back():
    i = Instance()
    with open(os.path.join(i.dir, "log", "data.mdb"), "rb") as f:
        old = f.read()
    i.up()
    i.down()
    event = json.dumps({"party": "QMB", "kind": "PARTY_KIND_STATE"})
    i.up()
    i.check("event", "publish", "--seat", "administrator", "--stream", "registry", "--type",
            "chancery.core.v1.PartyAdded", "-", stdin=event)
    i.down()
    copy = i.copy()
    with open(os.path.join(copy, "log", "data.mdb"), "wb") as f:
        f.write(old)
    found, text = verify(copy)
    assert len(found) == 1 and found[0][1] == "checkpoint" and "rolled back" in text, text
    assert "log.rolled_back" in broker(copy)


def a_stale_checkpoint_is_named_where_it_ends():
    copy = plant("received", head(), 3600 * 1000000)
    subprocess.run([tool("plant"), copy, "checkpoint", str(head() - 2)], check=True, timeout=60)
    found, text = verify(copy)
    assert found == [(head() - 1, "checkpoint")] and "old one" in text, text


def a_checkpoint_of_a_second_ago_is_lawful():
    assert verify(plant("checkpoint", head() - 2))[0] == []


def index_entries_that_point_to_another_record_are_named():
    position = middle()
    other = records(stream="registry")[0]["position"]
    found, _ = verify(plant("id", position, other))
    assert found == [(position, "ids")], found
    found, _ = verify(plant("channel", position, other))
    assert sorted(found) == [(other, "channels"), (position, "channels")], found


def a_log_of_an_unknown_format_is_refused():
    copy = plant("format", 3)
    found, text = verify(copy)
    assert found == [(0, "version.unknown")] and "format 3" in text, text
    said = broker(copy)
    assert "version.unknown" in said and "format 3" in said, said


def a_checkpoint_by_a_foreign_key_is_refused():
    copy = plant("foreign")
    found, text = verify(copy)
    assert found == [(0, "checkpoint")] and "not signed with the log's key" in text, text
    assert "signature.invalid" in broker(copy)
    copy = plant("foreign-vkey")
    found, text = verify(copy)
    assert found == [(1, "log.vkey")], text
    assert "signature.invalid" in broker(copy)


def people_read_positions_too():
    done = subprocess.run([tool("chancery"), "log", "verify", plant("signature", middle())],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == REFUSED, done
    assert done.stdout.startswith(f"position {middle()}: signature: "), done.stdout


if __name__ == "__main__":
    run([a_sound_log_is_ok,
         a_bad_signature_is_named,
         an_altered_envelope_is_named_by_all_that_depends_on_it,
         a_record_whose_tree_was_made_to_fit_is_shown_by_the_checkpoint_alone,
         a_missing_and_an_altered_part_are_named,
         a_log_without_its_last_record_is_rolled_back,
         an_older_copy_of_the_log_is_rolled_back,
         a_stale_checkpoint_is_named_where_it_ends,
         a_checkpoint_of_a_second_ago_is_lawful,
         index_entries_that_point_to_another_record_are_named,
         a_log_of_an_unknown_format_is_refused,
         a_checkpoint_by_a_foreign_key_is_refused,
         people_read_positions_too])
