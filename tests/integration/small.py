# SPDX-License-Identifier: Apache-2.0
"""small.py - a file system of a few megabytes of its own, that can be filled to the last block."""
import ctypes
import os
import subprocess

from instance import Skip, scratch

NEW_MOUNTS = 0x00020000  # CLONE_NEWNS


def own_mounts():
    """What this process mounts, nobody else sees, and it is gone with the last of its children."""
    if os.geteuid() != 0 or ctypes.CDLL(None).unshare(NEW_MOUNTS) != 0:
        raise Skip("mounting a file system needs root")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


class SmallDisk:
    """ext4 in a file."""

    def __init__(self, megabytes):
        folder = scratch()
        image, self.dir = os.path.join(folder, "image"), os.path.join(folder, "disk")
        os.mkdir(self.dir)
        with open(image, "wb") as f:
            f.truncate(megabytes << 20)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
        done = subprocess.run(["mount", "-o", "loop", image, self.dir], capture_output=True)
        if done.returncode != 0:
            raise Skip("a file cannot be mounted here")
        self.filler = os.open(os.path.join(self.dir, "filler"), os.O_RDWR | os.O_CREAT)

    def free(self):
        fs = os.statvfs(self.dir)
        return fs.f_bavail * fs.f_frsize

    def leave(self, room):
        """Fills or empties until so many bytes are free, but for a few blocks."""
        for _ in range(4):
            size = max(0, os.fstat(self.filler).st_size + self.free() - room)
            if size < os.fstat(self.filler).st_size:
                os.ftruncate(self.filler, size)
            elif size:
                try:
                    os.posix_fallocate(self.filler, 0, size)
                except OSError:  # fuller than full: the last blocks went elsewhere
                    pass

    def empty(self):
        os.ftruncate(self.filler, 0)

    def close(self):
        os.close(self.filler)
        subprocess.run(["umount", "-l", self.dir], check=True)
