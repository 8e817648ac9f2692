"""Operations that start a VM `other`, of everything that a VM can be made of."""
from home import Broken, within
from operation import Operation, must_tell, remove_others


class Start(Operation):
    name = "start"
    arguments = ("start", "-d", "other")
    monitor = "new"
    follow = False
    # What the VM may be after a start that did not say 0.
    may_be = (None, "running")

    def prepare(self, home):
        remove_others(home)

    def check(self, home, before, done):
        self.await_undoing(home, done)
        state = home.states().get("other")
        # The monitor may be undoing still; it is not its own witness.
        allowed = ("running",) if done.returncode == 0 else self.may_be
        if state not in allowed + (("crashed",) if done.monitor_hit else ()):
            raise Broken(f"after exit code {done.returncode}, the VM is {state}")
        if state == "running":
            must_tell(done, "a VM that runs", "it runs all the same")
            home.must_run("other")
        home.must_be_whole(home.base)

    @staticmethod
    def await_undoing(home, done):
        """A monitor whose launcher has failed takes a moment to undo."""
        if done.returncode > 0 and "it runs all the same" not in done.stderr:
            try:
                within(home.settling, lambda: home.states().get("other") != "running", "")
            except Broken:
                pass


class Restore(Start):
    name = "restore"

    def prepare(self, home):
        super().prepare(home)
        self.arguments = ("start", "-d", "other", "--from-snapshot", home.base)


class StartAgain(Start):
    name = "start-again"
    may_be = ("stopped", "crashed", "running")

    def prepare(self, home):
        if "other" not in home.states():
            home.start("other")
        home.must("stop", "--force", "other")


class StartFiles(Start):
    name = "start-files"

    def prepare(self, home):
        super().prepare(home)
        self.arguments = ("start", "-d", "other", "--kernel", home.kernel, "--rootfs", home.root_disk)


class StartDisk(Start):
    """A snapshot's disk, without its memory."""

    name = "start-disk-only"

    def prepare(self, home):
        super().prepare(home)
        self.arguments = ("start", "-d", "other", "--from-snapshot", home.base, "--disk-only")


class StartOnNetwork(Start):
    """With pasta and packet filter. The fake guest has no SSH server to wait for."""

    name = "start-network"
    arguments = ("start", "-d", "other", "--network", "rootless", "--egress", "none", "--allow", "10.0.0.0/8", "--no-wait")
