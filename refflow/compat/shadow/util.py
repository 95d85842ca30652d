"""What `tensorflow.python.util` and `tf.compat` had around the graphs: text, bytes, inspection, decorators.

Decorators that mark, deprecate or export leave their function as it is.

Next: compat/shadow/nest.py.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import numbers
import os
from collections import namedtuple
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

# -- compat: text, bytes, numbers --------------------------------------------------------------------------------------

bytes_or_text_types = (bytes, str)
integral_types = (numbers.Integral, np.integer)
real_types = (numbers.Real, np.integer, np.floating)
complex_types = (numbers.Complex, np.number)


def as_bytes(bytes_or_text: Any, encoding: str = "utf-8") -> bytes:
    """Bytes of text; bytes as they are."""
    if isinstance(bytes_or_text, bytearray):
        return bytes(bytes_or_text)
    return bytes_or_text.encode(encoding) if isinstance(bytes_or_text, str) else _bytes(bytes_or_text)


def as_text(bytes_or_text: Any, encoding: str = "utf-8") -> str:
    """Text of bytes; text as it is."""
    return bytes_or_text if isinstance(bytes_or_text, str) else _bytes(bytes_or_text).decode(encoding)


def _bytes(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError(f"Expected binary or unicode string, got {value!r}")
    return value


as_str = as_text


def as_str_any(value: Any, encoding: str = "utf-8") -> str:
    """Text of anything: of bytes what they say, else what str() does."""
    return as_text(value, encoding) if isinstance(value, bytes) else str(value)


def path_to_str(path: Any) -> Any:
    """A path-like object as text; anything else as it is."""
    return as_str_any(path.__fspath__()) if hasattr(path, "__fspath__") else path


def path_to_bytes(path: Any) -> bytes:
    """A path as bytes."""
    return as_bytes(path_to_str(path))


def forward_compatible(year: int, month: int, day: int) -> bool:
    """Whether what was new at a date may be used: yes."""
    return True


# -- inspection --------------------------------------------------------------------------------------------------------

ArgSpec = namedtuple("ArgSpec", "args varargs keywords defaults")


def getargspec(function: Callable[..., Any]) -> ArgSpec:
    """Python 2's answer about a function's arguments."""
    return ArgSpec(*inspect.getfullargspec(function)[:4])


def fn_args(function: Any) -> tuple[str, ...]:
    """The names of a function's arguments, without those that a partial has given, and without `self`."""
    if isinstance(function, functools.partial):
        left = fn_args(function.func)[len(function.args) :]
        return tuple(a for a in left if a not in function.keywords)
    if not (inspect.isfunction(function) or inspect.ismethod(function)):
        function = function.__call__
    names = inspect.getfullargspec(function).args
    return tuple(names[1:] if inspect.ismethod(function) else names)


# -- decorators --------------------------------------------------------------------------------------------------------


def _marking(*unused: Any, **also_unused: Any) -> Callable[[Any], Any]:
    """A decorator with arguments that leaves what it decorates as it is."""
    return lambda decorated: decorated


deprecated = deprecated_args = deprecated_arg_values = deprecated_endpoints = tf_export = keras_export = _marking
do_not_doc_inheritable = do_not_generate_docs = _marking


def should_use_result(function: Any = None, **unused: Any) -> Any:
    """The function as it is; 1.x warned where its result was dropped."""
    return (lambda f: f) if function is None else function


must_use_result_or_fatal = should_use_result


def deprecated_argument_lookup(new_name: str, new_value: Any, old_name: str, old_value: Any) -> Any:
    """The value of an argument that has two names; a ValueError where both are given."""
    if old_value is not None and new_value is not None:
        raise ValueError(f"Cannot specify both '{old_name}' and '{new_name}'")
    return new_value if old_value is None else old_value


def make_decorator(target: Any, decorator_func: Any, *unused: Any, **also_unused: Any) -> Any:
    """`decorator_func` with the name and signature of `target`."""
    return functools.wraps(target)(decorator_func)


def unwrap(maybe_decorator: Any) -> tuple[list[Any], Any]:
    """(decorators, the function inside)."""
    return [], inspect.unwrap(maybe_decorator)


def kwarg_only(function: Any) -> Any:
    """The function, to be called with named arguments alone."""

    @functools.wraps(function)
    def called(**given: Any) -> Any:
        return function(**given)

    return called


def remove_undocumented(module_name: str, *unused: Any, **also_unused: Any) -> None:
    """Nothing: what a module of others leaves undocumented stays."""


def make_all(module_name: str, *unused: Any) -> list[str]:
    """The public names of a module."""
    return [name for name in dir(importlib.import_module(module_name)) if not name.startswith("_")]


class LazyLoader(ModuleType):
    """A module that is imported when something of it is asked for."""

    def __init__(self, local_name: str, parent_module_globals: dict[str, Any], name: str):
        super().__init__(name)
        self._local, self._globals = local_name, parent_module_globals

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        module = self._globals[self._local] = importlib.import_module(self.__name__)
        return getattr(module, name)


# -- files beside the program ------------------------------------------------------------------------------------------


def get_path_to_datafile(path: str) -> str:
    """A path beside the calling program's file."""
    frame = inspect.currentframe()
    here = frame.f_back.f_code.co_filename if frame and frame.f_back else "."
    return os.path.join(os.path.dirname(os.path.abspath(here)), path)


def get_data_files_path() -> str:
    """The folder of the calling program's file."""
    frame = inspect.currentframe()
    here = frame.f_back.f_code.co_filename if frame and frame.f_back else "."
    return os.path.dirname(os.path.abspath(here))
