"""Operations that start, stop, replace and remove a VM `other`."""
from home import Broken
from operation import Operation, remove_others


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
        state = home.states().get("other")
        # The monitor may be undoing still; it is not its own witness.
        allowed = ("running",) if done.returncode == 0 else self.may_be
        if state not in allowed + (("crashed",) if done.monitor_hit else ()):
            raise Broken(f"after exit code {done.returncode}, the VM is {state}")
        if state == "running":
            home.must_run("other")
        home.must_be_whole(home.base)


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


class Rollback(Operation):
    name = "rollback"
    arguments = ("rollback", "other", "back")
    monitor = "new"
    follow = False

    def prepare(self, home):
        state = home.states().get("other")
        for snapshot in home.snapshots() - {home.base} if state is None else set(self.safety(home)):
            home.must("snapshot", "rm", snapshot)
        if state is None:
            home.start("other")
            home.must("snapshot", "create", "other", "--name", "back", "--no-sync")
        elif state != "running":
            home.must("start", "-d", "other")

    def check(self, home, before, done):
        state, safety = home.states().get("other"), self.safety(home)
        # Who was killed can't go back, and neither can a command whose next monitor fails as the first one did. An error alone must do no harm.
        must_run = done.returncode >= 0 and not done.monitor_hit
        if state == "running":
            home.must_run("other")
        elif must_run or state not in ("stopped", "crashed"):
            raise Broken(f"after exit code {done.returncode}, the VM is {state}")
        elif len(safety) != 1:
            raise Broken(f"the VM is {state}, and of what it was there is {safety or 'nothing'}")
        if len(safety) > 1 or (done.returncode == 0 and not safety):
            raise Broken(f"after exit code {done.returncode}, safety snapshots are {safety}")
        for snapshot in home.snapshots():
            home.must_be_whole(snapshot)

    @staticmethod
    def safety(home):
        return home.must("snapshot", "ls", "-q", "--filter", "label=safety").split()


class RemoveVm(Operation):
    name = "rm"
    arguments = ("rm", "-f", "other")
    monitor = "other"

    def prepare(self, home):
        if home.states().get("other") != "running":
            home.must("rm", "-f", "other")
            home.start("other")

    def check(self, home, before, done):
        state = home.states().get("other")
        if done.returncode == 0 and state is not None:
            raise Broken(f"the removed VM is {state}")
        if state not in (None, "running", "stopped", "crashed"):
            raise Broken(f"the VM is {state}")
        home.must_be_whole(home.base)


class Stop(RemoveVm):
    name = "stop"
    arguments = ("stop", "other")

    def check(self, home, before, done):
        state = home.states().get("other")
        allowed = ("stopped", "crashed") if done.returncode == 0 else ("running", "stopped", "crashed")
        if state not in allowed:
            raise Broken(f"after exit code {done.returncode}, the VM is {state}")
