"""A user's program, run as it is, with something in the place of each of its sessions' `run`.

    run_program("train.py", ["--quick"], around)

    around(run, session, fetches, feed_dict, options, run_metadata)      is called where the program calls session.run;
                                                                         `run` is what it would have called
    raise Enough                                                         in it ends the program there

The functions that make_callable gives are such runs as well; steps of `repeat` and of partial_run are not seen. What
the program raises goes through, with a note of the line of the program that it was at.

Next: refflow/profile_program.py.
"""

from __future__ import annotations

import argparse
import runpy
import shlex
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from refflow.core.graph import Graph, get_default_graph, reset_default_graph
from refflow.runtime.session import Session

Around = Callable[..., Any]
VARIABLES = ("Variable", "VarHandleOp")  # families of ops


class Enough(BaseException):
    """Ends a program from within; no `except Exception` of its own stops it."""


def run_program(path: str, arguments: Sequence[str], around: Around) -> Graph:
    """Runs a Python file as `python FILE ARGUMENTS` would, with `import tensorflow` giving refflow's.

    The default graph that it begins with is new; what is its default graph at the end is returned.
    FileNotFoundError where there is no such file, ValueError for what is no Python file.
    """
    from refflow.compat import as_tensorflow

    check_program(path)
    with as_tensorflow(), _new_default_graph():
        with around_runs(Session, around), suppress(Enough):
            run_as_main(path, arguments)
        return get_default_graph()


def _new_default_graph() -> Any:
    """The program-wide default graph is new, and may be reset; inside somebody's `as_default()`, one inside that."""
    try:
        reset_default_graph()
    except AssertionError:
        return Graph().as_default()
    return nullcontext()


def graph_of(source: str, arguments: Sequence[str] = ()) -> Graph:
    """The graph of a Python program, which is run up to its first step of a graph with variables, or to its end.

    Also that of a .pb, .pbtxt or .lisp file, or of the deck's program. ValueError for what is none of these.
    """
    if not source.endswith(".py"):
        from refflow.programs import load

        return load(source).graph
    seen: list[Graph] = []

    def around(run: Callable[..., Any], session: Any, *request: Any) -> Any:
        if any(op.op_def.family in VARIABLES for op in session.graph.get_operations()):
            seen.append(session.graph)
            raise Enough
        return run(session, *request)

    last = run_program(source, arguments, around)
    return seen[0] if seen else last


def check_program(path: str) -> None:
    """FileNotFoundError or ValueError for what cannot be run as a program."""
    if not path.endswith(".py"):
        raise ValueError(f"{path!r} is no program that can be run: expected a Python file, NAME.py")
    if not Path(path).exists():
        raise FileNotFoundError(f"there is no program {path!r}")


def run_as_main(path: str, arguments: Sequence[str]) -> None:
    """The file as __main__, in this process; its arguments and path are this process's meanwhile."""
    before, sys.argv = sys.argv, [path, *arguments]
    sys.path.insert(0, folder := str(Path(path).resolve().parent))
    try:
        runpy.run_path(path, run_name="__main__")
    except SystemExit as end:
        if end.code not in (None, 0):
            raise
    except Exception as error:
        error.add_note(where(path, error))
        raise
    finally:
        sys.argv = before
        if folder in sys.path:
            sys.path.remove(folder)


def where(path: str, error: Exception) -> str:
    """The program's line at which an error arose, or that is no Python."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return f"at {path}, line {error.lineno}"
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    return f"at {path}, line {lines[-1].lineno}: {lines[-1].line}" if lines else f"in {path}"


def notes_of(error: BaseException) -> list[str]:
    """What was noted of an error on its way; of a program's own, where in the program it was."""
    return getattr(error, "__notes__", [])


def add_args(parser: Any) -> None:
    """The option of a command that runs a program, for what that program takes itself."""
    parser.add_argument("--args", default="", type=_words, help="the Python program's own arguments, in one text")


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} cannot be split into arguments: {error}") from error


@contextmanager
def around_runs(kind: Any, around: Around) -> Iterator[None]:
    """Meanwhile `around` is called for every session of that class, refflow's or another system's."""
    run, make_callable = kind.run, kind.make_callable

    def replaced(session: Any, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None):
        return around(run, session, fetches, feed_dict, options, run_metadata)

    def callable_of(session: Any, fetches: Any, feed_list: Any = None, accept_options: bool = False):
        make_callable(session, fetches, feed_list, accept_options)  # for its errors
        feeds = tuple(feed_list or ())
        return lambda *values, **more: replaced(session, fetches, dict(zip(feeds, values, strict=True)), **more)

    kind.run, kind.make_callable = replaced, callable_of
    try:
        yield
    finally:
        kind.run, kind.make_callable = run, make_callable
