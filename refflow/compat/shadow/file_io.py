"""Names that only `lib.io` had: what tf.gfile does under other names, and a reader that goes to any record of a file.

Next: compat/shadow/examples.py.
"""

from __future__ import annotations

import os
import zlib
from typing import Any

from refflow.compat.v1 import gfile
from refflow.files import records

FileIO = gfile.GFile
file_exists, is_directory, list_directory, get_matching_files = (
    gfile.Exists, gfile.IsDirectory, gfile.ListDirectory, gfile.Glob,
)  # fmt: skip
create_dir, recursive_create_dir, delete_file, delete_recursively = (
    gfile.MkDir, gfile.MakeDirs, gfile.Remove, gfile.DeleteRecursively,
)  # fmt: skip
copy, rename, walk, stat, join = gfile.Copy, gfile.Rename, gfile.Walk, gfile.Stat, os.path.join


def filecmp(filename_a: Any, filename_b: Any) -> bool:
    """Whether two files hold the same."""
    return stat(filename_a).length == stat(filename_b).length and file_crc32(filename_a) == file_crc32(filename_b)


def file_crc32(filename: Any, block_size: int = 16 * 1024 * 1024) -> str:
    """The CRC32 of what a file holds, as text; it is read by blocks of that many bytes, -1 for all at once."""
    found = 0
    with FileIO(filename, "rb") as file:
        while block := file.read(block_size):
            found = zlib.crc32(block, found)
    return hex(found)


def has_atomic_move(path: Any) -> bool:
    """True: a file moves within a file system all at once."""
    return True


def atomic_write_string_to_file(filename: Any, contents: Any, overwrite: bool = True) -> None:
    """A file that holds this; nobody sees it half written."""
    partial = f"{filename}.tmp{os.getpid()}"
    write_string_to_file(partial, contents)
    try:
        rename(partial, filename, overwrite)
    except BaseException:
        delete_file(partial)
        raise


def read_file_to_string(filename: Any, binary_mode: bool = False) -> Any:
    """What a file holds."""
    with FileIO(filename, "rb" if binary_mode else "r") as file:
        return file.read()


def write_string_to_file(filename: Any, file_content: Any) -> None:
    """A file that holds this and nothing else."""
    with FileIO(filename, "wb" if isinstance(file_content, bytes) else "w") as file:
        file.write(file_content)


class tf_record_random_reader:
    """Reads the records of a file at the places where they begin."""

    def __init__(self, path: Any):
        self._data: bytes | None = records.read_file(path)

    def read(self, offset: int) -> tuple[bytes, int]:
        """The record at `offset`, and where the next one begins; IndexError at the end of the file."""
        if self._data is None:
            raise RuntimeError("the reader of records is closed")
        for _, record in records.records(self._data, offset):
            return record, offset + records.HEADER + len(record) + records.FOOTER
        raise IndexError(f"Out of range at reading offset {offset}")

    def close(self) -> None:
        """Forgets the file."""
        self._data = None
