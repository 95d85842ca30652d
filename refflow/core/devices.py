"""Device names: a type and a number, and where needed a job, a replica and a task [W14, E19].

    /job:localhost/replica:0/task:0/gpu:0      full, as the first release prints it
    /job:worker/task:17/device:GPU:3           the whitepaper's longer spelling of the last part
    /gpu:*   /job:ps   /device:GPU   ""        partial: a request that several devices satisfy [W37]

A name is a set of constraints. Merging two names keeps both; where they differ the inner scope wins.

Next: core/graph.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from refflow.core.errors import NodeError

_PART = re.compile(
    r"(?:job:(?P<job>[A-Za-z_][A-Za-z0-9_]*|\*)|replica:(?P<replica>\d+|\*)|task:(?P<task>\d+|\*)"
    r"|(?:device:)?(?P<type>[A-Za-z_]\w*):(?P<index>\d+|\*)|device:(?P<kind>[A-Za-z_]\w*)|(?P<bare>cpu|gpu|CPU|GPU))"
)
# In which order two names are compared, and what the parts are called where they contradict.
_PARTS = (("job", "jobs"), ("replica", "replicas"), ("task", "tasks"), ("type", "types"), ("index", "ids"))


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """A full or partial device name; None means that any will do.

    >>> DeviceSpec.parse("/job:worker/task:17/device:GPU:3").to_string()
    '/job:worker/task:17/gpu:3'
    """

    job: str | None = None
    replica: int | None = None
    task: int | None = None
    type: str | None = None
    index: int | None = None

    @classmethod
    def parse(cls, text: str | None) -> DeviceSpec:
        """The spec that `text` writes; NodeError names the part that is not understood."""
        spec = cls()
        if not text or text == "/":
            return spec
        if not text.startswith("/"):
            raise _malformed(text, "it must begin with '/'")
        for part in text[1:].split("/"):
            match = _PART.fullmatch(part)
            if match is None:
                raise _malformed(text, f"{part!r} is not a part of one", part)
            for key, part_value in match.groupdict().items():
                value: Any = part_value
                if value is None:
                    continue
                if key in ("type", "kind", "bare"):
                    key, value = "type", value.lower()
                elif value == "*":
                    value = None
                elif key != "job":
                    value = int(value)
                if getattr(spec, key) is not None:
                    raise _malformed(text, f"it has two parts for {key!r}")
                spec = replace(spec, **{key: value})
        return spec

    def merge(self, inner: DeviceSpec) -> DeviceSpec:
        """Both constraints; where they differ, `inner` wins [W37]."""
        typed = inner.type is not None
        return DeviceSpec(
            job=self.job if inner.job is None else inner.job,
            replica=self.replica if inner.replica is None else inner.replica,
            task=self.task if inner.task is None else inner.task,
            type=inner.type if typed else self.type,
            index=inner.index if typed or inner.index is not None else self.index,
        )

    def admits(self, other: DeviceSpec) -> bool:
        """True when the device `other` satisfies every constraint here."""
        return all(getattr(self, key) in (None, getattr(other, key)) for key, _ in _PARTS)

    def conflict(self, other: DeviceSpec) -> str:
        """The first kind of part in which the two contradict: jobs, replicas, tasks, types or ids; else ""."""
        for key, plural in _PARTS:
            mine, theirs = getattr(self, key), getattr(other, key)
            if mine is not None and theirs is not None and mine != theirs:
                return plural
        return ""

    def intersect(self, other: DeviceSpec) -> DeviceSpec | None:
        """The spec of the devices that satisfy both, or None where two parts contradict."""
        if self.conflict(other):
            return None
        return DeviceSpec(
            **{key: getattr(other if getattr(self, key) is None else self, key) for key, _ in _PARTS}
        )  # fmt: skip

    def anywhere(self) -> DeviceSpec:
        """The same process, whichever of its devices: what soft placement keeps of a request [W22]."""
        return replace(self, type=None, index=None)

    def to_string(self) -> str:
        text = "" if self.job is None else f"/job:{self.job}"
        text += "" if self.replica is None else f"/replica:{self.replica}"
        text += "" if self.task is None else f"/task:{self.task}"
        if self.type is not None:
            text += f"/{self.type}:{'*' if self.index is None else self.index}"
        return text

    __str__ = to_string


def _malformed(text: str, why: str, part: str = "") -> NodeError:
    key = part.partition(":")[0]
    unknown = f"Unknown attribute '{key}' is encountered while parsing the device spec: " if key else ""
    return NodeError(
        f"{unknown}'{text}' is not a device name: {why}. Expected /job:NAME, /replica:N, /task:N and /cpu:N or "
        "/gpu:N, each at most once, as in '/gpu:0' or '/job:worker/task:1/cpu:0'"
    )
