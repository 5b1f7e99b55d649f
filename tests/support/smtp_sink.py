#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An SMTP server for tests: stores each mail in a directory as NNNN.eml and prints its port.

smtp_sink.py DIR [ANSWER...]: the first RCPT commands are answered by ANSWER, each once
("451 later"), then all are taken.
"""
import asyncio
import os
import sys

from aiosmtpd.controller import Controller


class Keeper:
    def __init__(self, directory, answers=()):
        self.directory = directory
        self.answers = list(answers)
        self.count = 0
        self.envelopes = []

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.answers:
            return self.answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server, session, envelope):
        self.count += 1
        self.envelopes.append((envelope.mail_from, list(envelope.rcpt_tos)))
        name = os.path.join(self.directory, f"{self.count:04}.eml")
        with open(name + ".part", "wb") as file:
            file.write(envelope.original_content)
        os.rename(name + ".part", name)
        return "250 2.0.0 kept"


class Sink:
    """with Sink(dir, answers) as sink: sink.port, sink.keeper"""

    def __init__(self, directory, answers=()):
        self.keeper = Keeper(directory, answers)
        self.controller = Controller(self.keeper, hostname="127.0.0.1", port=0)

    def __enter__(self):
        # a port of 0 would be asked again by the controller's own check: find one first
        import socket
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.controller.port = probe.getsockname()[1]
        self.controller.start()
        self.port = self.controller.port
        return self

    def __exit__(self, *unused):
        self.controller.stop()


if __name__ == "__main__":
    with Sink(sys.argv[1], sys.argv[2:]) as running:
        print(running.port, flush=True)
        try:
            asyncio.new_event_loop().run_forever()
        except KeyboardInterrupt:
            pass
