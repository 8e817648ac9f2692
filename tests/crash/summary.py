"""What a run is told as: a row for each operation and process. One thread."""
import collections
import datetime
import os
import re

# Faults of changes and of reads together.
FAULTS = ("kill", "ENOSPC", "EIO", "EMFILE", "ENOMEM", "EAGAIN", "EINTR", "EOF")
TITLES = (*FAULTS, "failed")


def row_of(group, seed):
    """The line of one operation and process; `group` has its results."""
    counts = collections.Counter(point.fault.removeprefix("read-") for point, _, _ in group)
    failed = sum(bool(failure) for _, _, failure in group)
    numbers = "".join(f"{number:>8}" for number in (*(counts[fault] for fault in FAULTS), failed))
    each = sum(took for _, took, _ in group) / len(group)
    point = group[0][0]
    return f"{point.operation:<20}{point.process:<10}{numbers}{each:>9.2f}  {datetime.date.today()}{seed:>12}"


def rows_of(results, seed):
    groups = collections.defaultdict(list)
    for result in results:
        groups[result[0].operation, result[0].process].append(result)
    return {f"{operation} {process}": row_of(group, seed) for (operation, process), group in groups.items()}


def table(rows):
    """The rows in order, and what they add up to."""
    numbers = [row.split()[2:2 + len(TITLES)] for row in rows.values()]
    yield f"{'operation':<20}{'process':<10}" + "".join(f"{title:>8}" for title in TITLES) + f"{'s each':>9}  {'date':<10}{'seed':>12}"
    yield from (row for _, row in sorted(rows.items()))
    yield f"{'all':<30}" + "".join(f"{sum(int(row[column]) for row in numbers):>8}" for column in range(len(TITLES)))


def last_rows(path):
    """Those of the last run of each operation."""
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as file:
        return {" ".join(line.split()[:2]): line.rstrip("\n") for line in file if re.search(r" (command|monitor) ", line)}
