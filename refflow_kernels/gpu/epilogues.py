"""Epilogues: what is done to a product's tile while it lies in registers, before it is written.

    tile = sum over k of a times b          the product's kernel
    tile = maximum(tile + bias, 0)          the epilogue: a chain of elementwise steps, generated as any chain's kernel
    write tile

    bytes: of the product alone, nothing; each further operand and result once        operations: those of the lines

An epilogue is a function of Triton that a product's kernel gets as a constant, with the memory of its operands and of
further results. The tile may lie in any shape and order: `row` and `column` say which elements of the result's rows
these are, `real_row` and `real_column` which of them exist. An operand is read in one of four ways:

    whole       it has the result's shape
    row         the same for each row; or for every so-many-th one, where it has several rows itself
    column      one element for each row, or for so many
    one         one element

The tile is rounded to the product's type first, and multiplications and additions are not fused: so the bits are those
of the product's kernel and the chain's, one after the other. Where a product is cut in pieces, the epilogue is done
by the pass that adds them.

Next: refflow_kernels/gpu/matmul.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from refflow_kernels.gpu.elementwise import kernel_of

WHOLE, ROW, COLUMN, ONE = "whole", "row", "column", "one"
PRODUCT = "product"  # the operand that the tile is
_VALUES = 32  # that a thread has of a tile at a time


class Epilogue(NamedTuple):
    """function: of a tile, or None; memory: its operands, and the results beside the one that is returned."""

    function: Any = None
    memory: tuple[Any, ...] = ()


NONE = Epilogue()


def source(
    kinds: Sequence[str], lines: Sequence[str], results: Sequence[str], dtype: str, many: int = 1, wide: bool = False
) -> str:
    """The Triton text of an epilogue. Its operands are x0, x1, ..., read in these ways.

    results: names of what is returned, and of what is stored beside. dtype: the product's. many: rows of a "row", and
    rows for which a "column" has one element. wide: places may pass 2^31.
    """
    places = {WHOLE: "here", ROW: "column", COLUMN: "row"}
    if many > 1:
        places |= {ROW: f"row % {many} * columns + column", COLUMN: f"row // {many}"}
    masks = {WHOLE: "real", ROW: "real" if many > 1 else "real_column", COLUMN: "real_row"}
    text = [
        f"here = row{'.to(tl.int64)' if wide else ''} * columns + column",
        "real = real_row & real_column",
    ]
    memory = 0
    for number, kind in enumerate(kinds):
        x = f"x{number}"
        if kind == PRODUCT:
            short = dtype in ("float16", "bfloat16")
            text.append(f"{x} = tile{f'.to(tl.{dtype}).to(tl.float32)' if short else ''}")
            continue
        place = "" if kind == ONE else f" + {places[kind]}, mask={masks[kind]}, other=0"
        text.append(f"{x} = tl.load(memory[{memory}]{place})")
        text.append(f"if {x}.dtype == tl.float16 or {x}.dtype == tl.bfloat16:")
        text.append(f"    {x} = {x}.to(tl.float32)")
        memory += 1
    text += lines
    for number, result in enumerate(results[1:], memory):
        text.append(f"tl.store(memory[{number}] + here, {result}.to(memory[{number}].dtype.element_ty), mask=real)")
    body = "".join(f"\n    {line}" for line in [*text, f"return {results[0]}"])
    return f"@triton.jit\ndef epilogue(tile, row, column, columns, real_row, real_column, memory):{body}\n"


def parts_of(elements: int, warps: int) -> int:
    """In how many parts a tile goes through a chain, so that all of its steps find room in the registers."""
    return max(1, elements // (warps * 32 * _VALUES))


def function_of(text: str) -> Any:
    """The function that a source is of."""
    return kernel_of("epilogue", text)
