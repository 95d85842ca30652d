"""Files as ops: their names, their contents, and how parts of one are called.

    MatchingFiles      names that fit *, ?, [ab] or [!ab], in order         ShardedFilename   base-00003-of-00010
    ReadFile           a whole file as one string                           ShardedFilespec   base-?????-of-00010
    WriteFile          one string as a whole file, directories made as needed

Next: ops/reader_states.py.
"""

from __future__ import annotations

import glob
import os
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.convert import op_scope
from refflow.core.errors import FailedPreconditionError, InvalidArgumentError, NotFoundError, ShapeError
from refflow.core.graph import GraphKeys, Tensor
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.files import records
from refflow.ops.strings import strings
from refflow.ops.variable import Variable

MATCHING_FILES = define_op("MatchingFiles", "pattern: string -> filenames: string", stateful=True, source=("W44",))
READ_FILE = define_op("ReadFile", "filename: string -> contents: string", stateful=True, source=("W44",))
WRITE_FILE = define_op("WriteFile", "filename: string, contents: string ->", stateful=True, source=("W44",))
SHARDED_FILENAME = define_op("ShardedFilename", "basename: string, shard: int32, num_shards: int32 -> filename: string",
                             source=("W28",))  # fmt: skip
SHARDED_FILESPEC = define_op("ShardedFilespec", "basename: string, num_shards: int32 -> filename: string",
                             source=("W28",))  # fmt: skip
for _op in (MATCHING_FILES, READ_FILE, WRITE_FILE, SHARDED_FILENAME, SHARDED_FILESPEC):
    _op.no_gradient_registered()


@MATCHING_FILES.kernel
def matching_files_kernel(pattern):
    found = [name for p in pattern.reshape(-1) for name in matching(p)]
    return strings(sorted(found), (len(found),))


def matching(pattern: bytes) -> list[bytes]:
    """The files whose names fit; a star stops at a slash."""
    return glob.glob(pattern.replace(b"[^", b"[!"), include_hidden=True)


@MATCHING_FILES.shape
def _matching_shape(context: ShapeContext) -> shapes.Shape:
    dims = context.dims("pattern")
    if dims is not None and len(dims) > 1:
        raise ShapeError(f"Shape must be at most rank 1 but is rank {len(dims)}")
    return (None,)


@READ_FILE.kernel
def read_file_kernel(filename):
    return strings([records.read_file(filename.item().decode())], ())


@WRITE_FILE.kernel
def write_file_kernel(filename, contents):
    path = filename.item().decode()
    try:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        with open(path, "wb") as file:
            file.write(contents.item())
    except IsADirectoryError:
        raise FailedPreconditionError(None, None, f"{path}; Is a directory") from None
    except FileNotFoundError:
        raise NotFoundError(None, None, f"{os.path.dirname(path)}; No such file or directory") from None
    except OSError as error:
        raise InvalidArgumentError(None, None, f"{path}; {error.strerror}") from None
    return []


@SHARDED_FILENAME.kernel
def sharded_filename_kernel(basename, shard, num_shards):
    return strings([b"%s-%05d-of-%05d" % (basename.item(), shard, num_shards)], ())


@SHARDED_FILESPEC.kernel
def sharded_filespec_kernel(basename, num_shards):
    return strings([b"%s-?????-of-%05d" % (basename.item(), num_shards)], ())


@READ_FILE.shape
@SHARDED_FILENAME.shape
@SHARDED_FILESPEC.shape
def _scalar(context: ShapeContext) -> shapes.Shape:
    for dims in context.inputs:
        if dims:
            raise ShapeError(f"Shape must be rank 0 but is rank {len(dims)}")
    return ()


@WRITE_FILE.shape
def _write_shape(context: ShapeContext) -> list[shapes.Shape]:
    _scalar(context)
    return []


SHARDED_FILENAME.case("W28", "a part", basename=b"ckpt", shard=3, num_shards=10,
                      filename=np.array(b"ckpt-00003-of-00010", object))  # fmt: skip
SHARDED_FILESPEC.case("W28", "all parts", basename=b"ckpt", num_shards=10,
                      filename=np.array(b"ckpt-?????-of-00010", object))  # fmt: skip
MATCHING_FILES.case("W44", "none", pattern=b"/nowhere/*", filenames=[])
READ_FILE.case("W44", "it is there", filename=b"/nowhere/file", error="/nowhere/file; No such file or directory")
WRITE_FILE.case("W44", "one name", filename=[b"a"], contents=b"", error="Shape must be rank 0 but is rank 1")


def matching_files(pattern: Any, name: str | None = None) -> Tensor:
    """The names of the files that fit `pattern`, a vector, in order [W44]."""
    return MATCHING_FILES(pattern, name=name)


def read_file(filename: Any, name: str | None = None) -> Tensor:
    """The contents of a file, a string scalar; NotFoundError where there is none [W44]."""
    return READ_FILE(filename, name=name)


def match_filenames_once(pattern: Any, name: str | None = None) -> Variable:
    """A Variable that holds the names that fit `pattern` at the moment it is initialized [W44]."""
    with op_scope([pattern], name, "matching_filenames"):
        return Variable(matching_files(pattern), trainable=False, validate_shape=False,
                        collections=[GraphKeys.VARIABLES])  # fmt: skip
