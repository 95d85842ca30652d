"""The command line.

    refflow run deck        trains the deck's program on real images; also a .lisp file, through the second front end
    refflow as-tensorflow P runs a TensorFlow program, unchanged: its `import tensorflow` is refflow
    refflow explain deck    prints every stage of one of its steps; also of a .py, .pb or .pbtxt file
    refflow trace deck      runs some steps and prints where their time went; --output FILE for Chrome's trace viewer
    refflow profile lenet   prints what each line of a plan takes, how near to the machine's limits; bench cpu --list
    refflow reuse lenet     prints how often a step uses each parameter, and whether copies of the model would pay
    refflow place deck      prints where each node goes, where else it could, and why; also of a .py, .pb or .pbtxt file
    refflow serve CLUSTER   is one task of a cluster, until it is interrupted
    refflow show-kernels P  prints what computes each node of a step on a card, and the Triton sources of its chains
    refflow show LOGDIR     prints what training runs wrote into their event files
    refflow show P --html F writes a program's graph as a page to open in a browser
    refflow why S18         prints a clause, its code and its tests
    refflow cases MatMul    prints the examples of an op type, or of all, as lines of JSON for other backends
    refflow check BACKEND   holds another backend against them, a Python function or what it wrote about the lines
    refflow audit WHAT P    checks a model that is ported: its parameters, losses, tensors, or where a NaN begins
    refflow bench           prints speed as ratios to the leanest NumPy, measured in the same run
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from refflow.audit.command import add_audit
from refflow.bench.command import add_bench, count
from refflow.core.errors import OpError
from refflow.program_runs import add_args, notes_of
from refflow.viewer.command import add_show


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status. A user's mistake is one line on stderr, no traceback."""
    options = _parser().parse_args(argv)
    try:
        return options.command(options)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `refflow explain deck | head`
        sys.stderr.close()
        return 0
    except Exception as error:
        if options.traceback or not (isinstance(error, _MISTAKES) or notes_of(error)):
            raise
        print(f"refflow: {_told(error)}", *notes_of(error), sep="\n  ", file=sys.stderr)
        return 1


_MISTAKES = (ValueError, LookupError, OSError, RuntimeError, TypeError, OpError)


def _told(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{str(error.filename)!r}: {error.strerror.lower()}"
    text = str(error.args[0] if isinstance(error, LookupError) and error.args else error)
    is_python_s = bool(notes_of(error)) and not isinstance(error, (ValueError, OpError))  # and its text says little
    return f"{type(error).__name__}: {text}" if is_python_s else text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="refflow", description="TensorFlow as its authors first showed it.")
    parser.add_argument("--traceback", action="store_true", help="show Python's traceback of an error")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run a program of the documents")
    run.add_argument("program", type=_runnable, help="deck, or a .lisp file for the second front end")
    run.add_argument("--spelling", choices=["deck", "python3"], default="deck", help="as on the slide, or in Python 3")
    run.add_argument("--steps", type=count, default=801, help="training steps (default 801)")
    run.add_argument("--profile", choices=["workstation", "small", "cluster"], default="workstation",
                     help="where the deck's program runs; small: trained, frozen, under a memory limit")  # fmt: skip
    _session_options(run)
    run.set_defaults(command=_run)

    other = commands.add_parser("as-tensorflow", help="run a TensorFlow program, unchanged, on refflow")
    other.add_argument("--spelling", choices=["1.x", "0.x"], default="1.x", help="0.x: the first release's")
    other.add_argument("-m", action="store_true", dest="is_module", help="PROGRAM is a module, as of python -m")
    other.add_argument("program", help="a Python file, or a module")
    other.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGS", help="the program's own")
    other.set_defaults(command=_as_tensorflow, traceback=True)

    explain = commands.add_parser("explain", help="print every stage of one step")
    explain.add_argument("program", help="deck, a .py or .lisp program, or a graph in a .pb or .pbtxt file")
    explain.add_argument("--fetch", action="append", metavar="NAME", help="what a step of a file fetches")
    _session_options(explain)
    explain.set_defaults(command=_explain)

    place = commands.add_parser("place", help="print where each node goes, where else it could, and why")
    place.add_argument("program", help="deck, a .py or .lisp program, or a graph in a .pb or .pbtxt file")
    place.add_argument("--fetch", nargs="+", metavar="NAME", help="a step of these tensors and operations")
    place.add_argument("--cpus", type=count, default=1, metavar="N", help="virtual CPU devices (default 1)")
    place.add_argument("--device", choices=["cpu", "gpu"], default="cpu", help="gpu: with a card, there or not")
    place.add_argument("--placer", choices=["simple", "greedy"], default="simple")
    place.add_argument("--soft", action="store_true", help="use a CPU where a request cannot be honoured")
    place.set_defaults(command=_place)

    trace = commands.add_parser("trace", help="print where the time of some steps went")
    trace.add_argument("program", choices=["deck"])
    trace.add_argument("--steps", type=count, default=5, help="training steps (default 5)")
    trace.add_argument("--output", metavar="FILE", help="write the timeline for chrome://tracing or ui.perfetto.dev")
    _session_options(trace)
    trace.set_defaults(command=_trace)

    profile = commands.add_parser("profile", help="print what each line of a plan takes, and what the machine allows")
    profile.add_argument("program", help="deck, a workload of `refflow bench cpu --list`, a .pb or .pbtxt file, or a "
                         "Python program, which is run")  # fmt: skip
    add_args(profile)
    profile.add_argument("--fetch", action="append", metavar="NAME", help="what a step fetches; a .py is then not run")
    profile.add_argument("--steps", type=count, default=20, help="steps to run (default 20)")
    profile.add_argument("--threads", type=count, default=1, help="of the session (default 1)")
    profile.add_argument("--clock", choices=["cpu", "wall"], default="cpu", help="what a time is (default cpu)")
    profile.add_argument("--output", metavar="FILE", help="write the timeline for chrome://tracing or ui.perfetto.dev")
    profile.set_defaults(command=_profile)

    again = commands.add_parser("reuse", help="print how often a step uses each parameter it moves")
    again.add_argument("program", help="deck, a workload of `refflow bench cpu --list`, or a .py, .pb or .pbtxt file")
    again.add_argument("--fetch", action="append", metavar="LOSS", help="what a file's forward part computes")
    again.add_argument("--batch", type=count, metavar="N", help="the first size of placeholders that lack it")
    again.add_argument("--shape", action="append", default=[], metavar="NAME=N,N", help="the shape of a tensor")
    again.add_argument("--turns", action="append", default=[], metavar="LOOP=N", help="how often a loop turns")
    again.add_argument("--rate", type=float, default=1e12, metavar="F", help="operations a second (default 1e12)")
    again.add_argument("--link", type=float, default=1e9, metavar="W", help="bytes a second, either way (default 1e9)")
    again.set_defaults(command=_reuse)

    serve = commands.add_parser("serve", help="be one task of a cluster, until it is interrupted")
    serve.add_argument("cluster", help="for example ps=localhost:2222;worker=localhost:2223,localhost:2224")
    serve.add_argument("--job", help="which job this task is of; needless where there is one")
    serve.add_argument("--task", type=int, metavar="N", help="its number in the job; needless where there is one")
    serve.add_argument("--cpus", type=count, default=1, metavar="N", help="virtual CPU devices (default 1)")
    serve.set_defaults(command=_serve)

    kernels = commands.add_parser("show-kernels", help="print the Triton kernels of a step, without a card")
    kernels.add_argument("program", help="deck, a workload of `refflow bench cpu --list`, or a .py, .pb or .pbtxt file")
    kernels.add_argument("--fetch", action="append", metavar="NAME", help="what a step of a file fetches")
    kernels.set_defaults(command=_show_kernels)

    add_show(commands)

    why = commands.add_parser("why", help="print a clause of the documents, its code and its tests")
    why.add_argument("clause", help="for example S18 or W36; or words, for the clauses that have them")
    why.set_defaults(command=_why)

    cases = commands.add_parser("cases", help="print the examples of ops as lines of JSON")
    cases.add_argument("op_types", nargs="*", default=[], metavar="OP_TYPE", help="for example MatMul; all for none")
    cases.add_argument("--drawn", action="store_true", help="also those that `refflow check` draws beside the pages")
    cases.set_defaults(command=_cases)

    check = commands.add_parser("check", help="hold another backend against the examples of ops")
    check.add_argument("backend", help="MODULE:FUNCTION, or a .jsonl file of results for `refflow cases`")
    check.add_argument("op_types", nargs="*", default=[], metavar="OP_TYPE", help="all where none is given")
    check.add_argument("--quick", action="store_true", help="of what is drawn beside the pages one example for each op")
    check.set_defaults(command=_check)

    add_audit(commands)
    add_bench(commands)
    return parser


def _session_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu")
    parser.add_argument("--data", default="small", metavar="small|full|PATH", help="the images (default: small)")
    parser.add_argument("--seed", type=int, default=1, help="the graph's random seed (default 1)")
    parser.add_argument("--executor", choices=["plan", "executor"], default="plan")
    parser.add_argument("--kernels", choices=["fast", "reference"], default="fast")
    parser.add_argument("--policy", default="patient", help="patient, fifo, lifo, random(SEED), adversarial; executor")


def _runnable(text: str) -> str:
    if text != "deck" and not text.endswith(".lisp"):
        raise argparse.ArgumentTypeError(f"{text!r} is no program to run: expected deck, or a file NAME.lisp")
    return text


def _data(choice: str):
    from refflow.data import fashion_mnist

    if choice in ("small", "full"):
        return fashion_mnist(size=choice)
    return fashion_mnist(choice)


def _run(options: argparse.Namespace) -> int:
    from refflow import deck

    if options.program.endswith(".lisp"):
        return _run_lisp(options)
    deck.run_on(
        options.profile, options.spelling, seed=options.seed, num_steps=options.steps, data=_data(options.data),
        gpu=options.device == "gpu", executor=options.executor, kernels=options.kernels, policy=options.policy,
    )  # fmt: skip
    return 0


def _run_lisp(options: argparse.Namespace) -> int:
    from pathlib import Path

    from refflow.core.graph import Graph
    from refflow.deck import free_names
    from refflow.lisp import FrontEnd
    from refflow.runtime.session import Session

    if options.profile != "workstation":
        raise ValueError(f"--profile {options.profile} is for the deck's program in Python: refflow run deck")
    gpu = options.device == "gpu"
    chosen = {"executor": options.executor, "kernels": options.kernels, "policy": options.policy}
    devices = {"CPU": 1, "GPU": int(gpu)}
    names = free_names(_data(options.data), options.steps, print) | {"seed": options.seed}
    with Session(graph=Graph(), device_count=devices, allow_soft_placement=gpu, **chosen) as session:
        FrontEnd(names, session).load(Path(options.program))
    return 0


def _deck_step(options: argparse.Namespace, **more: Any) -> tuple[Any, list[Any]]:
    """A session on the deck's graph, its variables at their first values, and what a step of the program fetches."""
    from refflow import deck
    from refflow.runtime.session import Session

    chosen = {"executor": options.executor, "kernels": options.kernels, "policy": options.policy}
    gpu = options.device == "gpu"
    outcome = deck.run("deck", seed=options.seed, num_steps=0, data=_data(options.data), gpu=gpu,
                       say=lambda *words: None, **chosen)  # fmt: skip
    session = Session(graph=outcome.graph, devices=outcome.devices, allow_soft_placement=gpu, **chosen, **more)
    return session, [outcome.names[name] for name in ("optimizer", "loss", "prediction")]


def _write_trace(path: str, stats: Any) -> None:
    """A file for Chrome's trace viewer."""
    from refflow.timeline import Timeline

    with open(path, "w", encoding="utf-8") as file:
        file.write(Timeline(stats).generate_chrome_trace_format())


def _as_tensorflow(options: argparse.Namespace) -> int:
    import runpy
    from pathlib import Path

    from refflow.compat import as_tensorflow

    if not options.is_module and not Path(options.program).exists():
        options.traceback = False  # which is for the program's own errors
        raise FileNotFoundError(f"there is no program {options.program!r}; -m runs a module by its name")
    sys.argv = [options.program, *options.arguments]
    with as_tensorflow(options.spelling):
        if options.is_module:
            sys.path.insert(0, "")
            runpy.run_module(options.program, run_name="__main__", alter_sys=True)
        else:
            sys.path.insert(0, str(Path(options.program).resolve().parent))
            runpy.run_path(options.program, run_name="__main__")
    return 0


def _explain(options: argparse.Namespace) -> int:
    from refflow.explain import explain

    if options.program != "deck" or options.fetch:
        return _explain_file(options)
    session, fetches = _deck_step(options)
    with session:
        explain(session, fetches)
    return 0


def _explain_file(options: argparse.Namespace) -> int:
    from refflow.explain import explain
    from refflow.programs import holes, step_of
    from refflow.runtime.session import Session

    step = step_of(options.program, options.fetch)
    chosen = {"executor": options.executor, "kernels": options.kernels, "policy": options.policy}
    devices = {"CPU": 1, "GPU": int(options.device == "gpu")}
    with Session(graph=step.graph, device_count=devices, **chosen) as session:
        explain(session, step.fetches, [*step.feeds, *holes(step)])
    return 0


def _place(options: argparse.Namespace) -> int:
    from refflow.explain import placement
    from refflow.programs import load
    from refflow.runtime.device import local_devices
    from refflow.runtime.session import Session

    program = load(options.program, options.fetch)
    chosen = {"placer": options.placer, "allow_soft_placement": options.soft}
    devices = local_devices({"CPU": options.cpus})
    if options.device == "gpu":
        from refflow.runtime.gpu import planning_device

        devices.append(planning_device())
    with Session(graph=program.graph, devices=devices, **chosen) as session:
        placement(session, program.fetches)
    return 0


def _trace(options: argparse.Namespace) -> int:
    import time

    from refflow.runtime.events import EventLog
    from refflow.runtime.metadata import step_stats
    from refflow.timeline import table

    log = EventLog(time.perf_counter, values=False)
    session, fetches = _deck_step(options, log=log)
    with session:
        for _ in range(options.steps):
            session.run(fetches)
    print(table(log))
    if options.output:
        _write_trace(options.output, step_stats(log))
    return 0


def _profile(options: argparse.Namespace) -> int:
    from refflow.profile import profile, table
    from refflow.profile_program import longest, report, watch_program
    from refflow.programs import step_of
    from refflow.runtime.metadata import step_stats

    if options.program.endswith(".py") and not options.fetch:
        watched = watch_program(options.program, options.args, options.steps, options.clock)
        print(report(watched, options.threads))
        log = (seen := longest(watched)) and seen.log
    else:
        step = step_of(options.program, options.fetch)
        found = profile(*step, steps=options.steps, threads=options.threads, clock=options.clock)
        print(table(found))
        log = found.log
    if options.output and log:
        _write_trace(options.output, step_stats(log, max(event.step for event in log.events)))
    return 0


def _reuse(options: argparse.Namespace) -> int:
    from refflow.reuse import of_program, table

    found = of_program(options.program, options.fetch, options.batch, options.shape, options.turns)
    print(table(found, options.rate, options.link))
    return 0


def _serve(options: argparse.Namespace) -> int:
    from refflow.runtime.cluster.server import ClusterSpec, Server
    from refflow.runtime.config import ConfigProto

    config = ConfigProto(device_count={"CPU": options.cpus})
    server = Server(ClusterSpec.parse(options.cluster), options.job, options.task, config=config)
    print(f"{server.name} at {server.target}", flush=True)
    server.join()
    return 0


def _show_kernels(options: argparse.Namespace) -> int:
    from refflow.show_kernels import show_kernels

    show_kernels(options.program, options.fetch)
    return 0


def _why(options: argparse.Namespace) -> int:
    from refflow.ledger import why

    print(why(options.clause))
    return 0


def _cases(options: argparse.Namespace) -> int:
    from refflow.conformance import write_cases

    for line in write_cases(options.op_types, options.drawn):
        print(line)
    return 0


def _check(options: argparse.Namespace) -> int:
    from refflow.conformance import check, judged

    if options.backend.endswith((".jsonl", ".json")):
        with open(options.backend, encoding="utf-8") as file:
            report = judged(file, options.op_types)
    else:
        report = check(_function(options.backend), options.op_types, options.quick)
    print(report)
    return 0 if report.is_right else 1


def _function(name: str) -> Any:
    """The function that MODULE:FUNCTION names; the module may lie in this folder."""
    import importlib

    module, _, function = name.partition(":")
    if not function:
        raise ValueError(f"{name!r} is no backend: expected MODULE:FUNCTION, or a file of results that ends in .jsonl")
    sys.path.insert(0, "")
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"there is no backend {name!r}: {error}") from error
