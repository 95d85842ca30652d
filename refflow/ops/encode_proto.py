"""Tensors into messages of any type, a message for each place of the batch.

    sizes [B..., F]: how many of values[f] [B..., N_f] go into field f      ->      bytes [B...]

Fields stand in the order of their numbers, packed where their type says so.

Next: ops/summary.py.
"""

from __future__ import annotations

import numpy as np

from refflow.core import shapes
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.files.descriptors import Field, encoded
from refflow.ops.decode_proto import SET, TENSORS, catalog_of, field_of
from refflow.ops.strings import strings

ENCODE_PROTO = define_op(
    "EncodeProto", "sizes: int32, values: Tinput_types -> bytes: string",
    field_names=Attr("list(string)"), message_type=Attr("string"), descriptor_source="local://",
    Tinput_types=Attr("list(type)", minimum=1), source=("W16",),
)  # fmt: skip
ENCODE_PROTO.no_gradient()


@ENCODE_PROTO.kernel
def encode_proto_kernel(sizes, values, field_names, message_type, descriptor_source, Tinput_types):
    catalog = catalog_of(descriptor_source, message_type)
    wanted = [field_of(catalog, message_type, name) for name in field_names]
    batch = _check(sizes, values, field_names, wanted, Tinput_types)
    order = sorted(range(len(wanted)), key=lambda f: wanted[f].number)
    counts = sizes.reshape(-1, len(wanted))
    rows = [v.reshape(len(counts), v.shape[-1]) for v in values]
    written = []
    for message, count in enumerate(counts):
        parts = []
        for f in order:
            if count[f] > rows[f].shape[1]:
                raise ValueError(
                    "Size to write must not be larger than value tensor; but saw: "
                    f"{count[f]} > {rows[f].shape[1]} at message {message} field {f}"
                )
            if count[f]:
                parts.append(encoded(wanted[f], rows[f][message, : max(count[f], 0)].tolist()))
        written.append(b"".join(parts))
    return strings(written, batch)


def _check(
    sizes: np.ndarray, values: list[np.ndarray], names: list[str], wanted: list[Field], types: list
) -> tuple[int, ...]:
    """The shape of the batch, once everything fits together."""
    for name, made, value, dtype in zip(names, wanted, values, types, strict=True):
        if value.ndim < 2:
            shape = shapes.text(value.shape)
            raise ValueError(f"Invalid shape for field {name}.  Saw shape {shape} but it should be at least a matrix.")
        if dtype.name not in TENSORS[made.cpp_type]:
            raise ValueError(
                f"Incompatible type for field {name}.  Saw dtype: {dtype.c_name} but field type is: {made.proto_type}"
            )
    batch = values[0].shape[:-1]
    if any(v.shape[:-1] != batch for v in values):
        raise ValueError("Values must match up to the last dimension")
    if sizes.shape != (*batch, len(names)):
        saw, expected = shapes.text(sizes.shape), shapes.text((*batch, len(names)))
        raise ValueError(f"sizes should be batch_size + [len(field_names)].  Saw: {saw} but expected: {expected}")
    return batch


@ENCODE_PROTO.shape
def _encode_proto_shape(context: ShapeContext) -> shapes.Shape:
    dims = context.dims("sizes")
    batch: shapes.Shape = None if dims is None else dims[:-1]
    for given in context.list_dims("values") if context.building else ():  # the kernel says more of what is wrong
        if given is not None and (batch is None or len(batch) == len(given) - 1):
            batch = shapes.merge(batch, given[:-1])
    return batch


ENCODE_PROTO.case("W16", "as many values as sizes say, by numbers of fields", sizes=[[2, 1]],
                  values=[np.array([[b"x", b"y", b"z"]], object), np.array([[5]], np.int32)], message_type="M",
                  field_names=["b", "a"], descriptor_source=SET, Tinput_types=["string", "int32"],
                  bytes=[b"\x08\x05\x12\x01x\x12\x01y"])  # fmt: skip
ENCODE_PROTO.case("W16", "no more than there are", sizes=[[2]], values=[np.array([[5]], np.int32)], message_type="M",
                  field_names=["a"], descriptor_source=SET, Tinput_types=["int32"],
                  error="Size to write must not be larger than value tensor; but saw: 2 > 1")  # fmt: skip
