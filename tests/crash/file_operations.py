"""Operations that carry snapshots and images in and out."""
import filecmp
import os
import shutil

from home import Broken
from operation import Operation, must_tell, remove_others, same


class Export(Operation):
    """Into a file: it is whole, and always the same, or not there."""

    name = "export"
    flags = ()

    def prepare(self, home):
        self.out, self.whole = f"{home.folder}/{self.name}/out", f"{home.folder}/{self.name}-whole"
        if not os.path.exists(self.whole):
            home.must("snapshot", "export", *self.flags, home.base, self.whole)
            os.mkdir(os.path.dirname(self.out))
        self.clean(home)
        self.arguments = ("snapshot", "export", *self.flags, home.base, self.out)

    def check(self, home, before, done):
        same("snapshots", before[0], home.snapshots())
        found = os.listdir(os.path.dirname(self.out))
        if found != ["out"] if done.returncode == 0 else found not in ([], ["out"]):
            raise Broken(f"after exit code {done.returncode}, there is {found}")
        if found and not filecmp.cmp(self.out, self.whole, shallow=False):
            raise Broken("what was exported is not whole")

    def clean(self, home):
        for name in os.listdir(os.path.dirname(self.out)):
            os.unlink(f"{os.path.dirname(self.out)}/{name}")


class ExportThin(Export):
    name = "export-thin"
    flags = ("--thin",)


class BuildImage(Operation):
    """From packages that are there already. Of what it starts, like apt, only calls before the exec are failed."""

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
            must_tell(done, "the image", "is there all the same")
            home.must("image", "inspect", "built")
            whole, built = (f"{home.path}/images/{name}" for name in ("tiny", "built"))
            same("files", set(os.listdir(whole)), set(os.listdir(built)))
            for name in ("vmlinux", "initramfs"):
                if not filecmp.cmp(f"{whole}/{name}", f"{built}/{name}", shallow=False):
                    raise Broken(f"'{name}' is not whole")

    def clean(self, home):
        self.prepare(home)


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
            must_tell(done, "the image", "is there all the same")
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
        for snapshot in new:
            must_tell(done, snapshot, f"it is here all the same, as {snapshot}", f"'{snapshot}' is there all the same")
        for snapshot in new | {home.base}:
            home.must_be_whole(snapshot)


class ImportDirectory(ImportSnapshot):
    name = "import-directory"

    def prepare(self, home):
        remove_others(home)
        folder = f"{home.folder}/folder"
        if not os.path.exists(folder):
            made = home.must("snapshot", "create", "web", "--name", "exported", "--no-sync")
            shutil.copytree(f"{home.path}/snapshots/{made}", folder)
            remove_others(home)
        self.arguments = ("snapshot", "import", folder)


class Repair(Operation):
    """Of what a killed command left, and of a mode."""

    name = "repair"
    arguments = ("store", "check", "--repair")

    def prepare(self, home):
        self.memory = f"{home.path}/snapshots/{home.base}/memory"
        os.chmod(self.memory, 0o644)
        for left in ("snapshots/.new-snap_00000001", "vms/.new-left"):
            os.makedirs(f"{home.path}/{left}", exist_ok=True)
            with open(f"{home.path}/{left}/memory", "w", encoding="utf-8") as file:
                file.write("left")

    def check(self, home, before, done):
        mode = os.stat(self.memory).st_mode & 0o777
        if mode not in (0o400, 0o644) or (done.returncode == 0 and mode != 0o400):
            raise Broken(f"after exit code {done.returncode}, the mode is {mode:o}")
        # The rest of the store has to be clean all the same.
        os.chmod(self.memory, 0o400)
        home.must_be_whole(home.base)
