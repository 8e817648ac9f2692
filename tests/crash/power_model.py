"""What a disk may hold when the power goes in the middle of a recorded run.

What was fsync'd before is there. Of everything else each change is there or not, by itself: a name in a directory, a size, a mode,
each page of what was written. This is as strict as POSIX: that a file is on the disk says nothing of its name, and a name nothing of
the file. One thread.
"""
import bisect
import random

PAGE = 4096


class State:
    """One disk: the run was cut at `cut`, a line of its log, and `choice` says what of the pending changes is there:

    none, all, lose-N and keep-N (N is a number among the pending changes), some-SEED.
    """

    def __init__(self, model, cut, choice):
        self.model, self.cut, self.choice = model, cut, choice
        self.announced = cut >= model.recording.announced
        self.pending = model.pending(cut)
        self.kept = self._choose()
        self.entries, self.changes = self._apply()

    def __str__(self):
        return f"{self.cut}/{self.choice}"

    def _choose(self):
        """[(change, lost pages)] in order."""
        how, _, number = self.choice.partition("-")
        chance = random.Random(int(number)) if how == "some" else None
        likely = chance.choice((0.1, 0.5, 0.9)) if chance else 0
        pending = {id(change): index for index, change in enumerate(self.pending)}
        kept = []
        for change in self.model.recording.changes:
            if change.begin > self.cut:
                break
            index = pending.get(id(change))
            if index is None or how == "all" or (how == "lose" and index != int(number)) or (how == "keep" and index == int(number)):
                kept.append((change, ()))
            elif how == "some" and change.kind == "data" and chance.random() < 0.3:
                first, last = change.offset // PAGE, (change.offset + change.size - 1) // PAGE
                kept.append((change, tuple(page for page in range(first, last + 1) if chance.random() < 0.5)))
            elif how == "some" and chance.random() < likely:
                kept.append((change, ()))
        return kept

    def _apply(self):
        entries, changes = {}, {}
        for change, torn in self.kept:
            if change.kind != "entry":
                changes.setdefault(change.node, []).append((change, torn))
                continue
            for directory, name, node in change.entries:
                names = entries.setdefault(directory, dict(directory.entries))
                names.pop(name, None)
                if node is not None:
                    names[name] = node
        return entries, changes

    def signature(self):
        """The same for states that nobody can tell apart."""
        seen, waiting = [], [(self.model.recording.root, "")]
        while waiting:
            node, path = waiting.pop()
            content = tuple((id(change), torn) for change, torn in self.changes.get(node, ()))
            seen.append((path, id(node), content))
            if node.directory:
                waiting += [(child, f"{path}/{name}") for name, child in self.entries.get(node, node.entries).items()]
        return hash((self.announced, tuple(sorted(seen))))

    def describe(self):
        kept = {id(change) for change, torn in self.kept if not torn}
        return [f"{'kept' if id(change) in kept else 'lost'}: {change.kind:<5} {change.text}" for change in self.pending]


class Model:
    """`forgotten(text, node)` leaves out fsyncs, to see that somebody notices."""

    def __init__(self, recording, forgotten=lambda text, node: False):
        self.recording = recording
        self.syncs = {}
        ends = set()
        for node, begin, end, text in recording.syncs:
            ends.add(end)
            if not forgotten(text, node):
                self.syncs.setdefault(node, []).append((begin, end))
        for change in recording.changes:
            ends |= {change.begin, change.end}
        self.durable_at = {change: self._durable_at(change) for change in recording.changes}
        # The power goes before the first change, or after any, or after it was said that all is done.
        self.cuts = [-1, *sorted(ends), max([recording.announced, *ends])]

    def _durable_at(self, change):
        """The line of the log at which it is on the disk; infinity for never."""
        return max((min((end for begin, end in self.syncs.get(node, ()) if begin > change.end), default=float("inf"))
                    for node in change.synced_with))

    def pending(self, cut):
        return [change for change in self.recording.changes if change.begin <= cut and self.durable_at[change] > cut]

    def states(self, seed):
        """All of them that differ, as long as there are more; the extremes first, then single changes and random sets in turn."""
        seen = set()
        for state in self._all(seed):
            signature = state.signature()
            if signature not in seen:
                seen.add(signature)
                yield state

    def _all(self, seed):
        for cut in reversed(self.cuts):
            for choice in ("none", "all"):
                yield State(self, cut, choice)
        chance = random.Random(seed)
        singles = [(cut, f"{how}-{index}") for cut in self.cuts for index in range(len(self.pending(cut))) for how in ("lose", "keep")]
        chance.shuffle(singles)
        # So often nothing new: it was all.
        for _ in range(10 * len(singles) + 100):
            for cut, choice in (singles.pop() if singles else (None, None), (self._late_cut(chance), f"some-{chance.getrandbits(32)}")):
                if cut is not None:
                    yield State(self, cut, choice)

    def _late_cut(self, chance):
        """Most of a run is before anybody can see anything of it: every second time, one of the last moments."""
        first = bisect.bisect_left(self.cuts, self.cuts[-1]) - 8
        return chance.choice(self.cuts[max(first, 0):] if chance.random() < 0.5 else self.cuts)
