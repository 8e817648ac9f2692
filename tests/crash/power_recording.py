"""What a run did to the files of a home, in order: the changes, and which of them were asked to be on the disk when.

Logs of strace say what was changed, and the files that are there at the end say with what content; so little data is logged. It is
exact as long as a range is written once; what a later write hid is stood for by other bytes. A call that changes
a file in a way that is not modelled here is an error, never passed over. One thread.

The command has a log, and each monitor that works for it. Their times put them in one order. Engines are not logged.
"""
import codecs
import collections
import decimal
import os
import re
import stat
import subprocess

from home import Broken
from power_tree import Node, read_tree

CHANGES = """open openat openat2 creat write writev pwrite64 pwritev pwritev2 lseek truncate ftruncate fallocate rename renameat renameat2
    link linkat symlink symlinkat mknod mknodat unlink unlinkat rmdir mkdir mkdirat fsync fdatasync sync syncfs chmod fchmod fchmodat
    copy_file_range sendfile splice ioctl connect bind clone clone3 vfork""".split()
# So much of each write is logged: what a small file held that has no name any more at the end.
LOGGED_BYTES = 4096
OPTIONS = ["-y", "-s", str(LOGGED_BYTES), "-T", "--timestamps=unix,ns", "-e", "trace=" + ",".join(f"?{name}" for name in CHANGES)]

LINE = re.compile(r"^(\w+)\((.*)\) += (\d+)(?:<(.*)>)?(?: \(.*\))?$")
LOGGED = re.compile(r"^(\d+)(?:<[^>]*>)? +([\d.]+) (.*?)(?: <([\d.]+)>)?$")
PLACE = r'(?:AT_FDCWD<([^>]*)>|\d+<([^>]*)>)(?:\(deleted\))?, "([^"]*)"'
WRITTEN = re.compile(r'\d+<[^>]*>, "((?:[^"\\]|\\.)*)"(?!\.\.\.)')
OPEN_FILE = r"(\d+)<([^>]*)>(\(deleted\))?"


class Change:
    """One change, of which all or nothing reaches the disk, whatever else does: `kind` is entry, mode, size, grow or data.

    It is durable once each node of `synced_with` was fsync'd after it. `begin` and `end` are lines of the log: between the two it is under
    way, which only threads beside it can see.
    """

    def __init__(self, kind, synced_with, begin, end, text, **what):
        self.kind, self.synced_with, self.begin, self.end, self.text = kind, synced_with, begin, end, text
        self.__dict__.update(what)


Call = collections.namedtuple("Call", "begin end thread text")


def calls_of(log):
    """Each call that ended, with the times of its beginning and end; threads cut each other's in two."""
    begun = {}
    with open(log, encoding="latin-1") as file:
        for line in file:
            match = LOGGED.match(line.rstrip("\n"))
            if not match:
                continue
            thread, time, text, took = match[1], decimal.Decimal(match[2]), match[3], decimal.Decimal(match[4] or 0)
            if text.endswith(" <unfinished ...>"):
                begun[thread] = time, text[:-len(" <unfinished ...>")]
            elif text.startswith("<... ") and " resumed>" in text:
                # Who is attached to in the middle of a call has no beginning.
                first, start = begun.pop(thread, (time, ""))
                yield Call(first, max(time, first + took), thread, start + text.split(" resumed>", 1)[1])
            else:
                yield Call(time, time + took, thread, text)


def in_order(logs):
    """The calls of all logs as they ended; times become numbers."""
    calls = sorted((call for log in logs for call in calls_of(log)), key=lambda call: call.end)
    numbers = {time: number for number, time in enumerate(sorted({time for call in calls for time in (call.begin, call.end)}))}
    return [call._replace(begin=numbers[call.begin], end=numbers[call.end]) for call in calls]


def processes(calls):
    """{thread: the first thread of its process}: they have descriptors in common."""
    parents = {}
    for call in calls:
        match = LINE.match(call.text)
        if match and match[1] in ("clone", "clone3", "vfork") and "CLONE_THREAD" in match[2]:
            parents[match[3]] = call.thread

    def first(thread):
        while thread in parents:
            thread = parents[thread]
        return thread

    return {call.thread: first(call.thread) for call in calls}


class Recording:
    """`before` is a copy of the folder `home` from before the run, `out` what the run's standard output went to."""

    def __init__(self, logs, home, before, out):
        self.home, self.out = os.path.realpath(home), os.path.realpath(out)
        self.changes, self.syncs, self.announced, self.sizes = [], [], None, {}
        self.root = read_tree(before)
        self.now = Live(self.root)
        # By process and number of the descriptor: where it writes next, unless at the end, and what it is.
        self.offsets, self.opened, self.connected = {}, {}, 0
        self.begin = self.end = 0
        calls = in_order(logs)
        process_of = processes(calls)
        for self.begin, self.end, thread, line in calls:
            match = LINE.match(line)
            if match:
                self.process, self.text = process_of[thread], line.strip().replace(self.home, "HOME")
                handler = getattr(self, "on_" + ALIASES.get(match[1], match[1]), self.on_unknown)
                handler(match[2], int(match[3]), match[4] or "")
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
        by_number = re.match(r"/proc/self/fd/(\d+)(?=/)", path)
        if by_number:
            directory = self.opened.get((self.process, int(by_number[1])))
            if directory is None:
                raise Broken(f"not modelled: {self.text}")
            path = directory + path[by_number.end():]
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
        if kind == "size":
            self.sizes[what["node"]] = what["size"]
        elif kind == "grow":
            self.sizes[what["node"]] = max(self.size_of(what["node"]), what["size"])

    def size_of(self, node):
        """Of a file, as far as the run has come."""
        if node not in self.sizes:
            self.sizes[node] = os.path.getsize(node.source) if node.source else 0
        return self.sizes[node]

    def entry(self, directory, name, node):
        self.now.set(directory, name, node)
        self.add("entry", [directory], entries=[(directory, name, node)])

    def on_unknown(self, arguments, result, path):
        if self.home in arguments:
            raise Broken(f"not modelled: {self.text}")

    def on_openat(self, arguments, result, path):
        self.offsets[self.process, result] = None if "O_APPEND" in arguments else 0
        self.opened[self.process, result] = path
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
        machines = self.now.find(["vms"])
        if directory not in [self.now.find(["vms", machine, "jail"]) for machine in self.now.all(machines)]:
            raise Broken(f"not modelled: {self.text}")
        node = Node(mode=0o600)
        self.now.set(directory, name, node)
        self.changes.append(Change("entry", [directory], self.connected, self.connected, f"the engine makes {name}",
                                   entries=[(directory, name, node)]))

    def on_connect(self, *_):
        self.connected = self.end

    def on_bind(self, arguments, *_):
        match = re.search(r'sun_path="([^"]+)"', arguments)
        parts = match and self.inside(match[1])
        if parts:
            self.entry(self.now.find(parts[:-1]), parts[-1], Node(mode=0o600, kind=stat.S_IFSOCK))

    def on_mknod(self, arguments, *_):
        found = self.place(arguments)
        if found:
            self.entry(*found, Node(mode=0o600, kind=stat.S_IFIFO))

    def on_clone(self, *_):
        """See processes()."""

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
        if not node or mode == "FALLOC_FL_KEEP_SIZE":  # room, which nobody can read
            return
        if mode == "0":
            self.add("grow", [node], node=node, size=int(offset) + int(size))
        elif re.fullmatch(r"FALLOC_FL_ZERO_RANGE|FALLOC_FL_KEEP_SIZE\|FALLOC_FL_PUNCH_HOLE", mode):
            # Zeros were written, that is.
            self.wrote(node, int(offset), int(size))
        else:
            raise Broken(f"not modelled: {self.text}")

    def wrote(self, node, offset, size, arguments=""):
        if node and size:
            match = WRITTEN.match(arguments)
            logged = codecs.escape_decode(match[1].encode("latin-1"))[0] if match else None
            self.add("grow", [node], node=node, size=offset + size)
            self.add("data", [node], node=node, offset=offset, size=size, logged=logged)

    def on_pwrite64(self, arguments, result, _):
        self.wrote(self.file(arguments)[1], int(arguments.rsplit(", ", 1)[1]), result, arguments)

    def on_write(self, arguments, result, _):
        number, node = self.file(arguments)
        if node is None and re.match(OPEN_FILE, arguments) and re.match(OPEN_FILE, arguments)[2] == self.out and self.announced is None:
            self.announced = self.begin
        # A descriptor that was there before the log is one of a monitor's, and its logs grow at the end.
        offset = self.offsets.get((self.process, number))
        if node:
            self.wrote(node, self.size_of(node) if offset is None else offset, result, arguments)
        if offset is not None:
            self.offsets[self.process, number] = offset + result

    def on_lseek(self, arguments, result, _):
        number = self.file(arguments)[0]
        if self.offsets.get((self.process, number)) is not None:
            self.offsets[self.process, number] = result

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
           "unlinkat": "unlink", "rmdir": "unlink", "mkdirat": "mkdir", "mknodat": "mknod",
           "clone3": "clone", "vfork": "clone", "fchmod": "chmod", "fchmodat": "chmod", "fdatasync": "fsync"}


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
