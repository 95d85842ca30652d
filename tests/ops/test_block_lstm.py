"""Recurrent cells as one op: the steps of a sequence, and slopes that agree with differences."""

import numpy as np
import pytest

import refflow as tf
from refflow.core.registry import op_def

TIME, BATCH, INPUTS, CELLS = 4, 2, 3, 5


def data(rng):
    """The inputs of an LSTM by name."""
    sizes = {"x": (TIME, BATCH, INPUTS), "cs_prev": (BATCH, CELLS), "h_prev": (BATCH, CELLS),
             "w": (INPUTS + CELLS, 4 * CELLS), "wci": (CELLS,), "wcf": (CELLS,), "wco": (CELLS,),
             "b": (4 * CELLS,)}  # fmt: skip
    return {name: 0.5 * rng.normal(size=size).astype(np.float32) for name, size in sizes.items()}


@pytest.mark.parametrize("peephole", [False, True])
@pytest.mark.parametrize(("name", "order"), [("BlockLSTM", "icfo"), ("BlockLSTMV2", "ifco")])
def test_slopes_agree_with_differences(name, order, peephole, rng):  # [S49]
    known = data(rng)
    holes = {k: tf.placeholder(tf.float32, v.shape) for k, v in known.items()}
    y = op_def(name)(seq_len_max=tf.constant(np.int64(3)), **holes, use_peephole=peephole, cell_clip=-1.0)
    weights = rng.normal(size=(2, TIME, BATCH, CELLS)).astype(np.float32)
    total = tf.reduce_sum(y.h * weights[0] + y.cs * weights[1])
    slopes = tf.gradients(total, list(holes.values()))
    with tf.Session() as session:
        found = session.run(slopes, {holes[k]: v for k, v in known.items()})
        for name_of, slope in zip(known, found, strict=True):
            along = rng.normal(size=slope.shape).astype(np.float32)
            sides = [
                session.run(total, {holes[k]: v + h * along if k == name_of else v for k, v in known.items()})
                for h in (1e-2, -1e-2)
            ]
            assert (slope * along).sum() == pytest.approx((sides[0] - sides[1]) / 2e-2, rel=2e-2, abs=2e-3), name_of


def test_a_sequence_is_its_steps_one_after_the_other(rng):
    known = data(rng)
    x = known.pop("x")
    whole = op_def("BlockLSTM")(seq_len_max=tf.constant(np.int64(TIME)), x=tf.constant(x), **known, use_peephole=True)
    cs, h = known["cs_prev"], known["h_prev"]
    with tf.Session() as session:
        found = session.run(whole.h)
        for t in range(TIME):
            step = op_def("LSTMBlockCell")(tf.constant(x[t]), **known | {"cs_prev": cs, "h_prev": h}, use_peephole=True)
            cs, h = session.run([step.cs, step.h])
            np.testing.assert_allclose(found[t], h, rtol=1e-5)


def test_the_cell_s_slopes_of_a_gru_agree_with_differences(rng):
    sizes = {"x": (BATCH, INPUTS), "h_prev": (BATCH, CELLS), "w_ru": (INPUTS + CELLS, 2 * CELLS),
             "w_c": (INPUTS + CELLS, CELLS), "b_ru": (2 * CELLS,), "b_c": (CELLS,)}  # fmt: skip
    known = {name: rng.normal(size=size).astype(np.float32) for name, size in sizes.items()}
    kernel, back = op_def("GRUBlockCell").reference, op_def("GRUBlockCellGrad").reference
    dh = rng.normal(size=(BATCH, CELLS)).astype(np.float32)
    r, u, c, _ = kernel(**known)
    dx, dh_prev, _, _ = back(**known, r=r, u=u, c=c, d_h=dh)
    for name, slope in (("x", dx), ("h_prev", dh_prev)):
        along = rng.normal(size=slope.shape).astype(np.float32)
        sides = [(kernel(**known | {name: known[name] + h * along})[3] * dh).sum() for h in (1e-2, -1e-2)]
        assert (slope * along).sum() == pytest.approx((sides[0] - sides[1]) / 2e-2, rel=2e-2, abs=2e-3)


def test_steps_are_within_the_time(rng):  # TensorFlow reads beyond its memory there
    with pytest.raises(ValueError, match="seq_len_max must be between 0 and 4"):
        op_def("BlockLSTM")(seq_len_max=tf.constant(np.int64(TIME + 1)), **data(rng))
