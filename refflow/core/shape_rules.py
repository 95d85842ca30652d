"""Shape rules: from the inputs' shapes to the outputs', while building and again before a kernel runs.

A rule reads a `ShapeContext`. Most ops need none: the dimension names of their signature are the rule.

    a: T[M, K], b: T[K, N] -> product: T[M, N]         K is bound by a, then b must agree

While building, sizes may be unknown (None) and agree with everything. Before a kernel runs, all are
known, so that the same sentence guards both: kernels never see shapes that do not fit.

Next: core/opdef.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from refflow.core import registry, shapes
from refflow.core.bfloat16 import widened
from refflow.core.errors import THIS_NODE, NodeError, ShapeError
from refflow.core.shapes import Shape

if TYPE_CHECKING:
    from refflow.core.opdef import OpDef

Rule = Callable[["ShapeContext"], Any]


class ShapeContext:
    """What a shape rule may know of one node.

    `value_of(i)` gives the i-th input's value where it is known: always at run time, and while building
    for constants and what follows from them (`core/constants.py`).
    """

    def __init__(
        self,
        op_def: OpDef,
        attrs: dict[str, Any],
        inputs: Sequence[Shape],
        value_of: Callable[[int], Any],
        sizes_of: Callable[[int], Any] | None = None,
    ):
        self.op_def = op_def
        self.attrs = attrs
        self.inputs = inputs
        self._value_of, self._sizes_of = value_of, sizes_of
        self._places = op_def.places(attrs, outputs=False)
        self._bound: dict[str, tuple[Any, str]] = {}  # dimension name -> size, and who said so
        self.building = sizes_of is not None  # and not about to run: what is wrong then may never be run
        self.undecided = False  # a value was asked for that is not known yet: more may be wrong than shows

    def dims(self, name: str) -> Shape:
        """The shape of the input called `name`."""
        return self.inputs[self._places[name]]  # type: ignore[return-value]

    def list_dims(self, name: str) -> list[Shape]:
        """The shapes of a list input."""
        return list(self.inputs[self._places[name]])  # type: ignore[arg-type]

    def value(self, name: str) -> Any:
        """The value of the input called `name` as an array, or None where it is not known yet."""
        return self._known_value(self._places[name])

    def _known_value(self, place: Any) -> Any:
        value = widened(self._value_of(place))
        self.undecided = self.undecided or value is None
        return value

    def list_values(self, name: str) -> list[Any]:
        """The values of a list input, None where one is not known yet."""
        place = self._places[name]
        return [self._known_value(i) for i in range(place.start, place.stop)]  # type: ignore[union-attr]

    def ints(self, name: str) -> list[int] | None:
        """`value` of an integer input as a flat list."""
        value = self.value(name)
        return None if value is None else [int(v) for v in value.reshape(-1)]

    def sizes(self, name: str) -> Shape:
        """The shape that a vector input spells, None for sizes that are not known; None where nothing is."""
        return None if self._sizes_of is None else self._sizes_of(self._places[name])  # type: ignore[arg-type]

    def of(self, op_def: OpDef, attrs: dict[str, Any], inputs: Sequence[Shape]) -> list[Shape]:
        """The outputs' shapes of another op that stands for this one, of whose inputs no values are asked."""
        nothing = (lambda _: None) if self.building else None
        return infer(op_def, attrs, inputs, lambda _: None, nothing)

    def spelled(self, name: str) -> Shape:
        """The sizes that the numbers of a vector ask for, None for -1, which a step may still find to be wrong."""
        values = self.ints(name)
        if values is None:
            return self.sizes(name)
        if self.building and min(values, default=0) < -1:
            raise ShapeError(f"Dimension {min(values)} must be >= 0: {name} = {values} are sizes")
        return tuple(v if v >= 0 else None for v in values)

    def count(self, name: str) -> int | None:
        """The size that a number asks for, None where that is not known; it cannot be negative in a new graph."""
        values = self.ints(name)
        if values is None or len(values) != 1:
            return None
        if values[0] < 0 and self.building:
            told = f"{name} ({values[0]}) must be non-negative"
            raise ShapeError(f"{told}: {name} should be non-negative, got {values[0]}")
        return values[0] if values[0] >= 0 else None

    def check_ranks(self) -> None:
        """Requires of inputs the ranks that OpDef.built_with states."""
        for name, rank in self.op_def.ranks.items():
            least, most = rank if isinstance(rank, tuple) else (rank, rank)
            place = self._places[name]
            for dims in self.inputs[place] if isinstance(place, slice) else [self.inputs[place]]:
                if dims is not None and not least <= len(dims) <= most:
                    kind = f"{'' if least == most else 'at most '}rank {most}"
                    raise ShapeError(
                        f"{name} has shape {shapes.text(dims)}: Shape must be {kind} but is rank {len(dims)}. "
                        f"Give {'a number' if most == 0 else 'a vector' if most == 1 else f'{most} axes'}"
                    )

    def match(self, name: str, *pattern: str) -> None:
        """Requires of an input that its dimensions fit `pattern`, and binds the names in it."""
        self._match(name, self.dims(name), pattern)

    def _match(self, name: str, dims: Shape, pattern: Sequence[str]) -> None:
        if dims is None:
            return
        many = [i for i, part in enumerate(pattern) if part.startswith("...")]
        fixed = len(pattern) - len(many)
        if len(dims) < fixed or (not many and len(dims) != fixed):
            least = "at least " if many else ""
            scalar = "" if fixed or many else f". {name} must be a scalar, not shape {shapes.text(dims)}"
            raise ShapeError(
                f"{name} has rank {len(dims)}, but takes {least}rank {fixed}: {name}: [{', '.join(pattern)}]. "
                f"Shape must be {least}rank {fixed} but is rank {len(dims)}{scalar}"
            )
        if many:
            head, tail = many[0], len(pattern) - many[0] - 1
            stop = len(dims) - tail
            self._bind_all(pattern[head], dims[head:stop], name)
            pattern = (*pattern[:head], *pattern[head + 1 :])
            dims = dims[:head] + dims[stop:]
        for part, size in zip(pattern, dims, strict=True):
            self._bind(part, size, name)

    def _bind(self, part: str, size: int | None, name: str) -> None:
        if size is None or part == "?":
            return
        if part.isdecimal():
            if int(part) != size:
                raise ShapeError(f"{name} has a dimension of size {size} where {part} is needed")
            return
        known, who = self._bound.get(part, (None, ""))
        if known is None:
            self._bound[part] = (size, name)
        elif known != size:
            raise ShapeError(f"{name} has {part} = {size}, but {who} has {part} = {known}")

    def _bind_all(self, part: str, dims: shapes.Dims, name: str) -> None:
        known, who = self._bound.get(part, (None, ""))
        if known is not None and not shapes.compatible(known, dims):
            places = self.op_def.labels(self.attrs)
            raise ShapeError(
                f"{name} has shape {shapes.text(dims)}, but {who} has {shapes.text(known)}: Inputs to operation "
                f"{THIS_NODE} of type {self.op_def.name} must have the same size and shape.  Input "
                f"{places.index(who)}: {shapes.text(known)} != input {places.index(name)}: {shapes.text(dims)}"
            )
        self._bound[part] = (shapes.merge(known, dims), who or name)

    def shape(self, *pattern: str) -> Shape:
        """The shape that `pattern` names, with what has been bound."""
        found: list[int | None] = []
        for part in pattern:
            if part.startswith("..."):
                known = self._bound.get(part, (None, ""))[0]
                if known is None:
                    return None
                found += known
            elif part.isdecimal():
                found.append(int(part))
            else:
                found.append(self._bound.get(part, (None, ""))[0])
        return tuple(found)

    def by_signature(self) -> list[Shape]:
        """The rule that the signature's brackets state."""
        for arg in self.op_def.inputs:
            if arg.dims is None:
                continue
            if arg.number is None and not self.op_def.is_type_list(arg):
                self.match(arg.name, *arg.dims)
            else:
                for i, dims in enumerate(self.list_dims(arg.name)):
                    self._match(f"{arg.name}[{i}]", dims, arg.dims)
        outputs: list[Shape] = []
        for arg in self.op_def.outputs:
            outputs += [None if arg.dims is None else self.shape(*arg.dims)] * self.op_def.length(arg, self.attrs)
        return outputs


def infer(
    op_def: OpDef, attrs: dict[str, Any], inputs: Sequence[Shape], value_of: Callable[[int], Any],
    sizes_of: Callable[[int], Any] | None = None,
) -> list[Shape]:  # fmt: skip
    """The outputs' shapes; ShapeError in the op's own dimension names where the inputs do not fit."""
    return apply_rule(op_def, ShapeContext(op_def, attrs, inputs, value_of, sizes_of))


def apply_rule(op_def: OpDef, context: ShapeContext) -> list[Shape]:
    """The outputs' shapes in a given context, which afterwards tells if the answer was final."""
    if context.building and op_def.ranks:
        context.check_ranks()
    if op_def.shape_rule is None:
        return context.by_signature()
    try:
        result = op_def.shape_rule(context)
    except (LookupError, ArithmeticError) as error:  # fewer values, or larger ones, than the rule counts on
        raise ShapeError(f"the values of its inputs or attributes do not fit together: {error}") from None
    if isinstance(result, list):
        return result
    return [result]  # one output: its tuple, or None for unknown


def axes_of(indices: Sequence[int], rank: int, name: str = "reduction_indices") -> list[int]:
    """Axis numbers 0..rank-1, negative ones counted from the end; ShapeError if one is out of range."""
    axes = []
    for axis in indices:
        if not -rank <= axis < rank:
            raise ShapeError(f"{name} has axis {axis}, but the input has rank {rank}: axes are {-rank} to {rank - 1}")
        axes.append(axis % rank)
    return axes


class RegisterShape:
    """A decorator that gives an op type a shape function `(op) -> [TensorShape, ...]`, for types that lack one.

    As in the first release; new op types state theirs with `OpDef.shape`.
    """

    def __init__(self, op_type: str):
        self._op_type = op_type

    def __call__(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        known = registry.op_def(self._op_type)
        if known.shape_rule is not None or known.shape_function is not None:
            raise NodeError(f"{self._op_type} has a shape function already")
        known.shape_function = function
        return function
