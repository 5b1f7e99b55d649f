# SPDX-License-Identifier: Apache-2.0
"""run_unit.py ROOT UNIT [--pre] - becomes the program of a systemd unit in a chroot, held as the unit says.

For a test where systemd does not run. Of the unit and its drop-ins it obeys ExecStart, User, Group, Environment,
StateDirectory, ProtectSystem=strict with ReadWritePaths, InaccessiblePaths, PrivateTmp, ProcSubset,
ProtectProc, PrivateNetwork, LimitNOFILE, LimitCORE, NoNewPrivileges, SystemCallFilter, RestrictAddressFamilies and
MemoryDenyWriteExecute. With --pre it runs the unit's ExecStartPre as root instead, and ends."""
import ctypes
import errno
import glob
import os
import resource
import shlex
import socket
import subprocess
import sys

import seccomp

UNITS = "lib/systemd/system"
CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
PR_SET_NO_NEW_PRIVS = 38
PROT_WRITE, PROT_EXEC = 2, 4

libc = ctypes.CDLL(None, use_errno=True)


# ---- what the unit says ----

def unit_read(root, name):
    """{directive: [values in order]} of [Service], the unit first and then its drop-ins."""
    files = [os.path.join(root, UNITS, name)]
    files += sorted(glob.glob(os.path.join(root, UNITS, name.split("-")[0] + "-.service.d", "*.conf")))
    meanings = {"%N": name.rsplit(".", 1)[0], "%S": "/var/lib"}
    unit = {}
    for file in files:
        section = ""
        with open(file) as f:
            for line in map(str.strip, f):
                if line.startswith("["):
                    section = line
                elif section == "[Service]" and "=" in line and not line.startswith("#"):
                    key, value = line.split("=", 1)
                    for specifier, meaning in meanings.items():
                        value = value.replace(specifier, meaning)
                    unit.setdefault(key, []).append(value)
    return unit


def words(unit, key):
    return " ".join(unit.get(key, [])).split()


def number_of(root, file, name):
    """The id of a user or group, as the chroot has it."""
    with open(os.path.join(root, "etc", file)) as f:
        return next(int(line.split(":")[2]) for line in f if line.split(":")[0] == name)


# ---- system calls ----

def calls_of(group):
    """The system calls of a group, as systemd lists them."""
    out = subprocess.run(["systemd-analyze", "syscall-filter", group], capture_output=True,
                         text=True, check=True).stdout
    for word in map(str.strip, out.splitlines()[1:]):
        if word.startswith("@"):
            yield from calls_of(word)
        elif word and not word.startswith("#"):
            yield word


def calls_allowed(unit):
    allowed = set()
    for value in unit["SystemCallFilter"]:
        named = set()
        for word in value.lstrip("~").split():
            named |= set(calls_of(word)) if word.startswith("@") else {word}
        allowed = allowed - named if value.startswith("~") else allowed | named
    return allowed


def filter_made(unit):
    rules = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))
    for name in calls_allowed(unit) - {"socket", "mmap", "mprotect", "pkey_mprotect"}:
        try:
            seccomp.resolve_syscall(seccomp.Arch(), name)
            rules.add_rule(seccomp.ALLOW, name)
        except (ValueError, RuntimeError):
            continue  # a call of other machines
    for family in words(unit, "RestrictAddressFamilies"):
        rules.add_rule(seccomp.ALLOW, "socket",
                       seccomp.Arg(0, seccomp.EQ, int(getattr(socket, family))))
    assert unit["MemoryDenyWriteExecute"] == ["yes"]
    for protection in (0, PROT_WRITE, PROT_EXEC):
        rules.add_rule(seccomp.ALLOW, "mmap",
                       seccomp.Arg(2, seccomp.MASKED_EQ, PROT_WRITE | PROT_EXEC, protection))
    rules.add_rule(seccomp.ALLOW, "mprotect", seccomp.Arg(2, seccomp.MASKED_EQ, PROT_EXEC, 0))
    return rules


# ---- files ----

def call(name, *arguments):
    if getattr(libc, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{name}{arguments}: {os.strerror(ctypes.get_errno())}")


def mount(source, target, kind, flags, data=None):
    encoded = [None if text is None else text.encode() for text in (source, target, kind, data)]
    call("mount", *encoded[:3], ctypes.c_ulong(flags), encoded[3])


def files_apart():
    """From now on this process's mounts are its own."""
    call("unshare", CLONE_NEWNS)
    mount(None, "/", None, MS_REC | MS_PRIVATE)


def directories_make(root, unit, uid, gid):
    """Those that the unit asks for; each is its user's, and writable."""
    made = [os.path.join("/var/lib", name) for name in words(unit, "StateDirectory")]
    for path in made:
        os.makedirs(root + path, exist_ok=True)
        os.chmod(root + path, int(unit["StateDirectoryMode"][0], 8))
        os.chown(root + path, uid, gid)
    return made


def writable_paths(root, unit):
    """'-' before one: where it is not there it is passed over."""
    paths = words(unit, "ReadWritePaths")
    return [p.lstrip("-") for p in paths if p[0] != "-" or os.path.exists(root + p[1:])]


def files_hold(root, unit, writable):
    """File systems of its own: read-only but for what the unit names."""
    assert unit["ProtectSystem"] == ["strict"] and unit["PrivateTmp"] == ["yes"]
    assert unit["ProcSubset"] == ["pid"] and unit["ProtectProc"] == ["invisible"]
    files_apart()
    mount(root, root, None, MS_BIND | MS_REC)
    mount("proc", root + "/proc", "proc", 0, "hidepid=invisible,subset=pid")
    for path in writable:
        mount(root + path, root + path, None, MS_BIND)
    for path in words(unit, "InaccessiblePaths"):
        mount("none", root + path, "tmpfs", MS_RDONLY, "mode=000")
    mount("none", root + "/tmp", "tmpfs", 0, "mode=1777")
    mount(None, root, None, MS_REMOUNT | MS_BIND | MS_RDONLY)


# ---- becoming it ----

def become(root, unit):
    uid = number_of(root, "passwd", unit["User"][0])
    gid = number_of(root, "group", unit["Group"][0])
    rules = filter_made(unit)
    if unit.get("PrivateNetwork") == ["yes"]:
        call("unshare", CLONE_NEWNET)
    files_hold(root, unit, writable_paths(root, unit) + directories_make(root, unit, uid, gid))
    os.chroot(root)
    os.chdir("/")
    for key, limit in (("LimitNOFILE", resource.RLIMIT_NOFILE), ("LimitCORE", resource.RLIMIT_CORE)):
        for value in unit.get(key, []):
            resource.setrlimit(limit, (int(value), int(value)))
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    assert unit["NoNewPrivileges"] == ["yes"]
    call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    environment = {key: os.environ[key] for key in ("NOTIFY_SOCKET", "WATCHDOG_USEC")}
    environment.update(value.split("=", 1) for value in unit.get("Environment", []))
    argv = shlex.split(unit["ExecStart"][-1])
    rules.load()
    os.execve(argv[0], argv, environment)


def prepare(root, unit):
    for command in unit.get("ExecStartPre", []):
        assert command.startswith("+"), command
        subprocess.run(["chroot", root, *shlex.split(command[1:])], check=True)


def main():
    root, unit = sys.argv[1], unit_read(sys.argv[1], sys.argv[2])
    if "--pre" in sys.argv:
        prepare(root, unit)
    else:
        become(root, unit)


if __name__ == "__main__":
    main()
