"""Operations that make, remove and change snapshots."""
from home import Broken
from operation import Operation, remove_others, same


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


def provide_victim(home):
    if len(home.snapshots()) < 2:
        home.must("snapshot", "create", "web", "--name", "victim", "--no-sync")


class Remove(Operation):
    name = "delete"
    arguments = ("snapshot", "rm", "victim")

    def prepare(self, home):
        provide_victim(home)

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
        provide_victim(home)
        home.must("snapshot", "unprotect", "victim")

    def check(self, home, before, done):
        same("snapshots", before[0], home.snapshots())
        for snapshot in before[0]:
            home.must_be_whole(snapshot)

    def clean(self, home):
        home.must("snapshot", "unprotect", "victim")
        remove_others(home)
