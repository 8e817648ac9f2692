"""Which system calls only find something out or wait, where a run made them, and how they may fail.

What tracing.py does for calls that change something. There are many more of these, and calls of one site differ little: one of each is
tried. A site is a call and what it is about, as there.
"""
import collections
import re

import tracing

# What a call may say without having done anything. EOF: nothing comes any more, since whoever wrote has ended.
NO_ROOM = ("EMFILE", "ENOMEM")
LOOKING = ("EIO", "ENOMEM")
FAULTS = {
    **dict.fromkeys("open openat openat2".split(), ("EIO", "EMFILE", "ENOMEM", "EINTR")),
    **dict.fromkeys("read readv pread64 preadv".split(), ("EIO", "EINTR", "EOF")),
    **dict.fromkeys("recvfrom recvmsg".split(), ("ENOMEM", "EINTR", "EOF")),
    **dict.fromkeys("mmap mremap".split(), ("ENOMEM",)),
    **dict.fromkeys("getdents64 stat lstat fstat newfstatat statx access faccessat faccessat2 statfs fstatfs readlink readlinkat".split(),
                    LOOKING),
    **dict.fromkeys("poll ppoll epoll_wait epoll_pwait".split(), ("ENOMEM", "EINTR")),
    **dict.fromkeys("waitid wait4".split(), ("EINTR",)),
    **dict.fromkeys("accept accept4".split(), ("EMFILE", "ENOMEM", "EINTR")),
    **dict.fromkeys("socket socketpair pipe2 eventfd2 memfd_create timerfd_create signalfd4 epoll_create1 inotify_init1 pidfd_open dup dup2 dup3"
                    .split(), NO_ROOM),
    **dict.fromkeys("connect sendto sendmsg".split(), ("ENOMEM", "EINTR")),
    **dict.fromkeys("clone clone3 vfork".split(), ("EAGAIN", "ENOMEM")),
    "lseek": ("EIO",),
    "fcntl": ("EMFILE",),
    "execve": ("ENOMEM",),
    "process_vm_readv": ("ENOMEM",),
    "write": ("EINTR",), "pwrite64": ("EINTR",), "ftruncate": ("EINTR",), "copy_file_range": ("EINTR",),
}
# Of these many calls only some can fail so.
ONLY = {"lseek": re.compile(r"SEEK_DATA|SEEK_HOLE"), "fcntl": re.compile(r"F_DUPFD"), "mmap": re.compile(r"^(?!.*MAP_FIXED)")}
# A stream has an end at which its writer went away; a file of the home is not cut short by anybody.
STREAM = re.compile(r"\b(socket|pipe|UNIX|TCP)")
# The kernel has no error for an event's descriptor that is never full.
NEVER = re.compile(r"^\d+<anon_inode:\[eventfd\]")
# Tries of the C library's that mean nothing, and what the loader maps.
NOISE = re.compile(r"/(ld\.so|locale|proc/self/task)|\.so[.\d]*>|/gconv|/etc/(nsswitch|passwd|localtime)|/usr/share/zoneinfo")
# Their text is what was read or sent.
CONTENT = ("read", "readv", "pread64", "preadv", "recvfrom", "recvmsg", "write", "pwrite64")


def recording():
    return ["?prlimit64", "?seccomp", *(f"?{name}" for name in FAULTS)]


def points(log, home, is_ours):
    """[(syscall, number, site)]: the calls of knaller's own programs, without those of their loading, of which prlimit64 is the last.

    Neither are those that an engine's filter sees: strace makes a call that is to fail another one, which the filter would ask the
    monitor about. strace counts for each thread by itself, so a number that such a call has in one thread is of no use for another. The
    same goes for calls that cannot fail so.
    """
    counted, apart, found, useless = collections.Counter(), set(), set(), set()
    for thread, command, syscall, rest in tracing.calls(log):
        counted[thread, syscall] += 1
        if syscall == "seccomp" or (syscall == "execve" and " = -1" not in rest):
            apart.add(thread)
        if syscall == "prlimit64":
            apart.discard(thread)
        if not is_ours(command) or syscall not in FAULTS:
            continue
        if thread in apart or NEVER.search(rest) or (syscall in ONLY and not ONLY[syscall].search(rest)):
            useless.add((syscall, counted[thread, syscall]))
        elif not NOISE.search(rest):
            found.add((syscall, counted[thread, syscall], site_of(syscall, rest, home)))
    return sorted(point for point in found if point[:2] not in useless)


def site_of(syscall, rest, home):
    if syscall in CONTENT:
        rest = re.sub(r'"(?:[^"\\]|\\.)*"', "", rest)
    return f"{syscall} {tracing.normal(syscall, rest, home)}".strip()


def faults(site):
    """Their names differ from those of tracing.py, since what is started is let alone."""
    syscall = site.split(" ", 1)[0]
    return tuple(f"read-{fault}" for fault in FAULTS[syscall] if fault != "EOF" or STREAM.search(site))

