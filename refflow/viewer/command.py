"""The command `refflow show`: the log of a training run in the terminal [W60], or a graph as a page [W59].

    refflow show LOGDIR
    refflow show PROGRAM.py --html graph.html

Next: viewer/fold.py.
"""

from __future__ import annotations

import argparse
from typing import Any

from refflow.program_runs import add_args


def add_show(commands: Any) -> None:
    """Adds the command to those of a parser."""
    show = commands.add_parser("show", help="print the event files of training runs, or write a graph as a page")
    show.add_argument("what", metavar="LOGDIR|PROGRAM", help="a folder with event files; for --html a Python program, "
                      "which is run up to its first step, a graph in a .pb or .pbtxt file, or deck")  # fmt: skip
    show.add_argument("--html", metavar="FILE", help="write the graph as one file for a browser")
    add_args(show)
    show.add_argument("--by", choices=["step", "relative", "wall"], default="step", help="the axis (default step)")
    show.add_argument("--tag", default="", help="only tags with this in their names")
    show.add_argument("--images", metavar="FOLDER", help="write the images there, as PNG files")
    show.set_defaults(command=_show)


def _show(options: argparse.Namespace) -> int:
    if options.html:
        return _graph(options)
    if options.what == "deck" or options.what.endswith((".py", ".pb", ".pbtxt", ".lisp")):
        raise ValueError(f"{options.what} has a graph to show: say where its page goes, with --html FILE")
    from refflow.show import pictures, show

    for line in show(options.what, options.by, options.tag):
        print(line)
    if options.images:
        print(f"{len(pictures(options.what, options.images))} images in {options.images}")
    return 0


def _graph(options: argparse.Namespace) -> int:
    from refflow.program_runs import graph_of
    from refflow.viewer.page import write

    graph = graph_of(options.what, options.args)
    write(options.html, graph, options.what)
    print(f"{len(graph.get_operations()):,} operations in {options.html}")
    return 0
