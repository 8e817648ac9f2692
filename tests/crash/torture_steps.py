"""What torture does: steps by a seed, and a home in which they are taken. One thread, but for commands that run at once."""
import collections
import os
import random
import shutil
import threading

from home import Broken, descendants, kill, name_of_process, reap, within
from hostile import Hostile, grown, resources

NAMES = ("a", "b", "c")
COMMANDS = {
    "start": ("start", "-d", "VM"), "stop": ("stop", "--timeout", "1s", "VM"), "rm": ("rm", "-f", "VM"),
    "pause": ("pause", "VM"), "resume": ("resume", "VM"), "restart": ("restart", "--timeout", "1s", "VM"),
    "create": ("snapshot", "create", "VM"), "restore": ("start", "-d", "VM", "--from-snapshot", "ID"),
    "cold": ("start", "-d", "VM", "--from-snapshot", "ID", "--disk-only"), "rollback": ("rollback", "VM"),
    "rollback-to": ("rollback", "VM", "ID", "--force", "--no-safety"), "snapshot-rm": ("snapshot", "rm", "ID"),
    "prune": ("snapshot", "prune", "--vm", "VM", "--keep-last", "1"), "label": ("snapshot", "label", "ID", "seen=yes"),
    "protect": ("snapshot", "protect", "ID"), "unprotect": ("snapshot", "unprotect", "ID"), "rename": ("snapshot", "rename", "ID", "NEW"),
    "diff": ("snapshot", "diff", "ID", "OTHER"), "extract": ("snapshot", "extract", "ID", "/", "-o", "FOLDER"),
    "snapshots": ("snapshot", "ls"), "snapshot": ("snapshot", "inspect", "ID"), "verify": ("snapshot", "verify", "--all"), "export": ("snapshot", "export", "--force", "ID", "STREAM"),
    "import": ("snapshot", "import", "STREAM"), "check": ("store", "check", "--repair"), "du": ("store", "du"), "ls": ("ls", "-a"),
    "inspect": ("inspect", "VM"), "logs": ("logs", "VM"), "may-start": ("start", "VM", "--from-snapshot", "ID", "--check"),
    "image-import": ("image", "import", "more", "--kernel", "KERNEL", "--rootfs", "ROOT"), "image-rm": ("image", "rm", "more"),
    "images": ("image", "ls"), "doctor": ("doctor",), "thin": ("snapshot", "export", "--thin", "--force", "ID", "STREAM"),
    "command": ("snapshot", "create", "VM", "--while-paused", "--", "true")}
INSIDE = {
    "exec": ("exec", "-n", "--wait-timeout", "10s", "VM", "--", "true"), "cp": ("cp", "KERNEL", "VM:/tmp/copied"),
    "run": ("run", "-n", "--", "true")}
KILLS = {"kill-monitor": ("knaller-monito",), "kill-engine": ("engine", "knaller-qemu", "exe"), "kill-qemu": ("qemu-system",),
         "kill-pasta": ("pasta", "pasta.avx2")}
# A neighbour that is hostile: hostile.py.
HOSTILE = "hostile"
OFTEN = (HOSTILE, HOSTILE, HOSTILE, HOSTILE, "start", "start", "rm", "rm", "create", "create", "restore", "restore", "rollback", "rollback-to")
# Those that make a VM are mostly given a name that is free, others one of a VM, so that they have something to do.
MAKING = ("start", "restore", "cold")
# What a command may say. 6: memory is asked for from outside, which not every VM gives. 125: the guest could not be entered.
CODES = (0, 1, 3, 4, 5, 6, 7, 8, 10, 11, 12, 125)
# What timeout(1) says for whom it killed, or wanted to.
KILLED = (137, 124)
STATES = ("running", "paused", "stopped", "crashed")
# Snapshots that are kept at most: the disk is small.
MOST_SNAPSHOTS = 6

# A command (or a signal), what it is about, when it is killed (as a share of the time that commands take), whether the disk is full
# meanwhile, and the steps that are taken at the same time.
class Step(collections.namedtuple("Step", "verb name which killed full beside")):
    def __str__(self):
        how = [f"killed at {self.killed}"] * (self.killed is not None) + ["on a full disk"] * self.full
        return "; beside it ".join([" ".join([self.verb, self.name, str(self.which), *how]), *map(str, self.beside)])


def make_steps(seed, count, kind):
    chance = random.Random(seed)
    verbs = [*COMMANDS, *(INSIDE if kind.can_be_entered else ()), *KILLS, *OFTEN]

    def share():
        return chance.randrange(1000) / 1000

    def one(beside):
        return Step(chance.choice(verbs), chance.choice(NAMES), share(), share() if chance.random() < 0.25 else None, chance.random() < 0.1, beside)

    return [one([one([]) for _ in range(chance.choice((1, 1, 2)))] if chance.random() < 0.2 else []) for _ in range(count)]


class Torture:
    def __init__(self, home):
        self.home, self.announced, self.hostile = home, {home.base}, Hostile(home)
        # Of the VM `web`, which lives all the time.
        self.before = resources(home, "web")
        # VMs and snapshots whose guest has seen write errors: it may have stopped writing.
        self.full = set()
        self.counts = collections.Counter()
        self.stream, self.ballast, self.extracted = (f"{home.folder}/{name}" for name in ("stream", "ballast", "extracted"))

    def step(self, step):
        """Takes it, and looks at everything. Throws Broken."""
        known, there = sorted(self.home.snapshots()), self.home.states()
        together = [self.fitting(one, there) for one in (step, *step.beside)]
        commands = [self.command(one, known) for one in together]
        if any(one.full for one in together):
            self.fill()
        try:
            ended = self.run_together(together, commands)
        finally:
            if os.path.exists(self.ballast):
                os.unlink(self.ballast)
            shutil.rmtree(self.extracted, ignore_errors=True)
        for one, command, done in zip(together, commands, ended):
            self.note(one, command, done)
        self.look(commands)

    @staticmethod
    def fitting(step, there):
        names = [name for name in NAMES if (name in there) != (step.verb in MAKING)] or NAMES
        return step._replace(name=names[NAMES.index(step.name) % len(names)]) if step.which < 0.8 else step

    def command(self, step, known):
        """Its words; none for a signal."""
        # The first one stays: without any snapshot, little can be tried.
        targets = [one for one in known if step.verb != "snapshot-rm" or one != self.home.base] or ["snap_00000000"]
        target = targets[int(step.which * len(targets))]
        words = {"VM": step.name, "ID": target, "OTHER": targets[-1], "NEW": f"snapshot-of-{step.name}", "STREAM": self.stream,
                 "FOLDER": self.extracted, "KERNEL": self.home.kernel, "ROOT": self.home.root_disk}
        return [words.get(word, word.replace("VM:", f"{step.name}:")) for word in (COMMANDS | INSIDE).get(step.verb, ())]

    def fill(self):
        """Leaves some pages."""
        self.full |= {name for name, state in self.home.states().items() if state in ("running", "paused")}
        with open(self.ballast, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, shutil.disk_usage(self.home.folder).free - (64 << 10)))

    def run_together(self, steps, commands):
        ended = [None] * len(steps)

        def run(number):
            try:
                ended[number] = self.run_one(steps[number], commands[number], number)
            except (Broken, OSError) as error:
                ended[number] = error

        threads = [threading.Thread(target=run, args=(number,)) for number in range(len(steps))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for result in ended:
            if isinstance(result, Exception):
                raise result
        return ended

    def run_one(self, step, command, number):
        if step.verb == HOSTILE:
            return self.hostile.step(step.which, number)
        if not command:
            return self.kill(step)
        until = f"{step.killed * self.home.length:.3f}" if step.killed is not None else ""
        before = ["timeout", "--signal=KILL", "--foreground", until] if until else []
        return self.home.run(*command, before=before)

    def kill(self, step):
        try:
            monitor = self.home.monitor_of(step.name)
        except Broken:
            return
        for pid in [monitor, *descendants(monitor)]:
            if name_of_process(pid).startswith(KILLS[step.verb]):
                kill(pid)

    def note(self, step, command, done):
        """What was announced by it."""
        if step.verb == HOSTILE:
            return self.note_hostile(done)
        code = done.returncode if command else 0
        self.counts[step.verb, "ok" if code == 0 else "killed" if code in KILLED else f"exit {code}"] += 1
        if code not in CODES + KILLED:
            raise Broken(f"{command}: exit code {code}\n{done.stdout}{done.stderr}")
        if code == 0 and step.verb in ("create", "import"):
            self.announced.add(done.stdout.strip())
        if code == 0 and step.verb == "create" and step.name in self.full:
            self.full.add(done.stdout.strip())
        if step.verb in ("start", "restart", "cold", "rm", "stop"):
            self.full.discard(step.name)
        # Which is the latest, only the rollback knows.
        if step.verb == "rollback" or (step.verb in ("restore", "rollback-to") and set(command) & self.full):
            self.full.add(step.name)

    def note_hostile(self, ended):
        """However its neighbour behaved, each command says what happened, and the last one removes it."""
        for done in ended:
            verb, code = done.args[1], done.returncode
            self.counts[f"hostile {verb}", "ok" if code == 0 else f"exit {code}"] += 1
            # What exec says is what the guest says.
            if verb != "exec" and code not in CODES or done is ended[-1] and code != 0:
                raise Broken(f"{done.args}: exit code {code}\n{done.stdout}{done.stderr}")

    def look(self, commands):
        home = self.home
        reap()
        within(home.settling, lambda: all(state in STATES for state in home.states().values()), lambda: f"states settle: {home.states()}")
        here = home.snapshots()
        meant = {word for command in commands if command[:2] == ["snapshot", "rm"] for word in command}
        missing = self.announced - here - meant
        if missing and not any(command[:2] == ["snapshot", "prune"] for command in commands):
            raise Broken(f"announced, and gone: {missing}")
        self.announced &= here
        home.must_be_clean()
        for name, state in home.states().items():
            if state == "running" and name in self.full:
                home.must_answer(name)
            elif state == "running":
                home.must_run(name)
        self.keep_few(here)

    def keep_few(self, here):
        for snapshot in sorted(here - {self.home.base})[MOST_SNAPSHOTS:]:
            self.home.must("snapshot", "unprotect", snapshot)
            self.home.must("snapshot", "rm", snapshot)
            self.announced.discard(snapshot)

    def end(self):
        home = self.home
        home.must("snapshot", "verify", "--all")
        for snapshot in self.announced:
            home.must_be_whole(snapshot)
        self.must_not_have_grown()
        home.must("rm", "-f", "--all")
        home.must_be_clean()

    def must_not_have_grown(self):
        """All but the VM `web` and its snapshot are gone, and what they took, too."""
        home = self.home
        for snapshot in home.snapshots() - {home.base}:
            home.must("snapshot", "unprotect", snapshot)
            home.must("snapshot", "rm", snapshot)
        for name in set(home.states()) - {"web"}:
            home.must("rm", "-f", name)
        if "more" in home.must("image", "ls", "-q").split():
            home.must("image", "rm", "more")
        home.must_be_clean()
        more = grown(self.before, resources(home, "web"))
        if more:
            raise Broken(f"grown since the beginning: {more}")
