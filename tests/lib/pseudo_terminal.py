"""A program on a terminal, and somebody who types at it: for tests. Every step waits for a text; a deadline ends it."""
import os
import pty
import select
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
