"""Readers and record files: what comes out of files, in which order, and what is counted [W44]."""

import numpy as np
import pytest

import refflow as tf
from refflow.core.errors import (
    CancelledError,
    DataLossError,
    InvalidArgumentError,
    NotFoundError,
    OutOfRangeError,
    UnimplementedError,
)
from refflow.core.registry import op_def
from refflow.core.waiting import Pending
from refflow.files.records import TFRecordWriter, framed, records, tf_record_iterator
from refflow.ops import io_functions, readers
from refflow.ops.queue_states import Queue
from refflow.ops.reader_states import (
    FixedLengthRecordReaderState,
    IdentityReaderState,
    TextLineReaderState,
    TFRecordReaderState,
    WholeFileReaderState,
)


class Names:
    """A queue that is closed and still holds some names."""

    def __init__(self, *names):
        self.names = [str(name).encode() for name in names]

    def dequeue(self):
        if not self.names:
            raise OutOfRangeError(None, None, "closed and empty")
        return [(np.array(self.names.pop(0), object),)]


def everything(reader, *names):
    queue, found = Names(*names), []
    while True:
        try:
            found += reader.read(queue)
        except OutOfRangeError:
            return found


def test_reads_wait_for_a_name_one_after_the_other(write):  # [W44, W50]
    """None holds a thread; one that gives up makes way for the next."""
    reader, names = TextLineReaderState(0), Queue("names", [tf.string], [tf.TensorShape([])], 10)
    first, second, third = reads = [reader.read(names) for _ in range(3)]
    assert all(isinstance(read, Pending) and not read.over for read in reads)
    first.cancel()
    with pytest.raises(CancelledError, match="Dequeue operation was cancelled"):
        first.take()
    assert second.over and not third.over  # it is its turn
    second = second.take()
    assert isinstance(second, Pending) and not second.over  # but there is no name yet
    names.enqueue_many([(np.array(str(write("a", b"one\ntwo\n")).encode(), object),)])
    assert [value for _, value in second.take() + third.take()] == [b"one", b"two"]
    gone = reader.read(names)
    names.enqueue_many([(np.array(str(write("b", b"three\n")).encode(), object),)])
    assert gone.over
    del gone  # nobody takes it: the next one has its turn all the same
    names.enqueue_many([(np.array(str(write("c", b"four\n")).encode(), object),)])
    assert [value for _, value in reader.read(names)] == [b"four"]


@pytest.fixture
def write(tmp_path):
    def write(name, data):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


def test_lines_are_numbered_from_one(write):  # [W44]
    a, b = write("a", b"one\ntwo\r\n\nlast"), write("b", b"x\n")
    found = everything(TextLineReaderState(0), a, write("empty", b""), b)
    assert [value for _, value in found] == [b"one", b"two", b"", b"last", b"x"]
    assert found[1][0] == f"{a}:2".encode()


def test_header_lines_are_passed_over_in_every_file(write):
    found = everything(TextLineReaderState(1), write("a", b"h\n1\n"), write("b", b"h\n2\n"))
    assert [value for _, value in found] == [b"1", b"2"]


def test_whole_files_and_names(write):  # [W44]
    path = write("a", b"all\nof it")
    assert everything(WholeFileReaderState(), path) == [(str(path).encode(), b"all\nof it")]
    assert everything(IdentityReaderState(), "x", "y") == [(b"x", b"x"), (b"y", b"y")]


@pytest.mark.parametrize(("hop", "expected"), [(0, [b"aa", b"bb"]), (1, [b"aa", b"ab", b"bb", b"bc"])])
def test_records_of_fixed_length_drop_what_is_left(write, hop, expected):  # [W44]
    path = write("f", b"HEADaabbcF")
    found = everything(FixedLengthRecordReaderState(4, 2, 1, hop), path)
    assert [value for _, value in found] == expected
    assert found[-1][0] == f"{path}:{len(expected) - 1}".encode()


def test_a_finished_file_is_counted_when_its_end_is_seen(write):
    reader, queue = TextLineReaderState(0), Names(write("a", b"1\n2"), write("b", b"3"))
    counts = []
    for _ in range(3):
        reader.read(queue)
        counts.append((reader.produced, reader.finished))
    assert counts == [(1, 0), (2, 0), (3, 1)]


def test_several_records_at_a_time_come_from_one_file(write):
    reader, queue = TextLineReaderState(0), Names(write("a", b"1\n2\n3"), write("b", b"4"))
    assert [[v for _, v in reader.read(queue, 2)] for _ in range(3)] == [[b"1", b"2"], [b"3"], [b"4"]]


def test_a_file_that_cannot_be_opened_is_left_for_the_next_one(write):
    reader, queue = TextLineReaderState(0), Names("/nowhere/file", write("a", b"1"))
    with pytest.raises(NotFoundError, match="No such file or directory"):
        reader.read(queue)
    assert reader.started == 0
    assert reader.read(queue)[0][1] == b"1"


@pytest.mark.parametrize("kind", [TFRecordReaderState, WholeFileReaderState])
def test_a_file_that_breaks_off_says_so_until_a_reset(write, kind):
    """A whole file is opened to be read, not before."""
    broken = write("a", b"no records at all, as the sums will tell") if kind is TFRecordReaderState else "/nowhere/file"
    reader, queue = kind(), Names(broken, write("b", framed(b"1")))
    for _ in range(2):
        with pytest.raises((DataLossError, NotFoundError), match="corrupted record at 0|No such file or directory"):
            reader.read(queue)
    assert (reader.started, reader.finished) == (1, 0)
    reader.reset()
    assert len(reader.read(queue)) == 1


def test_state_can_be_saved_between_files():
    reader, queue = IdentityReaderState(), Names("a", "b", "c")
    reader.read(queue)
    saved = reader.serialize()
    reader.read(queue)
    reader.restore(saved)
    assert (reader.produced, reader.finished) == (1, 1)
    assert reader.serialize() == saved == b'\x08\x01\x10\x01\x18\x01"\x01a'
    for junk in (saved[1:], saved[:-1], saved + b"ExtraJunk", b"PREFIX" + saved, b"BOGUS" + saved[5:]):
        with pytest.raises(InvalidArgumentError, match="Could not parse state for IdentityReader"):
            reader.restore(junk)
    with pytest.raises(InvalidArgumentError, match=r"IdentityReader 'names': \\001\\t\\\"a"):
        IdentityReaderState("names").restore(b'\x01\t"a')
    with pytest.raises(UnimplementedError, match="Reader SerializeState"):
        TextLineReaderState(0).serialize()


@pytest.mark.parametrize("data", [[], [b""], [b"one", b"", bytes(range(256)) * 20]])
def test_record_files_come_back(tmp_path, data):  # [W44]
    path = str(tmp_path / "records")
    with TFRecordWriter(path) as writer:
        for record in data:
            writer.write(record)
    assert list(tf_record_iterator(path)) == data
    assert [value for _, value in everything(TFRecordReaderState(), path)] == data


def test_a_record_is_framed_by_its_length_and_two_sums():  # [W44]
    assert framed(b"rec0") == b"\x04\x00\x00\x00\x00\x00\x00\x00BER\x04rec0Z\xe2\xa4\xd9"  # as TensorFlow writes it


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda d: b"\x05" + d[1:], "corrupted record at 0"),
        (lambda d: d[:13] + b"?" + d[14:], "corrupted record at 12"),
        (lambda d: d[:-2], "truncated record at 0"),
    ],
)
def test_damage_is_noticed(damage, words):  # [W44]
    with pytest.raises(DataLossError, match=words):
        list(records(damage(framed(b"record"))))


def test_readers_in_a_graph_share_their_state(write):
    """Reading needs a queue; counting and resetting do not."""
    with tf.Graph().as_default(), tf.Session() as session:
        reader = readers.IdentityReader()
        assert reader.supports_serialize and reader.reader_ref.op.type == "IdentityReader"
        session.run(reader.restore_state(b"\x08\x02\x10\x02\x18\x07"))
        assert session.run([reader.num_records_produced(), reader.num_work_units_completed()]) == [7, 2]
        assert session.run(reader.serialize_state()) == b"\x08\x02\x10\x02\x18\x07"
        session.run(reader.reset())
        assert session.run(reader.num_records_produced()) == 0


def test_the_kernel_reads_through_handles(write):
    from refflow.core.handles import handle_to

    handles = handle_to(TextLineReaderState(0)), handle_to(Names(write("a", b"x")))
    key, value = op_def("ReaderReadV2").reference(*handles)
    assert (key.shape, value.shape, value.item()) == ((), (), b"x")


@pytest.mark.parametrize("kind", ["WholeFileReader", "TextLineReader", "TFRecordReader"])
def test_each_class_makes_its_op(kind):
    with tf.Graph().as_default():
        assert getattr(readers, kind)(name="r").reader_ref.op.type == kind
        assert readers.FixedLengthRecordReader(8, footer_bytes=2).reader_ref.op.get_attr("footer_bytes") == 2


def test_files_by_name_and_contents(tmp_path, write):
    write("b.txt", b"B")
    write("a.txt", b"A")
    with tf.Graph().as_default(), tf.Session() as session:
        names = session.run(io_functions.matching_files(f"{tmp_path}/[ab].txt"))
        assert names.tolist() == [f"{tmp_path}/a.txt".encode(), f"{tmp_path}/b.txt".encode()]
        assert session.run(io_functions.read_file(f"{tmp_path}/b.txt")) == b"B"
        session.run(op_def("WriteFile")(f"{tmp_path}/new/c.txt", b"\0C\0"))
        assert session.run(io_functions.read_file(f"{tmp_path}/new/c.txt")) == b"\0C\0"
        with pytest.raises(tf.errors.FailedPreconditionError, match="Is a directory"):
            session.run(io_functions.read_file(str(tmp_path)))


def test_names_are_matched_once(tmp_path, write):
    write("a.txt", b"")
    with tf.Graph().as_default(), tf.Session() as session:
        names = io_functions.match_filenames_once(f"{tmp_path}/*.txt")
        session.run(names.initializer)
        write("b.txt", b"")
        assert len(session.run(names)) == 1


def test_reading_many_at_once_gives_vectors(write):
    from refflow.core.handles import handle_to

    handles = handle_to(TextLineReaderState(0)), handle_to(Names(write("a", b"x\ny")))
    keys, values = op_def("ReaderReadUpToV2").reference(*handles, np.array(9))
    assert values.tolist() == [b"x", b"y"] and keys.shape == (2,)


def test_batches_of_records_go_round_in_a_new_order(tmp_path):  # [W44]
    for name in "ab":
        with tf.python_io.TFRecordWriter(str(tmp_path / name)) as writer:
            for i in range(5):
                writer.write(f"{name}{i}".encode())
    attrs = {"file_pattern": str(tmp_path / "*"), "batch_size": 10}
    batch = op_def("RecordInput")(**attrs)
    nothing = op_def("RecordInput")(**attrs | {"file_pattern": str(tmp_path / "none*")})
    with tf.Session() as session:
        first, second = (session.run(batch).tolist() for _ in range(2))
        assert sorted(first) == sorted(second) == sorted(f"{n}{i}".encode() for n in "ab" for i in range(5))
        assert first != second
        with pytest.raises(tf.errors.NotFoundError, match="Found no files at"):
            session.run(nothing)
