"""Files and folders through the inner module of them."""

import os

from tensorflow.python.framework import errors
from tensorflow.python.lib.io import file_io
from tensorflow.python.platform import gfile, test


class FileIoTest(test.TestCase):
    def setUp(self):
        super().setUp()
        self._base_dir = os.path.join(self.get_temp_dir(), "base_dir")
        file_io.create_dir(self._base_dir)

    def tearDown(self):
        file_io.delete_recursively(self._base_dir)
        super().tearDown()

    def _path(self, name):
        return os.path.join(self._base_dir, name)

    def testEmptyFilename(self):
        f = file_io.FileIO("", mode="r")
        with self.assertRaises(errors.NotFoundError):
            _ = f.read()

    def testFileDoesntExist(self):
        path = self._path("temp_file")
        self.assertFalse(file_io.file_exists(path))
        with self.assertRaises(errors.NotFoundError):
            _ = file_io.read_file_to_string(path)

    def testWriteToString(self):
        path = self._path("temp_file")
        file_io.write_string_to_file(path, "testing")
        self.assertTrue(file_io.file_exists(path))
        self.assertEqual("testing", file_io.read_file_to_string(path))
        self.assertEqual(b"testing", file_io.read_file_to_string(path, binary_mode=True))

    def testReadBinaryMode(self):
        path = self._path("temp_file")
        file_io.write_string_to_file(path, "testing")
        with file_io.FileIO(path, mode="rb") as f:
            self.assertEqual(b"testing", f.read())

    def testWriteBinaryMode(self):
        path = self._path("temp_file")
        file_io.FileIO(path, "wb").write("testing")
        with file_io.FileIO(path, mode="r") as f:
            self.assertEqual("testing", f.read())

    def testAppend(self):
        path = self._path("temp_file")
        with file_io.FileIO(path, mode="w") as f:
            f.write("begin\n")
        with file_io.FileIO(path, mode="a") as f:
            f.write("a1\n")
        with file_io.FileIO(path, mode="a") as f:
            f.write("a2\n")
        with file_io.FileIO(path, mode="r") as f:
            self.assertEqual("begin\na1\na2\n", f.read())

    def testMultipleWritesAndFlush(self):
        path = self._path("temp_file")
        f = file_io.FileIO(path, mode="w")
        f.write("line1\n")
        f.write("line2")
        f.flush()
        self.assertEqual("line1\nline2", file_io.read_file_to_string(path))
        f.close()

    def testWrongModes(self):
        path = self._path("temp_file")
        f = file_io.FileIO(path, mode="w")
        with self.assertRaisesRegex(errors.PermissionDeniedError, "File isn't open for reading"):
            f.read()
        with self.assertRaises(errors.PermissionDeniedError):
            f.seek(0)
        f.write("abc")
        f.close()
        with self.assertRaisesRegex(errors.PermissionDeniedError, "File isn't open for writing"):
            file_io.FileIO(path, mode="r").write("x")
        with self.assertRaisesRegex(errors.InvalidArgumentError, "mode is not 'r' or 'w'"):
            file_io.FileIO(path, mode="x")

    def testSeekAndTell(self):
        path = self._path("temp_file")
        with file_io.FileIO(path, "w") as f:
            f.write("testing1\ntesting2\ntesting3\n\ntesting5")
            self.assertEqual(36, f.tell())
        f = file_io.FileIO(path, "r+")
        self.assertEqual("testing1\n", f.readline())
        self.assertEqual(9, f.tell())
        f.seek(offset=0)
        self.assertEqual("testing1\n", f.readline())
        f.seek(4, whence=1)
        self.assertEqual("ing2\n", f.readline())
        f.seek(-3, whence=2)
        self.assertEqual("ng5", f.read())
        f.seek(position=18)
        self.assertEqual("testing3\n", f.readline())
        with self.assertRaisesRegex(TypeError, "offset argument required"):
            f.seek()
        with self.assertRaisesRegex(TypeError, "may not be set simultaneously"):
            f.seek(offset=0, position=0)
        with self.assertRaisesRegex(errors.InvalidArgumentError, "Invalid whence argument"):
            f.seek(0, whence=3)

    def testReadLinesAndIterate(self):
        path = self._path("temp_file")
        data = ["testing1\n", "testing2\n", "testing3\n", "\n", "testing5"]
        with file_io.FileIO(path, "w") as f:
            f.write("".join(data))
        f = file_io.FileIO(path, "r")
        self.assertEqual("test", f.read(4))
        f.seek(0)
        self.assertEqual(data, f.readlines())
        self.assertEqual("", f.readline())
        with file_io.FileIO(path, "r") as f:
            self.assertEqual(data, list(f))
            self.assertEqual(36, f.size())
            self.assertEqual(("r", path), (f.mode, f.name))
            self.assertTrue(f.seekable())

    def testUTF8(self):
        path = self._path("temp_file")
        with file_io.FileIO(path, "w") as f:
            f.write("тест\n")
        with file_io.FileIO(path, "r") as f:
            self.assertEqual("тест\n", f.read())

    def testDeleteAndRename(self):
        path = self._path("temp_file")
        with self.assertRaises(errors.NotFoundError):
            file_io.delete_file(path)
        file_io.write_string_to_file(path, "a")
        file_io.rename(path, self._path("other"))
        self.assertFalse(file_io.file_exists(path))
        file_io.write_string_to_file(path, "b")
        with self.assertRaises(errors.AlreadyExistsError):
            file_io.rename(self._path("other"), path, overwrite=False)
        file_io.rename(self._path("other"), path, overwrite=True)
        self.assertEqual("a", file_io.read_file_to_string(path))

    def testCopy(self):
        path, other = self._path("temp_file"), self._path("copy")
        file_io.write_string_to_file(path, "a")
        file_io.copy(path, other)
        self.assertEqual("a", file_io.read_file_to_string(other))
        with self.assertRaises(errors.AlreadyExistsError):
            file_io.copy(path, other, overwrite=False)

    def testDirectories(self):
        file_io.recursive_create_dir(self._path("a/b/c"))
        self.assertTrue(file_io.is_directory(self._path("a/b")))
        self.assertFalse(file_io.is_directory(self._path("nope")))
        file_io.write_string_to_file(self._path("a/f"), "a")
        self.assertItemsEqual(["b", "f"], [n.strip("/") for n in file_io.list_directory(self._path("a"))])
        with self.assertRaises(errors.NotFoundError):
            file_io.list_directory(self._path("nope"))
        self.assertEqual([self._path("a/f")], file_io.get_matching_files(self._path("a/f*")))
        walked = [d for d, _, _ in file_io.walk(self._path("a"))]
        self.assertEqual(3, len(walked))
        with self.assertRaises(errors.NotFoundError):
            file_io.create_dir(self._path("x/y"))

    def testStat(self):
        path = self._path("temp_file")
        file_io.write_string_to_file(path, "testing")
        s = file_io.stat(path)
        self.assertEqual(7, s.length)
        self.assertFalse(s.is_directory)
        self.assertTrue(file_io.stat(self._base_dir).is_directory)
        with self.assertRaises(errors.NotFoundError):
            file_io.stat(self._path("nope"))

    def testFilecmpAndCrc(self):
        a, b = self._path("a"), self._path("b")
        file_io.write_string_to_file(a, "This is a sentence\n" * 10)
        file_io.write_string_to_file(b, "This is another sentence\n" * 10)
        self.assertFalse(file_io.filecmp(a, b))
        self.assertTrue(file_io.filecmp(a, a))
        self.assertEqual(file_io.file_crc32(a), file_io.file_crc32(a, block_size=8))
        self.assertNotEqual(file_io.file_crc32(a), file_io.file_crc32(b))

    def testAtomic(self):
        path = self._path("temp_file")
        file_io.atomic_write_string_to_file(path, "testing")
        self.assertEqual("testing", file_io.read_file_to_string(path))
        with self.assertRaises(errors.AlreadyExistsError):
            file_io.atomic_write_string_to_file(path, "x", overwrite=False)
        self.assertTrue(file_io.has_atomic_move(path))

    def testGFile(self):
        path = self._path("temp_file")
        with gfile.GFile(path, "w") as f:
            f.write("abc")
        with gfile.FastGFile(path) as f:
            self.assertEqual("abc", f.read())
        self.assertEqual(3, gfile.Stat(path).length)


if __name__ == "__main__":
    test.main()
