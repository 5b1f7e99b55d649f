# SPDX-License-Identifier: Apache-2.0
"""served.py INSTANCE DIR ACKS - a broker is started on a disk as the power left it: it serves and records, and the log
proves itself. For power.py."""
import os
import shutil
import subprocess
import sys

from bare import Bare
from history import verify
from instance import PATIENCE, plain


def serve(instance, disk, acks):
    i = Bare(instance)
    for name in ("log", "parts"):
        if os.path.exists(os.path.join(disk, name)):
            shutil.rmtree(os.path.join(i.dir, name))
            shutil.copytree(os.path.join(disk, name), os.path.join(i.dir, name))
    broker = i.broker()
    assert broker.poll() is None, i.said()
    history = os.path.join(i.root, "history")
    assert i.publish(4, 1, history, 0, i.root).wait(PATIENCE) == 0
    i.stop(broker)
    subprocess.run([plain("acked"), i.dir, acks], check=True)
    verify(i.dir)
    i.drop()


if __name__ == "__main__":
    serve(*sys.argv[1:])
