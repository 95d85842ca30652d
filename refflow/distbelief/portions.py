"""A batch in portions, and who computes which [D11].

State, of a batch that is cut into P portions for N replicas, P much larger than N:

    free       portions that nobody has
    at         portion -> the replicas that compute it, one or, near the end, two
    done       portions whose result counts
    invariant  each portion is free, at somebody's, or done, and in one of the three only

An idle replica gets, in this order:

    1. the portion behind its last one, if it is free: sequential portions to the same worker, who reads ahead;
       so each replica begins with its own N-th of the batch, and it is the same one in each batch
    2. from the longest run of free portions the second half, so that whoever works towards it keeps the first
    3. when none is free, one that somebody else still has, which has been out longest, once more

and the first result of a portion counts. With `static` there are no steps 2 and 3: each replica has its N-th, and the
batch takes as long as the slowest of them.

Next: distbelief/sandblaster.py.
"""

from __future__ import annotations

from itertools import groupby

from refflow.distbelief.errors import ScheduleError


class Portions:
    """The portions of one batch after another. copies: how many replicas may have a portion at one time."""

    def __init__(self, count: int, replicas: int, copies: int = 2, static: bool = False):
        if not 1 <= replicas <= count or copies < 1:
            raise ScheduleError(
                f"Portions: {count} portions for {replicas} replicas, each out at most {copies} times, but expected "
                "one replica or more, at least as many portions, and copies from 1. Cut the batch finer."
            )
        self.count, self.replicas, self.copies, self.static = count, replicas, copies, static
        self.begin()

    def begin(self) -> None:
        """A new batch: everything is free."""
        self.free = set(range(self.count))
        self.at: dict[int, list[int]] = {}  # in the order in which they were given out
        self.done: set[int] = set()
        self._next = [self.region(replica)[0] for replica in range(self.replicas)]

    def region(self, replica: int) -> tuple[int, int]:
        """A replica's own N-th of the portions, start .. stop."""
        return replica * self.count // self.replicas, (replica + 1) * self.count // self.replicas

    @property
    def complete(self) -> bool:
        return len(self.done) == self.count

    def take(self, replica: int) -> int | None:
        """The portion that an idle replica computes next; None if there is nothing for it to do."""
        portion = self._free_one(replica)
        if portion is not None:
            self.free.remove(portion)
            self.at[portion] = []
        else:
            portion = self._once_more(replica)
        if portion is not None:
            self.at[portion].append(replica)
            self._next[replica] = portion + 1
        return portion

    def _free_one(self, replica: int) -> int | None:
        following = self._next[replica]
        if self.static:
            return following if following in self.free and following < self.region(replica)[1] else None
        if following in self.free or not self.free:
            return following if self.free else None
        start, stop = max(self.runs(), key=lambda run: run[1] - run[0])
        is_awaited = start in self._next  # by whoever comes to it with the next step
        return (start + stop) // 2 if is_awaited else start

    def _once_more(self, replica: int) -> int | None:
        """One that others have, fewer than `copies` of them, out longest."""
        if self.static:
            return None
        return next((p for p, who in self.at.items() if replica not in who and len(who) < self.copies), None)

    def runs(self) -> list[tuple[int, int]]:
        """The runs of free portions, start .. stop."""
        numbered = enumerate(sorted(self.free))
        runs = [[portion for _, portion in run] for _, run in groupby(numbered, key=lambda pair: pair[1] - pair[0])]
        return [(run[0], run[-1] + 1) for run in runs]

    def finish(self, replica: int, portion: int) -> tuple[bool, list[int]]:
        """Whether this result counts, and the other replicas, which compute the portion in vain from now on."""
        if portion in self.done:
            return False, []
        if replica not in self.at.get(portion, []):
            raise ScheduleError(f"Portions: replica {replica} has a result of portion {portion} and was not given it")
        others = [other for other in self.at.pop(portion) if other != replica]
        self.done.add(portion)
        return True, others
