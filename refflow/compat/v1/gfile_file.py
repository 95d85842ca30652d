"""tf.gfile.GFile: a file that is opened when it is first read or written, its places counted in bytes.

    with tf.gfile.GFile(path, "r") as file:
        first, size = file.readline(), file.size()

State: how it may be used, by its mode; what it reads and what it writes, each once it is needed.

Next: platform/app.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from refflow.core.errors import FailedPreconditionError, InvalidArgumentError, NotFoundError, PermissionDeniedError

_MODES = ("r", "w", "a", "r+", "w+", "a+")


@contextmanager
def as_status(path: Any) -> Iterator[None]:
    """What the operating system says is wrong, in TensorFlow's classes."""
    try:
        yield
    except FileNotFoundError:
        raise NotFoundError(None, None, f"{path}; No such file or directory") from None
    except (IsADirectoryError, NotADirectoryError) as error:
        raise FailedPreconditionError(None, None, f"{path}; {error.strerror}") from None
    except PermissionError as error:
        raise PermissionDeniedError(None, None, f"{path}; {error.strerror}") from None


class GFile:
    """A file of texts, or of bytes where the mode has a b."""

    def __init__(self, name: Any, mode: str = "r", encoding: str = "utf-8"):
        self._name, self._mode, self._encoding = name, mode, encoding
        self._reader: Any = None
        self._writer: Any = None
        self._binary, plain = "b" in mode, mode.replace("b", "")
        if plain not in _MODES:
            raise InvalidArgumentError(None, None, "mode is not 'r' or 'w' or 'a' or 'r+' or 'w+' or 'a+'")
        self._may_read, self._may_write = plain not in ("w", "a"), plain != "r"
        self._writes = "ab" if plain.startswith("a") else "r+b" if plain == "r+" else "wb"

    @property
    def name(self) -> Any:
        return self._name

    @property
    def mode(self) -> str:
        return self._mode

    def _reading(self) -> Any:
        if self._reader is None:
            if not self._may_read:
                raise PermissionDeniedError(None, None, "File isn't open for reading")
            with as_status(self._name):
                self._reader = open(self._name, "rb")  # noqa: SIM115  (closed by close)
        return self._reader

    def _writing(self) -> Any:
        if self._writer is None:
            if not self._may_write:
                raise PermissionDeniedError(None, None, "File isn't open for writing")
            with as_status(self._name):
                self._writer = open(self._name, self._writes)  # noqa: SIM115  (closed by close)
        return self._writer

    def _given(self, data: bytes) -> Any:
        return data if self._binary else data.decode(self._encoding)

    def size(self) -> int:
        """How many bytes there are."""
        with as_status(self._name):
            return os.stat(self._name).st_size

    def write(self, file_content: Any) -> None:
        """Appends texts or bytes to what was written."""
        data = file_content.encode(self._encoding) if isinstance(file_content, str) else bytes(file_content)
        self._writing().write(data)

    def read(self, n: int = -1) -> Any:
        """The next n bytes, or all that are left."""
        return self._given(self._reading().read(n))

    def readline(self) -> Any:
        """The next line with its end; nothing at the end of the file."""
        return self._given(self._reading().readline())

    def readlines(self) -> list[Any]:
        """The lines that are left."""
        return list(self)

    def seek(self, offset: int | None = None, whence: int = 0, position: int | None = None) -> None:
        """Goes to a place counted from the start, from here, or from the end."""
        file = self._reading()
        if offset is None and position is None:
            raise TypeError("seek(): offset argument required")
        if offset is not None and position is not None:
            raise TypeError("seek(): offset and position may not be set simultaneously.")
        if whence not in (0, 1, 2):
            raise InvalidArgumentError(
                None, None, f"Invalid whence argument: {whence}. Valid values are 0, 1, or 2."
            )
        file.seek(position if offset is None else offset, whence)

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        """The place of what is read next; of a file that is only written, of what is written next."""
        return (self._reading() if self._may_read else self._writing()).tell()

    def flush(self) -> None:
        """Hands what was written to the operating system."""
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Ends reading and writing; what was written is in the file. The next use opens it anew."""
        for file in (self._reader, self._writer):
            if file is not None:
                file.close()
        self._reader = self._writer = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    next = __next__

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()
