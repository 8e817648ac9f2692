"""A home with the fixture in it, and operations that are run there with something going wrong. One thread."""
import os
import traceback

import operations
import tracing
from home import Broken, Home, children, name_of_process, reap, within


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

    def run(self, operation, process, options):
        """Runs the operation with strace on one of its processes. Its result also says whether the monitor or engine was hit."""
        home = self.home
        log = f"{home.folder}/trace"
        if os.path.exists(log):
            os.unlink(log)
        environment = operation.environment
        if process == "command":
            # Who is started and goes on is let go when it becomes another program.
            follow = ["--seccomp-bpf"] if operation.follow else ["--detach-on=execve"]
            done = home.run(*operation.arguments, before=["strace", "-f", *follow, "-o", log, *options], environment=environment)
        elif operation.monitor == "new":
            folder = tracing.wrap_monitor(home, options, log)
            done = home.run(*operation.arguments, environment={**environment, "KNALLER_LIBEXEC": folder})
            tracers = [pid for pid in children(os.getpid()) if name_of_process(pid) == "strace"]
            tracing.let_go(tracers, ending=done.returncode != 0)
        else:
            with tracing.Attached(home.monitor_of(operation.monitor), options, log):
                done = home.run(*operation.arguments, environment=environment)
        reap()
        done.log = log
        done.monitor_hit = process == "monitor"
        return done

    def record(self, operation, process):
        operation.prepare(self.home)
        done = self.run(operation, process, tracing.recording())
        if done.returncode != 0:
            raise Broken(f"{operation.name} fails by itself: {done.stderr}")
        is_ours = lambda command: process == "command" or command.startswith("knaller-monito")
        found = tracing.points(done.log, self.home, is_ours)
        operation.clean(self.home)
        return found

    def try_point(self, point):
        """Throws Broken with all that is known."""
        operation = operations.find(point.operation)
        home = self.home or self.fresh()
        done = None
        try:
            operation.prepare(home)
            before = operation.seen(home)
            done = self.run(operation, point.process, tracing.injection(point.syscall, point.number, point.fault))
            self.look(operation, point, before, done)
            operation.prepare(home)
            before = operation.seen(home)
            again = home.run(*operation.arguments, environment=operation.environment)
            again.monitor_hit = False
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
