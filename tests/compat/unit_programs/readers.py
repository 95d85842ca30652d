"""Readers of names, whole files, lines and records of one size."""

import gzip
import os
import time
import zlib

from tensorflow.python.framework import dtypes, errors_impl, test_util
from tensorflow.python.ops import data_flow_ops, io_ops
from tensorflow.python.platform import test
from tensorflow.python.util import compat

prefix_path = "third_party"


@test_util.run_v1_only("Reader removed from v2")
class IdentityReaderTest(test.TestCase):
    def _ExpectRead(self, key, value, expected):
        k, v = self.evaluate([key, value])
        self.assertAllEqual(expected, k)
        self.assertAllEqual(expected, v)

    def testOneEpoch(self):
        reader = io_ops.IdentityReader("test_reader")
        work_completed = reader.num_work_units_completed()
        produced = reader.num_records_produced()
        queue = data_flow_ops.FIFOQueue(99, [dtypes.string], shapes=())
        queued_length = queue.size()
        key, value = reader.read(queue)
        self.assertAllEqual(0, self.evaluate(work_completed))
        self.assertAllEqual(0, self.evaluate(produced))
        self.assertAllEqual(0, self.evaluate(queued_length))
        self.evaluate(queue.enqueue_many([["A", "B", "C"]]))
        self.evaluate(queue.close())
        self.assertAllEqual(3, self.evaluate(queued_length))
        self._ExpectRead(key, value, b"A")
        self.assertAllEqual(1, self.evaluate(produced))
        self._ExpectRead(key, value, b"B")
        self._ExpectRead(key, value, b"C")
        self.assertAllEqual(3, self.evaluate(produced))
        self.assertAllEqual(0, self.evaluate(queued_length))
        with self.assertRaisesOpError("is closed and has insufficient elements \\(requested 1, current size 0\\)"):
            self.evaluate([key, value])
        self.assertAllEqual(3, self.evaluate(work_completed))
        self.assertAllEqual(3, self.evaluate(produced))

    def testMultipleEpochs(self):
        reader = io_ops.IdentityReader("test_reader")
        queue = data_flow_ops.FIFOQueue(99, [dtypes.string], shapes=())
        enqueue = queue.enqueue_many([["DD", "EE"]])
        key, value = reader.read(queue)
        for _ in range(3):
            self.evaluate(enqueue)
            self._ExpectRead(key, value, b"DD")
            self._ExpectRead(key, value, b"EE")
        self.evaluate(queue.close())
        with self.assertRaisesOpError("is closed and has insufficient elements \\(requested 1, current size 0\\)"):
            self.evaluate([key, value])

    def testSerializeRestore(self):
        reader = io_ops.IdentityReader("test_reader")
        produced = reader.num_records_produced()
        queue = data_flow_ops.FIFOQueue(99, [dtypes.string], shapes=())
        self.evaluate(queue.enqueue_many([["X", "Y", "Z"]]))
        key, value = reader.read(queue)
        self._ExpectRead(key, value, b"X")
        self.assertAllEqual(1, self.evaluate(produced))
        state = self.evaluate(reader.serialize_state())
        self._ExpectRead(key, value, b"Y")
        self._ExpectRead(key, value, b"Z")
        self.assertAllEqual(3, self.evaluate(produced))
        self.evaluate(queue.enqueue_many([["Y", "Z"]]))
        self.evaluate(queue.close())
        self.evaluate(reader.restore_state(state))
        self.assertAllEqual(1, self.evaluate(produced))
        self._ExpectRead(key, value, b"Y")
        self._ExpectRead(key, value, b"Z")
        with self.assertRaisesOpError("is closed and has insufficient elements \\(requested 1, current size 0\\)"):
            self.evaluate([key, value])
        self.assertAllEqual(3, self.evaluate(produced))
        self.assertEqual(bytes, type(state))
        with self.assertRaises(ValueError):
            reader.restore_state([b"a", b"b"])
        with self.assertRaisesOpError("Could not parse state for IdentityReader 'test_reader': BOGUS"):
            self.evaluate(reader.restore_state(b"BOGUS"))
        with self.assertRaisesOpError("Could not parse state for IdentityReader 'test_reader'"):
            self.evaluate(reader.restore_state(b"BOGUS" + state))
        with self.assertRaisesOpError("Could not parse state for IdentityReader 'test_reader'"):
            self.evaluate(reader.restore_state(state[1:]))
        with self.assertRaisesOpError("Could not parse state for IdentityReader 'test_reader'"):
            self.evaluate(reader.restore_state(state[:-1]))

    def testReset(self):
        reader = io_ops.IdentityReader("test_reader")
        work_completed = reader.num_work_units_completed()
        produced = reader.num_records_produced()
        queue = data_flow_ops.FIFOQueue(99, [dtypes.string], shapes=())
        queued_length = queue.size()
        key, value = reader.read(queue)
        self.evaluate(queue.enqueue_many([["X", "Y", "Z"]]))
        self._ExpectRead(key, value, b"X")
        self.assertLess(0, self.evaluate(queued_length))
        self.assertAllEqual(1, self.evaluate(produced))
        self._ExpectRead(key, value, b"Y")
        self.assertLess(0, self.evaluate(work_completed))
        self.assertAllEqual(2, self.evaluate(produced))
        self.evaluate(reader.reset())
        self.assertAllEqual(0, self.evaluate(work_completed))
        self.assertAllEqual(0, self.evaluate(produced))
        self.assertAllEqual(1, self.evaluate(queued_length))
        self._ExpectRead(key, value, b"Z")
        self.evaluate(queue.enqueue_many([["K", "L"]]))
        self._ExpectRead(key, value, b"K")

    def testNames(self):
        reader = io_ops.IdentityReader("r")
        self.assertEqual("r", reader.reader_ref.op.name)
        self.assertEqual("IdentityReaderV2", reader.reader_ref.op.type)
        self.assertEqual(dtypes.resource, reader.reader_ref.dtype)
        self.assertTrue(reader.supports_serialize)
        self.assertFalse(io_ops.TextLineReader().supports_serialize)
        self.assertTrue(io_ops.WholeFileReader().supports_serialize)
        queue = data_flow_ops.FIFOQueue(99, [dtypes.string], shapes=())
        key, value = reader.read(queue)
        self.assertEqual("ReaderReadV2", key.op.type)
        self.assertEqual([[], []], [key.shape.as_list(), value.shape.as_list()])
        keys, values = reader.read_up_to(queue, 3)
        self.assertEqual([[None], [None]], [keys.shape.as_list(), values.shape.as_list()])
        self.assertEqual("ReaderReadUpToV2", keys.op.type)
        self.assertEqual(dtypes.int64, reader.num_records_produced().dtype)
        named = reader.read(queue, name="mine")
        self.assertEqual("mine", named.key.op.name)
        self.assertEqual("ReaderResetV2", reader.reset().type)
        self.assertEqual("ReaderSerializeStateV2", reader.serialize_state().op.type)
        self.assertEqual("ReaderRestoreStateV2", reader.restore_state(b"").type)

    def testQueueRef(self):
        reader = io_ops.IdentityReader("r")
        queue = data_flow_ops.FIFOQueue(99, [dtypes.string], shapes=())
        key, value = reader.read(queue.queue_ref)
        self.evaluate(queue.enqueue_many([["X"]]))
        self._ExpectRead(key, value, b"X")

    def testWrongQueueType(self):
        reader = io_ops.IdentityReader("r")
        queue = data_flow_ops.FIFOQueue(99, [dtypes.int32], shapes=())
        with self.assertRaisesRegex(errors_impl.InvalidArgumentError, "Expected queue with single string component"):
            self.evaluate(queue.enqueue(1))
            self.evaluate(reader.read(queue))

    def testReadBlocksUntilQueueHasWork(self):
        with self.cached_session():
            reader = io_ops.IdentityReader("r")
            queue = data_flow_ops.FIFOQueue(99, [dtypes.string], shapes=())
            read, put = reader.read(queue), queue.enqueue("late")
            found = []
            t = self.checkedThread(lambda: found.append(self.evaluate(read)))
            t.start()
            time.sleep(0.02)
            self.assertEqual([], found)
            self.evaluate(put)
            t.join()
            self.assertEqual(b"late", found[0].value)

    def testReadUpTo(self):
        reader = io_ops.IdentityReader("r")
        queue = data_flow_ops.FIFOQueue(99, [dtypes.string], shapes=())
        self.evaluate(queue.enqueue_many([["a", "b", "c"]]))
        self.evaluate(queue.close())
        keys, values = reader.read_up_to(queue, 2)
        found = []
        with self.assertRaises(errors_impl.OutOfRangeError):
            while True:
                found += self.evaluate(values).tolist()
        self.assertEqual([b"a", b"b", b"c"], found)

    def testReadUpToZero(self):
        reader = io_ops.IdentityReader("r")
        queue = data_flow_ops.FIFOQueue(99, [dtypes.string], shapes=())
        self.evaluate(queue.enqueue_many([["a", "b", "c"]]))
        self.assertEqual([0, 0], [len(x) for x in self.evaluate(reader.read_up_to(queue, 0))])


@test_util.run_v1_only("Reader removed from v2")
class WholeFileReaderTest(test.TestCase):
    def setUp(self):
        super(WholeFileReaderTest, self).setUp()
        self._filenames = [os.path.join(self.get_temp_dir(), "whole_file.%d.txt" % i) for i in range(3)]
        self._content = [compat.as_bytes(c) for c in ["One\na\nb\n", "Two\nC\nD", "Three x, y, z"]]
        for fn, c in zip(self._filenames, self._content):
            with open(fn, "wb") as h:
                h.write(c)

    def tearDown(self):
        for fn in self._filenames:
            os.remove(fn)
        super(WholeFileReaderTest, self).tearDown()

    def _ExpectRead(self, key, value, index):
        k, v = self.evaluate([key, value])
        self.assertAllEqual(compat.as_bytes(self._filenames[index]), k)
        self.assertAllEqual(self._content[index], v)

    def testOneEpoch(self):
        reader = io_ops.WholeFileReader("test_reader")
        queue = data_flow_ops.FIFOQueue(99, [dtypes.string], shapes=())
        self.evaluate(queue.enqueue_many([self._filenames]))
        self.evaluate(queue.close())
        key, value = reader.read(queue)
        self._ExpectRead(key, value, 0)
        self._ExpectRead(key, value, 1)
        self._ExpectRead(key, value, 2)
        with self.assertRaisesOpError("is closed and has insufficient elements \\(requested 1, current size 0\\)"):
            self.evaluate([key, value])

    def testInfiniteEpochs(self):
        reader = io_ops.WholeFileReader("test_reader")
        queue = data_flow_ops.FIFOQueue(99, [dtypes.string], shapes=())
        enqueue = queue.enqueue_many([self._filenames])
        key, value = reader.read(queue)
        self.evaluate(enqueue)
        self._ExpectRead(key, value, 0)
        self._ExpectRead(key, value, 1)
        self.evaluate(enqueue)
        self._ExpectRead(key, value, 2)
        self._ExpectRead(key, value, 0)

    def testMissing(self):
        reader = io_ops.WholeFileReader("test_reader")
        queue = data_flow_ops.FIFOQueue(99, [dtypes.string], shapes=())
        self.evaluate(queue.enqueue_many([["/no/such/file"]]))
        with self.assertRaisesRegex(errors_impl.NotFoundError, "/no/such/file; No such file or directory"):
            self.evaluate(reader.read(queue))


@test_util.run_v1_only("Reader removed from v2")
class TextLineReaderTest(test.TestCase):
    def setUp(self):
        super().setUp()
        self._num_files, self._num_lines = 2, 5

    def _LineText(self, f, l):
        return compat.as_bytes("%d: %d" % (f, l))

    def _CreateFiles(self, crlf=False):
        filenames = []
        for i in range(self._num_files):
            fn = os.path.join(self.get_temp_dir(), "text_line.%d.txt" % i)
            filenames.append(fn)
            with open(fn, "wb") as f:
                for j in range(self._num_lines):
                    f.write(self._LineText(i, j))
                    # Always include a newline after the record unless it is at the end of the file, in which case we include it sometimes.
                    if j + 1 != self._num_lines or i == 0:
                        f.write(b"\r\n" if crlf else b"\n")
        return filenames

    def _testOneEpoch(self, files):
        reader = io_ops.TextLineReader(name="test_reader")
        queue = data_flow_ops.FIFOQueue(99, [dtypes.string], shapes=())
        key, value = reader.read(queue)
        self.evaluate(queue.enqueue_many([files]))
        self.evaluate(queue.close())
        for i in range(self._num_files):
            for j in range(self._num_lines):
                k, v = self.evaluate([key, value])
                self.assertAllEqual("%s:%d" % (files[i], j + 1), compat.as_text(k))
                self.assertAllEqual(self._LineText(i, j), v)
        with self.assertRaisesOpError("is closed and has insufficient elements \\(requested 1, current size 0\\)"):
            self.evaluate([key, value])

    def testOneEpochLF(self):
        self._testOneEpoch(self._CreateFiles(crlf=False))

    def testOneEpochCRLF(self):
        self._testOneEpoch(self._CreateFiles(crlf=True))

    def testSkipHeaderLines(self):
        files = self._CreateFiles()
        reader = io_ops.TextLineReader(skip_header_lines=1, name="test_reader")
        queue = data_flow_ops.FIFOQueue(99, [dtypes.string], shapes=())
        key, value = reader.read(queue)
        self.evaluate(queue.enqueue_many([files]))
        self.evaluate(queue.close())
        for i in range(self._num_files):
            for j in range(self._num_lines - 1):
                k, v = self.evaluate([key, value])
                self.assertAllEqual("%s:%d" % (files[i], j + 2), compat.as_text(k))
                self.assertAllEqual(self._LineText(i, j + 1), v)
        with self.assertRaisesOpError("is closed and has insufficient elements"):
            self.evaluate([key, value])

    def testReadUpTo(self):
        files = self._CreateFiles()
        reader = io_ops.TextLineReader()
        queue = data_flow_ops.FIFOQueue(99, [dtypes.string], shapes=())
        keys, values = reader.read_up_to(queue, 3)
        self.evaluate(queue.enqueue_many([files]))
        self.evaluate(queue.close())
        sizes = []
        with self.assertRaises(errors_impl.OutOfRangeError):
            while True:
                sizes.append(len(self.evaluate(values)))
        self.assertEqual([3, 2, 3, 2], sizes)
        self.assertEqual(10, self.evaluate(reader.num_records_produced()))
        self.assertEqual(2, self.evaluate(reader.num_work_units_completed()))

    def testSerializeUnimplemented(self):
        reader = io_ops.TextLineReader()
        with self.assertRaisesRegex(errors_impl.UnimplementedError, "Reader SerializeState"):
            self.evaluate(reader.serialize_state())
        with self.assertRaisesRegex(errors_impl.UnimplementedError, "Reader RestoreState"):
            self.evaluate(reader.restore_state(b""))


@test_util.run_v1_only("Reader removed from v2")
class FixedLengthRecordReaderTest(test.TestCase):
    def _write(
        self, num_records, header=b"HHHHH", record=lambda i: str(i % 10).encode() * 3, footer=b"FF", gap=b"", pack=None
    ):
        fn = os.path.join(self.get_temp_dir(), "fixed_%s" % self.id())
        data = header + gap.join(record(i) for i in range(num_records)) + footer
        with open(fn, "wb") as f:
            f.write(pack(data) if pack else data)
        return fn

    def _read(self, fn, **kw):
        reader = io_ops.FixedLengthRecordReader(record_bytes=3, name="test_reader", **kw)
        queue = data_flow_ops.FIFOQueue(99, [dtypes.string], shapes=())
        key, value = reader.read(queue)
        self.evaluate(queue.enqueue_many([[fn]]))
        self.evaluate(queue.close())
        found = []
        with self.assertRaisesOpError("is closed and has insufficient elements"):
            while True:
                k, v = self.evaluate([key, value])
                self.assertAllEqual("%s:%d" % (fn, len(found)), compat.as_text(k))
                found.append(v)
        return found

    def testOneEpoch(self):
        self.assertEqual(
            [b"000", b"111", b"222"], self._read(self._write(3), header_bytes=5, footer_bytes=2, hop_bytes=0)
        )

    def testHop(self):
        self.assertEqual(
            [b"000", b"111", b"222"], self._read(self._write(3, gap=b"G"), header_bytes=5, footer_bytes=2, hop_bytes=4)
        )

    def testOverlap(self):
        fn = self._write(1, b"", lambda i: b"abcdef", b"")
        self.assertEqual([b"abc", b"cde"], self._read(fn, hop_bytes=2))

    def testGzipAndZlib(self):
        self.assertEqual(
            [b"000", b"111"],
            self._read(self._write(2, pack=gzip.compress), header_bytes=5, footer_bytes=2, encoding="GZIP"),
        )
        self.assertEqual(
            [b"000", b"111"],
            self._read(self._write(2, pack=zlib.compress), header_bytes=5, footer_bytes=2, encoding="ZLIB"),
        )

    def testNoRecords(self):
        self.assertEqual([], self._read(self._write(0), header_bytes=5, footer_bytes=2))

    def testPartialRecordDropped(self):
        self.assertEqual([b"abc"], self._read(self._write(1, b"", lambda i: b"abcde", b"")))

    def testBadAttrs(self):
        for kw, text in [
            (dict(record_bytes=-1), "record_bytes must be >= 0 not -1"),
            (dict(record_bytes=3, hop_bytes=-1), "hop_bytes must be >= 0"),
            (dict(record_bytes=3, header_bytes=-1), "header_bytes must be >= 0"),
            (dict(record_bytes=3, footer_bytes=-1), "footer_bytes must be >= 0"),
        ]:
            with self.assertRaisesRegex(errors_impl.InvalidArgumentError, text):
                reader = io_ops.FixedLengthRecordReader(**kw)
                self.evaluate(reader.num_records_produced())


if __name__ == "__main__":
    test.main()
