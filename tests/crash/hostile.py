"""Hostile neighbours for torture: engines that lie, break their word or are loud, and guests that take what they can. A thread a step.

Each lives for one step, while the VMs beside it must go on. Whatever it does, its commands end with an error that says so, and nothing
of it is left.
"""
import json
import os
import shutil
import time

EVERY_GUEST = {"ready_ms": 1, "tick_ms": 2}
AT_A_SNAPSHOT = {"method": "PUT", "path": "/snapshot/create"}


def at_a_snapshot(**what):
    return {"guest": EVERY_GUEST, "rules": [{**AT_A_SNAPSHOT, **what}]}


# What tests/fakes/fake_script.h can be told to do wrong.
SCRIPTS = {
    "speaks-to-terminals": {"guest": {**EVERY_GUEST, "boot": "\x1b[2J\x9b reboot: System halted\n" * 999}},
    "claims-its-end": {"guest": {**EVERY_GUEST, "on_ctrl_alt_del": "claim"}},
    "panics": {"guest": {**EVERY_GUEST, "on_ctrl_alt_del": "panic"}},
    "hesitates": {"guest": {**EVERY_GUEST, "on_ctrl_alt_del": "hesitate"}},
    "says-garbage": {"guest": EVERY_GUEST, "rules": [{"method": "PUT", "nth": 3, "garbage": "SSH-2.0-no\r\n\r\n"}]},
    "answers-twice": {"guest": EVERY_GUEST, "rules": [{"twice": True}]},
    "ends-at-once": {"guest": EVERY_GUEST, "rules": [{"nth": 2, "die": "before"}]},
    "ends-unanswered": at_a_snapshot(die="unanswered"),
    "ends-after": at_a_snapshot(die="after"),
    "refuses": at_a_snapshot(status=400, body='{"fault_message":"\\u001b[31mno\\u202e"}'),
    "answers-half": at_a_snapshot(truncate=20),
    **{f"leaves-a-{kind}": at_a_snapshot(swap=name, swap_for=kind)
       for kind, name in (("fifo", "new-state"), ("link", "new-memory"), ("directory", "new-state"), ("short", "new-memory"), ("absent", "new-state"))},
}

# What a guest's root runs, without single quotes; it has a second or two.
GUEST_WORK = (
    "bomb() { bomb | bomb & }; bomb",
    "while :; do echo reboot: System halted; echo knaller: ready; done > /dev/console",
    "tail /dev/zero",
    "dd if=/dev/zero of=/root/all bs=1M; dd if=/dev/urandom of=/dev/vdb bs=1M",
    "while :; do for port in 1 22 53 80 443; do nc -w 1 10.255.254.1 $port < /dev/zero & done; wait; done",
    "ifconfig eth0 down; ip link del eth0; kill -9 -1",
    "echo c > /proc/sysrq-trigger",
    "mount -o remount,ro /; echo 1 > /proc/sys/kernel/panic; echo b > /proc/sysrq-trigger",
)


class Hostile:
    """The engines of one home, and a step with one of them, or with a real guest."""

    def __init__(self, home):
        self.home, self.engines = home, []
        if home.can_be_entered:
            return
        for name, script in SCRIPTS.items():
            engine = f"{home.folder}/engine-that-{name}"
            shutil.copy(f"{home.folder}/engine", engine)
            with open(f"{home.programs}/fake_firecracker", "rb") as fake, open(engine, "wb") as file:
                file.write(fake.read() + b"\n--fake-script--\n" + json.dumps(script).encode())
            os.chmod(engine, 0o755)
            self.engines.append(engine)
        probe = f"{home.programs}/../tests/jail/jail_probe"
        if os.path.exists(probe):
            self.engines.append(probe)

    def choices(self):
        return len(self.engines) or len(GUEST_WORK)

    def step(self, which, number):
        """All of its commands, finished, in their order; the last one removes it."""
        name = f"mallory{number}"
        choice = int(which * self.choices())
        lived = self.engine(name, choice) if self.engines else self.guest(name, choice)
        return [*lived, self.home.run("rm", "-f", name)]

    def engine(self, name, number):
        def run(*words):
            return self.home.run(*words, environment={"KNALLER_CAPTURE": "engine"})

        done = [run("start", "-d", name, "--engine", self.engines[number])]
        if done[0].returncode != 0:
            return done
        return [*done, *self.snapshot(run, name, "2s"), run("logs", name), run("stop", "--timeout", "1s", name)]

    def guest(self, name, number):
        def run(*words):
            return self.home.run(*words)

        done = [run("start", "-d", name)]
        if done[0].returncode != 0:
            return done
        # The command is over before the harm begins, which may cut it off for good.
        work = f"setsid sh -c '(sleep 0.3; {GUEST_WORK[number]})' > /dev/null 2>&1 < /dev/null &"
        done.append(run("exec", "-n", "--wait-timeout", "10s", name, "--", "sh", "-c", work))
        time.sleep(1)
        return [*done, *self.snapshot(run, name, "5s"), run("stop", "--timeout", "2s", name)]

    @staticmethod
    def snapshot(run, name, most):
        """One that is made is removed: it is as good as its engine."""
        made = run("snapshot", "create", name, "--max-pause", most)
        return [made, run("snapshot", "rm", made.stdout.strip())] if made.returncode == 0 else [made]


# Of a monitor, in MiB, beyond what it has when it is young.
SLACK = 1


def resources(home, name):
    """What may not grow while a VM goes on and others come and go: of its monitor, of this user beside it, and in the home."""
    monitor = home.monitor_of(name)
    found = {"processes": len(home.everybody()), "mounts": lines_of("/proc/self/mountinfo"), "files": home.lasting_files(),
             "descriptors": len(os.listdir(f"/proc/{monitor}/fd")), "threads": len(os.listdir(f"/proc/{monitor}/task")),
             "MiB": anonymous_memory(monitor) >> 20}
    for kind in ("net", "user", "mnt", "pid"):
        found[f"{kind} namespaces"] = len(namespaces(home, kind))
    return found


def grown(before, now):
    """Names, with what was there before and is now, or what there is more."""
    more = {what: (before[what], count) for what, count in now.items()
            if what != "files" and count > before[what] + (SLACK if what == "MiB" else 0)}
    files = now["files"] - before["files"]
    return {**more, "files": files} if files else more


def lines_of(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return sum(1 for _ in file)


def namespaces(home, kind):
    found = set()
    for pid in home.everybody():
        try:
            found.add(os.readlink(f"/proc/{pid}/ns/{kind}"))
        except OSError:
            pass
    return found


def anonymous_memory(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return sum(int(line.split()[1]) << 10 for line in file if line.startswith("RssAnon:"))
