"""The operations that are interrupted. Each says how it begins, what it runs, and what may be true after it.

A new one: a class with the three functions, in ALL, and in REAL when it is to be tried with real guests, too. The fixture is the VM `web`, which runs, and the snapshot `base` of it.
"""
import filecmp
import os

from home import Broken


class Operation:
    name = ""
    arguments = ()
    environment = {}
    # Whose monitor is interrupted too: one that runs ("web"), the one that the command starts ("new"), or none.
    monitor = None
    # The command leaves no process that goes on, so that its threads can be followed too.
    follow = True

    def prepare(self, home):
        """Before the faulty run and before the next one: what the command needs."""

    def check(self, home, before, done):
        """After a run, `done`; `before` is what seen() gave before it. A run that said 0 did it all; else all or nothing."""

    def clean(self, home):
        """Leaves the fixture, and nothing else."""
        remove_others(home)

    def seen(self, home):
        return home.snapshots(), home.states()


def remove_others(home):
    for snapshot in home.snapshots() - {home.base}:
        home.must("snapshot", "rm", snapshot)
    for name in set(home.states()) - {"web"}:
        home.must("rm", "-f", name)


def same(what, before, after):
    if before != after:
        raise Broken(f"{what}: {before} before, {after} after")


class Create(Operation):
    name = "create"
    arguments = ("snapshot", "create", "web", "--label", "a=b")
    monitor = "web"

    def check(self, home, before, done):
        new = home.snapshots() - before[0]
        same("older snapshots", before[0], home.snapshots() - new)
        if len(new) > 1:
            raise Broken(f"more than one new snapshot: {new}")
        if done.returncode == 0 and new != {done.stdout.strip()}:
            raise Broken(f"it announced {done.stdout!r}, and there is {new}")
        for snapshot in new:
            home.must_be_whole(snapshot)


class CreateByEngine(Create):
    name = "create-by-engine"
    environment = {"KNALLER_CAPTURE": "engine"}


class CreateNamed(Create):
    name = "create-named"
    arguments = ("snapshot", "create", "web", "--name", "before-upgrade")

    def prepare(self, home):
        remove_others(home)


class Remove(Operation):
    name = "delete"
    arguments = ("snapshot", "rm", "victim")

    def prepare(self, home):
        if len(home.snapshots()) < 2:
            home.must("snapshot", "create", "web", "--name", "victim", "--no-sync")

    def check(self, home, before, done):
        after = home.snapshots()
        if done.returncode == 0 and after != {home.base}:
            raise Broken(f"there still is {after}")
        if home.base not in after:
            raise Broken("another snapshot was removed")
        for snapshot in after:
            home.must_be_whole(snapshot)


class Prune(Remove):
    name = "prune"
    arguments = ("snapshot", "prune", "--label", "old")

    def prepare(self, home):
        for _ in range(3 - len(home.snapshots())):
            home.must("snapshot", "create", "web", "--label", "old=yes", "--no-sync")


class Protect(Operation):
    name = "protect"
    arguments = ("snapshot", "protect", "victim")

    def prepare(self, home):
        if len(home.snapshots()) < 2:
            home.must("snapshot", "create", "web", "--name", "victim", "--no-sync")
        home.must("snapshot", "unprotect", "victim")

    def check(self, home, before, done):
        same("snapshots", before[0], home.snapshots())
        for snapshot in before[0]:
            home.must_be_whole(snapshot)

    def clean(self, home):
        home.must("snapshot", "unprotect", "victim")
        remove_others(home)


class Start(Operation):
    name = "start"
    arguments = ("start", "-d", "other")
    monitor = "new"
    follow = False
    # What the VM may be after a start that did not say 0.
    may_be = (None, "running")

    def prepare(self, home):
        remove_others(home)

    def check(self, home, before, done):
        state = home.states().get("other")
        # The monitor may be undoing still; it is not its own witness.
        allowed = ("running",) if done.returncode == 0 else self.may_be
        if state not in allowed + (("crashed",) if done.monitor_hit else ()):
            raise Broken(f"after exit code {done.returncode}, the VM is {state}")
        if state == "running":
            home.must_run("other")
        home.must_be_whole(home.base)


class Restore(Start):
    name = "restore"

    def prepare(self, home):
        super().prepare(home)
        self.arguments = ("start", "-d", "other", "--from-snapshot", home.base)


class StartAgain(Start):
    name = "start-again"
    may_be = ("stopped", "crashed", "running")

    def prepare(self, home):
        if "other" not in home.states():
            home.start("other")
        home.must("stop", "--force", "other")


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


class ImportImage(Operation):
    name = "image-import"

    def prepare(self, home):
        if "second" in home.must("image", "ls", "-q").split():
            home.must("image", "rm", "second")
        self.arguments = ("image", "import", "second", "--kernel", home.kernel, "--rootfs", home.root_disk)

    def check(self, home, before, done):
        there = "second" in home.must("image", "ls", "-q").split()
        if done.returncode == 0 and not there:
            raise Broken("the image is not there")
        if there:
            folder = f"{home.path}/images/second"
            same("files", {"image.json", "rootfs.ext4", "vmlinux"}, set(os.listdir(folder)))

    def clean(self, home):
        self.prepare(home)


class ImportSnapshot(Operation):
    name = "import"

    def prepare(self, home):
        remove_others(home)
        stream = f"{home.folder}/stream"
        if not os.path.exists(stream):
            home.must("snapshot", "create", "web", "--name", "exported", "--no-sync")
            home.must("snapshot", "export", "exported", stream)
            remove_others(home)
        self.arguments = ("snapshot", "import", stream)

    def check(self, home, before, done):
        new = home.snapshots() - before[0]
        if done.returncode == 0 and len(new) != 1:
            raise Broken(f"it imported {new}")
        for snapshot in new | {home.base}:
            home.must_be_whole(snapshot)


class Export(Operation):
    """Into a file: it is whole, and always the same, or not there."""

    name = "export"

    def prepare(self, home):
        self.out, whole = f"{home.folder}/exported/out", f"{home.folder}/whole"
        if not os.path.exists(whole):
            home.must("snapshot", "export", home.base, whole)
            os.mkdir(os.path.dirname(self.out))
        self.clean(home)
        self.arguments = ("snapshot", "export", home.base, self.out)

    def check(self, home, before, done):
        same("snapshots", before[0], home.snapshots())
        found = os.listdir(os.path.dirname(self.out))
        if found != ["out"] if done.returncode == 0 else found not in ([], ["out"]):
            raise Broken(f"after exit code {done.returncode}, there is {found}")
        if found and not filecmp.cmp(self.out, f"{home.folder}/whole", shallow=False):
            raise Broken("what was exported is not whole")

    def clean(self, home):
        for name in os.listdir(os.path.dirname(self.out)):
            os.unlink(f"{os.path.dirname(self.out)}/{name}")


class BuildImage(Operation):
    """From packages that are there already. Only knaller's first thread: the others' calls, and apt's, are left alone."""

    name = "image-build"
    arguments = ("image", "build", "tiny", "--name", "built")
    follow = False

    def prepare(self, home):
        if "built" in home.must("image", "ls", "-q").split():
            home.must("image", "rm", "built")

    def check(self, home, before, done):
        there = "built" in home.must("image", "ls", "-q").split()
        if done.returncode == 0 and not there:
            raise Broken("the image is not there")
        if there:
            home.must("image", "inspect", "built")
            whole, built = (f"{home.path}/images/{name}" for name in ("tiny", "built"))
            same("files", set(os.listdir(whole)), set(os.listdir(built)))
            for name in ("vmlinux", "initramfs"):
                if not filecmp.cmp(f"{whole}/{name}", f"{built}/{name}", shallow=False):
                    raise Broken(f"'{name}' is not whole")

    def clean(self, home):
        self.prepare(home)


ALL = {operation.name: operation for operation in (
    Create(), CreateByEngine(), CreateNamed(), Remove(), Prune(), Protect(), Start(), StartAgain(), Restore(), Rollback(),
    RemoveVm(), Stop(), Export(), ImportSnapshot(), ImportImage())}
REAL = {**{name: ALL[name] for name in ("create", "delete", "prune", "start", "restore", "rollback", "import")}, "image-build": BuildImage()}


def find(name):
    return ALL.get(name) or REAL[name]
