"""foreground.py SCENARIO [ARG]: uses knaller on a terminal, which the tests of vms.bats look at. Exit code 1 and a message on failure."""
import json
import os
import pathlib
import select
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "lib"))
from pseudo_terminal import Terminal  # noqa: E402


def inspect(name, member):
    return json.loads(subprocess.run(["knaller", "inspect", name], capture_output=True, check=True).stdout)[member]


def one_signal():
    terminal = Terminal("knaller", "start", "web", "--no-wait")
    terminal.wait_for("Ctrl-C stops it")
    terminal.wait_for("knaller: ready")
    terminal.type("\x03")
    terminal.wait_for("shutting down")
    terminal.wait_for("has stopped")
    terminal.end(0)


def stuck_guest():
    terminal = Terminal("knaller", "start", "web", KNALLER_STOP_TIMEOUT="1h")
    terminal.wait_for("Ctrl-C stops it")
    # An engine that stands still passes on no Ctrl+Alt+Del.
    os.kill(inspect("web", "engine_pid"), signal.SIGSTOP)
    terminal.type("\x03")
    terminal.wait_for("shutting down")
    terminal.type("\x03")
    terminal.end(0)


def remove():
    terminal = Terminal("knaller", "start", "web", "--rm")
    terminal.wait_for("Ctrl-C stops it")
    terminal.type("\x03")
    terminal.end(0)


def killed(*more):
    terminal = Terminal("knaller", "start", "web", *more)
    terminal.wait_for("Ctrl-C stops it")
    monitor = os.pidfd_open(inspect("web", "monitor_pid"))
    os.kill(terminal.pid, signal.SIGKILL)
    terminal.end(-signal.SIGKILL)
    return monitor


def killed_and_removed():
    monitor = killed("--rm")
    if not select.select([monitor], [], [], 10)[0]:
        sys.exit("the monitor lives on")


def no_color():
    terminal = Terminal("knaller", "ls", NO_COLOR="1")
    terminal.end(0)
    if "\x1b" in terminal.seen:
        terminal.fail("an escape sequence")
    terminal = Terminal("knaller", "start", "-d", "b", NO_COLOR="1")
    terminal.end(0)
    if "\x1b" in terminal.seen:
        terminal.fail("an escape sequence")
    terminal = Terminal("knaller", "nosuch")
    terminal.end(2)
    if "\x1b[31m" not in terminal.seen:
        terminal.fail("no colour on a terminal")


def progress(snapshot):
    """A reader that takes its time, so that there is something to show."""
    command = f"knaller snapshot export {snapshot} - | (sleep 1; cat > /dev/null)"
    terminal = Terminal("sh", "-c", command)
    terminal.wait_for("[")
    terminal.wait_for("MiB of ")
    terminal.wait_for("MiB/s")
    terminal.wait_for("[################]")
    terminal.wait_for("\r\nexported")
    terminal.end(0)
    terminal = Terminal("knaller", "snapshot", "verify", snapshot)
    terminal.wait_for("[################]")
    terminal.wait_for("MiB of ")
    terminal.end(0)
    terminal = Terminal("sh", "-c", command, NO_COLOR="1")
    terminal.wait_for("MiB/s")
    terminal.end(0)
    if "\x1b" in terminal.seen:
        terminal.fail("an escape sequence")


{"one-signal": one_signal, "stuck-guest": stuck_guest, "remove": remove, "killed": killed, "killed-and-removed": killed_and_removed, "no-color": no_color,
 "progress": progress}[sys.argv[1]](*sys.argv[2:])
