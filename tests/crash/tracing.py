"""strace(1): which system calls change something, where a run made them, and how the N-th of them is made to fail.

A site is a system call and what it was about, with whatever differs from run to run taken out of it. strace counts the calls of
each thread by itself; so does count().
"""
import collections
import os
import re
import shlex
import signal
import subprocess
import time

from home import MEMORY_FILE, Broken, children, name_of_process, state_of_process

# Everything that changes a file, a process, or somebody's mind. openat counts, since strace can't tell what creates;
# only those that do become points.
CHANGING = """open openat openat2 creat write pwrite64 writev pwritev pwritev2 ftruncate fallocate rename renameat renameat2 link linkat
    symlink symlinkat unlink unlinkat mkdir mkdirat rmdir mknod mknodat fsync fdatasync sync_file_range syncfs fchmod fchmodat chmod
    fchown utimensat copy_file_range sendfile splice ioctl mount umount2 pivot_root clone clone3 fork vfork execve connect bind listen
    sendto sendmsg process_vm_readv fcntl setns unshare kill pidfd_send_signal prctl capset memfd_create socket socketpair
    pipe2""".split()
FAULTS = ("kill", "ENOSPC", "EIO")

CALL = re.compile(r"^(?:(\d+)(?:<([^>]*)>)? +)?(\w+)\((.*)$")
CREATES = re.compile(r"O_CREAT|O_TRUNC|O_TMPFILE")
# Of these many calls only some change anything.
ONLY = {
    "open": CREATES, "openat": CREATES, "openat2": CREATES,
    "ioctl": re.compile(r"FICLONE|TUNSET|SIOCS|FS_IOC"),
    "fcntl": re.compile(r"F_OFD_SETLK|F_ADD_SEALS"),
    "prctl": re.compile(r"PR_SET_PDEATHSIG|PR_SET_NO_NEW_PRIVS|PR_CAPBSET_DROP"),
}
# glibc tries these on whatever is a descriptor, or they are of the dynamic linker.
NOISE = re.compile(r"/(ld\.so|locale|proc/self/task)")


def injection(syscall, count, fault):
    how = {"kill": "signal=SIGKILL", "read-EOF": "retval=0"}.get(fault, f"error={fault.removeprefix('read-')}")
    return ["-e", f"trace={syscall}", "-e", f"inject={syscall}:{how}:when={count}"]


def recording(more=()):
    # Not every kernel and strace know every one.
    return ["-y", "-e", "trace=" + ",".join(dict.fromkeys([f"?{name}" for name in CHANGING] + list(more)))]


def calls(log):
    """(thread, program, syscall, rest of the line) for each call in a file of strace's."""
    with open(log, encoding="utf-8", errors="replace") as file:
        for line in file:
            match = CALL.match(line)
            if match:
                yield match[1], match[2] or "", match[3], match[4]


def points(log, home, is_ours):
    """[(syscall, number, site)] of a recorded run: every call that changes something, counted as strace counts."""
    counted = collections.Counter()
    found = set()
    for thread, command, syscall, rest in calls(log):
        if not is_ours(command) or syscall not in CHANGING:
            continue
        counted[thread, syscall] += 1
        wanted = ONLY.get(syscall)
        if (wanted and not wanted.search(rest)) or NOISE.search(rest):
            continue
        # Threads make calls of the same number at different sites.
        found.add((syscall, counted[thread, syscall], f"{syscall} {normal(syscall, rest, home)}".strip()))
    return sorted(found)


def normal(syscall, rest, home):
    """What the call was about: paths, constants, and operations; no numbers, no content, no ids."""
    rest = re.sub(r"\) += .*| <unfinished.*", "", rest)
    operations = re.findall(r'\\"op\\":\\"(\w+)\\"', rest)
    request = re.findall(r'"((?:GET|PUT|PATCH) /[\w/-]*)', rest)
    # Where another thread's call comes between, strace does not print what these give.
    paths = [] if syscall in ("clone", "clone3", "pipe2", "socketpair", "process_vm_readv") else re.findall(r"<([^>]*)>", rest)
    # A short string without any escape is a name; others are content.
    names = [] if syscall == "execve" or operations or request else [text for text in re.findall(r'"([^"\\]{1,120})"(?!\.\.\.)', rest) if "{" not in text]
    constants = re.findall(r"\b(?:O_CREAT|O_TRUNC|FICLONE|F_OFD_SETLK|CLONE_NEW\w+|CLONE_THREAD|MAP_STACK|MAP_NORESERVE|MAP_SHARED|SEEK_DATA|SEEK_HOLE|F_DUPFD\w*|RENAME_\w+|AT_REMOVEDIR|MS_\w+|PR_\w+|AF_\w+)\b", rest)
    words = paths + operations + request + names + constants
    text = " ".join(dict.fromkeys(words))
    text = text.replace(os.path.realpath(home.path), "HOME").replace(os.path.realpath(home.folder), "FOLDER").replace(home.programs, "BIN")
    text = text.replace(f"/memfd:{MEMORY_FILE}", "FOLDER/")
    text = re.sub(r"snap_[0-9a-f]{8}", "ID", text)
    text = re.sub(r"\.[0-9a-f]{12}\b", ".TMP", text)
    text = re.sub(r"\b(socket|pipe|UNIX[\w-]*|TCP|pidfd):?\[?[^ \]]*\]?", r"\1", text)
    text = re.sub(r"/proc/(self/fd/)?\d+", r"/proc/\1N", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT\S*", "TIME", text)
    return re.sub(r"\b\d+\b", "N", text)


def faults(sites):
    """The kernel has no error for a write to an event's descriptor that is never full. And strace fails a call by making it one that
    does not exist: an engine's filter would ask the monitor about it, which gets the descriptor to answer by in just this call."""
    only_killed = ("write anon_inode:[eventfd]", "sendmsg socket anon_inode:seccomp notify f")
    return ("kill",) if any(site in sites for site in only_killed) else FAULTS


class Attached:
    """strace on a process that runs already, and on all of its threads; let go at the end."""

    def __init__(self, pid, options, log):
        self._tracer = subprocess.Popen(["strace", "-f", "-Y", "-o", log, *options, "-p", str(pid)], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        line = self._tracer.stderr.readline()
        if b"attached" not in line:
            self._tracer.kill()
            self._tracer.wait()
            raise Broken(f"strace: {line.decode()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._tracer.send_signal(signal.SIGTERM)
        try:
            self._tracer.wait(2)
        except subprocess.TimeoutExpired:
            # strace waits for each thread it lets go; a first thread that was killed ends only when strace has reaped the others.
            self._tracer.kill()
            self._tracer.wait()
        self._tracer.stderr.close()


def wrap_monitor(home, options, log):
    """A folder of helper programs whose knaller-monitor runs under strace. Returns it, for KNALLER_LIBEXEC."""
    words = shlex.join(["strace", "-D", "-I", "2", "-f", "-Y", "-o", log, *options])
    # Its messages would be taken for the monitor's.
    return home.wrap_monitor(f"2> /dev/null {words}")


def tracers():
    """Those that wrap_monitor() began, as far as they are left."""
    return [pid for pid in children(os.getpid()) if name_of_process(pid) == "strace"]


def let_go(tracers, ending):
    """Ends tracers that wrap_monitor() began; who was traced goes on, unless it is `ending`.

    Then they may end by themselves first: strace 6.1 stands still for ever when it lets go of a pid namespace's first process
    that is dying, since that one waits until strace has reaped the others.
    """
    if ending:
        wait_for(tracers, 2)
    for pid in tracers:
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            continue
    wait_for(tracers, 5)


def wait_for(pids, seconds):
    end = time.monotonic() + seconds
    while any(state_of_process(pid) not in ("Z", "X") for pid in pids) and time.monotonic() < end:
        time.sleep(0.001)
