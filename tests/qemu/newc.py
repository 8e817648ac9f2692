"""newc.py FOLDER: writes FOLDER as an initramfs (cpio, newc) to standard output. Everything belongs to root."""
import os
import stat
import sys


def entry(out, name, mode, data):
    name = name.encode() + b"\0"
    fields = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    out.write(head + b"\0" * (-len(head) % 4))
    out.write(data + b"\0" * (-len(data) % 4))


def main(folder):
    out = sys.stdout.buffer
    for parent, folders, files in os.walk(folder):
        for name in sorted(folders) + sorted(files):
            path = os.path.join(parent, name)
            mode = os.lstat(path).st_mode
            data = open(path, "rb").read() if stat.S_ISREG(mode) else b""
            entry(out, os.path.relpath(path, folder), mode, data)
    entry(out, "TRAILER!!!", 0, b"")


main(sys.argv[1])
