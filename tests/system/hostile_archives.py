"""hostile_archives.py SNAPSHOT FOLDER: archives as nobody should send them, made of a whole snapshot's directory with python's own tar.

Writes FOLDER/CASE and FOLDER/expected: lines of "CASE EXIT-CODE WORDS", words of which the error has to say.
"""
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile

snapshot, folder = sys.argv[1:]
snap = os.path.basename(snapshot)
files = {name: open(os.path.join(snapshot, name), "rb").read() for name in sorted(os.listdir(snapshot)) if name != "labels.json"}
files.pop("manifest")
# With little memory, since there are many archives.
files["memory"] = files["memory"][: 8 << 20]
metadata = json.dumps({**json.loads(files.pop("metadata.json")), "mem_size_mib": 8}).encode()


def manifest_lines(name, data):
    lines = [f"file {name} {len(data)}\n"]
    for at in range(0, len(data), 4 << 20):
        chunk = data[at : at + (4 << 20)]
        if chunk.strip(b"\0"):
            lines.append(f"{at} {hashlib.sha256(chunk).hexdigest()}\n")
    return "".join(lines)


body = "knaller-manifest 1\n" + manifest_lines("metadata.json", metadata) + "".join(manifest_lines(*file) for file in files.items())
manifest = (body + f"end {hashlib.sha256(body.encode()).hexdigest()}\n").encode()
expected = open(os.path.join(folder, "expected"), "w")


def compress(data):
    return subprocess.run(["zstd", "-q", "-1", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


def case(name, exit_code, words, data):
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)
    print(name, exit_code, words, file=expected)


class Archive:
    """The whole snapshot, unless told otherwise; what `end` adds comes last."""

    def __init__(self):
        self.out = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.out, mode="w", format=tarfile.PAX_FORMAT)

    def add(self, name, data=b"", size=None, **members):
        info = tarfile.TarInfo(name)
        info.size = len(data) if size is None else size
        for member, value in members.items():
            setattr(info, member, value)
        self.tar.addfile(info, io.BytesIO(data))
        return self

    def begin(self, the_manifest=manifest, the_metadata=metadata):
        return self.add(f"{snap}/manifest", the_manifest).add(f"{snap}/metadata.json", the_metadata)

    def rest(self, **instead):
        for name, data in files.items():
            data = instead.get(name, data)
            if data is not None:
                self.add(f"{snap}/{name}", data)
        return self

    def raw(self):
        self.tar.close()
        return self.out.getvalue()

    def done(self):
        return compress(self.raw())


def sign(text):
    body = text[: text.rindex(b"end ")]
    return body + b"end " + hashlib.sha256(body).hexdigest().encode() + b"\n"


def manifest_with(the_metadata, change=lambda text: text):
    """The snapshot's own, for other metadata, changed, and with the right digest at its end."""
    line = f"file metadata.json {len(the_metadata)}\n0 {hashlib.sha256(the_metadata).hexdigest()}\n".encode()
    return sign(change(re.sub(rb"file metadata.json \d+\n0 \w+\n", line, manifest)))


def metadata_with(**members):
    return json.dumps({**json.loads(metadata), **members}).encode()


def sparse(size, pieces, data, **records):
    """An entry of GNU.sparse 1.0, for add()."""
    text = "".join(f"{number}\n" for number in [len(pieces), *[n for piece in pieces for n in piece]]).encode()
    text += b"\0" * (-len(text) % 512)
    headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": f"{snap}/memory", "GNU.sparse.realsize": str(size)}
    return {"data": text + data, "pax_headers": {**headers, **records}}


whole = Archive().begin().rest().done()
case("whole", 0, "", whole)
case("padded", 0, "", compress(Archive().begin().rest().raw() + b"\0" * 20480))

# No archive, or not all of it
case("empty", 11, "empty", b"")
case("text", 11, "not compressed by zstd", b"hello\n" * 1000)
case("plain-tar", 11, "not compressed by zstd", Archive().begin().rest().raw())
case("empty-frame", 11, "too early", compress(b""))
case("noise", 11, "", compress(os.urandom(100000)))
for cut in 1, 100, len(whole) // 3, len(whole) // 2, len(whole) - 1:
    case(f"cut-{cut}", 11, "", whole[:cut])
raw = Archive().begin().rest().raw()
for cut in 512, 5000, len(raw) // 2 + 7:
    case(f"tar-cut-{cut}", 11, "too early", compress(raw[:cut]))
case("garbage-behind", 11, "something follows", whole + b"garbage")
case("frame-behind", 11, "something follows", whole + compress(b"more"))
case("entry-behind-end", 11, "something follows", compress(raw + raw))
case("zeros-behind-end", 11, "something follows", compress(raw + b"\0" * (4 << 20)))
case("bad-sum", 11, "sum", compress(b"x" + raw[1:]))
flipped = bytearray(whole)
flipped[len(flipped) // 2] ^= 16
case("flipped-bit", 11, "", bytes(flipped))

# Entries that do not belong there
end = lambda name, **members: Archive().begin().rest().add(name, **members).done()
case("absolute", 11, "absolute", end("/etc/passwd", data=b"x"))
case("dot-dot", 11, "", end(f"{snap}/../../x", data=b"x"))
case("dot-dot-first", 11, "not in the snapshot's folder", end(f"../{snap}/x", data=b"x"))
case("deep", 11, "", end(f"{snap}/a/b", data=b"x"))
case("other-folder", 11, "not in the snapshot's folder", end("snap_00000000/state", data=b"x"))
case("not-named", 11, "does not name", end(f"{snap}/more", data=b"x"))
case("hidden", 11, "does not name", end(f"{snap}/.labels.json.0", data=b"x"))
case("folder", 11, "a folder", end(f"{snap}/dir", type=tarfile.DIRTYPE))
case("symlink", 11, "symbolic link", end(f"{snap}/state", type=tarfile.SYMTYPE, linkname="/etc/passwd"))
case("hardlink", 11, "hard link", end(f"{snap}/state2", type=tarfile.LNKTYPE, linkname=f"{snap}/state"))
case("device", 11, "a device", end(f"{snap}/state", type=tarfile.CHRTYPE, devmajor=1, devminor=3))
case("fifo", 11, "a fifo", end(f"{snap}/fifo", type=tarfile.FIFOTYPE))
case("symlink-first", 11, "symbolic link", Archive().begin().add(f"{snap}/memory", type=tarfile.SYMTYPE, linkname="/dev/null").done())
case("twice", 11, "comes twice", end(f"{snap}/state", data=files["state"]))
case("manifest-twice", 11, "does not name", end(f"{snap}/manifest", data=manifest))
case("metadata-twice", 11, "comes twice", end(f"{snap}/metadata.json", data=metadata))
case("long-name", 11, "", end(f"{snap}/" + "n" * 300, data=b"x"))
case("huge-pax", 11, "extended header", end(f"{snap}/state", pax_headers={"comment": "x" * (1 << 20)}))
case("escape-in-name", 11, "x1b", end(f"{snap}/\x1b[2Jx", data=b"x"))


def entry(name, data=b""):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    return info.tobuf(tarfile.PAX_FORMAT) + data + b"\0" * (-len(data) % 512)


def pax(**records):
    return tarfile.TarInfo._create_pax_generic_header(records, tarfile.XHDTYPE, "utf-8")


head = entry(f"{snap}/manifest", manifest) + entry(f"{snap}/metadata.json", metadata)
case("a-million-entries", 11, "does not name", compress(head + entry(f"{snap}/one") * 1000000))
case("a-million-headers", 11, "extended header", compress(head + pax(comment="x") * 1000000))
case("global-header", 11, "whole archive", compress(tarfile.TarInfo.create_pax_global_header({"path": f"{snap}/manifest"}) + raw))

# Content that is not what the manifest says
for name in files:
    if files[name]:
        changed = bytearray(files[name])
        changed[len(changed) // 2] ^= 1
        case(f"changed-{name}", 11, "", Archive().begin().rest(**{name: bytes(changed)}).done())
        case(f"short-{name}", 11, "bytes", Archive().begin().rest(**{name: files[name][:-1]}).done())
    case(f"long-{name}", 11, "bytes", Archive().begin().rest(**{name: files[name] + b"x"}).done())
    case(f"no-{name}", 11, "missing", Archive().begin().rest(**{name: None}).done())
case("changed-metadata", 11, "manifest says", Archive().begin(the_metadata=metadata.replace(b"web", b"wob")).rest().done())
case("no-manifest", 11, "manifest", Archive().add(f"{snap}/metadata.json", metadata).rest().done())
case("manifest-second", 11, "manifest", Archive().add(f"{snap}/metadata.json", metadata).add(f"{snap}/manifest", manifest).rest().done())
case("no-metadata", 11, "metadata.json", Archive().add(f"{snap}/manifest", manifest).rest().done())
case("bad-folder", 11, "begins with", Archive().add("snap_XYZ/manifest", manifest).done())
case("other-id", 11, "is of snapshot", Archive().add("snap_00000000/manifest", manifest).add("snap_00000000/metadata.json", metadata).done())

# Manifests and metadata that are wrong in themselves
case("manifest-digest", 11, "digest", Archive().begin(manifest.replace(b" 0", b" 1", 1) if b" 0" in manifest else manifest[:-2] + b"0\n").done())
case("manifest-future", 6, "another version", Archive().begin(sign(manifest.replace(b"manifest 1", b"manifest 3", 1))).done())
case("manifest-cut", 11, "manifest", Archive().begin(manifest[:100]).done())
case("manifest-huge", 11, "bytes", Archive().begin(b"x" * (65 << 20)).done())
case("manifest-names-itself", 11, "no snapshot has", Archive().begin(manifest_with(metadata, lambda t: t[:-69] + b"file manifest 3\n" + t[-69:])).done())
case("manifest-escape", 11, "no snapshot has", Archive().begin(manifest_with(metadata, lambda t: t[:-69] + b"file \x1b[2J 3\n" + t[-69:])).done())
case("manifest-path", 11, "manifest", Archive().begin(manifest_with(metadata, lambda t: t[:-69] + b"file ../x 3\n" + t[-69:])).done())
for words, members in {"of format 2": {"format": 2}, "of format 99": {"format": 99}}.items():
    changed = metadata_with(**members)
    case("future-" + words.split()[-1], 6, words, Archive().begin(manifest_with(changed), changed).rest().done())
for name, members in {
    "no-format": {"format": 0},
    "other-memory": {"mem_size_mib": 9},
    "text-for-number": {"vcpus": "two"},
    "no-time": {"created_at": "yesterday"},
}.items():
    changed = metadata_with(**members)
    case(f"metadata-{name}", 11, "", Archive().begin(manifest_with(changed), changed).rest().done())
case("metadata-no-json", 11, "JSON", Archive().begin(manifest_with(b"[[["), b"[[[").rest().done())
case("metadata-huge", 11, "bytes", Archive().begin(manifest_with(b" " * (2 << 20)), b" " * (2 << 20)).rest().done())
needs = metadata_with(has_base=True, has_initrd=True, has_ssh=True, boot_args="x")
case("metadata-needs-more", 11, "does not name", Archive().begin(manifest_with(needs), needs).rest().done())
for name, text in {"no-json": b"{", "array": b"[]", "path": b'{"name": "../x"}', "id": b'{"name": "snap_00000000"}', "control": b'{"labels": {"a\\u001b": "b"}}',
                   "number": b'{"labels": {"a": 1}}', "huge": b" " * (2 << 20)}.items():
    case(f"labels-{name}", 11, "", Archive().begin().add(f"{snap}/labels.json", text).rest().done())
labels = b'{"labels": {"a": "b"}}'
case("labels-twice", 11, "comes twice", Archive().begin().add(f"{snap}/labels.json", labels).add(f"{snap}/labels.json", labels).done())
for name, words, text in [("memory", "left out", b"memory\n"), ("path", "left out", b"../../x\n"), ("absent", "left out", b"base.ext4\n" if "base.ext4" not in files else b"nosuch\n")]:
    case(f"left-out-{name}", 11, words, Archive().begin().add(f"{snap}/.left-out", text).rest().done())

# Sparse files
memory = len(files["memory"])
bad = {
    "overlap": sparse(memory, [(0, 8192), (4096, 4096)], b"x" * 12288),
    "backwards": sparse(memory, [(8192, 4096), (0, 4096)], b"x" * 8192),
    "outside": sparse(memory, [(memory - 4096, 8192)], b"x" * 8192),
    "far-outside": sparse(memory, [((1 << 63) - 4096, 4096)], b"x" * 4096),
    "overflow": sparse(memory, [(4096, (1 << 64) - 4096)], b"x" * 4096),
    "more-data": sparse(memory, [(0, 4096)], b"x" * 8192),
    "less-data": sparse(memory, [(0, 8192)], b"x" * 4096),
    "other-size": sparse(memory * 2, [(0, 4096)], b"x" * 4096),
    "huge-size": sparse(1 << 62, [((1 << 62) - 4096, 4096)], b"x" * 4096),
    "negative": sparse(-1, [(0, 4096)], b"x" * 4096),
    "hole-for-data": sparse(memory, [(memory, 0)], b""),
    "old-form": {"data": b"x" * 4096, "pax_headers": {"GNU.sparse.map": "0,4096", "GNU.sparse.size": str(memory)}},
    "unknown-form": sparse(memory, [(0, 4096)], b"x" * 4096, **{"GNU.sparse.major": "2"}),
    "no-size": {"data": b"x" * 4096, "pax_headers": {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}},
    "no-map": {**sparse(memory, [], b""), "data": b"\0" * 4096},
    "endless-number": {**sparse(memory, [], b""), "data": b"1" * 65536},
    "many-pieces": {**sparse(memory, [], b""), "data": b"99999999\n" + b"0\n0\n" * 1000},
    "map-beyond": {**sparse(memory, [], b""), "data": b"5\n" + b"0" * 510},
}
for name, members in bad.items():
    case(f"sparse-{name}", 11, "", Archive().begin().add(f"{snap}/GNUSparseFile.0/memory", **members).rest(memory=None).done())

# A tebibyte that is all hole is a snapshot like others, and takes nothing; data for which there is no room is refused at once.
large = metadata_with(mem_size_mib=1 << 20)
of_large = lambda text: re.sub(rb"file memory \d+\n(\d+ \w+\n)*", b"file memory %d\n" % (1 << 40), text)
case("tebibyte-of-hole", 0, "", Archive().begin(manifest_with(large, of_large), large)
     .add(f"{snap}/GNUSparseFile.0/memory", **sparse(1 << 40, [(1 << 40, 0)], b"")).rest(memory=None).done())
with_data = lambda text: of_large(text).replace(b"file memory %d\n" % (1 << 40), b"file memory %d\n" % (1 << 40) + b"".join(b"%d %s\n" % (n << 22, b"0" * 64) for n in range(1 << 18)))
the_manifest = manifest_with(large, with_data)
case("tebibyte-of-data", 10, "free", compress(entry(f"{snap}/manifest", the_manifest) + entry(f"{snap}/metadata.json", large)
     + pax(size=str(1 << 40)) + entry(f"{snap}/memory")))
expected.close()
