"""A home of knaller's for tests of crashes: VMs on the fake engine, and what must be true of them whatever happens.

The fake guest counts in its memory and on its own disk, so that one can see that it runs, and on what, and that memory and disk of
a snapshot are of one instant. Whoever uses this is the reaper of everything it starts, so that no process can hide from it.
One thread.
"""
import ctypes
import fcntl
import json
import os
import shlex
import shutil
import signal
import struct
import subprocess
import tempfile
import time

MIB = 1 << 20
COUNTER_IN_MEMORY = MIB + 64  # tests/fakes/fake_machine.h
COUNTER_ON_DISK = 4096
F_OFD_GETLK = 36
PR_SET_CHILD_SUBREAPER = 36


class Broken(Exception):
    """Something is not as it must be."""


def become_reaper():
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def state_of_process(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def children(pid):
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                found += [int(child) for child in file.read().split()]
    except OSError:
        pass
    return found


def descendants(pid):
    found = []
    for child in children(pid):
        found += [child, *descendants(child)]
    return found


def reap():
    """Only when no child of subprocess's is being waited for."""
    for pid in children(os.getpid()):
        if state_of_process(pid) == "Z":
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass


def name_of_process(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""


def counter_at(path, offset):
    with open(path, "rb") as file:
        file.seek(offset)
        return struct.unpack("<Q", file.read(8))[0]


def within(seconds, condition, what):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Broken(f"not within {seconds} s: {what if isinstance(what, str) else what()}")
        time.sleep(0.002)


def make_kernel(path):
    """Something that passes for a kernel: an ELF file for x86-64 with one segment, and the PVH note that QEMU boots by."""
    size, note_at = 128 << 10, 64 + 2 * 56
    note = struct.pack("<III4sQ", 4, 8, 18, b"Xen", 0x1000000)
    header = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0x1000000, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, 0x1000000, 0x1000000, size, size, 4096)
    notes = struct.pack("<IIQQQQQQ", 4, 4, note_at, 0, 0, len(note), len(note), 4)
    with open(path, "wb") as file:
        file.write((header + segment + notes + note).ljust(size, b"\0"))


# How the names of the files begin that commands write to, of which a trace makes the path /memfd:NAME.
MEMORY_FILE = "knaller-"


class Home:
    """VMs on the fake engine. real_home.py has the other kind."""

    patience = 20.0  # of a command, in seconds: it is as good as hung
    settling = 1.5  # Whoever lost his peer has a second to notice.
    length = 0.06  # of most commands
    processes_of_a_vm = 2
    jail_disk = "rootfs.ext4"
    can_be_entered = False

    def __init__(self, programs, where=None):
        self.programs = programs
        self.folder = tempfile.mkdtemp(prefix="knaller-crash.", dir=where)
        self.path = os.path.join(self.folder, "home")
        self.engine = os.path.join(self.folder, "engine")
        self.environment = {
            "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": self.folder,
            "LANG": "C.UTF-8",
            "KNALLER_HOME": self.path,
            "KNALLER_ENGINE": self.engine,
            "KNALLER_NETWORK": "none",
            "KNALLER_IMAGE": "fake",
            "KNALLER_MEM": "64",
            "KNALLER_CAPTURE": "outside",
        }
        self.kernel = os.path.join(self.folder, "vmlinux")
        self.root_disk = os.path.join(self.folder, "rootfs.ext4")
        self._make_engine()
        make_kernel(self.kernel)
        with open(self.root_disk, "wb") as file:
            file.truncate(8 * MIB)
        subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", self.root_disk], env=self.environment, check=True)

    def _make_engine(self):
        subprocess.run(["strip", "-o", self.engine, f"{self.programs}/fake_firecracker"], check=True)
        with open(self.engine, "a", encoding="utf-8") as file:
            file.write('\n--fake-script--\n{"guest": {"ready_ms": 1, "tick_ms": 2}}')

    def bring_image(self):
        self.must("image", "import", "fake", "--kernel", self.kernel, "--rootfs", self.root_disk)

    def wrap_monitor(self, words):
        """A folder of helper programs whose knaller-monitor is run by these words of the shell's. Returns it, for KNALLER_LIBEXEC."""
        folder = f"{self.folder}/libexec"
        os.makedirs(folder, exist_ok=True)
        if not os.path.lexists(f"{folder}/knaller-qemu"):
            os.symlink(f"{self.programs}/knaller-qemu", f"{folder}/knaller-qemu")
        with open(f"{folder}/knaller-monitor", "w", encoding="utf-8") as file:
            file.write(f'#!/bin/sh\nexec {words} {shlex.quote(self.programs)}/knaller-monitor "$@"\n')
        os.chmod(f"{folder}/knaller-monitor", 0o755)
        return folder

    # Commands.

    def run(self, *arguments, before=(), environment=None):
        """A finished command: returncode, stdout, stderr. One that hangs is ended, with everything it started."""
        command = [*before, f"{self.programs}/knaller", *arguments]
        # Files, not pipes: processes that outlive the command would keep a pipe open. In memory: what a command says must not depend on
        # the home's disk, which may be full.
        with open(os.memfd_create(MEMORY_FILE + "out"), "w+b") as out, open(os.memfd_create(MEMORY_FILE + "err"), "w+b") as err:
            process = subprocess.Popen(command, env={**self.environment, **(environment or {})}, cwd="/", stdin=subprocess.DEVNULL,
                                       stdout=out, stderr=err, start_new_session=True)
            try:
                code = process.wait(self.patience)
            except subprocess.TimeoutExpired:
                for pid in [process.pid, *descendants(process.pid)]:
                    kill(pid)
                process.wait()
                raise Broken(f"{' '.join(arguments)} hung") from None
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(command, code, out.read().decode(errors="replace"), err.read().decode(errors="replace"))

    def must(self, *arguments, environment=None):
        done = self.run(*arguments, environment=environment)
        if done.returncode != 0:
            raise Broken(f"knaller {' '.join(arguments)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def start(self, name):
        """A VM beside `web`, in the quickest way."""
        self.must("start", "-d", name)

    # What there is.

    def states(self):
        lines = self.must("ls", "-a", "--format", "{{.Name}} {{.Status}}").splitlines()
        return dict(line.split(" ", 1) for line in lines)

    def settled(self):
        return all(state in ("running", "stopped", "crashed") for state in self.states().values())

    def snapshots(self):
        return set(self.must("snapshot", "ls", "-q").split())

    def monitors(self):
        return [pid for pid in descendants(os.getpid())
                if name_of_process(pid).startswith("knaller-monito") and state_of_process(pid) != "Z" and not is_inside(pid)]

    def monitor_of(self, name):
        wanted = os.path.join(os.path.realpath(self.path), "vms", name)
        for pid in self.monitors():
            try:
                if os.readlink(f"/proc/{pid}/cwd") == wanted:
                    return pid
            except OSError:
                continue
        raise Broken(f"VM '{name}' has no monitor")

    # What must be so.

    def must_run(self, name):
        """It runs, and on its own disk."""
        disk = f"{self.path}/vms/{name}/jail/{self.jail_disk}"
        was = counter_at(disk, COUNTER_ON_DISK)
        within(1.0, lambda: counter_at(disk, COUNTER_ON_DISK) != was, f"VM '{name}' writes on its own disk")

    must_answer = must_run

    def must_be_whole(self, snapshot):
        self.must("snapshot", "verify", snapshot)
        folder = f"{self.path}/snapshots/{snapshot}"
        with open(f"{folder}/metadata.json") as file:
            said = json.load(file)
        if not said.get("has_memory", True) or not said.get("has_disk", True):
            return  # There is only one of the two, and nothing that it could disagree with.
        memory = counter_at(f"{folder}/memory", COUNTER_IN_MEMORY)
        disk = counter_at(f"{folder}/rootfs.ext4", COUNTER_ON_DISK)
        if memory != disk:
            raise Broken(f"snapshot {snapshot}: {memory} in memory, {disk} on disk")

    def must_be_clean(self):
        # A monitor whose command was killed may still be at it.
        within(self.settling, lambda: not self._left_over(), lambda: f"left: {self._left_over()}")
        self._no_lock_held()
        # After `store check`, which has asked every monitor: nobody is only just ending.
        running = [name for name, state in self.states().items() if state in ("running", "paused")]
        wanted = sum(map(self.processes_of, running))
        within(2.0, lambda: len(self._processes()) == wanted, lambda: f"{wanted} processes for {running}: {self._names()}")

    def _left_over(self):
        self.must("store", "check")
        return [path for path in self._all_files() if os.path.basename(path).startswith((".", "new-"))]

    def processes_of(self, name):
        """With a network there is pasta, too."""
        with open(f"{self.path}/vms/{name}/vm.json", encoding="utf-8") as file:
            return self.processes_of_a_vm + (json.load(file)["network"] != "none")

    def everybody(self):
        return self._processes()

    def lasting_files(self):
        """Without what logs were rotated to, what commands remember, and what was said of the snapshot that stays."""
        return {path for path in self._all_files()
                if not path.endswith((".1", "/labels.json")) and not path.startswith(f"{self.path}/cache")}

    def _all_files(self):
        for folder, folders, files in os.walk(self.path):
            for name in folders + files:
                yield os.path.join(folder, name)

    def _processes(self):
        reap()
        return [pid for pid in descendants(os.getpid()) if state_of_process(pid) not in ("Z", "X")]

    def _names(self):
        return [(pid, name_of_process(pid)) for pid in self._processes()]

    def _no_lock_held(self):
        asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        for name in os.listdir(f"{self.path}/locks"):
            with open(f"{self.path}/locks/{name}", "r+b") as file:
                if struct.unpack("hhqqi4x", fcntl.fcntl(file, F_OFD_GETLK, asked))[0] != fcntl.F_UNLCK:
                    raise Broken(f"lock held: {name}: {file.read()}")

    def remove(self):
        end_everybody()
        shutil.rmtree(self.folder, ignore_errors=True)


def is_inside(pid):
    """In a pid namespace of its own: an engine on its way, not yet another program."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            return any(line.startswith("NSpid:") and len(line.split()) > 2 for line in file)
    except OSError:
        return True


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def end_everybody():
    end = time.monotonic() + 5
    while time.monotonic() < end:
        left = [pid for pid in descendants(os.getpid()) if state_of_process(pid) not in ("Z", "X")]
        reap()
        if not left:
            return
        for pid in left:
            kill(pid)
        time.sleep(0.002)
