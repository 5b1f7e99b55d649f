# SPDX-License-Identifier: Apache-2.0
"""units.py - the sandbox of each unit, as systemd itself judges it."""
import glob
import os
import re
import shutil
import subprocess

from instance import BUILD, Skip, run

UNITS = os.path.join(BUILD, "systemd")
EXPOSURE_MOST = 2.0


def each_unit_is_exposed_little():
    if not shutil.which("systemd-analyze"):
        raise Skip("systemd-analyze is not here")
    units = glob.glob(os.path.join(UNITS, "*.service"))
    assert len(units) == 6, units
    for unit in units:
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", unit],
                              capture_output=True, text=True, cwd=UNITS)
        found = re.search(r"exposure level for (\S+): ([0-9.]+)", done.stdout)
        assert done.returncode == 0 and found, done.stdout + done.stderr
        assert float(found[2]) <= EXPOSURE_MOST, found[0]
        print(f"        {found[1]} {found[2]}")


if __name__ == "__main__":
    run([each_unit_is_exposed_little])
