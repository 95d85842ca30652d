"""Protocol buffers' messages as Python classes, made from a table of their fields; no protobuf library is needed.

    Int64List                       classes = make('''Int64List
        1 repeated int64 value          1 repeated int64 value''')
                                    classes["Int64List"](value=[1, 2]).SerializeToString() = b"\\n\\x02\\x01\\x02"

A class does what the library's classes do: fields are attributes, a part is there once something is set in it, setting
one of several alternatives (`oneof kind`) clears the others, maps make what is asked for. State of a message:

    _values     what was set or asked for: numbers, text, bytes, parts, Repeated lists, Maps
    _present    the names of the fields that were set
    _owner      the message that this is a part of, and where, to be told of the first change

Fields that a table does not name are left out when bytes are read.

Next: compat/v1/messages.py.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple, Self

from refflow.files import message_kinds as kinds
from refflow.files.wire import VARINT, block, fields, varint


class Field(NamedTuple):
    """One field. kind: a scalar's, or the name of a message. group: the alternatives that it is one of."""

    number: int
    name: str
    kind: str
    label: str  # "", repeated or map
    group: str


class Repeated(list):
    """The values of a repeated field, each checked as it comes."""

    def __init__(self, owner: Message, field: Field):
        super().__init__()
        self._owner, self._field = owner, field

    def append(self, value: Any) -> None:
        super().append(self._owner._checked(self._field, value))
        self._owner._mark(self._field.name)

    def extend(self, values: Any) -> None:
        super().extend([self._owner._checked(self._field, value) for value in values])
        self._owner._mark(self._field.name)

    def insert(self, index: Any, value: Any) -> None:
        super().insert(index, self._owner._checked(self._field, value))
        self._owner._mark(self._field.name)

    def __setitem__(self, index: Any, value: Any) -> None:
        each = [self._owner._checked(self._field, v) for v in (value if isinstance(index, slice) else [value])]
        super().__setitem__(index, each if isinstance(index, slice) else each[0])
        self._owner._mark(self._field.name)

    def __iadd__(self, values: Any) -> Self:  # type: ignore[misc]
        self.extend(values)
        return self

    def add(self, **values: Any) -> Any:
        """One more message, with these fields."""
        self.append(self._owner._classes[self._field.kind](**values))
        return self[-1]

    MergeFrom = extend


class Map(dict):
    """A map's messages by name; one that is asked for is made."""

    def __init__(self, owner: Message, field: Field):
        super().__init__()
        self._owner, self._field = owner, field

    def __missing__(self, key: Any) -> Any:
        made = self._owner._classes[self._field.kind]()
        super().__setitem__(kinds.check("string", key), made)
        self._owner._mark(self._field.name)
        return made

    def get_or_create(self, key: Any) -> Any:
        return self[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        raise ValueError("Message objects may not be assigned: use CopyFrom() on the entry")

    def MergeFrom(self, other: Any) -> None:
        for key, value in other.items():
            self[key].CopyFrom(value)


class Message:
    """What every class of messages has."""

    __slots__ = ("_owner", "_present", "_values")
    _fields: ClassVar[dict[str, Field]] = {}
    _classes: ClassVar[dict[str, Any]] = {}
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, **values: Any):
        self._clear()
        for name, value in values.items():
            field = self._field(name, ValueError)
            if value is None:
                continue
            if field.label == "map":
                getattr(self, name).MergeFrom(value)
            elif field.label == "repeated":
                if not hasattr(value, "__iter__"):
                    raise TypeError("must assign iterable")
                getattr(self, name).extend(value)
            elif field.kind in self._classes:
                getattr(self, name).CopyFrom(self._classes[field.kind](**value) if isinstance(value, dict) else value)
                self._mark(name)
            else:
                setattr(self, name, value)

    def _clear(self) -> None:
        for slot, empty in (("_owner", None), ("_values", {}), ("_present", set())):
            object.__setattr__(self, slot, empty)

    def _field(self, name: str, error: type[Exception] = AttributeError) -> Field:
        if name not in self._fields:
            raise error(f'Protocol message {type(self).__name__} has no "{name}" field. It has: '
                        f"{', '.join(self._fields)}")  # fmt: skip
        return self._fields[name]

    def _checked(self, field: Field, value: Any) -> Any:
        if field.kind not in self._classes:
            return kinds.check(field.kind, value)
        if type(value) is not self._classes[field.kind]:
            raise TypeError(f"{field.name} takes messages of type {field.kind}, got {type(value).__name__}")
        return value

    def __getattr__(self, name: str) -> Any:
        field = self._field(name)
        if name not in self._values:
            if field.label:
                self._values[name] = (Map if field.label == "map" else Repeated)(self, field)
            elif field.kind in self._classes:
                part = self._values[name] = self._classes[field.kind]()
                object.__setattr__(part, "_owner", (self, name))
            else:
                return kinds.ZEROS[field.kind]
        return self._values[name]

    def __setattr__(self, name: str, value: Any) -> None:
        field = self._field(name)
        if field.label or field.kind in self._classes:
            raise AttributeError(f'Assignment not allowed to message, map, or repeated field "{name}" in protocol '
                                 "message object: use CopyFrom(), extend() or its fields")  # fmt: skip
        self._values[name] = kinds.check(field.kind, value)
        self._mark(name)

    def _mark(self, name: str) -> None:
        """The field is set: its alternatives are not, and neither is this message an empty part any more."""
        group = self._fields[name].group
        for other in self._fields.values() if group else ():
            if other.group == group and other.name != name:
                self.ClearField(other.name)
        self._present.add(name)
        if self._owner is not None:
            owner, place = self._owner
            owner._mark(place)

    # -- asking, clearing, copying -----------------------------------------------------------------------------

    def HasField(self, name: str) -> bool:
        """Whether a part, or one of several alternatives, was set."""
        field = self._field(name, ValueError)
        if field.label:
            raise ValueError(f'Protocol message {type(self).__name__} has no singular "{name}" field')
        return name in self._present

    def WhichOneof(self, group: str) -> str | None:
        """The name of the alternative that is set."""
        names = [field.name for field in self._fields.values() if field.group == group]
        if not names:
            raise ValueError(f"{type(self).__name__} has no alternatives called {group!r}")
        return next((name for name in names if name in self._present), None)

    def ClearField(self, name: str) -> None:
        self._field(name, ValueError)
        self._present.discard(name)
        part = self._values.pop(name, None)
        if isinstance(part, Message):
            object.__setattr__(part, "_owner", None)

    def Clear(self) -> None:
        for name in self._fields:
            self.ClearField(name)

    def ListFields(self) -> list[tuple[Field, Any]]:
        """The fields that say something, by number, with their values."""
        return [(field, self._values[field.name]) for field in self._written()]

    def MergeFrom(self, other: Any) -> None:
        """Takes over what is set in another, lists behind those that are here."""
        if type(other) is not type(self):
            raise TypeError(f"Parameter to MergeFrom() must be instance of same class: expected {type(self).__name__} "
                            f"got {type(other).__name__}.")  # fmt: skip
        self.MergeFromString(other.SerializeToString())

    def CopyFrom(self, other: Any) -> None:
        """Becomes what another is."""
        if type(other) is not type(self):
            raise TypeError(f"Parameter to CopyFrom() must be instance of same class: expected {type(self).__name__} "
                            f"got {type(other).__name__}.")  # fmt: skip
        self.ParseFromString(other.SerializeToString())

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.SerializeToString() == other.SerializeToString()

    def __reduce__(self) -> Any:
        return type(self).FromString, (self.SerializeToString(),)

    # -- bytes and text ------------------------------------------------------------------------------------------

    def _written(self) -> Iterator[Field]:
        for field in sorted(self._fields.values()):
            value = self._values.get(field.name)
            shows = field.group or field.kind in self._classes or value != kinds.ZEROS[field.kind]
            if value if field.label else shows and field.name in self._present:
                yield field

    def SerializeToString(self, deterministic: bool | None = None) -> bytes:
        """The message's bytes; a map's entries in the order of their names."""
        return b"".join(self._bytes(field, self._values[field.name]) for field in self._written())

    SerializePartialToString = SerializeToString

    def _bytes(self, field: Field, value: Any) -> bytes:
        if field.label == "map":
            entries = (block(1, key.encode()) + block(2, part.SerializeToString(), True)
                       for key, part in sorted(value.items()))  # fmt: skip
            return b"".join(block(field.number, entry, keep_empty=True) for entry in entries)
        if field.kind in self._classes or field.kind in ("string", "bytes"):
            each = value if field.label else [value]
            return b"".join(block(field.number, _payload(one), keep_empty=True) for one in each)
        data = b"".join(kinds.to_wire(field.kind, one) for one in (value if field.label else [value]))
        if field.label:
            return block(field.number, data)
        return varint(field.number << 3 | kinds.WIRE.get(field.kind, VARINT)) + data

    def ByteSize(self) -> int:
        return len(self.SerializeToString())

    def IsInitialized(self) -> bool:
        return True

    @classmethod
    def FromString(cls, data: bytes) -> Self:
        """The message in these bytes; ValueError where they hold none."""
        found = cls()
        found.MergeFromString(data)
        return found

    def ParseFromString(self, data: bytes) -> int:
        """Becomes the message in these bytes; how many they are."""
        self.Clear()
        return self.MergeFromString(data)

    def MergeFromString(self, data: bytes) -> int:
        known = {field.number: field for field in self._fields.values()}
        try:
            for number, value in fields(data):
                if number in known:
                    self._read(known[number], value)
        except (ValueError, struct.error, TypeError, AttributeError) as error:
            raise ValueError(f"Error parsing message with type '{type(self).__name__}': {error}") from None
        if self._owner is not None:
            self._owner[0]._mark(self._owner[1])
        return len(data)

    def _read(self, field: Field, value: Any) -> None:
        if field.label == "map":
            entry = dict(fields(value))
            getattr(self, field.name)[entry.get(1, b"").decode()].ParseFromString(entry.get(2, b""))
        elif field.kind in self._classes and field.label:
            getattr(self, field.name).append(self._classes[field.kind].FromString(value))
        elif field.kind in self._classes:
            getattr(self, field.name).MergeFromString(value)
        elif field.label:
            getattr(self, field.name).extend(kinds.several(field.kind, value))
        else:
            setattr(self, field.name, kinds.from_wire(field.kind, value))

    def __str__(self) -> str:
        return "".join(line + "\n" for field, value in self.ListFields() for line in self._lines(field, value))

    __repr__ = __str__

    def _lines(self, field: Field, value: Any) -> Iterator[str]:
        if field.label == "map":
            for key, part in sorted(value.items()):
                yield from _braced(field.name, [f"key: {kinds.text('string', key)}", *_braced("value", _split(part))])
            return
        for one in value if field.label else [value]:
            if field.kind in self._classes:
                yield from _braced(field.name, _split(one))
            else:
                yield f"{field.name}: {kinds.text(field.kind, one)}"


def _payload(value: Any) -> bytes:
    return value.SerializeToString() if isinstance(value, Message) else kinds.to_wire("", value)


def _split(part: Message) -> list[str]:
    return str(part).splitlines()


def _braced(name: str, lines: list[str]) -> list[str]:
    return [f"{name} {{", *("  " + line for line in lines), "}"]


def make(table: str, module: str) -> dict[str, Any]:
    """The classes of a table: a name, then its fields, indented: number, repeated, map or `oneof GROUP`, kind, name."""
    classes: dict[str, Any] = {}
    for line in table.strip("\n").splitlines():
        words = line.split()
        if not line.startswith(" "):
            current: dict[str, Field] = {}
            spec = {"__slots__": (), "_fields": current, "_classes": classes, "__module__": module,
                    "__doc__": f"TensorFlow's message {line}."}  # fmt: skip
            classes[line] = type(line.rpartition(".")[2], (Message,), spec)
            continue
        number, *label, kind, name = words
        group = label[1] if label[:1] == ["oneof"] else ""
        current[name] = Field(int(number), name, kind, "" if group or not label else label[0], group)
    for name, made in classes.items():
        outer, _, inner = name.rpartition(".")
        if outer:
            setattr(classes[outer], inner, made)
    return classes
