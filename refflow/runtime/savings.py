"""What a rewrite saves: the most bytes on each device, and the length of the step, without it and with it.

Both are those of the simulated step (runtime/simulate.py), so that all rewrites are judged by one measure.

Next: runtime/simulate.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from refflow.runtime.simulate import Simulation


@dataclass(frozen=True)
class Saving:
    """Peaks are in bytes by the device's name, lengths in microseconds."""

    what: str
    before: dict[str, int]
    after: dict[str, int]
    length_before: float
    length_after: float
    details: tuple[str, ...] = ()

    @property
    def total_before(self) -> int:
        return sum(self.before.values())

    @property
    def total_after(self) -> int:
        return sum(self.after.values())

    @property
    def growth(self) -> float:
        """The share by which the step became longer; negative where it became shorter."""
        return self.length_after / self.length_before - 1.0 if self.length_before else 0.0

    def __str__(self) -> str:
        lines = [f"{self.what}: {self.length_before:.0f} us before, {self.length_after:.0f} us after"]
        lines += [f"  {name}: {size:,} bytes before, {self.after.get(name, 0):,} after" for name, size in
                  self.before.items()]  # fmt: skip
        return "\n".join(lines + [f"  {detail}" for detail in self.details])


def judged(what: str, before: Simulation, after: Simulation, *details: str) -> Saving:
    """The saving that lies between two simulated steps."""
    return Saving(what, before.peaks, after.peaks, before.makespan, after.makespan, details)
