# SPDX-License-Identifier: Apache-2.0
"""metrics.py - what Prometheus fetches: every line sound, counters that grow by what was done, a broker that is gone."""
import json
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

from instance import Instance, Skip, run, spawn, tool, wait_for

LABEL = r'[a-z_]+="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"([a-z_]+)(\{{{LABEL}(?:,{LABEL})*\}})? (\S+)")
LATE = 2  # seconds within which a scrape is answered


class Scraped:
    """A broker, embargo and metrics on an instance of their own."""

    def __init__(self):
        self.i = Instance("--seat", "amina")
        self.port = self.i.listen()
        self.processes = {}
        self.start("broker", "embargo", "metrics")
        wait_for("it listens and has a session", self.connected)

    def start(self, *names):
        for name in names:
            self.processes[name] = spawn(tool("chancery-" + name), "--config", self.i.dir,
                                         stderr=subprocess.DEVNULL)

    def kill(self, name):
        process = self.processes.pop(name)
        process.kill()
        process.wait(30)

    def connected(self):
        try:
            return self.get("/health") == (200, "ok\n")
        except (ConnectionError, urllib.error.URLError):
            return False

    def get(self, path="/metrics", timeout=30):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=timeout) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as answer:
            return answer.code, answer.read().decode()

    def values(self):
        """Every sample, by its name with labels; a line that is none fails."""
        begun = time.monotonic()
        status, text = self.get()
        assert status == 200 and time.monotonic() - begun < LATE, (status, time.monotonic() - begun)
        found, described = {}, set()
        for line in text.splitlines():
            about = re.fullmatch(r"# (HELP|TYPE) ([a-z_]+) (.+)", line)
            if about:
                described.add(about[2])
                continue
            sample = SAMPLE.fullmatch(line)
            assert sample and sample[1] + (sample[2] or "") not in found, line
            assert re.sub("_(bucket|sum|count)$", "", sample[1]) in described or sample[1] in described, line
            found[sample[1] + (sample[2] or "")] = float(sample[3])
        return found

    def publish(self, n):
        """Requests that the worker refuses: so many events more, and as many answers."""
        line = json.dumps({"payload": {"list": "un"}}) + "\n"
        self.i.check("event", "publish", "--stream", "embargo.in", "--type", "embargo.ConfirmSnapshot",
                     "--ndjson", stdin=line * n)

    def end(self):
        for process in self.processes.values():
            process.terminate()
            assert process.wait(60) == 0, process.args


def what_is_scraped_is_what_promtool_accepts():
    s = Scraped()
    s.publish(3)
    values = s.values()
    assert values["chancery_up"] == 1 and values["chancery_publishing"] == 1, values
    assert values['chancery_broker_info{log="chancery.example/main",version="0.1.0"}'] == 1
    status, text = s.get()
    if not shutil.which("promtool"):
        raise Skip("promtool is not here")
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done
    s.end()


def counters_grow_by_what_was_done():
    s = Scraped()
    s.publish(1)  # the worker's first answer has its rules with it
    wait_for("its answers", lambda: len(s.i.json("event", "ls", "--stream", "embargo.out")) == 2)
    before = s.values()
    s.publish(20)
    wait_for("20 answers", lambda: len(s.i.json("event", "ls", "--stream", "embargo.out")) == 22)
    s.i.check("list", "status")
    refused = s.i.run("event", "publish", "-", "--stream", "un.feed", "--type", "embargo.ConfirmSnapshot",
                      stdin='{"list": "un"}')
    assert "access.denied" in refused.stderr, refused
    after = s.values()

    def grown(name):
        return after.get(name, 0) - before.get(name, 0)

    assert grown("chancery_log_head") == grown("chancery_recorded_events_total") == 40
    assert grown("chancery_commit_events_sum") == 40
    assert 1 <= grown("chancery_commit_events_count") == grown("chancery_commit_duration_seconds_count") <= 40
    assert grown('chancery_commit_duration_seconds_bucket{le="+Inf"}') == grown("chancery_commit_events_count")
    assert grown("chancery_commit_duration_seconds_sum") > 0
    assert grown("chancery_recorded_bytes_total") > 40 * 100
    # to the worker its requests and its own answers; the rest is what was listed here
    assert grown("chancery_delivered_events_total") >= 40 and grown("chancery_delivered_bytes_total") > 40 * 100
    assert grown("chancery_questions_asked_total") == grown("chancery_questions_answered_total") == 1
    assert grown('chancery_refusals_total{code="access.denied"}') == 1
    assert after['chancery_seat_backlog{seat="embargo",office="QMA/services"}'] == 0
    s.end()


def a_broker_that_is_gone_is_told_and_so_is_its_return():
    s = Scraped()
    head = s.values()["chancery_log_head"]
    s.kill("broker")
    gone = wait_for("chancery_up 0", lambda: next((v for v in [s.values()] if v["chancery_up"] == 0), None))
    assert gone["chancery_log_head"] == head and "chancery_publishing" not in gone, gone
    wait_for("it has no session", lambda: s.get("/health") == (503, "the broker does not answer\n"))
    s.start("broker")
    back = wait_for("chancery_up 1", lambda: next((v for v in [s.values()] if v["chancery_up"] == 1), None))
    assert back["chancery_log_head"] == head and back["chancery_recorded_events_total"] == 0, back
    s.end()


def a_broker_that_hangs_is_told_in_time():
    s = Scraped()
    s.values()
    s.processes["broker"].send_signal(signal.SIGSTOP)
    try:
        assert s.values()["chancery_up"] == 0
        assert s.values()["chancery_up"] == 0
    finally:
        s.processes["broker"].send_signal(signal.SIGCONT)
    wait_for("chancery_up 1", lambda: s.values()["chancery_up"] == 1)
    s.end()


def an_address_that_others_reach_is_refused_with_its_line():
    i = Instance()
    with open(i.conf) as f:
        conf = f.read().replace("[metrics]\n", "[metrics]\nlisten = 0.0.0.0:9464\n")
    with open(i.conf, "w") as f:
        f.write(conf)
    line = conf[:conf.index("listen = ")].count("\n") + 1
    done = subprocess.run([tool("chancery-metrics"), "--config", i.dir], capture_output=True, text=True, timeout=60)
    assert done.returncode == 78, done
    assert f"chancery.conf:{line}: [metrics] listen = 0.0.0.0:9464: must be an address of this machine alone" \
        in done.stderr, done.stderr


def a_port_that_is_taken_is_told():
    i = Instance()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", i.listen()))
        with open(i.conf) as f:
            conf = f.read()
        port = taken.getsockname()[1]
        with open(i.conf, "w") as f:
            f.write(re.sub(r"listen = 127\.0\.0\.1:\d+", f"listen = 127.0.0.1:{port}", conf))
        taken.listen()
        done = subprocess.run([tool("chancery-metrics"), "--config", i.dir], capture_output=True, text=True,
                              timeout=60)
    assert done.returncode == 1 and "[metrics] listen: cannot listen: Address already in use" in done.stderr, done


def raw(s, request):
    """The first line of the answer."""
    with socket.create_connection(("127.0.0.1", s.port), timeout=30) as c:
        c.sendall(request)
        return c.recv(4096).split(b"\r\n")[0].decode()


def slow_huge_and_strange_requests_do_no_harm():
    s = Scraped()
    slow = []
    for _ in range(40):
        c = socket.create_connection(("127.0.0.1", s.port), timeout=30)
        c.sendall(b"GET /metrics HT")
        slow.append(c)
    assert s.values()["chancery_up"] == 1
    for c in slow:  # it closes them, with an answer or without
        while c.recv(4096):
            pass
        c.close()
    assert raw(s, b"GET /metrics HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 20000 + b"\r\n\r\n").split()[1] == "431"
    assert raw(s, b"GET /" + b"a" * 200000 + b" HTTP/1.1\r\n").split()[1] in ("414", "431", "400")
    assert raw(s, b"nonsense\r\n\r\n").split()[1:2] in ([], ["400"])
    assert raw(s, b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx").split()[1] == "405"
    assert raw(s, b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx").split()[1] == "400"
    assert s.get("/")[0] == s.get("/metrics/")[0] == 404
    with socket.create_connection(("127.0.0.1", s.port), timeout=30) as c:  # gone before its answer
        c.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert s.values()["chancery_up"] == 1
    s.end()


def its_seat_may_ask_for_the_status_and_nothing_else():
    s = Scraped()
    for words in (("list", "status"), ("event", "ls", "--stream", "embargo.out"), ("event", "ls", "--stream", "registry")):
        done = s.i.run(*words, "--seat", "metrics")
        assert done.returncode == 1 and "access.denied" in done.stderr, done
    assert s.i.json("event", "ls", "--seat", "metrics") == []
    s.end()


if __name__ == "__main__":
    run([what_is_scraped_is_what_promtool_accepts, counters_grow_by_what_was_done,
         a_broker_that_is_gone_is_told_and_so_is_its_return, a_broker_that_hangs_is_told_in_time,
         an_address_that_others_reach_is_refused_with_its_line, a_port_that_is_taken_is_told,
         slow_huge_and_strange_requests_do_no_harm, its_seat_may_ask_for_the_status_and_nothing_else])
