# SPDX-License-Identifier: Apache-2.0
"""judge.py - tlogcheck, the judge of logs from outside: built from where it stands, and asked."""
import functools
import os
import shutil
import subprocess

from instance import SHARED, Skip, scratch


@functools.cache
def built():
    source = os.path.join(SHARED, "tools", "tlogcheck", "tlogcheck.go")
    library = "/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog/tlog.go"
    if not os.path.exists(source) or not os.path.exists(library) or not shutil.which("go"):
        raise Skip("needs ../shared/tools/tlogcheck, go and golang-golang-x-mod-dev")
    work = scratch()
    program = os.path.join(work, "judge")
    subprocess.run(["go", "build", "-o", program, source], check=True, env={
        **os.environ, "HOME": work, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": ""})
    return program


def judge(verb, vkey, *arguments):
    """What it says: exit status 0 is its consent."""
    return subprocess.run([built(), verb, "-log", vkey, *arguments], capture_output=True, text=True)
