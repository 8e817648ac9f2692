"""terminal.py window VM: uses a VM's shell through `knaller exec` on a terminal. Waits for texts, never for times."""
import fcntl
import os
import pathlib
import struct
import sys
import termios

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "lib"))
from pseudo_terminal import Terminal  # noqa: E402


def resize(terminal, rows, columns):
    fcntl.ioctl(terminal.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def window(vm):
    terminal = Terminal("sh", "-c", f"stty rows 33 cols 111; exec knaller exec {vm} -- sh")
    terminal.wait_for("#")
    terminal.type("stty size; echo term=$TERM\n")
    terminal.wait_for("33 111")
    terminal.wait_for("term=xterm")
    # The guest's shell is told by a signal of its own; it asks until it is so.
    resize(terminal, 44, 99)
    terminal.type("until stty size | grep '44 99'; do sleep 0.1; done; echo now''sized\n")
    terminal.wait_for("nowsized")
    # Said by the process that Ctrl-C is meant for: the shell itself may not be interrupted between two commands.
    terminal.type("sh -c 'echo be\"\"gun; exec sleep 1000'\n")
    terminal.wait_for("begun")
    terminal.type("\x03")
    terminal.type("echo st''=$?\n")
    terminal.wait_for("st=130")
    terminal.type("exit 7\n")
    terminal.end(7)


window(sys.argv[2])
