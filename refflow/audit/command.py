"""The command `refflow audit`: what it takes, and who does it [W54].

    refflow audit parameters PROGRAM       variables, their sizes and slots; --expect COUNT, --against OTHER
    refflow audit losses PROGRAM           losses with learning off, beside another program, TensorFlow, or a file
    refflow audit finite PROGRAM           which op first makes a NaN or an infinity, and from what
    refflow audit tensors PROGRAM          the first tensor of a step that leaves its expected error

Each takes an ordinary program and runs it as it is, up to where it has seen enough. The exit status is 1 where
something differs.

Next: audit/parameters.py.
"""

from __future__ import annotations

import argparse
from typing import Any

from refflow.bench.command import count
from refflow.program_runs import add_args


def add_audit(commands: Any) -> None:
    """Adds the command to those of a parser."""
    audit = commands.add_parser("audit", help="check a model that is ported: parameters, losses, NaNs, tensors")
    what = audit.add_subparsers(required=True, metavar="parameters|losses|finite|tensors")
    _add_parameters(what)
    _add_losses(what)
    _add_finite(what)
    _add_tensors(what)


def _added(what: Any, name: str, text: str, command: Any, program: str = "a Python program, which is run") -> Any:
    parser = what.add_parser(name, help=text)
    parser.add_argument("program", help=program)
    add_args(parser)
    parser.set_defaults(command=command)
    return parser


def _map_option(parser: Any) -> None:
    parser.add_argument("--map", action="append", default=[], metavar="OLD=NEW",
                        help="a regular expression in names here, and what stands there in its place")  # fmt: skip


def _say(lines: list[str], right: str) -> int:
    for line in lines or [right]:
        print(line)
    return 1 if lines else 0


def _add_parameters(what: Any) -> None:
    sources = "a Python program, a .pb or .pbtxt file, a checkpoint, or deck"
    parser = _added(what, "parameters", "variables with their sizes and slots", _parameters, sources)
    parser.add_argument("--expect", type=_number, metavar="COUNT", help="of trained elements, as 6_998_552")
    parser.add_argument("--against", metavar="OTHER", help=sources)
    parser.add_argument("--trained", action="store_true", help="leave out what is not trained, and slots")
    parser.add_argument("--depth", type=count, default=1, metavar="N", help="of scopes that are summed (default 1)")
    _map_option(parser)


def _number(text: str) -> int:
    return count(text.replace(",", "").replace("_", ""))


def _parameters(options: argparse.Namespace) -> int:
    from refflow.audit import parameters

    found = parameters.of_program(options.program, options.args)
    print(parameters.table(parameters.trained(found) if options.trained else found, options.depth))
    wrong: list[str] = []
    if options.expect is not None:
        wrong += parameters.beside_count(found, options.expect)
    if options.against:
        other = parameters.of_program(options.against)
        if options.trained:
            found, other = parameters.both_trained(found, other, options.map)
        wrong += parameters.beside(found, other, options.map)
    if options.expect is None and not options.against:
        return 0
    print()
    return _say(wrong, "as expected")


def _add_losses(what: Any) -> None:
    parser = _added(what, "losses", "losses with learning off, beside another side's", _losses)
    parser.add_argument("--loss", default="", metavar="NAME", help="a tensor; by default the scalars that runs fetch")
    parser.add_argument("--against", metavar="OTHER", help="tensorflow: the same program there; tensorflow:FILE.py; "
                        "another program FILE.py; or a file of losses")  # fmt: skip
    parser.add_argument("--steps", type=count, default=10, metavar="N", help="runs with losses (default 10)")
    parser.add_argument("--write", metavar="FILE", help="write this side's losses")
    parser.add_argument("--own-start", action="store_true", help="the other side begins with its own parameters")
    parser.add_argument("--tolerance", type=float, help="relative (default 1e-5)")
    _map_option(parser)


def _losses(options: argparse.Namespace) -> int:
    from pathlib import Path

    from refflow.audit import beside, losses

    here = beside.record(options.program, options.args, losses.Recorder(options.loss, options.steps))
    _say_end(options.program, here)
    if options.write:
        Path(options.write).write_text(losses.written(here.losses), encoding="utf-8")
    if not options.against:
        for line in losses.written(here.losses).splitlines():
            print(line)
        return 0
    there = _other_losses(options, here.start)
    tolerance = losses.TOLERANCE if options.tolerance is None else options.tolerance
    found = losses.pairs(here.losses, there, options.map)
    for line in losses.table(found, tolerance):
        print(line)
    return int(losses.differ(found, tolerance))


def _say_end(who: str, recorder: Any) -> None:
    if recorder.ended:
        print(f"{who} ended after {len(recorder.losses)} runs, as it may without learning, with {recorder.ended}\n")


def _other_losses(options: argparse.Namespace, start: dict[str, Any]) -> Any:
    from refflow.audit import beside, losses
    from refflow.audit.parameters import renaming

    against = options.against
    if against != beside.TENSORFLOW and not against.endswith(".py"):
        return losses.read(against)
    start = {} if options.own_start else {renaming(name, options.map): value for name, value in start.items()}
    if against.startswith(beside.TENSORFLOW):
        path = against.partition(":")[2] or options.program
        there = beside.record_in_tensorflow(path, options.args, options.loss, options.steps, start)
    else:
        there = beside.record(against, options.args, losses.Recorder(options.loss, options.steps, start))
    _say_end("the other side", there)
    if there.unused:
        print(f"begins with parameters of its own: the other side has no {', '.join(there.unused)} of the same shape\n")
    return there.losses


def _add_finite(what: Any) -> None:
    parser = _added(what, "finite", "the op that first makes a NaN or an infinity", _finite)
    parser.add_argument("--nan", action="store_true", help="infinities are meant; only NaNs count")


def _finite(options: argparse.Namespace) -> int:
    from refflow.audit import finite

    found = finite.first_in(options.program, options.args, not options.nan)
    for line in finite.report(found):
        print(line)
    return int(bool(found.made))


def _add_tensors(what: Any) -> None:
    parser = _added(what, "tensors", "a step here and elsewhere, tensor by tensor", _tensors)
    parser.add_argument("--against", default="reference", metavar="OTHER", help="reference (the default), executor, "
                        "tensorflow, another program OTHER.py, or arrays in a .npz file")  # fmt: skip
    parser.add_argument("--fetch", nargs="+", default=[], metavar="NAME", help="only what these tensors need")
    parser.add_argument("--write", metavar="FILE", help="write every tensor of this side as a .npz file")
    parser.add_argument("--tolerance", type=float, help="of the largest value, where no definition can be asked "
                        "(default 1e-4)")  # fmt: skip
    _map_option(parser)


def _tensors(options: argparse.Namespace) -> int:
    from refflow.audit import judge, tensors

    asked = (options.program, options.args, options.against, options.fetch, options.map)
    here, there = tensors.compared(*asked)
    if options.write:
        tensors.write(options.write, here)
    found = judge.judge(here, there, judge.PLAIN if options.tolerance is None else options.tolerance)
    for line in judge.report(here, found):
        print(line)
    return int(any(v.wrong for v in found) or not found)
