"""Operations that stop, replace, change and remove a VM `other`."""
import hashlib
import json
import os
import subprocess

from home import Broken
from operation import Operation, must_tell, remove_others, same


class Rollback(Operation):
    name = "rollback"
    arguments = ("rollback", "other", "back")
    monitor = "new"
    follow = False

    def prepare(self, home):
        state = home.states().get("other")
        for snapshot in home.snapshots() - {home.base} if state is None else set(self.safety(home)):
            home.must("snapshot", "rm", snapshot)
        if state is None:
            home.start("other")
            home.must("snapshot", "create", "other", "--name", "back", "--no-sync")
        elif state != "running":
            home.must("start", "-d", "other")

    def check(self, home, before, done):
        state, safety = home.states().get("other"), self.safety(home)
        # Who was killed can't go back, and neither can a command whose next monitor fails as the first one did. An error alone must do no harm.
        must_run = done.returncode >= 0 and not done.monitor_hit
        if state == "running":
            home.must_run("other")
        elif must_run or state not in ("stopped", "crashed"):
            raise Broken(f"after exit code {done.returncode}, the VM is {state}")
        elif len(safety) != 1:
            raise Broken(f"the VM is {state}, and of what it was there is {safety or 'nothing'}")
        if len(safety) > 1 or (done.returncode == 0 and not safety):
            raise Broken(f"after exit code {done.returncode}, safety snapshots are {safety}")
        for snapshot in safety:
            must_tell(done, f"the safety snapshot {snapshot}", snapshot)
        for snapshot in home.snapshots():
            home.must_be_whole(snapshot)

    @staticmethod
    def safety(home):
        return home.must("snapshot", "ls", "-q", "--filter", "label=safety").split()


class RemoveVm(Operation):
    name = "rm"
    arguments = ("rm", "-f", "other")
    monitor = "other"

    def prepare(self, home):
        if home.states().get("other") != "running":
            home.must("rm", "-f", "other")
            home.start("other")

    def check(self, home, before, done):
        state = home.states().get("other")
        if done.returncode == 0 and state is not None:
            raise Broken(f"the removed VM is {state}")
        if state not in (None, "running", "stopped", "crashed"):
            raise Broken(f"the VM is {state}")
        home.must_be_whole(home.base)


class Stop(RemoveVm):
    name = "stop"
    arguments = ("stop", "other")

    def check(self, home, before, done):
        state = home.states().get("other")
        allowed = ("stopped", "crashed") if done.returncode == 0 else ("running", "stopped", "crashed")
        if state not in allowed:
            raise Broken(f"after exit code {done.returncode}, the VM is {state}")


class SetEgress(Operation):
    """Of a VM that runs: its packet filter and its record both change."""

    name = "set-egress"
    arguments = ("set", "other", "--egress", "none")
    monitor = "other"

    def prepare(self, home):
        if home.states().get("other") != "running":
            remove_others(home)
            home.must("start", "-d", "other", "--network", "rootless", "--no-wait")
        home.must("set", "other", "--egress", "internet")

    def check(self, home, before, done):
        state, mode = home.states().get("other"), egress_of(home, "other")
        if state not in ("running", "crashed") or (state == "crashed" and not done.monitor_hit):
            raise Broken(f"the VM is {state}")
        if mode not in (("none",) if done.returncode == 0 else ("none", "internet")):
            raise Broken(f"after exit code {done.returncode}, egress is {mode}")
        if mode == "none":
            must_tell(done, "the VM changed", "it is changed all the same")
        if state == "running":
            home.must_run("other")


def egress_of(home, name):
    with open(f"{home.path}/vms/{name}/vm.json", encoding="utf-8") as file:
        return json.load(file)["egress"]["mode"]


def digest_of(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class SetDisk(Operation):
    """Of a VM that is stopped: its disk has one size or the other, and is whole."""

    name = "set-disk"

    def prepare(self, home):
        self.disk = f"{home.path}/vms/other/jail/{home.jail_disk}"
        if home.states().get("other") != "stopped" or os.path.getsize(self.disk) > 64 << 20:
            remove_others(home)
            home.start("other")
            home.must("stop", "--force", "other")
        self.size, self.content = os.path.getsize(self.disk), digest_of(self.disk)
        self.arguments = ("set", "other", "--disk", f"{(self.size >> 20) + 4}M")

    def check(self, home, before, done):
        state, size = home.states().get("other"), os.path.getsize(self.disk)
        if state != "stopped":
            raise Broken(f"the VM is {state}")
        if done.returncode != 0 and size == self.size:
            return same("the disk", self.content, digest_of(self.disk))
        must_tell(done, "a larger disk", "it is changed all the same")
        same("its size", self.size + (4 << 20), size)
        looked = subprocess.run(["e2fsck", "-fn", self.disk], env=home.environment, capture_output=True, text=True, check=False)
        if looked.returncode != 0:
            raise Broken(f"e2fsck: {looked.stdout}{looked.stderr}")
