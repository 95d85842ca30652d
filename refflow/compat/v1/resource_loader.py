"""tf.resource_loader: files that lie beside the program that asks.

Next: compat/v1/test/__init__.py.
"""

from __future__ import annotations

import inspect
import os
import sys


def _caller(depth: int) -> str:
    frame = inspect.stack()[depth]
    return os.path.dirname(os.path.abspath(frame.filename))


def get_data_files_path() -> str:
    """The folder of the file that calls this."""
    return _caller(2)


def get_path_to_datafile(path: str) -> str:
    """A path relative to the folder of the file that calls this."""
    return os.path.join(_caller(2), path)


def load_resource(path: str) -> bytes:
    """The bytes of a file, its path relative to the folder of the file that calls this."""
    with open(os.path.join(_caller(2), path), "rb") as file:
        return file.read()


def get_root_dir_with_all_resources() -> str:
    """The folder that holds all files of the running program."""
    return os.path.dirname(os.path.abspath(sys.argv[0] or "."))


def readahead_file_path(path: str, readahead: str = "128M") -> str:
    """The path as it is: files are read by the system's own means."""
    return path
