"""The points of a run: one call of one process of one operation, and how it fails. One thread."""
import collections
import itertools
import os
import random
import re

import operations
import reads
import tracing

POINTS = os.path.join(os.path.dirname(os.path.realpath(__file__)), "points")
# Sites where something went wrong once: a sample begins with these.
FAILED_ONCE = os.path.join(os.path.dirname(POINTS), "failed-once")
# So often a run is recorded at most until it has shown all sites: what threads do beside each other differs.
RECORDINGS = 4


class Point(collections.namedtuple("Point", "operation process syscall number fault site")):
    def __str__(self):
        return f"{self.operation}/{self.process}/{self.syscall}/{self.number}/{self.fault}"


class Found:
    """What a run of some operations calls.

    `changes` and `reads` are points. `sites` are those of changes, by operation and process; those of reads are not compared: which
    of them a run reaches depends on the machine's libraries, its load and its /proc.
    """

    def __init__(self):
        self.changes, self.reads, self.sites = [], [], {}

    def look(self, bench, name, process, known):
        """Adds one operation's. Known sites are looked for several times."""
        key = f"{name} {process}"
        ever, always, changing, reading = set(), None, {}, {}
        for _ in range(RECORDINGS):
            changed, read = bench.record(operations.find(name), process)
            now = {site for _, _, site in changed}
            ever, always = ever | now, now if always is None else always & now
            for syscall, number, site in changed:
                changing.setdefault((syscall, number), set()).add(site)
            for syscall, number, site in read:
                reading.setdefault(site, set()).add((syscall, number))
            if known is not None and known.get(key, set()) <= ever:
                break
        # What is recorded was in every run; what is compared may have been in any.
        self.sites[key] = always if known is None else ever
        self.changes += [Point(name, process, *call, fault, "; ".join(sorted(here)))
                         for call, here in changing.items() for fault in tracing.faults(here)]
        self.reads += [Point(name, process, *sorted(calls)[len(calls) // 2], fault, site)
                       for site, calls in reading.items() for fault in reads.faults(site)]


def find_points(bench, names, known):
    found = Found()
    bench.fresh()
    for name in names:
        for process in ["command"] + (["monitor"] if operations.find(name).monitor else []):
            found.look(bench, name, process, known)
    return found


def read_points(path=POINTS):
    known = collections.defaultdict(set)
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            for line in file:
                operation, process, site = line.rstrip("\n").split(" ", 2)
                known[f"{operation} {process}"].add(site)
    return known


def write_points(known, descriptor):
    """Without what depends on the machine: its devices, and where it has its temporary files."""
    known = {key: {site for site in sites if not re.search(r"kvm|/dev|mkdir|FICLONE", site) or "HOME" in site}
             for key, sites in known.items()}
    with open(descriptor, "w", encoding="utf-8") as file:
        file.writelines(f"{key} {site}\n" for key in sorted(known) for site in sorted(known[key]))


def in_order(found, seed, only="", one_of_each=False):
    """All points, shuffled: first those of sites that failed once, then changes and reads by turns."""
    chance = random.Random(seed)
    changes, read = ([point for point in points if str(point).startswith(only)] for points in (found.changes, found.reads))
    chance.shuffle(changes)
    chance.shuffle(read)
    if one_of_each:
        changes = in_turns(one_of_each_site(changes))
    # Every command opens the home in the same way, and every monitor starts in the same way.
    points = [point for pair in itertools.zip_longest(changes, one_of_each_site(read)) for point in pair if point]
    failed_once = read_points(FAILED_ONCE)
    return sorted(points, key=lambda point: point.site not in failed_once[f"{point.operation} {point.process}"])


def one_of_each_site(points):
    """Of shuffled ones, whatever the operation."""
    return list({(point.process, point.site, point.fault): point for point in points}.values())


def in_turns(points):
    """One of each operation and process, then the next of each: a sample has some of all, not mostly of those with most calls."""
    groups = collections.defaultdict(list)
    for point in points:
        groups[point.operation, point.process].append(point)
    return [point for row in itertools.zip_longest(*groups.values()) for point in row if point]
