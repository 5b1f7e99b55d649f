# SPDX-License-Identifier: Apache-2.0
"""package.py - the Debian packages: built twice alike, sound, installed, started and removed in a chroot.

systemd does not run in the chroot: the test starts each unit's program as the unit says (support/run_unit.py), under its
user, file systems, network and system call filter, and hears what it tells the service manager."""
import functools
import glob
import hashlib
import os
import shutil
import subprocess
import sys

from instance import BUILD, SOURCE, Skip, free_port, run, scratch, snapshot, wait_for
from notify import Manager
from sandboxed import landlock

SUPPORT = os.path.join(SOURCE, "tests", "support")
sys.path.append(SUPPORT)

PACKAGES = ("chancery", "chancery-adapters", "chancery-broker", "chancery-workers", "libchancery-dev",
            "libchancery1")
UNITS = ("chancery-signer", "chancery-broker", "chancery-embargo", "chancery-sanctions", "chancery-alert", "chancery-metrics")
DIR = "/var/lib/chancery"
KEYS = {"broker": "chancery-broker", "log": "chancery-signer", "embargo": "chancery-embargo",
        "sanctions": "chancery-sanctions", "alert": "chancery-alert", "metrics": "chancery-metrics",
        "administrator": "root"}


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Skip(f"{program} is not here")


def done(*command, **keywords):
    """Runs to its end, and insists on success; returns what was printed."""
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            timeout=500, **keywords)
    assert result.returncode == 0, f"{command}: exit {result.returncode}\n{result.stdout[-4000:]}"
    return result.stdout


# ---- building ----

def tree_copy(into):
    files = done("git", "ls-files", "-co", "--exclude-standard", cwd=SOURCE).splitlines()
    for file in files:
        if os.path.exists(os.path.join(SOURCE, file)):
            os.makedirs(os.path.join(into, os.path.dirname(file)), exist_ok=True)
            shutil.copy(os.path.join(SOURCE, file), os.path.join(into, file))


def build(where, **environment):
    need("dpkg-buildpackage", "dh", "git")
    tree = os.path.join(where, "chancery")
    tree_copy(tree)
    options = f"nocheck parallel={os.cpu_count()}"
    done("dpkg-buildpackage", "-us", "-uc", "-b", cwd=tree,
         env={**os.environ, "DEB_BUILD_OPTIONS": options, **environment})
    return where


@functools.lru_cache
def packages():
    return build(scratch())


def debs(*names):
    return [glob.glob(os.path.join(packages(), f"{name}_*.deb"))[0] for name in names]


def hashes(where):
    found = {}
    for file in glob.glob(os.path.join(where, "*.deb")):
        with open(file, "rb") as f:
            found[os.path.basename(file)] = hashlib.sha256(f.read()).hexdigest()
    return found


def they_are_built_and_lintian_has_nothing_to_say():
    names = {name.split("_")[0] for name in hashes(packages()) if "-dbgsym_" not in name}
    assert names == set(PACKAGES), names
    need("lintian")
    said = done("lintian", "--allow-root", "--fail-on", "error,warning",
                *glob.glob(os.path.join(packages(), "*.changes")))
    assert not said, said


def built_again_elsewhere_they_are_the_same_bytes():
    first = hashes(packages())
    other = os.path.join(scratch(), "a", "longer", "way")
    os.makedirs(other)
    before = os.umask(0o027)
    try:
        second = hashes(build(other, CCACHE_DISABLE="1", TZ="Pacific/Kiritimati", LC_ALL="C",
                              HOME=scratch()))
    finally:
        os.umask(before)
    assert first == second, [name for name in first if first[name] != second.get(name)]


PROGRAM = '''#include <chancery.h>
#include <stdio.h>
int main(void) { return puts(chancery_err_code(0)) < 0; }
'''


def a_program_is_built_with_the_development_files():
    root = scratch()
    for deb in debs("libchancery-dev", "libchancery1"):
        done("dpkg-deb", "-x", deb, root)
    [pc] = glob.glob(os.path.join(root, "usr/lib/*/pkgconfig/chancery.pc"))
    lib = os.path.dirname(os.path.dirname(pc))
    flags = done("pkg-config", "--libs", pc).split()
    with open(os.path.join(root, "program.c"), "w") as f:
        f.write(PROGRAM)
    program = os.path.join(root, "program")
    done("cc", f.name, "-o", program, "-I", f"{root}/usr/include", "-L", lib, *flags)
    done(program, env={"LD_LIBRARY_PATH": lib})


# ---- a machine ----

class Chroot:
    """A fresh Debian of this one's release; its mounts end with the test."""

    def __init__(self):
        need("debootstrap", "systemd-analyze")
        if os.geteuid() != 0:
            raise Skip("not root: no chroot can be made")
        try:
            import run_unit
        except ImportError:
            raise Skip("python3-seccomp is not here")
        run_unit.files_apart()
        self.root = os.path.join(scratch(), "root")
        self.bootstrap()
        run_unit.mount("proc", self.path("/proc"), "proc", 0)
        with open(self.path("/etc/dpkg/dpkg.cfg.d/quick"), "w") as f:
            f.write("force-unsafe-io\n")
        shutil.copy("/etc/resolv.conf", self.path("/etc/resolv.conf"))

    def bootstrap(self):
        mirror, suite = done("sh", "-c", ". /etc/os-release; apt-get indextargets --format "
                             "'$(REPO_URI) '$VERSION_CODENAME 'Created-By: Packages' "
                             "\"Codename: $VERSION_CODENAME\" | head -n 1").split()
        done("debootstrap", "--variant=minbase", "--include=systemd", suite, self.root, mirror)

    def path(self, inside):
        return self.root + inside

    def run(self, *command, user=None, **keywords):
        """What it printed; as root, or a user with the groups that it has."""
        become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if user else []
        return done("chroot", self.root, *become, *command,
                    env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
                         "DEBIAN_FRONTEND": "noninteractive", "CHANCERY_DIR": DIR}, **keywords)

    def may(self, user, *command):
        return subprocess.run(["chroot", self.root, "setpriv", f"--reuid={user}", "--regid=chancery",
                               "--clear-groups", *command], capture_output=True).returncode == 0

    def install(self, *debs):
        for deb in debs:
            shutil.copy(deb, self.path("/tmp"))
        return self.run("apt-get", "-o", "APT::Sandbox::User=root", "install", "-y", "-qq",
                        "--no-install-recommends",
                        *("/tmp/" + os.path.basename(deb) for deb in debs))

    def start(self, unit):
        """As systemd would: what comes before it as root, then it."""
        runner = [sys.executable, os.path.join(SUPPORT, "run_unit.py"), self.root,
                  unit + ".service"]
        done(*runner, "--pre")
        inside = f"/run/notify-{unit}"
        manager = Manager(*runner, environment={"NOTIFY_SOCKET": inside},
                          socket_path=self.path(inside))
        os.chmod(self.path(inside), 0o777)
        return manager.ready()


def what_the_units_say_is_known_to_systemd(machine):
    said = machine.run("systemd-analyze", "verify", "--man=no", "/lib/systemd/system/chancery.target",
                       *(f"/lib/systemd/system/{unit}.service" for unit in UNITS))
    assert "chancery" not in said, said


def each_process_reads_its_own_key_and_the_broker_alone_the_log(machine):
    for user in set(KEYS.values()) - {"root"}:
        for key, owner in KEYS.items():
            assert machine.may(user, "cat", f"{DIR}/keys/{key}.key") == (user == owner), (user, key)
        assert machine.may(user, "cat", f"{DIR}/log/data.mdb") == (user == "chancery-broker"), user
        assert machine.may(user, "ls", f"{DIR}/signer") == (user == "chancery-signer"), user
        assert machine.may(user, "cat", f"{DIR}/chancery.conf"), user


def a_person_of_the_group_works_and_a_stranger_is_not_heard(machine):
    machine.run("useradd", "-G", "chancery", "amina")
    machine.run("useradd", "stranger")
    machine.run("chown", "amina", f"{DIR}/keys/amina.key")
    machine.run("install", "-d", "-o", "amina", "-m", "0700", f"{DIR}/keep/amina")
    shutil.copy(snapshot("2023-03-27", scratch()), machine.path("/srv/list.xml"))
    os.chmod(machine.path("/srv/list.xml"), 0o644)
    said = machine.run("chancery", "list", "import", "/srv/list.xml", user="amina")
    assert "955 entries" in said, said
    stranger = subprocess.run(["chroot", machine.root, "setpriv", "--reuid=stranger",
                               "--regid=stranger", "--clear-groups", "chancery", "list", "status",
                               "--dir", DIR], capture_output=True, text=True)
    assert stranger.returncode == 1 and "Permission denied" in stranger.stderr, stranger


def removed_they_leave_the_log_and_without_one_nothing(machine):
    machine.run("dpkg", "--remove", *PACKAGES)
    assert not os.path.exists(machine.path("/usr/bin/chancery-broker"))
    said = machine.run("dpkg", "--purge", *PACKAGES)
    assert f"rm -r {DIR}* /etc/chancery" in said, said
    for kept in (f"{DIR}/log/data.mdb", f"{DIR}/keys/log.key", "/etc/chancery/chancery.conf"):
        assert os.path.exists(machine.path(kept)), kept
    machine.run("sh", "-c", f"rm -r {DIR}* /etc/chancery")
    machine.install(*debs("chancery"))
    assert os.stat(machine.path(DIR)).st_mode & 0o7777 == 0o750
    machine.run("dpkg", "--purge", "chancery")
    left = machine.run("find", "/etc", "/usr", "/lib/systemd", "/var", "-name", "*chancery*",
                       "-not", "-path", "/var/log/*")
    assert not left, left


def installed_founded_started_and_removed_in_a_chroot():
    machine = Chroot()
    machine.install(*debs(*PACKAGES))
    what_the_units_say_is_known_to_systemd(machine)
    machine.run("chancery", "init", DIR, "--config", "/etc/chancery/chancery.conf", "--exercise",
                "--log", "chancery.qma.example/main", "--office", "npc", "--seat", "amina", "--smtp",
                "smtp://127.0.0.1:9", "--mail-from", "a@qma.example", "--mail-to", "b@qma.example")
    machine.run("sed", "-i", f"/^.metrics/a listen = 127.0.0.1:{free_port()}",
                "/etc/chancery/chancery.conf")
    processes = [machine.start(unit) for unit in UNITS]
    a_person_of_the_group_works_and_a_stranger_is_not_heard(machine)
    each_process_reads_its_own_key_and_the_broker_alone_the_log(machine)
    wait_for("all is signed", lambda: "have none" not in machine.run("chancery", "status", "--dir", DIR)
             and machine.run("chancery", "log", "verify", DIR).startswith("ok"))
    for process in processes:
        process.fed()
        with open(process.log) as f:
            assert f" landlock={landlock()} " in f.read(), "its unit keeps Landlock from it"
    for process in reversed(processes):
        process.end()
    assert machine.run("chancery", "log", "verify", DIR).startswith("ok")
    assert "0 differences" in machine.run("chancery", "audit", DIR)
    removed_they_leave_the_log_and_without_one_nothing(machine)


if __name__ == "__main__":
    run([they_are_built_and_lintian_has_nothing_to_say,
         a_program_is_built_with_the_development_files,
         built_again_elsewhere_they_are_the_same_bytes,
         installed_founded_started_and_removed_in_a_chroot])
