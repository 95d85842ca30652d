"""`refflow show`: what training runs wrote into their logs, over steps, relative time or wall time [W60].

    loss         steps 0 to 800      0.67 to 2.31, last 0.67
                 █▆▅▄▃▃▂▂▂▁▁▁

    scalars      a line of bars for each run, from its least value to its greatest
    histograms   at five events: the values below which 0, 16, 50, 84 and 100 % of the numbers lie
    images       when there are some and how large; `pictures` writes them as PNG files
    runs         the tags of metadata, for TensorBoard or refflow.timeline

A run is a folder with event files; names of runs are the folders' below the one that is shown.

Next: train/summary_io.py.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from refflow.files.events import Event, Histogram, Picture
from refflow.train.summary_io import summary_iterator

BY = ("step", "relative", "wall")
_BARS = "▁▂▃▄▅▆▇█"
_QUANTILES = (0.0, 0.16, 0.5, 0.84, 1.0)


@dataclass
class Run:
    """What one run says, by kind and tag: lists of (wall time, step, value)."""

    name: str
    scalars: dict[str, list[tuple[float, int, float]]] = field(default_factory=dict)
    histograms: dict[str, list[tuple[float, int, Histogram]]] = field(default_factory=dict)
    images: dict[str, list[tuple[float, int, Picture]]] = field(default_factory=dict)
    metadata: list[str] = field(default_factory=list)
    start: float = 0.0

    def add(self, event: Event) -> None:
        """Takes in one event."""
        self.start = self.start or event.wall_time
        for value in event.values():
            kinds: tuple[tuple[dict[str, Any], Any], ...] = (
                (self.scalars, value.simple_value), (self.histograms, value.histo), (self.images, value.image),
            )  # fmt: skip
            for by_tag, found in kinds:
                if found is not None:
                    by_tag.setdefault(value.tag, []).append((event.wall_time, event.step, found))
        if event.tagged_run_metadata is not None:
            self.metadata.append(event.tagged_run_metadata.tag)


def runs(folder: str) -> list[Run]:
    """Every run below a folder; FileNotFoundError where there is none."""
    found: dict[str, Run] = {}
    for where, _, files in sorted(os.walk(folder)):
        name = os.path.relpath(where, folder)
        for file in sorted(f for f in files if "tfevents" in f):
            run = found.setdefault(name, Run("" if name == "." else name))
            for event in summary_iterator(os.path.join(where, file)):
                run.add(event)
    if not found:
        raise FileNotFoundError(f"there are no event files in {folder!r}: a SummaryWriter makes them")
    return list(found.values())


def show(folder: str, by: str = "step", tag: str = "", width: int = 60) -> Iterator[str]:
    """The lines to print. by: step, relative or wall. tag: only tags with this in their names."""
    for run in runs(folder):
        if run.name:
            yield f"{run.name}:"
        kinds: tuple[tuple[dict[str, Any], Callable[..., Iterator[str]]], ...] = (
            (run.scalars, _scalars), (run.histograms, _histograms), (run.images, _images),
        )  # fmt: skip
        for by_tag, lines in kinds:
            for name in (n for n in by_tag if tag in n):
                yield from lines(name, by_tag[name], _axis(run, by), width)
        for name in run.metadata:
            if tag in name:
                yield f"{name}  metadata of a run"


def pictures(folder: str, target: str) -> list[str]:
    """Writes every image as target/RUN_TAG_STEP.png; the files' names."""
    os.makedirs(target, exist_ok=True)
    written = []
    for run in runs(folder):
        for tag, events in run.images.items():
            for _, step, picture in events:
                name = "_".join(filter(None, (run.name, tag, str(step)))).replace(os.sep, "_").replace("/", "_")
                written.append(os.path.join(target, f"{name}.png"))
                with open(written[-1], "wb") as file:
                    file.write(picture.encoded_image_string)
    return written


Axis = Callable[[float, int], tuple[float, str]]  # from wall time and step to a place on the axis and its name


def _axis(run: Run, by: str) -> Axis:
    if by == "step":
        return lambda wall, step: (step, f"step {step}")
    if by == "relative":
        return lambda wall, step: (wall - run.start, f"{wall - run.start:.1f} s")
    if by == "wall":
        return lambda wall, step: (wall, time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(wall)))
    raise ValueError(f"by must be one of {', '.join(BY)}, got {by!r}")


def _scalars(tag: str, events: Sequence[tuple[float, int, float]], axis: Axis, width: int) -> Iterator[str]:
    places = np.array([axis(wall, step)[0] for wall, step, _ in events], float)
    values = np.array([value for _, _, value in events], float)
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (np.nan, np.nan)
    ends = " to ".join(dict.fromkeys(axis(wall, step)[1] for wall, step, _ in (events[0], events[-1])))
    yield f"{tag}  {ends}  {low:.6g} to {high:.6g}, last {values[-1]:.6g}"
    yield f"  {line(places, values, width)}"


def line(places: np.ndarray, values: np.ndarray, width: int) -> str:
    """Values over places as a line of bars; a column shows the mean of what falls into it, `!` what is not finite.

    >>> line(np.arange(4.0), np.array([0.0, 1.0, 2.0, np.nan]), 4)
    '▁▅█!'
    """
    span = places.max() - places.min()
    width = min(width, len(places))
    parts = (places - places.min()) / span if span else np.zeros(len(places))
    columns = np.minimum(parts * width, width - 1).astype(int)
    sums = [values[columns == c] for c in range(width)]
    means = np.array([v.mean() if v.size else np.inf for v in sums])
    shown = means[np.isfinite(means)]
    low, reach = (shown.min(), shown.max() - shown.min()) if shown.size else (0.0, 0.0)
    text = ""
    for v, mean in zip(sums, means, strict=True):
        if not v.size:
            text += " "
        elif not np.isfinite(mean):
            text += "!"
        else:
            text += _BARS[min(len(_BARS) - 1, int((mean - low) / reach * len(_BARS)))] if reach else _BARS[0]
    return text


def _histograms(tag: str, events: Sequence[tuple[float, int, Histogram]], axis: Axis, width: int) -> Iterator[str]:
    yield f"{tag}  {len(events)} histograms; numbers below which 0, 16, 50, 84 and 100 % lie"
    chosen = sorted({round(i) for i in np.linspace(0, len(events) - 1, 5)})
    for wall, step, histogram in (events[i] for i in chosen):
        yield f"  {axis(wall, step)[1]}: {'  '.join(f'{quantile(histogram, q):.4g}' for q in _QUANTILES)}"


def quantile(histogram: Histogram, part: float) -> float:
    """The number below which that part of a histogram's numbers lies, as if they were even within each bucket."""
    left = part * sum(histogram.bucket)
    low = histogram.min
    for limit, count in zip(histogram.bucket_limit, histogram.bucket, strict=True):
        high = min(limit, histogram.max)
        if count and left <= count:
            return low + (high - low) * left / count
        left -= count
        low = max(low, high)
    return histogram.max


def _images(tag: str, events: Sequence[tuple[float, int, Picture]], axis: Axis, width: int) -> Iterator[str]:
    (first, *_), (*_, last) = events, events
    ends = " to ".join(dict.fromkeys(axis(wall, step)[1] for wall, step, _ in (first, last)))
    sizes = dict.fromkeys(f"{p.height} x {p.width}" for _, _, p in events)
    yield f"{tag}  {ends}  {len(events)} images, {', '.join(sizes)}"
