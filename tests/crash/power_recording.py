"""What a run did to the files of a home, in order: the changes, and which of them were asked to be on the disk when.

The log of strace says what was changed, and the files that are there at the end say with what content; so no data is logged. It is
exact as long as a range is written once; what a later write hid is stood for by other bytes. A call that changes
a file in a way that is not modelled here is an error, never passed over. One thread.
"""
import os
import re
import subprocess

from home import Broken
from power_tree import Node, read_tree

CHANGES = """open openat openat2 creat write writev pwrite64 pwritev pwritev2 lseek truncate ftruncate fallocate rename renameat renameat2
    link linkat symlink symlinkat mknod mknodat unlink unlinkat rmdir mkdir mkdirat fsync fdatasync sync syncfs chmod fchmod fchmodat
    copy_file_range sendfile splice ioctl connect""".split()
OPTIONS = ["-y", "-s", "0", "-e", "trace=" + ",".join(f"?{name}" for name in CHANGES)]

LINE = re.compile(r"^(\d+) +(\w+)\((.*)\) += (\d+)(?:<(.*)>)?(?: \(.*\))?$")
PLACE = r'(?:AT_FDCWD<([^>]*)>|\d+<([^>]*)>)(?:\(deleted\))?, "([^"]*)"'
OPEN_FILE = r"(\d+)<([^>]*)>(\(deleted\))?"


class Change:
    """One change, of which all or nothing reaches the disk, whatever else does: `kind` is entry, mode, size, grow or data.

    It is durable once each node of `synced_with` was fsync'd after it. `begin` and `end` are lines of the log: between the two it is under
    way, which only threads beside it can see.
    """

    def __init__(self, kind, synced_with, begin, end, text, **what):
        self.kind, self.synced_with, self.begin, self.end, self.text = kind, synced_with, begin, end, text
        self.__dict__.update(what)


def whole_calls(log):
    """(first line, last line, text) for each call that ended; threads cut each other's in two."""
    begun = {}
    with open(log, encoding="latin-1") as file:
        for number, line in enumerate(file):
            line = line.rstrip("\n")
            thread = line.split(" ", 1)[0]
            if line.endswith(" <unfinished ...>"):
                begun[thread] = number, line[:-len(" <unfinished ...>")]
            elif "<... " in line and " resumed>" in line:
                first, start = begun.pop(thread)
                yield first, number, start + line.split(" resumed>", 1)[1]
            else:
                yield number, number, line


class Recording:
    """`before` is a copy of the folder `home` from before the run, `out` what the run's standard output went to."""

    def __init__(self, log, home, before, out):
        self.home, self.out = os.path.realpath(home), os.path.realpath(out)
        self.changes, self.syncs, self.announced = [], [], None
        self.root = read_tree(before)
        self.now = Live(self.root)
        self.offsets, self.connected = {}, 0
        self.begin = self.end = 0
        for self.begin, self.end, line in whole_calls(log):
            match = LINE.match(line)
            if match:
                self.text = line.split(" ", 1)[1].strip().replace(self.home, "HOME")
                handler = getattr(self, "on_" + ALIASES.get(match[2], match[2]), self.on_unknown)
                handler(match[3], int(match[4]), match[5] or "")
        # Whoever says nothing has said so when he ended.
        self.announced = self.end if self.announced is None else self.announced
        self.changes.sort(key=lambda change: change.begin)
        self.mark_overwritten()

    def mark_overwritten(self):
        """What a later write hides, as it was, no file tells any more."""
        written = [change for change in self.changes if change.kind == "data"]
        for index, change in enumerate(written):
            end = change.offset + change.size
            change.hidden = [(max(change.offset, later.offset), min(end, later.offset + later.size)) for later in written[index + 1:]
                             if later.node is change.node and later.offset < end and change.offset < later.offset + later.size]

    def keep_contents(self, folder):
        """Copies what was written, before anybody changes or removes it."""
        paths = self.now.paths()
        for node in {change.node for change in self.changes if change.kind == "data"}:
            if node in paths:
                node.final = f"{folder}/{len(os.listdir(folder))}"
                subprocess.run(["cp", "--sparse=always", self.home + paths[node], node.final], check=True)

    def size_at_end(self, node):
        # Under its present name or, later, another one.
        path = self.home + self.now.paths()[node]
        return os.path.getsize(path if os.path.exists(path) else re.sub(r"/\.new-([^/]*)/", r"/\1/", path))

    # Where a path leads.

    def inside(self, path):
        """The path's parts below the home; None for what lies elsewhere."""
        path = os.path.normpath(path)
        if path == self.home:
            return []
        return path[len(self.home) + 1:].split("/") if path.startswith(self.home + "/") else None

    def place(self, arguments, at=0):
        """(directory, name) of the at-th path of a call; None for what lies elsewhere."""
        found = re.findall(PLACE, arguments)
        if len(found) > at:
            path = os.path.join(found[at][0] or found[at][1], found[at][2])
        else:
            path = re.findall(r'"([^"]*)"', arguments)[at]
        parts = self.inside(path)
        if parts == []:
            raise Broken(f"not modelled: {self.text}")
        return parts and (self.now.find(parts[:-1]), parts[-1])

    def file(self, arguments):
        """(number of the descriptor, node); no node for what lies elsewhere or has no name any more."""
        match = re.match(OPEN_FILE, arguments)
        if match is None:
            return None, None
        parts = None if match[3] else self.inside(match[2])
        return int(match[1]), None if parts is None else self.now.find(parts)

    # What changes.

    def add(self, kind, synced_with, **what):
        self.changes.append(Change(kind, synced_with, self.begin, self.end, self.text, **what))

    def entry(self, directory, name, node):
        self.now.set(directory, name, node)
        self.add("entry", [directory], entries=[(directory, name, node)])

    def on_unknown(self, arguments, result, path):
        if self.home in arguments:
            raise Broken(f"not modelled: {self.text}")

    def on_openat(self, arguments, result, path):
        self.offsets[result] = 0
        found = self.place(arguments) if "O_CREAT" in arguments or "O_TRUNC" in arguments else None
        if found is None:
            return
        directory, name = found
        node = self.now.get(directory, name)
        if node is None:
            self.entry(directory, name, Node(mode=int(re.findall(r"0\d+", arguments)[-1], 8)))
        elif "O_TRUNC" in arguments:
            self.add("size", [node], node=node, size=0)

    def made_by_engine(self, directory, name):
        """Its own calls are not logged, and it syncs nothing that we ask: what it wrote into its jail came after we had called it."""
        if self.now.find(["vms", "web", "jail"]) is not directory:
            raise Broken(f"not modelled: {self.text}")
        node = Node(mode=0o600)
        self.now.set(directory, name, node)
        self.changes.append(Change("entry", [directory], self.connected, self.connected, f"the engine makes {name}",
                                   entries=[(directory, name, node)]))

    def on_connect(self, *_):
        self.connected = self.end

    def on_mkdir(self, arguments, *_):
        found = self.place(arguments)
        if found:
            self.entry(*found, Node(mode=int(re.findall(r"0\d+", arguments)[-1], 8), directory=True))

    def on_link(self, arguments, *_):
        source, target = self.place(arguments), self.place(arguments, 1)
        if source is None or target is None:
            raise Broken(f"not modelled: {self.text}")
        self.entry(*target, self.now.get(*source))

    def on_rename(self, arguments, *_):
        source, target = self.place(arguments), self.place(arguments, 1)
        if source is None and target is None:
            return
        if source is None or target is None:
            raise Broken(f"not modelled: {self.text}")
        node, other = self.now.get(*source), self.now.get(*target)
        # One change, since ext4 (fs/ext4/namei.c, ext4_rename()), xfs and btrfs put both names into one transaction. It is sure to be on
        # the disk only when both directories are.
        entries = [(*source, other if "RENAME_EXCHANGE" in arguments else None), (*target, node)]
        for entry in entries:
            self.now.set(*entry)
        self.add("entry", list({id(entry[0]): entry[0] for entry in entries}.values()), entries=entries)

    def on_unlink(self, arguments, *_):
        found = self.place(arguments)
        if found:
            if self.now.get(*found) is None:
                self.made_by_engine(*found)
            self.entry(*found, None)

    def on_chmod(self, arguments, *_):
        match = re.match(OPEN_FILE + r", (0\d+)$", arguments)
        found = None if match else self.place(arguments)
        node = self.file(arguments)[1] if match else found and self.now.get(*found)
        if node:
            self.add("mode", [node], node=node, mode=int(re.findall(r"0\d+", arguments)[-1], 8))

    def on_ftruncate(self, arguments, *_):
        node = self.file(arguments)[1]
        if node:
            self.add("size", [node], node=node, size=int(arguments.rsplit(", ", 1)[1]))

    def on_fallocate(self, arguments, *_):
        node = self.file(arguments)[1]
        mode, offset, size = re.search(r", (\S+), (\d+), (\d+)$", arguments).groups()
        if node and mode != "0":
            raise Broken(f"not modelled: {self.text}")
        if node:
            self.add("grow", [node], node=node, size=int(offset) + int(size))

    def wrote(self, node, offset, size):
        if node and size:
            self.add("grow", [node], node=node, size=offset + size)
            self.add("data", [node], node=node, offset=offset, size=size)

    def on_pwrite64(self, arguments, result, _):
        self.wrote(self.file(arguments)[1], int(arguments.rsplit(", ", 1)[1]), result)

    def on_write(self, arguments, result, _):
        number, node = self.file(arguments)
        if node is None and re.match(OPEN_FILE, arguments) and re.match(OPEN_FILE, arguments)[2] == self.out and self.announced is None:
            self.announced = self.begin
        self.wrote(node, self.offsets.get(number, 0), result)
        self.offsets[number] = self.offsets.get(number, 0) + result

    def on_lseek(self, arguments, result, _):
        self.offsets[self.file(arguments)[0]] = result

    def on_copy_file_range(self, arguments, result, _):
        (_, _, _), (number, path, _) = re.findall(OPEN_FILE, arguments)
        offset = re.search(r">, (?:NULL|\[(\d+)\]), \d+, 0$", arguments)[1]
        node = self.file(f"{number}<{path}>")[1]
        if node and offset is None:
            raise Broken(f"not modelled: {self.text}")
        self.wrote(node, int(offset or 0), result)

    def on_ioctl(self, arguments, *_):
        node = self.file(arguments)[1]
        if node and "FICLONE" in arguments:
            # All of another file, as much as this one has at the end.
            self.wrote(node, 0, self.size_at_end(node))

    def on_fsync(self, arguments, *_):
        node = self.file(arguments)[1]
        if node:
            self.syncs.append((node, self.begin, self.end, self.text))


ALIASES = {"open": "openat", "openat2": "openat", "creat": "openat", "renameat": "rename", "renameat2": "rename", "linkat": "link",
           "unlinkat": "unlink", "rmdir": "unlink", "mkdirat": "mkdir", "fchmod": "chmod", "fchmodat": "chmod", "fdatasync": "fsync"}


class Live:
    """The tree as the run sees it. Apart from the nodes' own entries, which stay those of before."""

    def __init__(self, root):
        self.root = root
        self.entries = {}

    def all(self, directory):
        return self.entries.setdefault(directory, dict(directory.entries))

    def get(self, directory, name):
        return self.all(directory).get(name)

    def set(self, directory, name, node):
        if node is None:
            self.all(directory).pop(name, None)
        else:
            self.all(directory)[name] = node

    def find(self, parts):
        node = self.root
        for name in parts:
            node = node and self.get(node, name)
        return node

    def paths(self):
        """{node: one of its paths}"""
        found, waiting = {}, [(self.root, "")]
        while waiting:
            node, path = waiting.pop()
            found[node] = path
            if node.directory:
                waiting += [(child, f"{path}/{name}") for name, child in self.all(node).items()]
        return found
