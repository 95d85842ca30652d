"""`tensorflow.python.lib.io.file_io`: what tf.gfile does, under other names.

Next: compat/shadow/examples.py.
"""

from __future__ import annotations

from typing import Any

from refflow.compat.v1 import gfile

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
