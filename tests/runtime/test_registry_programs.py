"""Random programs over the whole registry: pages alone, the executor and plans agree, on any number of threads [S65].

What the pages' kernels gave while a program grew is what the executor gives, to the bit, and so are plans with those
kernels, whatever else is fetched. Plans with fast kernels give the same bits on two threads, in the next run, and to
several clients at once; what they give is near the pages'.
"""

import random
import threading

import numpy as np
import pytest

from tests.registry_graphs import Built, bits, laid_out, near, run, shown, smaller
from tests.registry_programs import Program

ALMOST = {"float16": 2e-2, "bfloat16": 6e-2, "float64": 1e-6}


def same(found, wanted, fetches, who):
    for got, want in zip(found, wanted, strict=True):
        for tensor, one, other in zip(fetches, got, want, strict=True):
            assert bits(one) == bits(other), f"{who}: {tensor.name} is {one}, expected {other}"


def at_once(built, fetches, feeds, wanted):
    """Three clients of one session."""
    import refflow.compat.v1 as tf

    with tf.Session(graph=built.graph) as session:
        session.run(built.init, feeds)
        found = []
        clients = [threading.Thread(target=lambda: found.append(session.run(fetches, feeds))) for _ in range(3)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
    same(found, [wanted] * 3, fetches, "at once")


def check(program):
    built = Built(program)
    fetches, draw = built.fetches, random.Random(program.seed)
    feeds = laid_out(built.feeds, program.seed)
    before = [bits(f) for f in feeds.values()]
    wanted = run(built, fetches, feeds, executor="executor", kernels="reference", optimize=False)
    if not built.random:
        for step in program.steps:
            for tensor, value in zip(built.tensors[step.number], program.values[step.number], strict=True):
                if tensor in fetches and not value.dtype.names:
                    same([[wanted[0][fetches.index(tensor)]]], [[value]], [tensor], "the executor")
    part = sorted(draw.sample(range(len(fetches)), min(len(fetches), draw.randint(1, 4))))
    for chosen in (range(len(fetches)), part):
        asked = [fetches[i] for i in chosen]
        slow = [[values[i] for i in chosen] for values in wanted]
        same(run(built, asked, feeds, kernels="reference"), slow, asked, "a plan of pages")
        optimised = run(built, asked, feeds, executor="executor", kernels="reference", optimize=True)
        same(optimised, slow, asked, "the optimised executor")
        fast = run(built, asked, feeds)
        same(run(built, asked, feeds, threads=2), fast, asked, "two threads")
        if not built.random and built.last is None:
            same(fast[1:], fast[:1], asked, "the second run")
            at_once(built, asked, feeds, fast[0])
        for tensor, one, other in zip(asked, fast[0], slow[0], strict=True):
            share = ALMOST.get(tensor.dtype.base_dtype.name, 1e-3)
            if tensor not in built.slopes:  # where terms cancel little is left to be near to
                assert near(one, other, share), f"fast kernels: {tensor.name} is {one}, expected {other}"
    assert [bits(f) for f in feeds.values()] == before, "a feed is changed"


def failure(program):
    """The kind of a program's failure, or nothing."""
    try:
        check(program)
    except Exception as error:
        return type(error).__name__, str(error)[:16]
    return None


def checked(seed, deep=False):
    program = Program(seed, deep)
    found = failure(program)
    if found is not None:
        small = smaller(program, lambda less: failure(less) == found)
        print(shown(small))
        check(small)


@pytest.mark.parametrize("seed", range(20, 40))
def test_programs_over_the_registry_agree(seed):
    checked(seed)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(1000, 2000))
def test_a_thousand_programs(seed):
    checked(seed, deep=True)


def test_a_program_is_made_small():
    """What a failure needs stays, and who read what is gone is fed it."""
    program = next(p for p in map(Program, range(100)) if len(p.steps) > 8 and not p.flow and not p.updates)
    kept = program.steps[-1]

    def fails(less):
        return any(s.number == kept.number for s in less.steps)

    small = smaller(program, fails)
    assert [s.number for s in small.steps] == [kept.number]
    values = small.run(small.steps[0], {})
    for one, other in zip(values, program.values[kept.number], strict=True):
        assert bits(one) == bits(other) or np.isnan(np.asarray(one, complex)).any()
    assert str(kept.number) in shown(small)
