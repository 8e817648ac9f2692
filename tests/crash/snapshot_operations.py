"""Operations that make, remove and change snapshots."""
import json

from home import Broken
from operation import Operation, must_tell, remove_others, same


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
            must_tell(done, snapshot, f"it is here all the same, as {snapshot}", f"'{snapshot}' is there all the same")
            home.must_be_whole(snapshot)


class CreateByEngine(Create):
    name = "create-by-engine"
    environment = {"KNALLER_CAPTURE": "engine"}


class CreateNamed(Create):
    name = "create-named"
    arguments = ("snapshot", "create", "web", "--name", "before-upgrade")

    def prepare(self, home):
        remove_others(home)


class CreateOfClone(Create):
    """Its parent is the snapshot that the VM was started from: parts of that are taken over."""

    name = "create-of-clone"
    arguments = ("snapshot", "create", "other")
    monitor = "other"

    def prepare(self, home):
        if home.states().get("other") != "running":
            remove_others(home)
            home.must("start", "-d", "other", "--from-snapshot", home.base)


class CreateOfStopped(Create):
    """Of the disk alone."""

    name = "create-of-stopped"
    arguments = ("snapshot", "create", "other")
    monitor = None

    def prepare(self, home):
        if "other" not in home.states():
            home.start("other")
        home.must("stop", "--force", "other")


class CreateWithoutDisk(Create):
    name = "create-no-disk"
    arguments = ("snapshot", "create", "web", "--no-disk")


class CreateWhilePaused(Create):
    """With a file that the user's own command has put there."""

    name = "create-while-paused"
    arguments = ("snapshot", "create", "web", "--while-paused", "--", "/bin/sh", "-c", "echo here > $KNALLER_SNAPSHOT_DIR/note")

    def check(self, home, before, done):
        super().check(home, before, done)
        for snapshot in home.snapshots() - before[0]:
            with open(f"{home.path}/snapshots/{snapshot}/note", encoding="utf-8") as file:
                same("the command's file", "here\n", file.read())


def provide_victim(home):
    if len(home.snapshots()) < 2:
        home.must("snapshot", "create", "web", "--name", "victim", "--no-sync")


class Remove(Operation):
    name = "delete"
    arguments = ("snapshot", "rm", "victim")

    @staticmethod
    def may_stay(done):
        return False

    def prepare(self, home):
        provide_victim(home)

    def check(self, home, before, done):
        after = home.snapshots()
        if done.returncode == 0 and after != {home.base} and not self.may_stay(done):
            raise Broken(f"there still is {after}")
        if home.base not in after:
            raise Broken("another snapshot was removed")
        for snapshot in after:
            home.must_be_whole(snapshot)


class Prune(Remove):
    name = "prune"
    arguments = ("snapshot", "prune", "--label", "old")

    @staticmethod
    def may_stay(done):
        """One that cannot be read is not pruned, and the command says so."""
        return "for it can't be read" in done.stderr

    def prepare(self, home):
        for _ in range(3 - len(home.snapshots())):
            home.must("snapshot", "create", "web", "--label", "old=yes", "--no-sync")


class Protect(Operation):
    name = "protect"
    arguments = ("snapshot", "protect", "victim")

    def prepare(self, home):
        provide_victim(home)
        home.must("snapshot", "unprotect", "victim")

    def check(self, home, before, done):
        same("snapshots", before[0], home.snapshots())
        for snapshot in before[0]:
            home.must_be_whole(snapshot)

    def clean(self, home):
        home.must("snapshot", "unprotect", "victim")
        remove_others(home)


class Unprotect(Protect):
    name = "unprotect"
    arguments = ("snapshot", "unprotect", "victim")

    def prepare(self, home):
        provide_victim(home)
        home.must("snapshot", "protect", "victim")


class Relabel(Operation):
    """What is written down of a snapshot is what it was, or what it was to be."""

    name = "label"
    arguments = ("snapshot", "label", "victim", "new=yes", "old-")
    old, new = ("victim", {"old": "yes"}), ("victim", {"new": "yes"})

    def prepare(self, home):
        provide_victim(home)
        home.must("snapshot", "label", "victim", "old=yes", "new-")

    def check(self, home, before, done):
        same("snapshots", before[0], home.snapshots())
        lines = home.must("snapshot", "ls", "--format", "{{json .}}").splitlines()
        rows = [row for row in map(json.loads, lines) if row["id"] != home.base]
        found = [(row["name"], row["labels"]) for row in rows]
        if found not in ([self.new],) + (() if done.returncode == 0 else ([self.old],)):
            raise Broken(f"after exit code {done.returncode}, there is {found}")
        if found == [self.new]:
            must_tell(done, found, "is changed all the same")
        for snapshot in before[0]:
            home.must_be_whole(snapshot)


class Rename(Relabel):
    name = "rename"
    arguments = ("snapshot", "rename", "victim", "renamed")
    old, new = ("victim", {}), ("renamed", {})

    def prepare(self, home):
        provide_victim(home)
        for snapshot in home.snapshots() - {home.base}:
            home.must("snapshot", "rename", snapshot, "victim")
