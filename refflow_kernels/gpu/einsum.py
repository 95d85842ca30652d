"""Sums by the names of axes, as products of matrices [W06, S16].

    "bthk,bshk->bhts"      product[b, h, t, s] = sum over k of x[b, t, h, k] y[b, s, h, k]

Each name of two operands is one of four kinds:

    batch     in both operands and in the result: b, h
    rows      in x and in the result: t            columns    in y and in the result: s
    depth     in both operands alone: k

Where the names of a kind lie like one axis (the batch's like two), the product is one of matmul's as it is: an axis is
a stride, whatever stands between it and the next. Else an operand, or the result, goes through a copy in the order
batch, rows, depth, columns. One operand is summed over the names that the result lacks, and turned.

    bytes: x, y and the result, and of what is copied twice more        operations: 2 for each of all names together

Names that come twice in one operand, and names of one operand of two that the result lacks, are left to the CPU.

Next: refflow_kernels/gpu/linalg.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

from refflow_kernels.gpu.arrays import ceil_div, check_out, check_packed, packed_strides
from refflow_kernels.gpu.copies import copy
from refflow_kernels.gpu.elementwise import joined
from refflow_kernels.gpu.matmul import FLOATS, Matrices, matmul, matmul_workspace, pieces_of, run
from refflow_kernels.gpu.reduction_stages import rooms, stages_of
from refflow_kernels.gpu.reductions import reduced_over
from refflow_kernels.kernel import Kernel

_ALIGN = 64  # elements: parts of the workspace begin on such places
_ONE = (1, 0, 0, 0)


class _Side(NamedTuple):
    """An operand or the result: its names, and the stride of each; 0 where it is stretched."""

    names: tuple[Any, ...]
    strides: dict[Any, int]


def _names(subscript: str, rank: int) -> tuple[Any, ...]:
    """A name for each axis; those that an ellipsis stands for are numbers, of which the last axis has 0.

    >>> _names("a...b", 4)
    ('a', 1, 0, 'b')
    """
    before, ellipsis, after = subscript.partition("...")
    more = rank - len(before) - len(after) if ellipsis else 0
    return (*before, *reversed(range(more)), *after)


def _side(names: tuple[Any, ...], shape: Sequence[int]) -> _Side:
    strides = zip(names, shape, packed_strides(shape), strict=True)
    return _Side(names, {name: step if size > 1 else 0 for name, size, step in strides})


def _sides(equation: str, *shapes: Sequence[int]) -> list[_Side]:
    """Both operands and the result."""
    given, result = equation.split("->")
    subscripts = (*given.split(","), result)
    return [_side(_names(s, len(shape)), shape) for s, shape in zip(subscripts, shapes, strict=True)]


class _Axes(NamedTuple):
    """Axes of one kind, those that all sides walk like one joined: sizes, and strides in x, y and the result."""

    sizes: list[int]
    strides: tuple[list[int], list[int], list[int]]

    def one(self) -> tuple[int, int, int, int]:
        """Size and strides of a single axis, or of none."""
        return (self.sizes[0], *(s[0] for s in self.strides)) if self.sizes else _ONE  # type: ignore[return-value]


class _Product(NamedTuple):
    """How a sum of two operands is a product: by kind, the names in order and their axes."""

    names: dict[str, tuple[Any, ...]]
    sizes: dict[Any, int]
    axes: dict[str, _Axes]

    @property
    def is_direct(self) -> bool:
        """Whether strides alone make matrices of the operands."""
        return all(len(a.sizes) <= (2 if kind == "batch" else 1) for kind, a in self.axes.items())

    def count(self, kind: str) -> int:
        return prod(self.sizes[name] for name in self.names[kind])


@lru_cache(maxsize=1024)
def _product(equation: str, x: tuple[int, ...], y: tuple[int, ...], out: tuple[int, ...]) -> _Product:
    sides = _sides(equation, x, y, out)
    sizes: dict[Any, int] = {}
    for side, shape in zip(sides, (x, y, out), strict=True):
        for name, size in zip(side.names, shape, strict=True):
            sizes[name] = size if sizes.get(name, 1) == 1 else sizes[name]
    kinds: dict[str, list[Any]] = {"batch": [], "rows": [], "columns": [], "depth": []}
    for name in dict.fromkeys((*sides[2].names, *sides[0].names)):
        in_x, in_y, kept = (name in side.names for side in sides)
        kind = "depth" if not kept else "batch" if in_x and in_y else "rows" if in_x else "columns"
        kinds[kind].append(name)
    axes = {kind: _axes(names, sizes, sides) for kind, names in kinds.items()}
    return _Product({kind: tuple(names) for kind, names in kinds.items()}, sizes, axes)


def _axes(names: Sequence[Any], sizes: dict[Any, int], sides: Sequence[_Side]) -> _Axes:
    wide = [name for name in names if sizes[name] != 1]
    if not wide:
        return _Axes([], ([], [], []))
    rows = [[side.strides.get(name, 0) for name in wide] for side in sides]
    dims, found = joined([sizes[name] for name in wide], rows)
    return _Axes(dims, (found[0], found[1], found[2]))


# -- two operands --------------------------------------------------------------------------------------------------


class _Flat(NamedTuple):
    """Two packed matrices whose product is the result as it lies, or its transpose: shapes, which are turned, and
    whether the operands change places."""

    shapes: tuple[tuple[int, int], tuple[int, int]]
    turned: tuple[bool, bool]
    exchanged: bool


def _flat(product: _Product) -> _Flat | None:
    """The case of one product, for which matmul has the quicker kernels."""
    rows, columns, depth = (product.axes[kind].one() for kind in ("rows", "columns", "depth"))
    (M, xm, _, om), (N, _, yn, on), (K, xk, yk, _) = rows, columns, depth
    if not product.is_direct or product.axes["batch"].sizes or 1 in (M, N, K):
        return None
    found = _matrix(M, K, xm, xk), _matrix(K, N, yk, yn)
    if None in found:
        return None
    (a, turned_a), (b, turned_b) = found  # type: ignore[misc]
    if (om, on) == (N, 1):
        return _Flat((a, b), (turned_a, turned_b), False)
    return _Flat((b, a), (not turned_b, not turned_a), True) if (om, on) == (1, M) else None


def _matrix(rows: int, columns: int, down: int, along: int) -> tuple[tuple[int, int], bool] | None:
    """The packed shape of a matrix with these strides, and whether it is turned."""
    if (down, along) == (columns, 1):
        return (rows, columns), False
    return ((columns, rows), True) if (down, along) == (1, rows) else None


class _Shape(NamedTuple):
    shape: tuple[int, int]


def _multiply(product: _Product, x: Any, y: Any, out: Any, workspace: Any) -> None:
    """The product by strides alone."""
    flat = _flat(product)
    if flat is not None:
        first, second = (y, x) if flat.exchanged else (x, y)
        a, b = (array.reshape(shape) for array, shape in zip((first, second), flat.shapes, strict=True))
        target = out.reshape(_result(flat))
        matmul(a, b, *flat.turned, out=target, workspace=workspace)
        return
    (M, xm, _, om), (N, _, yn, on), (K, xk, yk, _) = (product.axes[k].one() for k in ("rows", "columns", "depth"))
    first, second = _batch(product)
    a = Matrices(x, (first[1], second[1], xm, xk))
    b = Matrices(y, (first[2], second[2], yk, yn))
    run(a, b, out, (first[0], second[0]), (M, N, K), workspace, "tf32x3", (first[3], second[3], om, on))


def _batch(product: _Product) -> tuple[Any, Any]:
    """The batch's two axes: size and strides in x, y and the result."""
    axes = product.axes["batch"]
    listed = [(n, *(s[i] for s in axes.strides)) for i, n in enumerate(axes.sizes)]
    return tuple([_ONE] * (2 - len(listed)) + listed)  # type: ignore[return-value]


def _result(flat: _Flat) -> tuple[int, int]:
    (rows, inner), (other, columns) = flat.shapes
    return inner if flat.turned[0] else rows, other if flat.turned[1] else columns


def _room(product: _Product) -> int:
    """float32s for pieces of a product by strides."""
    flat = _flat(product)
    if flat is not None:
        need = matmul_workspace([_Shape(s) for s in flat.shapes], *flat.turned)
        return prod(need[0]) if need else 0
    (M, *_, om), (N, *_, on), (K, *_) = (product.axes[k].one() for k in ("rows", "columns", "depth"))
    first, second = _batch(product)
    pieces = pieces_of((M, N, K), (first[0], second[0]), (first[3], second[3], om, on))
    return pieces * first[0] * second[0] * M * N if pieces > 1 else 0


# -- through copies ------------------------------------------------------------------------------------------------

_ORDERS = (("batch", "rows", "depth"), ("batch", "depth", "columns"), ("batch", "rows", "columns"))


def _copied(product: _Product) -> tuple[list[tuple[int, ...]], _Product]:
    """The shapes of operands and result in the order of a product, and that product."""
    shapes = [tuple(product.count(kind) for kind in order) for order in _ORDERS]
    return shapes, _product("bmk,bkn->bmn", *shapes)


def _through_copies(product: _Product, sides: Sequence[_Side], x: Any, y: Any, out: Any, workspace: Any) -> None:
    shapes, plain = _copied(product)
    parts, at = [], 0
    for shape in shapes:
        end = at + prod(shape)
        parts.append(workspace[at:end].view(out.dtype)[: prod(shape)].reshape(shape))
        at = ceil_div(end, _ALIGN) * _ALIGN
    orders = [[name for kind in order for name in product.names[kind]] for order in _ORDERS]
    for source, part, order, side in zip((x, y), parts, orders, sides, strict=False):
        dims = [product.sizes[name] for name in order]
        copy(source, part, dims, [side.strides[name] for name in order], packed_strides(dims))
    room = _room(plain)
    _multiply(plain, parts[0], parts[1], parts[2], _shaped(plain, workspace[at : at + room]) if room else None)
    dims = [product.sizes[name] for name in orders[2]]
    copy(parts[2], out, dims, packed_strides(dims), [sides[2].strides[name] for name in orders[2]])


def _shaped(product: _Product, room: Any) -> Any:
    """The room for pieces in the shape that a product asks for."""
    flat = _flat(product)
    if flat is not None:
        need = matmul_workspace([_Shape(s) for s in flat.shapes], *flat.turned)
        return room.reshape(need[0]) if need else room
    M, N = (product.axes[k].one()[0] for k in ("rows", "columns"))
    first, second = _batch(product)
    return room.reshape((prod(room.shape) // (first[0] * second[0] * M * N), first[0], second[0], M, N))


# -- the op --------------------------------------------------------------------------------------------------------


def _out_shape(equation: str, shapes: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """The result's shape, by the operands'."""
    given, result = equation.split("->")
    sizes: dict[Any, int] = {}
    for subscript, shape in zip(given.split(","), shapes, strict=True):
        for name, size in zip(_names(subscript, len(shape)), shape, strict=True):
            sizes[name] = size if sizes.get(name, 1) == 1 else sizes[name]
    more = sum(isinstance(name, int) for name in sizes) if "..." in result else 0
    return tuple(sizes[name] for name in _names(result, len(result.replace("...", "")) + more))


def einsum_workspace(inputs: Any, equation: str) -> tuple[tuple[int, ...], str] | None:
    """Shape and type of the memory for copies and partial sums."""
    shapes = [tuple(i.shape) for i in inputs[0]]
    out = _out_shape(equation, shapes)
    if 0 in out:
        return None
    if len(shapes) == 1:
        stages, between = _summed(equation, shapes[0])
        need = rooms(stages)[1]
        room = between + (prod(need[0]) if need else 0)
        return ((room,), "float32") if room else None
    product = _product(equation, *shapes, out)
    room = _room(product) if product.is_direct else 0
    if not product.is_direct:
        copies, plain = _copied(product)
        room = sum(ceil_div(prod(s), _ALIGN) * _ALIGN for s in copies) + _room(plain)
    return ((room,), "float32") if room else None


def einsum(inputs: Sequence[Any], equation: str, out: Any = None, workspace: Any = None) -> Any:
    """The sum of products that the equation says; zeros where nothing is added up."""
    check_packed(**{f"inputs[{i}]": x for i, x in enumerate(inputs)})
    shapes = [tuple(x.shape) for x in inputs]
    shape = _out_shape(equation, shapes)
    check_out(out, shape)
    if 0 in shape:
        return out
    need = einsum_workspace([inputs], equation)
    if need is not None:
        check_out(workspace, need[0], "workspace")
    if len(inputs) == 1:
        _single(equation, inputs[0], out, workspace)
        return out
    (x, y), product = inputs, _product(equation, *shapes, shape)
    if product.is_direct:
        _multiply(product, x, y, out, None if need is None else _shaped(product, workspace))
    else:
        _through_copies(product, _sides(equation, *shapes, shape), x, y, out, workspace)
    return out


def _summed(equation: str, shape: tuple[int, ...]) -> tuple[list[Any], int]:
    """The stages of the sum over names that the result lacks, and room for its result where that has to be turned."""
    names, result = _single_names(equation, shape)
    kept = [name for name in names if name in result]
    stages = stages_of(shape, [axis for axis, name in enumerate(names) if name not in result])
    if len(kept) == len(names) or tuple(kept) == result:
        return ([] if len(kept) == len(names) else stages), 0
    size = prod(size for name, size in zip(names, shape, strict=True) if name in result)
    return stages, ceil_div(size, _ALIGN) * _ALIGN


def _single_names(equation: str, shape: tuple[int, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    given, result = equation.split("->")
    names = _names(given, len(shape))
    more = sum(isinstance(name, int) for name in names)
    return names, _names(result, len(result.replace("...", "")) + more)


def _single(equation: str, x: Any, out: Any, workspace: Any) -> None:
    """One operand: summed, then turned."""
    shape = tuple(x.shape)
    names, result = _single_names(equation, shape)
    stages, between = _summed(equation, shape)
    if stages:
        kept = [(name, size) for name, size in zip(names, shape, strict=True) if name in result]
        dims = tuple(size for _, size in kept)
        target = workspace[:between].view(out.dtype)[: prod(dims)] if between else out
        more = workspace[between:] if rooms(stages)[1] is not None else None
        reduced_over(x, tuple(a for a, name in enumerate(names) if name not in result), "sum", target, more)
        if not between:
            return
        x, shape, names = target, dims, tuple(name for name, _ in kept)
    strides = dict(zip(names, packed_strides(shape), strict=True))
    copy(x, out, tuple(out.shape), [strides[name] for name in result], packed_strides(out.shape))


def _is_product(attrs: dict[str, Any]) -> bool:
    """Whether each name comes once in an operand and in the result, and is summed over in both operands or in one."""
    given, result = attrs["equation"].split("->")
    operands = given.split(",")
    plain = [s.replace("...", "") for s in (*operands, result)]
    if any(len(set(s)) < len(s) for s in plain) or ("..." in given and "..." not in result):
        return False
    both = set(plain[0]) & set(plain[1])
    return len(operands) == 1 or all(name in result or name in both for name in plain[0] + plain[1])


KERNELS = {"Einsum": Kernel(einsum, FLOATS, workspace=einsum_workspace, takes=_is_product)}
