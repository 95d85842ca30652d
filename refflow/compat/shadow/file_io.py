"""Names that only `lib.io` had: what tf.gfile does under other names, and a reader that goes to any record of a file.

Next: compat/shadow/examples.py.
"""

from __future__ import annotations

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
copy, rename, walk = gfile.Copy, gfile.Rename, gfile.Walk


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
