"""Messages of a type that is described in the graph, out of bytes and into them, by TensorFlow and here."""

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'")

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from tests.peers.stand_in import differences, outcomes

pytestmark = pytest.mark.peers
# The numbers of FieldDescriptorProto.Type, and the narrowest type of a tensor for each.
KINDS = {
    "double": (1, "double"), "float": (2, "float32"), "int64": (3, "int64"), "uint64": (4, "uint64"),
    "int32": (5, "int32"), "fixed64": (6, "uint64"), "fixed32": (7, "uint32"), "bool": (8, "bool"),
    "string": (9, "string"), "bytes": (12, "string"), "uint32": (13, "uint32"), "sfixed32": (15, "int32"),
    "sfixed64": (16, "int64"), "sint32": (17, "int32"), "sint64": (18, "int64"),
}  # fmt: skip
LABELS = {"one": 1, "many": 3, "packed": 3}


def described():
    """A file with a message that has every kind of field in every way, and the class of that message."""
    files = descriptor_pb2.FileDescriptorSet()
    file = files.file.add(name="all.proto", package="p", syntax="proto2")
    enum = file.enum_type.add(name="Colour")
    enum.value.add(name="RED", number=3)
    enum.value.add(name="BLUE", number=5)
    message = file.message_type.add(name="All")
    group = message.nested_type.add(name="Pair")
    group.field.add(name="x", number=1, label=1, type=5)
    number = 0
    for label, how in LABELS.items():
        for name, (kind, _) in KINDS.items():
            number += 1
            if label != "packed" or kind not in (9, 12):
                made = message.field.add(name=f"{label}_{name}", number=number, label=how, type=kind)
                if label == "packed":
                    made.options.packed = True
    more = [("colour", 14, ".p.Colour", ""), ("sub", 11, ".p.All", ""), ("pair", 10, ".p.All.Pair", ""),
            ("seven", 5, "", "7"), ("hello", 9, "", "hello"), ("truth", 8, "", "true"), ("endless", 1, "", "-inf"),
            ("blue", 14, ".p.Colour", "BLUE")]  # fmt: skip
    for name, kind, type_name, default in more:
        number += 1
        said = {key: value for key, value in (("type_name", type_name), ("default_value", default)) if value}
        message.field.add(name=name, number=number, label=1, type=kind, **said)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return files.SerializeToString(), message_factory.GetMessageClass(pool.FindMessageTypeByName("p.All"))


FILES, All = described()
NUMBERS = [n for n in KINDS if n not in ("string", "bytes", "bool")]


def some(rng):
    """Messages with nothing, with a little, with a lot; one in pieces, whose fields come in no order."""
    full = All(colour=5, hello="\u00e9")
    full.sub.one_int32 = 4
    full.pair.x = -1
    for name in NUMBERS:
        low = 0 if "u" in name or name.startswith("f") else -50
        values = [int(v) for v in rng.integers(low, 100, 3)]
        setattr(full, f"one_{name}", values[0])
        getattr(full, f"many_{name}").extend(values)
        getattr(full, f"packed_{name}").extend(values[:2])
    little = All(many_string=["a", "b"], one_bool=True, packed_bool=[True, False], many_bytes=[b"\xff"])
    pieces = little.SerializeToString() + All(one_int32=1, many_int32=[2]).SerializeToString()
    pieces += All(one_int32=9, many_int32=[3]).SerializeToString() + All(sub=All(seven=1)).SerializeToString()
    return [m if isinstance(m, bytes) else m.SerializeToString() for m in (full, little, b"", pieces)]


def decoded(tf, messages, names, types, **attrs):
    attrs = {"message_type": "p.All", "descriptor_source": b"bytes://" + FILES} | attrs
    fed = tf.compat.v1.placeholder(tf.string)
    made = tf.raw_ops.DecodeProtoV2(bytes=fed, field_names=names, output_types=types, **attrs)
    with tf.compat.v1.Session() as session:
        session.run([made.sizes, *made.values], {fed: messages})


FIELDS = [(f"{label}_{name}", of) for label in LABELS for name, (_, of) in KINDS.items()
          if label != "packed" or of != "string"]  # fmt: skip
OTHERS = [("colour", "int32"), ("sub", "string"), ("pair", "string"), ("seven", "int32"), ("hello", "string"),
          ("truth", "bool"), ("endless", "double"), ("blue", "int32")]  # fmt: skip


@pytest.mark.parametrize("sanitize", [False, True])
def test_fields_of_every_kind_are_decoded_alike(rng, sanitize):
    names, types = zip(*FIELDS, *OTHERS, strict=True)

    messages = some(rng)
    assert differences(lambda tf: decoded(tf, messages, list(names), list(types), sanitize=sanitize)) == []


def test_batches_wider_types_and_text_are_decoded_alike():
    def program(tf):
        decoded(tf, [[b"\x28\x07"], [b""]], ["one_int32", "one_float"], ["int64", "double"])
        text = "many_double: [1.5, -inf] sub { one_bytes: '\\001x' } colour: BLUE pair {x: 3} # so\n one_int32: 0x1F"
        names = ["many_double", "sub", "colour", "pair", "one_int32", "hello"]
        decoded(tf, [text], names, ["double", "string", "int32", "string", "int32", "string"], message_format="text")

    assert differences(program) == []


MISTAKES = {
    "field": dict(names=["nothing"]),
    "message": dict(message_type="p.None"),
    "type": dict(types=["float32"]),
    "source": dict(descriptor_source="bytes://?"),
    "unknown file": dict(descriptor_source="/nonexistent"),
    "format": dict(message_format="yaml"),
    "lengths": dict(types=["int32", "int32"]),
    "bytes": dict(messages=[b"\xff\xff"]),
    "text": dict(messages=[b"nothing: 4"], message_format="text"),
    "no message": dict(messages=[]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_said_in_the_same_words(mistake):
    given = {"messages": [b""], "names": ["one_int32"], "types": ["int32"]} | MISTAKES[mistake]

    def program(tf):
        decoded(tf, **given)

    (there,), (here,) = outcomes(program, here=False), outcomes(program, here=True)
    assert there.error == here.error is not None
    assert there.message in here.message


def test_fields_of_every_kind_are_encoded_alike(rng):
    names = [f"{label}_{name}" for label in LABELS for name in NUMBERS]
    kinds = [KINDS[name.partition("_")[2]][1] for name in names]
    values = [rng.integers(0, 90, (2, 3)).astype(kind) for kind in kinds]
    text = np.array([[b"a", b"b", b"c"]] * 2, object)
    sizes = np.array([[1] * (len(names) + 4), [0, 2] * (len(names) // 2 + 2)], np.int32)

    def program(tf):
        made = tf.raw_ops.EncodeProto(
            sizes=sizes, values=[*values, text, text, text, np.array([[True] * 3] * 2)],
            field_names=[*names, "many_string", "pair", "sub", "packed_bool"], message_type="p.All",
            descriptor_source=b"bytes://" + FILES,
        )  # fmt: skip
        with tf.compat.v1.Session() as session:
            session.run(made)

    assert differences(program) == []


WRONG = {
    "size": ([[3]], np.array([[1, 2]], np.int32), "many_int32"),
    "sizes": ([[1, 1]], np.array([[1, 2]], np.int32), "many_int32"),
    "vector": ([1], np.array([1, 2], np.int32), "many_int32"),
    "type": ([[1]], np.array([[1.0]]), "many_sint32"),
    "batch": ([[1], [1]], np.array([[1, 2]], np.int32), "many_int32"),
    "field": ([[1]], np.array([[1, 2]], np.int32), "nothing"),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_what_cannot_be_encoded_is_said_in_the_same_words(mistake):
    sizes, value, name = WRONG[mistake]

    def program(tf):
        fed = tf.compat.v1.placeholder(tf.int32)
        held = tf.compat.v1.placeholder(tf.as_dtype(value.dtype))
        made = tf.raw_ops.EncodeProto(sizes=fed, values=[held], field_names=[name], message_type="p.All",
                                      descriptor_source=b"bytes://" + FILES)  # fmt: skip
        with tf.compat.v1.Session() as session:
            session.run(made, {fed: sizes, held: value})

    (there,), (here,) = outcomes(program, here=False), outcomes(program, here=True)
    assert there.error == here.error is not None
    assert there.message in here.message
