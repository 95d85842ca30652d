"""Record files with and without compression, and ops that read, write and find files."""

import gzip
import os
import shutil

from tensorflow.python.framework import dtypes, errors_impl, test_util
from tensorflow.python.lib.io import file_io, python_io, tf_record
from tensorflow.python.ops import data_flow_ops, gen_io_ops, io_ops
from tensorflow.python.platform import test
from tensorflow.python.util import compat

prefix_path = "third_party"


@test_util.run_v1_only("Reader removed from v2")
class TFRecordReaderTest(test.TestCase):
    def setUp(self):
        super().setUp()
        self._num_files, self._num_records = 2, 7

    def _Record(self, f, r):
        return compat.as_bytes("Record %d of file %d" % (r, f))

    def _CreateFiles(self, options=None, suffix=""):
        filenames = []
        for i in range(self._num_files):
            fn = os.path.join(self.get_temp_dir(), "tf_record.%d.txt%s" % (i, suffix))
            filenames.append(fn)
            with tf_record.TFRecordWriter(fn, options=options) as writer:
                for j in range(self._num_records):
                    writer.write(self._Record(i, j))
        return filenames

    def _readAll(self, files, **kw):
        reader = io_ops.TFRecordReader(name="test_reader", **kw)
        queue = data_flow_ops.FIFOQueue(99, [dtypes.string], shapes=())
        key, value = reader.read(queue)
        self.evaluate(queue.enqueue_many([files]))
        self.evaluate(queue.close())
        for i in range(self._num_files):
            for j in range(self._num_records):
                k, v = self.evaluate([key, value])
                self.assertTrue(compat.as_text(k).startswith("%s:" % files[i]))
                self.assertAllEqual(self._Record(i, j), v)
        with self.assertRaisesOpError("is closed and has insufficient elements \\(requested 1, current size 0\\)"):
            self.evaluate([key, value])

    def testOneEpoch(self):
        self._readAll(self._CreateFiles())

    def testReadUpTo(self):
        files = self._CreateFiles()
        reader = io_ops.TFRecordReader(name="test_reader")
        queue = data_flow_ops.FIFOQueue(99, [dtypes.string], shapes=())
        batch_size = 3
        key, value = reader.read_up_to(queue, batch_size)
        self.evaluate(queue.enqueue_many([files]))
        self.evaluate(queue.close())
        num_k, num_v = 0, 0
        while True:
            try:
                k, v = self.evaluate([key, value])
                # Test reading *up to* batch_size records
                self.assertLessEqual(len(k), batch_size)
                self.assertLessEqual(len(v), batch_size)
                num_k += len(k)
                num_v += len(v)
            except errors_impl.OutOfRangeError:
                break
        # Test that we have read everything
        self.assertEqual(self._num_files * self._num_records, num_k)
        self.assertEqual(self._num_files * self._num_records, num_v)

    def testReadZlibFiles(self):
        options = tf_record.TFRecordOptions(tf_record.TFRecordCompressionType.ZLIB)
        self._readAll(self._CreateFiles(options), options=options)

    def testReadGzipFiles(self):
        options = python_io.TFRecordOptions(python_io.TFRecordCompressionType.GZIP)
        self._readAll(self._CreateFiles(options), options=options)

    def testGzipIsGzip(self):
        files = self._CreateFiles("GZIP", ".gz")
        plain = self._CreateFiles()
        with gzip.open(files[0], "rb") as f, open(plain[0], "rb") as g:
            self.assertEqual(f.read(), g.read())

    def testIterator(self):
        files = self._CreateFiles()
        self.assertEqual([self._Record(0, j) for j in range(7)], list(tf_record.tf_record_iterator(files[0])))

    def testTruncated(self):
        fn = self._CreateFiles()[0]
        data = open(fn, "rb").read()
        with open(fn, "wb") as f:
            f.write(data[:-3])
        found = []
        with self.assertRaisesRegex(errors_impl.DataLossError, "truncated record at 2"):
            for r in tf_record.tf_record_iterator(fn):
                found.append(r)
        self.assertEqual(6, len(found))
        reader = io_ops.TFRecordReader()
        queue = data_flow_ops.FIFOQueue(99, [dtypes.string], shapes=())
        key, value = reader.read(queue)
        self.evaluate(queue.enqueue_many([[fn]]))
        for j in range(6):
            self.assertEqual(self._Record(0, j), self.evaluate(value))
        with self.assertRaisesRegex(errors_impl.DataLossError, "truncated record at"):
            self.evaluate(value)

    def testCorrupted(self):
        fn = self._CreateFiles()[0]
        data = bytearray(open(fn, "rb").read())
        data[14] ^= 1
        with open(fn, "wb") as f:
            f.write(data)
        with self.assertRaisesRegex(errors_impl.DataLossError, "corrupted record at 12"):
            list(tf_record.tf_record_iterator(fn))

    def testWriterClosesAndFlushes(self):
        fn = os.path.join(self.get_temp_dir(), "w")
        w = tf_record.TFRecordWriter(fn)
        w.write(b"a")
        w.flush()
        self.assertEqual([b"a"], list(tf_record.tf_record_iterator(fn)))
        w.close()
        self.assertEqual(17, os.path.getsize(fn))

    def testRandomAccess(self):
        fn = self._CreateFiles()[0]
        reader = tf_record.tf_record_random_reader(fn)
        first, at = reader.read(0)
        self.assertEqual((self._Record(0, 0), 34), (first, at))
        second, at = reader.read(at)
        self.assertEqual(self._Record(0, 1), second)
        with self.assertRaisesRegex(IndexError, "Out of range at reading offset"):
            reader.read(34 * 7)
        reader.close()


class TFRecordOptionsTest(test.TestCase):
    def testTypes(self):
        O = tf_record.TFRecordOptions
        T = tf_record.TFRecordCompressionType
        self.assertEqual("", O.get_compression_type_string(O()))
        self.assertEqual("", O.get_compression_type_string(None))
        self.assertEqual("ZLIB", O.get_compression_type_string(O(T.ZLIB)))
        self.assertEqual("GZIP", O.get_compression_type_string(O("GZIP")))
        self.assertEqual("GZIP", O.get_compression_type_string("GZIP"))
        with self.assertRaisesRegex(ValueError, 'Not a valid compression_type: "BZ2"'):
            O("BZ2")
        with self.assertRaisesRegex(ValueError, 'Not a valid compression_type: "7"'):
            O(7)
        o = O(compression_type="ZLIB", compression_level=9, window_bits=12, mem_level=3)
        self.assertEqual((9, 12, 3), (o.compression_level, o.window_bits, o.mem_level))

    def testLevels(self):
        data = b"abcdefgh" * 1000
        sizes = []
        for level in (0, 9):
            fn = os.path.join(self.get_temp_dir(), "l%d" % level)
            o = tf_record.TFRecordOptions("GZIP", compression_level=level)
            with tf_record.TFRecordWriter(fn, o) as w:
                w.write(data)
            sizes.append(os.path.getsize(fn))
            self.assertEqual([data], list(tf_record.tf_record_iterator(fn, o)))
        self.assertLess(sizes[1], sizes[0])


class FilesTest(test.TestCase):
    @test_util.run_deprecated_v1
    def testReadAndWriteFile(self):
        with self.cached_session():
            for contents in [b"", b"Some contents", b"\x00\xff"]:
                fn = os.path.join(self.get_temp_dir(), "rw")
                io_ops.write_file(fn, contents).run()
                self.assertEqual(contents, io_ops.read_file(fn).eval())
                self.assertEqual([], io_ops.read_file(fn).get_shape())

    @test_util.run_deprecated_v1
    def testWriteMakesFolders(self):
        with self.cached_session():
            fn = os.path.join(self.get_temp_dir(), "new", "folder", "f")
            io_ops.write_file(filename=fn, contents="x").run()
            with open(fn) as f:
                self.assertEqual("x", f.read())
            shutil.rmtree(os.path.join(self.get_temp_dir(), "new"))

    @test_util.run_deprecated_v1
    def testReadMissing(self):
        with self.cached_session():
            with self.assertRaisesRegex(errors_impl.NotFoundError, "No such file or directory"):
                io_ops.read_file("/no/such").eval()

    @test_util.run_deprecated_v1
    def testMatching(self):
        folder = os.path.join(self.get_temp_dir(), "match")
        os.makedirs(folder, exist_ok=True)
        for name in ("ABcDEF.GH", "ABzDEF.GH", "ABasdfjklDEF.GH", "AB3DEF.GH", "AB4DEF.GH", "ABDEF.GH", "XYZ"):
            with open(os.path.join(folder, name), "w"):
                continue
        with self.cached_session():

            def found(pattern):
                return [os.path.basename(f).decode() for f in io_ops.matching_files(pattern).eval()]

            self.assertEqual([], found(os.path.join(folder, "no")))
            self.assertItemsEqual(
                ["ABcDEF.GH", "ABzDEF.GH", "AB3DEF.GH", "AB4DEF.GH"], found(os.path.join(folder, "AB?DEF.GH*"))
            )
            self.assertItemsEqual(["AB3DEF.GH", "AB4DEF.GH"], found(os.path.join(folder, "AB[0-9]DEF.GH")))
            self.assertItemsEqual(
                ["XYZ", "ABDEF.GH"], found([os.path.join(folder, "XYZ"), os.path.join(folder, "ABDEF.GH")])
            )
            self.assertEqual(sorted(found(os.path.join(folder, "*"))), found(os.path.join(folder, "*")))
            self.assertEqual([None], io_ops.matching_files("a").shape.as_list())

    @test_util.run_deprecated_v1
    def testGenNames(self):
        with self.cached_session():
            fn = os.path.join(self.get_temp_dir(), "gen")
            gen_io_ops.write_file(fn, "abc").run()
            self.assertEqual(b"abc", gen_io_ops.read_file(fn).eval())

    def testFileIO(self):
        fn = os.path.join(self.get_temp_dir(), "fio")
        file_io.write_string_to_file(fn, "hello")
        self.assertEqual("hello", file_io.read_file_to_string(fn))
        self.assertTrue(file_io.file_exists(fn))
        self.assertEqual([fn], file_io.get_matching_files(fn + "*"))
        file_io.delete_file(fn)
        self.assertFalse(file_io.file_exists(fn))


if __name__ == "__main__":
    test.main()
