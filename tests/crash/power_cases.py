"""What is cut short by the power, and what must be true of the home that is found then. One thread.

The operations are those of operations.py, and some that only matter here.
"""
import copy
import filecmp
import json
import os
import shutil
import subprocess

import operations
from file_operations import ImportSnapshot
from home import COUNTER_IN_MEMORY, COUNTER_ON_DISK, Broken, counter_at
from operation import remove_others
from snapshot_operations import Create

DAMAGED = 11  # exit code of `snapshot verify` and `store check`


class CreateUnsynced(Create):
    name = "create-no-sync"
    arguments = ("snapshot", "create", "web", "--label", "a=b", "--no-sync")


class ImportFirst(ImportSnapshot):
    """Into a home that is not there yet, and neither is the folder it is to be in."""

    name = "import-first"
    root = "first"

    def prepare(self, home):
        super().prepare(home)
        shutil.rmtree(f"{home.folder}/{self.root}", ignore_errors=True)
        os.mkdir(f"{home.folder}/{self.root}", 0o700)
        self.environment = {"KNALLER_HOME": f"{home.folder}/{self.root}/share/knaller"}

    def clean(self, home):
        shutil.rmtree(f"{home.folder}/{self.root}")
        super().clean(home)


OPERATIONS = {name: operations.ALL[name] for name in (
    "create", "create-by-engine", "create-named", "delete", "prune", "protect", "import", "import-directory")}
OPERATIONS.update({operation.name: operation for operation in (CreateUnsynced(), ImportFirst())})
# What has no effect the second time, or says that there is nothing to do.
AGAIN = ("delete", "prune", "protect", "import", "import-directory", "import-first")
# What removing names is all that these do.
ONLY_NAMES = ("delete", "prune")


def rows(home):
    """{id: what a user sees of a snapshot}"""
    lines = home.must("snapshot", "ls", "--format", "{{json .}}").splitlines()
    found = [json.loads(line) for line in lines]
    return {row["id"]: {key: row[key] for key in ("name", "labels", "protected", "broken", "durable")} for row in found}


def copy_tree(source, target):
    """With holes, links, sockets and times."""
    subprocess.run(["cp", "-a", "--sparse=always", source, target], check=True)


class Case:
    """An operation that was run once and recorded, and what its user saw before and after."""

    def __init__(self, operation, home, record):
        """`record(operation, root, before)` runs it, and gives a Recording of the folder `root`."""
        self.operation, self.name = operation, operation.name
        self.is_first, self.is_durable = operation.name == "import-first", operation.name != "create-no-sync"
        self.place = f"{home.folder}/power-{operation.name}"
        os.mkdir(self.place)
        operation.prepare(home)
        self.home = at(home, operation.environment.get("KNALLER_HOME", home.path))
        self.root = f"{home.folder}/{operation.root}" if self.is_first else home.path
        self.before = {} if self.is_first else rows(home)
        copy_tree(self.root, f"{self.place}/before")
        self.recording = record(operation, self.root, f"{self.place}/before")
        os.mkdir(f"{self.place}/final")
        self.recording.keep_contents(f"{self.place}/final")
        self.after = rows(self.home)
        self.arguments = operation.arguments
        if not self.is_durable:
            self.new = next(iter(set(self.after) - set(self.before)))
            copy_tree(f"{home.path}/snapshots/{self.new}", f"{self.place}/whole")
        operation.clean(home)

    def expect(self, builder, state):
        """Before any check(): `state` is that of a disk that lost nothing."""

    def check(self, tree, state, twice):
        """Throws Broken unless the home in `tree` is what `state` may be. Twice: the same command must then do what is left to do."""
        home = at(self.home, tree + os.path.realpath(self.home.path)[len(os.path.realpath(self.root)):])
        found = rows(home)
        if not self.is_durable:
            return self.check_unsynced(home, found)
        self.check_rows(found, state.announced)
        home.must("snapshot", "verify", "--all")
        for snapshot in found:
            must_be_of_one_instant(home, snapshot)
        home.must_be_clean()
        if twice and self.name in AGAIN:
            self.run_again(home, found)

    def check_rows(self, found, announced):
        if announced and found != self.after:
            raise Broken(f"it said that it was done, and then there is {found} instead of {self.after}")
        for snapshot, row in found.items():
            if row not in (self.before.get(snapshot), self.after.get(snapshot)):
                raise Broken(f"{snapshot} is {row}, and was {self.before.get(snapshot)}, then {self.after.get(snapshot)}")
        lost = set(self.before) & set(self.after) - set(found)
        if lost:
            raise Broken(f"not there any more: {lost}")

    def run_again(self, home, found):
        # What was removed is not there to be removed; what has come is there already.
        if self.name == "delete" and found == self.after:
            return
        home.must(*self.arguments)
        if rows(home) != self.after:
            raise Broken(f"the same command again, and there is {rows(home)} instead of {self.after}")
        home.must("snapshot", "verify", "--all")
        home.must_be_clean()

    def check_unsynced(self, home, found):
        """Absent, whole, or told as damaged; removing it leaves nothing, and the others are as they were."""
        if {snapshot: row for snapshot, row in found.items() if snapshot != self.new} != self.before:
            raise Broken(f"another one changed: {found} instead of {self.before}")
        if self.new in found:
            row = found[self.new]
            if row["durable"] and not row["broken"]:
                raise Broken("it is shown as one that was synced")
            code = home.run("snapshot", "verify", self.new).returncode
            if code not in (0, DAMAGED):
                raise Broken(f"`snapshot verify` ended with {code}")
            if code == 0:
                must_be_same(f"{self.place}/whole", f"{home.path}/snapshots/{self.new}")
            home.must("snapshot", "rm", "-f", self.new)
        for snapshot in self.before:
            home.must_be_whole(snapshot)
        home.must_be_clean()


def at(home, path):
    """The same programs and engine, with another home."""
    other = copy.copy(home)
    other.path, other.environment = path, {**home.environment, "KNALLER_HOME": path}
    return other


def must_be_of_one_instant(home, snapshot):
    folder = f"{home.path}/snapshots/{snapshot}"
    if counter_at(f"{folder}/memory", COUNTER_IN_MEMORY) != counter_at(f"{folder}/rootfs.ext4", COUNTER_ON_DISK):
        raise Broken(f"snapshot {snapshot}: memory and disk are of two instants")


def must_be_same(whole, found):
    """Labels may be lost: no digest but their own covers them."""
    for name in os.listdir(whole):
        if name != "labels.json" and not filecmp.cmp(f"{whole}/{name}", f"{found}/{name}", shallow=False):
            raise Broken(f"'{name}' is not what it was, and was verified")
