"""Files and directories as a disk holds them, apart from the names they have, and how a tree of them is put there again. One thread."""
import os
import shutil
import stat
import subprocess

from home import Broken


class Node:
    """An inode: `source` is where its content lies as it was before the run, `final` as it was after it; either may be missing.

    `entries` of a directory: {name: node}, as they were before the run. `kind`: what the run made, if that is neither file nor directory.
    """

    def __init__(self, mode, directory=False, source=None, kind=0):
        self.mode, self.directory, self.source, self.final, self.kind = mode, directory, source, None, kind
        self.entries = {}


def read_tree(folder):
    """The root of what lies in `folder`. What has several names there is one node."""
    known = {}

    def read(path):
        info = os.lstat(path)
        node = known.get(info.st_ino)
        if node is None:
            node = known[info.st_ino] = Node(stat.S_IMODE(info.st_mode), stat.S_ISDIR(info.st_mode), path)
            if node.directory:
                node.entries = {name: read(f"{path}/{name}") for name in sorted(os.listdir(path))}
        return node

    return read(folder)


class Builder:
    """Puts trees below `folder`. A file's content is made once, and linked from then on: no command may change it in place."""

    def __init__(self, folder):
        self.folder, self.made, self.linked = folder, {}, {}
        os.makedirs(f"{folder}/contents")

    def build(self, root, entries, changes):
        """Returns the tree's path. `entries`: {directory: {name: node}}; `changes`: {node: its changes on the disk}."""
        top = f"{self.folder}/tree"
        shutil.rmtree(top, ignore_errors=True)
        self._put(root, top, entries, changes)
        return top

    def _put(self, node, path, entries, changes):
        if node.kind:
            return os.mknod(path, node.kind | node.mode)
        if not node.directory:
            content = self._content(node, changes.get(node, ()))
            # Locks are written in place, and so is what belongs to a VM that is started there.
            if "/locks/" in path or ("/vms/other/" in path and is_written(content)):
                return subprocess.run(["cp", "-p", "--sparse=always", content, path], check=True)
            if content not in self.linked and stat.S_ISREG(os.lstat(content).st_mode):
                self.linked[content] = looks(content)
            return os.link(content, path)
        os.mkdir(path)
        for name, child in entries.get(node, node.entries).items():
            self._put(child, f"{path}/{name}", entries, changes)
        modes = [change.mode for change, _ in changes.get(node, ()) if change.kind == "mode"]
        os.chmod(path, (modes or [node.mode])[-1])

    def _content(self, node, changes):
        if not changes and node.source:
            return node.source
        key = node, tuple(changes)
        if key not in self.made:
            path = self.made[key] = f"{self.folder}/contents/{len(self.made)}"
            write_content(node, changes, path)
        return self.made[key]

    def must_be_unchanged(self):
        for path, before in self.linked.items():
            if looks(path) != before:
                raise Broken(f"a command changed a file in place that is never written again: {path}")


def is_written(path):
    info = os.lstat(path)
    return stat.S_ISREG(info.st_mode) and info.st_mode & stat.S_IWUSR


def looks(path):
    info = os.stat(path)
    return info.st_mode, info.st_size, info.st_mtime_ns


def write_content(node, changes, path):
    size, mode = 0, node.mode
    if node.source:
        shutil.copyfile(node.source, path)
        size = os.path.getsize(path)
    with open(path, "ab"):
        pass
    with open(path, "r+b") as file:
        for change, torn in changes:
            if change.kind == "mode":
                mode = change.mode
            elif change.kind == "size":
                size = change.size
                file.truncate(size)
            elif change.kind == "grow":
                size = max(size, change.size)
            else:
                write_data(file, node, change, torn)
        file.truncate(size)
    os.chmod(path, mode)


def write_data(file, node, change, torn):
    """`torn`: the numbers of its pages that are lost."""
    for offset, data in pages_of(node, change):
        if offset // PAGE not in torn:
            file.seek(offset)
            file.write(data)


PAGE = 4096


def pages_of(node, change):
    if node.final is None and change.logged and len(change.logged) == change.size:
        content = bytearray(change.logged)
    else:
        content = read_range(node.final, change.offset, change.size)
    for begin, end in change.hidden:
        for at in range(begin - change.offset, end - change.offset):
            content[at] ^= 0xFF
    at = 0
    while at < change.size:
        length = min(PAGE - (change.offset + at) % PAGE, change.size - at)
        yield change.offset + at, content[at:at + length]
        at += length


def read_range(path, offset, size):
    """What has no name any more at the end held something, all the same."""
    if path is None:
        return bytearray(b"x" * size)
    with open(path, "rb") as file:
        file.seek(offset)
        return bytearray(file.read(size).ljust(size, b"\0"))
