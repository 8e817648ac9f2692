"""foreground.py SCENARIO: runs knaller on a terminal and types at it. KNALLER_* say where; exit code 1 and a message on failure.

Every step waits for a text, never for a time; a deadline of a minute ends it.
"""
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time


class Terminal:
    def __init__(self, *words, **environment):
        self.seen = ""
        self.at = 0
        self.deadline = time.monotonic() + 60
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update({"TERM": "xterm"}, **environment)
            os.execvp(words[0], words)

    def _read(self):
        if not select.select([self.fd], [], [], max(0, self.deadline - time.monotonic()))[0]:
            self.fail("the time is over")
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # the other side is closed
            data = b""
        self.seen += data.decode(errors="replace")
        return bool(data)

    def wait_for(self, text):
        while text not in self.seen[self.at:]:
            if not self._read():
                self.fail(f"ended before {text!r}")
        self.at = self.seen.index(text, self.at) + len(text)

    def type(self, text):
        os.write(self.fd, text.encode())

    def end(self, code):
        while self._read():
            pass
        ended = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        if ended != code:
            self.fail(f"exit code {ended} instead of {code}")

    def fail(self, message):
        sys.exit(f"{message}; seen: {self.seen!r}")


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
    engine = json.loads(subprocess.run(["knaller", "inspect", "web"], capture_output=True, check=True).stdout)["engine_pid"]
    os.kill(engine, signal.SIGSTOP)
    terminal.type("\x03")
    terminal.wait_for("shutting down")
    terminal.type("\x03")
    terminal.end(0)


def remove():
    terminal = Terminal("knaller", "start", "web", "--rm")
    terminal.wait_for("Ctrl-C stops it")
    terminal.type("\x03")
    terminal.end(0)


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


{"one-signal": one_signal, "stuck-guest": stuck_guest, "remove": remove, "no-color": no_color}[sys.argv[1]]()
