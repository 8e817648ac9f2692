"""What a power cut may leave of commands that make or change a VM or an image. One thread.

Nothing runs after the cut. What is compared is what knaller wrote: an engine's own writes to its disk are its guest's affair, and logs are
not promised to anybody.
"""
import hashlib
import os
import stat

import operations
from home import Broken, end_everybody
from power_cases import Case, at, must_be_of_one_instant, rows

# Logs, and what says whether it runs.
NOT_KEPT = ("alive", "console.log", "engine.log", "events.jsonl", "exit.json", "exit.reserve")
BLOCK = 4096


class FolderCase(Case):
    """`folder` comes, or changes from what it was to what it is. `parts`: each of its files by itself; else all at once."""

    folder = "vms/other"
    parts = False

    def __init__(self, operation, home, record):
        super().__init__(operation, home, record)
        self.old = contents(f"{self.place}/before/{self.folder}")
        self.new = None

    def expect(self, builder, state):
        """`state` is the last one, with everything on the disk."""
        self.new = contents(f"{builder.build(self.recording.root, state.entries, state.changes)}/{self.folder}")

    def check(self, tree, state, twice):
        home = at(self.home, tree)
        found = rows(home)
        self.check_rows(found, state.announced)
        there = contents(f"{tree}/{self.folder}") if self.name_of in self.listed(home) else None
        self.check_content(there, state.announced)
        if set(found) != set(self.before):
            home.must("snapshot", "verify", "--all")
        for snapshot in found:
            must_be_of_one_instant(home, snapshot)
        home.must_be_clean()
        if twice:
            self.use(home, there)

    @property
    def name_of(self):
        return os.path.basename(self.folder)

    def listed(self, home):
        return set(home.states())

    def check_content(self, there, announced):
        if announced and there != self.new:
            raise Broken(f"it said that it was done, and then {self.difference(there, self.new)}")
        if there == self.old or there == self.new:
            return
        if there is None or not self.parts:
            raise Broken(f"{self.folder} is neither what it was nor what it was to be: {self.difference(there, self.new)}")
        for name in sorted({*there, *self.old, *self.new}):
            # Each start links these anew.
            if name not in there and name.replace("jail/", "parts/") in there:
                continue
            if there.get(name) not in (self.old.get(name), self.new.get(name)):
                raise Broken(f"'{name}' of {self.folder} is neither what it was nor what it was to be")

    def difference(self, found, wanted):
        if found is None or wanted is None:
            return f"{self.folder} is {'there' if found else 'not there'}"
        return f"of {self.folder} these differ: {sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))}"

    def use(self, home, there):
        """What is there can be used; what is not can be made."""
        try:
            if there is None:
                home.must(*self.arguments)
            else:
                home.must("start", "-d", "other")
            home.must_run("other")
        finally:
            end_everybody()


class RollbackCase(FolderCase):
    def check(self, tree, state, twice):
        super().check(tree, state, twice)
        home = at(self.home, tree)
        safe = set(rows(home)) - set(self.before)
        if contents(f"{tree}/{self.folder}") == self.new and not safe:
            raise Broken("the VM is rolled back, and of what it was there is nothing")


class ChangedCase(FolderCase):
    parts = True


class DiskCase(ChangedCase):
    def use(self, home, there):
        if there != self.new:
            home.must(*self.arguments)
        super().use(home, there)


class ImageCase(FolderCase):
    folder = "images/second"

    def listed(self, home):
        return set(home.must("image", "ls", "-q").split())

    def use(self, home, there):
        if there is None:
            home.must(*self.arguments)
        try:
            home.must("start", "-d", "other", "--image", "second")
            home.must_run("other")
        finally:
            end_everybody()


CASES = {"start": FolderCase, "start-files": FolderCase, "restore": FolderCase, "start-disk-only": FolderCase, "start-again": ChangedCase,
         "rollback": RollbackCase, "set-disk": DiskCase, "image-import": ImageCase}
OPERATIONS = {name: operations.ALL[name] for name in CASES}


def contents(folder):
    """{path: digest} of the files that are kept, as they read; None when there is no such folder."""
    if not os.path.isdir(folder):
        return None
    found = {}
    for where, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(where, name)
            if stat.S_ISREG(os.lstat(path).st_mode) and name not in NOT_KEPT:
                found[os.path.relpath(path, folder)] = digest(path)
    return found


def digest(path):
    """Of a sparse file: a block of zeros is a hole."""
    told = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        end, at_byte = file.seek(0, os.SEEK_END), 0
        told.update(str(end).encode())
        while at_byte < end:
            try:
                begin = os.lseek(file.fileno(), at_byte, os.SEEK_DATA)
            except OSError:  # ENXIO: only a hole is left
                break
            begin -= begin % BLOCK
            at_byte = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
            file.seek(begin)
            for offset in range(begin, at_byte, BLOCK):
                block = file.read(min(BLOCK, end - offset))
                if block.strip(b"\0"):
                    told.update(offset.to_bytes(8, "little") + block)
    return told.digest()
