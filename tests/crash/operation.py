"""What every operation that is interrupted has, and helpers for their checks."""
from home import Broken


class Operation:
    name = ""
    arguments = ()
    environment = {}
    # Whose monitor is interrupted too: one that runs ("web"), the one that the command starts ("new"), or none.
    monitor = None
    # The command leaves no process that goes on, so that all it starts may be failed; else its own threads only.
    follow = True

    def prepare(self, home):
        """Before the faulty run and before the next one: what the command needs."""

    def check(self, home, before, done):
        """After a run, `done`; `before` is what seen() gave before it. A run that said 0 did it all; else all or nothing."""

    def clean(self, home):
        """Leaves the fixture, and nothing else."""
        remove_others(home)

    def seen(self, home):
        return home.snapshots(), home.states()


def must_tell(done, left, *words):
    """A command that failed has left `left` all the same, and its message says so: whoever reads it knows what there is."""
    # What it says last is on standard output; when that fails, the message has it.
    if done.returncode > 0 and "error: print '" not in done.stderr and not any(word in done.stderr for word in words):
        raise Broken(f"it failed with exit code {done.returncode}, left {left}, and says nothing of it")


def remove_others(home):
    for snapshot in home.snapshots() - {home.base}:
        home.must("snapshot", "rm", snapshot)
    for name in set(home.states()) - {"web"}:
        home.must("rm", "-f", name)


def same(what, before, after):
    if before != after:
        raise Broken(f"{what}: {before} before, {after} after")
