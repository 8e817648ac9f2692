"""A home with the fixture in it, and operations that are run there with something going wrong. One thread."""
import os
import re
import traceback

import operations
import reads
import tracing
from home import Broken, Home, reap, within

INTERNAL = 70  # exit code
MESSAGE = re.compile(r"^(error:|✗|!) \S.{10}", re.M)
MESSAGE_WRITE = re.compile(r"\b(write|sendto)\(2[,<]")


class Bench:
    """One worker's home, and runs in it."""

    def __init__(self, programs, kind=Home):
        self.programs, self.kind = programs, kind
        self.home = None

    def fresh(self):
        if self.home:
            self.home.remove()
        home = self.home = self.kind(self.programs)
        home.bring_image()
        home.must("start", "-d", "web")
        home.base = home.must("snapshot", "create", "web")
        return home

    def run(self, operation, process, options, follow=True):
        """Runs the operation with strace on one of its processes. Its result also says whether the monitor or engine was hit.

        Without `follow`, programs that the command starts are let alone.
        """
        home = self.home
        log = f"{home.folder}/trace"
        if os.path.exists(log):
            os.unlink(log)
        environment = operation.environment
        if process == "command":
            # Who is started and goes on is let go when it becomes another program.
            how = ["--seccomp-bpf"] if operation.follow and follow else ["--detach-on=execve"]
            done = home.run(*operation.arguments, before=["strace", "-f", "-Y", *how, "-o", log, *options], environment=environment)
        elif operation.monitor == "new":
            # An engine's calls are not knaller's.
            folder = tracing.wrap_monitor(home, ["--detach-on=execve", *options], log)
            done = home.run(*operation.arguments, environment={**environment, "KNALLER_LIBEXEC": folder})
            tracing.let_go(tracing.tracers(), ending=done.returncode != 0)
        else:
            with tracing.Attached(home.monitor_of(operation.monitor), options, log):
                done = home.run(*operation.arguments, environment=environment)
        reap()
        done.log = log
        done.monitor_hit = process == "monitor"
        return done

    def record(self, operation, process):
        """The calls that change something, and those that only read: both as lists of (syscall, number, site)."""
        operation.prepare(self.home)
        done = self.run(operation, process, tracing.recording(reads.recording()))
        if done.returncode != 0:
            raise Broken(f"{operation.name} fails by itself: {done.stderr}")
        is_ours = lambda command: process == "command" or command.startswith("knaller-monito")
        found = tracing.points(done.log, self.home, is_ours)
        read = reads.points(done.log, self.home, lambda command: command.startswith("knaller"))
        operation.clean(self.home)
        return found, read

    def try_point(self, point):
        """Throws Broken with all that is known."""
        operation = operations.find(point.operation)
        home = self.home or self.fresh()
        done = None
        try:
            operation.prepare(home)
            before = operation.seen(home)
            options = tracing.injection(point.syscall, point.number, point.fault)
            done = self.run(operation, point.process, options, follow=point.fault in tracing.FAULTS)
            if point.fault != "kill":
                must_say_what_failed(done, point)
            self.look(operation, point, before, done)
            operation.prepare(home)
            before = operation.seen(home)
            again = home.run(*operation.arguments, environment=operation.environment)
            again.monitor_hit, again.fault = False, ""
            if again.returncode != 0:
                raise Broken(f"the next one failed, exit code {again.returncode}: {again.stderr}")
            operation.check(home, before, again)
            operation.clean(home)
        except (Broken, OSError) as error:
            raise Broken(self.describe(error, done)) from error

    def look(self, operation, point, before, done):
        home = self.home
        if point.process == "monitor" or point.fault == "kill":
            within(home.settling, lambda: home.settled(), lambda: f"states settle: {home.states()}")
        home.must("ls")
        operation.check(home, before, done)
        state = home.states().get("web")
        if state == "crashed" and point.process == "monitor" and operation.monitor == "web":
            home.must("start", "-d", "web")
        home.must_run("web")
        home.must_be_clean()

    def describe(self, error, done):
        text = [str(error) or traceback.format_exc()]
        if done:
            text.append(f"it ended with {done.returncode}\n{done.stdout}{done.stderr}")
            if os.path.exists(done.log):
                with open(done.log, encoding="utf-8", errors="replace") as file:
                    text.append("".join(file.readlines()[-6:]))
        return "\n".join(text)


def could_not_say_it(log):
    """The first write of one thread was made to fail, and so was that of another, which was the message."""
    saying = set()  # threads whose write to standard error another's call interrupts in the log
    with open(log, encoding="utf-8", errors="replace") as file:
        for line in file:
            thread = line.split(" ", 1)[0]
            if MESSAGE_WRITE.search(line):
                saying.add(thread)
            elif "resumed>" not in line:
                saying.discard(thread)
            if thread in saying and "(INJECTED)" in line:
                return True
    return False


def must_say_what_failed(done, point):
    """An error that was met is reported: knaller neither ends by a signal nor calls it an error of its own."""
    code, said = done.returncode, done.stdout + done.stderr
    if code < 0 or code >= 126 or code == INTERNAL:
        raise Broken("it is not told as an error of what failed")
    if code != 0 and (not MESSAGE.search(said) or "Success" in said) and not could_not_say_it(done.log):
        raise Broken("its message says nothing")
