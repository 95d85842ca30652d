"""Random structured programs that TensorFlow builds: its own runtime, ours and plain Python agree. pytest -m peers."""

import numpy as np
import pytest

from tests import programs
from tests.peers.stand_in import differences, outcomes

pytestmark = pytest.mark.peers
pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'")


def program_of(seed, version, rewriting=True):
    """A program of TensorFlow's front end, with control flow of version 1 or 2. rewriting: by TensorFlow's own passes,
    which make some of these programs fetch dead values, as that of seed 4 with version 1."""
    program = programs.random_program(seed, with_state=seed % 2 == 1)
    rng = np.random.default_rng(seed)
    inputs = [rng.normal(size=3) for _ in programs.NAMES]

    def run(tensorflow):
        v1 = tensorflow.compat.v1
        (v1.enable_control_flow_v2 if version == 2 else v1.disable_control_flow_v2)()
        library = programs.Library(v1, v1.cond, v1.while_loop, v1.reduce_sum, np.float64)
        state = v1.get_variable("state", initializer=np.float64(0), use_resource=version == 2)
        holes = [v1.placeholder(np.float64, [3]) for _ in inputs]
        ends = [v1.identity(e) for e in programs.build(program, library, holes, state)]
        total = v1.add_n([v1.reduce_sum(e * e) for e in ends])
        slopes = [v1.zeros([3], np.float64) if s is None else s for s in v1.gradients(total, holes)]
        config = v1.ConfigProto()
        config.graph_options.rewrite_options.disable_meta_optimizer = not rewriting
        with v1.Session(config=config) as session:
            session.run(state.initializer)
            feeds = dict(zip(holes, inputs, strict=True))
            session.run(ends, feeds)
            session.run(state)
            session.run(slopes, feeds)

    return run, program, inputs


def check(seed, version):
    run, program, inputs = program_of(seed, version)
    there = program_of(seed, version, rewriting=False)[0]
    assert differences(there, rtol=1e-9, atol=1e-12, here=run) == []
    wanted, counted = programs.run_in_python(program, inputs)
    ran = outcomes(run, here=True)
    for got, want in zip(ran[1].values, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)
    assert ran[2].values == [counted]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("seed", range(12))
def test_tensorflow_refflow_and_python_agree(seed, version):
    check(seed, version)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(100, 600))
def test_five_hundred_programs(seed):
    check(seed, 1 + seed // 2 % 2)
