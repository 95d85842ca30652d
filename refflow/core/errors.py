"""Three families of errors: a wrong graph, a wrong run, and a bug in refflow.

A *wrong graph* is found while it is built, so Python's own traceback already points at the user's
line: `GraphError` and its children, which are also the ValueError or TypeError that TensorFlow raises.

A *wrong run* is found by a kernel or by the runtime, long after the node was made. `OpError` carries
one of TensorFlow's status codes, the node, and the line of the user's program that built it [W79].

A *bug* is ours: `BugError` asks for a report instead of blaming the user's line.

Next: core/dtypes.py.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

# Status codes 0..16 of the wire protocol [W79].
OK = 0
CANCELLED = 1
UNKNOWN = 2
INVALID_ARGUMENT = 3
DEADLINE_EXCEEDED = 4
NOT_FOUND = 5
ALREADY_EXISTS = 6
PERMISSION_DENIED = 7
RESOURCE_EXHAUSTED = 8
FAILED_PRECONDITION = 9
ABORTED = 10
OUT_OF_RANGE = 11
UNIMPLEMENTED = 12
INTERNAL = 13
UNAVAILABLE = 14
DATA_LOSS = 15
UNAUTHENTICATED = 16

# In a kernel's message: names that only the runtime knows, which it puts in their place.
THIS_NODE = "{this node}"
FIRST_INPUT = "{its first input}"

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


class GraphError(Exception):
    """The graph that is being built is wrong."""


class ShapeError(GraphError, ValueError):
    """Two shapes that must agree do not."""


class DTypeError(GraphError, TypeError):
    """An element type is not the one the operation takes."""


class ConversionError(DTypeError, ValueError):
    """A tensor is not of the type that is asked for."""


class NodeError(GraphError, ValueError):
    """A name, an attribute, a device string or a graph is not usable."""


class BugError(RuntimeError):
    """refflow broke one of its own invariants."""

    def __init__(self, message: str):
        super().__init__(f"bug in refflow: {message}. Please report it with the program that shows it.")


class Frame(NamedTuple):
    """One line of a Python call stack."""

    filename: str
    lineno: int
    function: str

    def __str__(self) -> str:
        return f'File "{self.filename}", line {self.lineno}, in {self.function}'


def call_stack(skip: int = 1) -> tuple[tuple[Any, int], ...]:
    """The running call stack, innermost first, as (code object, line) pairs.

    Every node keeps one, so this only collects; `frames` turns it into text when somebody asks.
    """
    frame = sys._getframe(skip)
    stack = []
    while frame is not None:
        stack.append((frame.f_code, frame.f_lineno))
        frame = frame.f_back  # type: ignore[assignment]
    return tuple(stack)


def frames(stack: Sequence[tuple[Any, int]]) -> list[Frame]:
    """`call_stack`'s result as readable frames, outermost first (the order of a Python traceback)."""
    return [Frame(code.co_filename, line, code.co_name) for code, line in reversed(stack)]


def user_frame(stack: Sequence[tuple[Any, int]]) -> Frame | None:
    """The innermost frame outside refflow: the line of the user's program that is meant."""
    for code, line in stack:
        if not code.co_filename.startswith((_PACKAGE, "<frozen", "<refflow plan")) and not code.co_filename.endswith(
            ("contextlib.py", "functools.py")
        ):
            return Frame(code.co_filename, line, code.co_name)
    return None


class OpError(Exception):
    """A step failed. `node_def` and `op` say where, `error_code` says what kind [W79].

    place: for a node in a loop, the loops that it is in and the iteration, as `0/while:3`.
    str() shows the message, the node as `[[Node: name = Type[attrs](inputs)]]` [W82] with its device and place, and
    the line of the user's program that built it.
    """

    def __init__(self, node_def: Any, op: Any, message: str, error_code: int = UNKNOWN):
        super().__init__(message)
        self.node_def = node_def
        self.op = op
        self.message = message
        self.error_code = error_code
        self.place = ""
        self.experimental_payloads: dict[str, bytes] = {}  # what a server of TensorFlow's would add

    def __str__(self) -> str:
        lines = [self.message]
        if self.node_def is not None:
            written = getattr(self.node_def, "summary", None)  # a program's own may be a message
            lines.append(f"\t [[Node: {self.node_def.name if written is None else written()}]]")
        if self.place:
            frame, _, iteration = self.place.rpartition(":")
            lines.append(f"In iteration {iteration} of {frame}")
        where = getattr(self.op, "user_frame", None)
        if where is not None:
            lines.append(f"Built here: {where}")
        return "\n".join(lines)


def _status_class(name: str, code: int, meaning: str) -> type[OpError]:
    def __init__(self: OpError, node_def: Any, op: Any, message: str) -> None:
        OpError.__init__(self, node_def, op, message, code)

    return type(name, (OpError,), {"__init__": __init__, "__doc__": meaning, "__module__": __name__})


CancelledError = _status_class("CancelledError", CANCELLED, "The step was called off, as by closing a session.")


class UnknownError(OpError):
    """A failure without a better class; or one whose `error_code` has none."""

    def __init__(self, node_def: Any, op: Any, message: str, error_code: int = UNKNOWN):
        super().__init__(node_def, op, message, error_code)


InvalidArgumentError = _status_class(
    "InvalidArgumentError", INVALID_ARGUMENT, "A kernel got a value or a shape that it cannot take."
)
DeadlineExceededError = _status_class("DeadlineExceededError", DEADLINE_EXCEEDED, "The step ran out of time.")
NotFoundError = _status_class("NotFoundError", NOT_FOUND, "A node, a file or a resource does not exist.")
AlreadyExistsError = _status_class("AlreadyExistsError", ALREADY_EXISTS, "It was made once before.")
PermissionDeniedError = _status_class("PermissionDeniedError", PERMISSION_DENIED, "The caller may not do this.")
ResourceExhaustedError = _status_class("ResourceExhaustedError", RESOURCE_EXHAUSTED, "Memory or space ran out.")
FailedPreconditionError = _status_class(
    "FailedPreconditionError", FAILED_PRECONDITION, "The state is not ready, as a variable before its initializer."
)
AbortedError = _status_class("AbortedError", ABORTED, "A concurrent event or a failing peer ended the step.")
OutOfRangeError = _status_class("OutOfRangeError", OUT_OF_RANGE, "Past the end, as of a closed queue.")
UnimplementedError = _status_class("UnimplementedError", UNIMPLEMENTED, "No kernel does this here.")
InternalError = _status_class("InternalError", INTERNAL, "The runtime found its own state inconsistent.")
UnavailableError = _status_class("UnavailableError", UNAVAILABLE, "The service cannot be reached.")
DataLossError = _status_class("DataLossError", DATA_LOSS, "Stored bytes are damaged or cut off.")
UnauthenticatedError = _status_class("UnauthenticatedError", UNAUTHENTICATED, "The caller is not known.")

STATUS_CLASSES: dict[int, type[OpError]] = {
    CANCELLED: CancelledError,
    UNKNOWN: UnknownError,
    INVALID_ARGUMENT: InvalidArgumentError,
    DEADLINE_EXCEEDED: DeadlineExceededError,
    NOT_FOUND: NotFoundError,
    ALREADY_EXISTS: AlreadyExistsError,
    PERMISSION_DENIED: PermissionDeniedError,
    RESOURCE_EXHAUSTED: ResourceExhaustedError,
    FAILED_PRECONDITION: FailedPreconditionError,
    ABORTED: AbortedError,
    OUT_OF_RANGE: OutOfRangeError,
    UNIMPLEMENTED: UnimplementedError,
    INTERNAL: InternalError,
    UNAVAILABLE: UnavailableError,
    DATA_LOSS: DataLossError,
    UNAUTHENTICATED: UnauthenticatedError,
}


def exception_type_from_error_code(error_code: int) -> type[OpError]:
    """The class of a status code; KeyError where no class has it."""
    return STATUS_CLASSES[error_code]


def error_code_from_exception_type(cls: type) -> int:
    """The status code of a class of errors; UNKNOWN where it is not one of them."""
    return next((code for code, known in STATUS_CLASSES.items() if known is cls), UNKNOWN)
