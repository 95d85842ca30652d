"""tf.gfile: files and folders, as 1.x names what the operating system does.

Next: compat/v1/gfile_file.py.
"""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterator
from typing import Any, NamedTuple

from refflow.compat.v1.gfile_file import GFile, as_status
from refflow.core.errors import AlreadyExistsError, NotFoundError

Open = FastGFile = GFile


class FileStatistics(NamedTuple):
    """How long a file is, when it was last changed, and whether it is a folder."""

    length: int
    mtime_nsec: int
    is_directory: bool


def Stat(filename: Any) -> FileStatistics:
    """What is known of a file or folder; NotFoundError where there is none."""
    with as_status(filename):
        found = os.stat(filename)
    return FileStatistics(found.st_size, found.st_mtime_ns, os.path.isdir(filename))


def Exists(filename: Any) -> bool:
    """Whether there is a file or folder of that name."""
    return os.path.exists(filename)


def IsDirectory(dirname: Any) -> bool:
    """Whether there is a folder of that name."""
    return os.path.isdir(dirname)


def MakeDirs(dirname: Any) -> None:
    """Makes a folder, and those around it; one that is there already is fine."""
    os.makedirs(dirname, exist_ok=True)


def MkDir(dirname: Any) -> None:
    """Makes one folder; one that is there already is fine."""
    with as_status(dirname):
        if not os.path.isdir(dirname):
            os.mkdir(dirname)


def ListDirectory(dirname: Any) -> list[str]:
    """The names in a folder, in order; NotFoundError where there is none."""
    if not os.path.isdir(dirname):
        raise NotFoundError(None, None, f"Could not find directory {dirname}")
    return sorted(os.listdir(dirname))


def Glob(filename: Any) -> list[str]:
    """The names that fit a pattern, in order."""
    return sorted(glob.glob(os.fspath(filename)))


def Remove(filename: Any) -> None:
    """Deletes a file; NotFoundError where there is none."""
    with as_status(filename):
        os.remove(filename)


def DeleteRecursively(dirname: Any) -> None:
    """Deletes a folder and all in it; NotFoundError where there is none."""
    if not os.path.exists(dirname):
        raise NotFoundError(None, None, f"{dirname}; No such file or directory")
    shutil.rmtree(dirname)


def _may_replace(newpath: Any, overwrite: bool) -> None:
    if not overwrite and os.path.exists(newpath):
        raise AlreadyExistsError(None, None, f"file {newpath} already exists")


def Copy(oldpath: Any, newpath: Any, overwrite: bool = False) -> None:
    """Copies a file."""
    _may_replace(newpath, overwrite)
    with as_status(oldpath):
        shutil.copyfile(oldpath, newpath)


def Rename(oldname: Any, newname: Any, overwrite: bool = False) -> None:
    """Moves a file or folder."""
    _may_replace(newname, overwrite)
    with as_status(oldname):
        os.replace(oldname, newname)


def Walk(top: Any, in_order: bool = True) -> Iterator[tuple[str, list[str], list[str]]]:
    """(folder, folders in it, files in it) of a folder and all below."""
    return os.walk(top, topdown=in_order)
