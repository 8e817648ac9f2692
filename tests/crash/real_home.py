"""A home whose VMs are real guests: the image `tiny` on QEMU, with a network. One thread.

What home.py asks of the fake guest is asked of these from inside, through their agents.
"""
import os
import shutil
import subprocess
import tempfile
import time

from home import Broken, Home

TOKEN = "/var/lib/knaller/token"  # on the private disk itself


class RealHome(Home):
    patience = 180.0
    settling = 10.0
    length = 3.0
    processes_of_a_vm = 4  # the monitor, pasta, knaller-qemu and QEMU
    jail_disk = "disk.ext4"
    can_be_entered = True

    # A folder with `images` and the packages they were made of, for all homes of one run.
    template = None

    def __init__(self, programs, where=None):
        super().__init__(programs, where)
        self.environment.update(KNALLER_ENGINE="qemu", KNALLER_NETWORK="rootless", KNALLER_IMAGE="tiny", KNALLER_MEM="128")
        self._found_whole = {}

    def _make_engine(self):
        """There is one."""

    def bring_image(self):
        for folder in ("", "/images", "/cache"):
            os.mkdir(self.path + folder, mode=0o700)
        shutil.copytree(f"{self.template}/images/tiny", f"{self.path}/images/tiny", copy_function=os.link)
        shutil.copytree(f"{self.template}/cache/packages", f"{self.path}/cache/packages", symlinks=True)

    def start(self, name):
        self.must("start", "-d", name, "--from-snapshot", self.base)

    def must_run(self, name):
        """It answers; what it writes can be read back past its page cache, and stands on its own disk."""
        token = f"token-{time.monotonic_ns()}"
        script = f"echo {token} > {TOKEN} && sync && echo 3 > /proc/sys/vm/drop_caches && cat {TOKEN}"
        said = self.must("exec", "--no-stdin", name, "--", "sh", "-c", script)
        if said != token:
            raise Broken(f"VM '{name}' wrote {token} and reads {said!r}")
        if not has(f"{self.path}/vms/{name}/jail/{self.jail_disk}", token.encode()):
            raise Broken(f"VM '{name}' wrote {token}, and not on its own disk")

    def processes_of(self, name):
        return self.processes_of_a_vm

    def must_answer(self, name):
        self.must("exec", "--no-stdin", name, "--", "true")

    def must_be_whole(self, snapshot):
        """What has not been written since it was found whole is not read again: most of a point's time, otherwise."""
        folder = f"{self.path}/snapshots/{snapshot}"
        files = [(entry.name, entry.stat()) for entry in os.scandir(folder)]
        now = {(name, stat.st_ino, stat.st_size, stat.st_mtime_ns) for name, stat in files}
        if self._found_whole.get(snapshot) != now:
            self.must("snapshot", "verify", snapshot)
            self._found_whole[snapshot] = now


def has(path, wanted):
    """Whether these bytes are in a sparse file; its holes are not read."""
    with open(path, "rb") as file:
        end, at = file.seek(0, os.SEEK_END), 0
        while at < end:
            try:
                begin = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:  # ENXIO: only a hole is left
                return False
            at = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
            file.seek(begin)
            if wanted in file.read(at - begin):
                return True
    return False


class Template:
    """With it, homes can be made: builds the image once."""

    def __init__(self, programs):
        self.programs = programs

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="knaller-crash-image.")
        environment = {**os.environ, "KNALLER_HOME": self.folder}
        done = subprocess.run([f"{self.programs}/knaller", "image", "build", "tiny"], env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Broken(f"knaller image build tiny: exit code {done.returncode}\n{done.stderr}")
        RealHome.template = self.folder
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)
