"""What a debugger asks of tensors, answered by TensorFlow and here."""

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'")

from tests.peers.stand_in import differences, outcomes

pytestmark = pytest.mark.peers
TENSORS = {
    "mixed": np.array([1, -2, 0, np.nan, np.inf, -np.inf, -np.inf, -0.0], np.float32),
    "empty": np.zeros((2, 0, 3)),
    "scalar": np.array(3.0, np.float32),
    "eight axes": np.ones((2, 1, 1, 3, 1, 2, 1, 4)),
    "integers": np.array([[1, -2, 0], [5, 5, 5]]),
    "bools": np.array([True, False]),
    "bytes": np.array([3, 0, 255], np.uint8),
    "half": np.array([np.inf, 1.5], np.float16),
}


@pytest.mark.parametrize("name", TENSORS)
def test_numbers_that_tell_a_tensors_health_agree(name):
    value = TENSORS[name]

    def program(tf):
        raw = tf.raw_ops
        x = tf.compat.v1.placeholder(tf.as_dtype(value.dtype))
        asked = [raw.DebugNumericSummaryV2(input=x, tensor_debug_mode=mode, tensor_id=7, output_dtype=dtype)
                 for mode in (2, 3, 4, 5, 8) for dtype in (tf.float32, tf.float64)]  # fmt: skip
        if name not in ("half", "bools"):  # for which TensorFlow has not all of the older kernels
            asked += [
                raw.DebugNanCount(input=x, tensor_name="x:0"),
                raw.DebugNumericSummary(input=x, tensor_name="x:0"),
                raw.DebugNumericSummary(input=x, tensor_name="x:0", lower_bound=-1.5, upper_bound=1.5),
                raw.DebugNumericSummary(input=x, tensor_name="x:0", lower_bound=3.0, upper_bound=1.0),
            ]
        with tf.compat.v1.Session() as session:
            for each in asked:
                session.run(each, {x: value})

    assert differences(program) == []


@pytest.mark.parametrize("attrs", [dict(tensor_debug_mode=7), dict(tensor_debug_mode=2, tensor_id=2**30)], ids=str)
def test_mistakes_are_said_in_the_same_words(attrs):
    def program(tf):
        with tf.compat.v1.Session() as session:
            session.run(tf.raw_ops.DebugNumericSummaryV2(input=tf.constant([1.0]), **attrs))

    (there,), (here,) = outcomes(program, here=False), outcomes(program, here=True)
    assert there.error == here.error is not None
    assert there.message in here.message
