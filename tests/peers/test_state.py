"""Random tensors, variables, gradients, optimizers, checkpoints: programs of TensorFlow's client, here and there."""

import numpy as np
import pytest

from tests.peers.stand_in import differences

pytestmark = pytest.mark.peers
tensorflow = pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'")
v1, raw = tensorflow.compat.v1, tensorflow.raw_ops
FLOATS = ("float16", "bfloat16", "float32", "float64")
COUNTS = ("float16", "float32", "float64", "int32", "int64")
PROGRAMS = {}


def program(function):
    PROGRAMS[function.__name__] = function
    return function


def runs(fetches, times=2, feeds=None):
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        for _ in range(times):
            session.run(fetches, feeds)


def hidden(value):
    """A value that the graph does not know before it runs."""
    return v1.placeholder_with_default(np.asarray(value), None)


# -- random tensors ------------------------------------------------------------------------------------------


@program
def seeded_numbers(tf):
    for dtype in FLOATS:
        for op in (raw.RandomUniform, raw.RandomStandardNormal, raw.TruncatedNormal):
            runs([op(shape=shape, dtype=dtype, seed=3, seed2=4) for shape in ([0], [5], [3, 7])])
    for dtype in ("int32", "int64"):
        ends = (tf.constant(v, dtype) for v in (-5, 17))
        runs(raw.RandomUniformInt(shape=[9], minval=next(ends), maxval=next(ends), seed=1, seed2=2), 3)
    runs([raw.RandomShuffle(value=v, seed=5, seed2=6) for v in ([1], [1, 2, 3, 4, 5], np.arange(24).reshape(6, 4))], 3)


@program
def stateless_numbers(tf):
    key, counter = raw.StatelessRandomGetKeyCounter(seed=[7, 2**40])
    at = {"key": key, "counter": counter, "alg": 3}
    runs([key, counter, raw.StatelessRandomGetAlg(), raw.StatelessShuffle(value=np.arange(9), **at)])
    for dtype in FLOATS:
        runs([op(shape=[7], seed=[7, -8], dtype=dtype) for op in
              (raw.StatelessRandomUniform, raw.StatelessRandomNormal, raw.StatelessTruncatedNormal)])  # fmt: skip
        runs([op(shape=[7], dtype=dtype, **at) for op in
              (raw.StatelessRandomUniformV2, raw.StatelessRandomNormalV2, raw.StatelessTruncatedNormalV2)])  # fmt: skip
    for dtype in ("int32", "int64", "uint32", "uint64"):
        runs([raw.StatelessRandomUniformFullInt(shape=[5], seed=[1, 2], dtype=dtype),
              raw.StatelessRandomUniformFullIntV2(shape=[5], dtype=dtype, **at)])  # fmt: skip


@program
def gammas_and_counts(tf):
    for dtype in COUNTS[:3]:
        alpha = tf.constant([0.01, 1.0, 2.5, 100.0], dtype)
        runs([raw.RandomGamma(shape=[40], alpha=alpha, seed=1, seed2=2),
              raw.StatelessRandomGammaV2(shape=[40, 4], seed=[1, 2], alpha=alpha)])  # fmt: skip
    for dtype in COUNTS:
        rate = tf.constant([1.0, 9.0, 11.0, 200.0, 0.0], "float32")
        runs([raw.RandomPoissonV2(shape=[30], rate=rate, dtype=dtype, seed=1, seed2=2),
              raw.StatelessRandomPoisson(shape=[30, 5], seed=[1, 2], lam=rate, dtype=dtype)])  # fmt: skip
        runs(raw.StatelessRandomBinomial(shape=[9, 4], seed=[1, 2], counts=tf.constant([1.0, 10.0, 100.0, 1000.0]),
                                         probs=tf.constant([[0.3]] * 9), dtype=dtype))  # fmt: skip
    logits = tf.constant([[1.0, 2.0, 3.0], [5.0, -1.0, 0.0]])
    runs([raw.Multinomial(logits=logits, num_samples=7, seed=1, seed2=2),
          raw.StatelessMultinomial(logits=logits, num_samples=7, seed=[1, 2])])  # fmt: skip
    grid = np.meshgrid([0.01, 0.5, 1.0, 5.0, 100.0], [1e-3, 0.5, 2.0, 50.0])
    runs(raw.RandomGammaGrad(alpha=grid[0], sample=grid[1]))


@program
def bounded_normals_and_shuffled_indices(tf):
    for low, high in ((-2.0, 2.0), (0.5, 1.0), (3.0, np.inf), (-np.inf, -2.0), (1.0, 5.0)):
        runs([raw.ParameterizedTruncatedNormal(shape=[3, 50], means=0.0, stdevs=1.0, minvals=low, maxvals=high, seed=1),
              raw.StatelessParameterizedTruncatedNormal(shape=[50, 3], seed=[1, 2], means=[0.0, 0.1, 0.2], stddevs=1.0,
                                                        minvals=low, maxvals=high)])  # fmt: skip
    runs([raw.RandomIndexShuffle(index=1, seed=[1, 2, 3], max_index=top, rounds=n)
          for top in (1, 5, 1000, 2**17) for n in (4, 8)])  # fmt: skip


@program
def generators_in_variables(tf):
    generator = tf.random.Generator.from_seed(5)
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        draws = [generator.normal([3]), generator.uniform([2], 0, 10, tf.int32), generator.truncated_normal([4]),
                 generator.make_seeds(2), generator.uniform_full_int([3])]  # fmt: skip
        for draw in draws * 2:
            session.run(draw)


# -- variables and kept tensors -----------------------------------------------------------------------------


def variable_program(behind_handle):
    def life_of_a_variable(tf):
        v = v1.get_variable("v", initializer=[[1.0, 2.0], [3.0, 4.0]], use_resource=behind_handle)
        flag = v1.placeholder(tf.bool)
        there = v1.is_variable_initialized(v)
        steps = [v.assign_add([[1.0, 1.0]] * 2), v[0].assign([9.0, 8.0]), v[:, 1].assign([7.0, 6.0]), v * 2.0,
                 v1.scatter_add(v, [0, 0], [[1.0, 2.0], [3.0, 4.0]]), v1.report_uninitialized_variables()]  # fmt: skip
        choice = v1.cond(flag, lambda: v + 1.0, lambda: v - 1.0)
        with v1.Session() as session:
            session.run([there, v1.report_uninitialized_variables()])
            session.run(v.initializer)
            for step in [*steps, there]:
                session.run(step)
            session.run(choice, {flag: True})
            session.run(tf.gradients(tf.reduce_sum(v * v), v))

    return life_of_a_variable


def early_reader(behind_handle):
    def reading_too_early(tf):
        v = v1.get_variable("v", initializer=1.0, use_resource=behind_handle)
        with v1.Session() as session:
            session.run(v + 1.0)

    return reading_too_early


def misfit(behind_handle):
    def a_value_of_another_shape(tf):
        v = v1.get_variable("v", initializer=[1.0, 2.0], use_resource=behind_handle)
        with v1.Session() as session:
            session.run(v.initializer)
            session.run(v.assign(hidden(np.ones(3, np.float32))))

    return a_value_of_another_shape


for _behind in (False, True):
    _kind = "handles" if _behind else "references"
    PROGRAMS[f"variables: {_kind}"] = variable_program(_behind)
    PROGRAMS[f"reading too early: {_kind}"] = early_reader(_behind)
    PROGRAMS[f"another shape: {_kind}"] = misfit(_behind)


@program
def tensors_kept_in_a_session(tf):
    x = v1.placeholder(tf.float32)
    y = x * 2.0
    with v1.Session() as session:
        handle = session.run(v1.get_session_handle(y), {x: [1.0, 2.0]})
        for _ in range(2):
            handle = session.run(v1.get_session_handle(y), {x: handle})
        handle.eval()
        hole, value = v1.get_session_tensor(handle.handle, tf.float32)
        session.run(value + 1.0, {hole: handle.handle})
        handle.delete()
        session.run(value, {hole: handle.handle})


# -- gradients and optimizers -------------------------------------------------------------------------------


@program
def gradients_of_every_kind(tf):
    x, n = tf.constant([1.0, 2.0, 3.0]), v1.placeholder(tf.int32, [])
    y = x * x
    z = tf.reduce_sum(y * x)
    rows = tf.gather(tf.constant(np.arange(12.0).reshape(6, 2)), [0, 2, 2])
    _, loop = v1.while_loop(lambda i, _: i < n, lambda i, t: (i + 1, t * t), [0, x])
    wanted = [tf.gradients(z, [x, y]), tf.gradients(y, x, grad_ys=[tf.constant([1.0, 0.0, 2.0])]), tf.hessians(z, x),
              tf.gradients(z, x, stop_gradients=[y]), tf.gradients(tf.gradients(z, x), x), tf.gradients(loop, x),
              v1.gradients(z, x, gate_gradients=True), tf.gradients(tf.reduce_sum(rows * rows), rows)]  # fmt: skip
    runs(wanted, 1, {n: 3})


OPTIMIZERS = {
    "GradientDescent": lambda: v1.train.GradientDescentOptimizer(0.3),
    "Momentum": lambda: v1.train.MomentumOptimizer(0.3, 0.9, use_nesterov=True),
    "Adagrad": lambda: v1.train.AdagradOptimizer(0.3),
    "AdagradDA": lambda: v1.train.AdagradDAOptimizer(0.3, v1.train.get_or_create_global_step(), 0.1, 0.001, 0.1),
    "Adadelta": lambda: v1.train.AdadeltaOptimizer(0.3),
    "Adam": lambda: v1.train.AdamOptimizer(0.3),
    "Ftrl": lambda: v1.train.FtrlOptimizer(0.3, -0.6, 0.1, 0.001, 0.1),
    "RMSProp": lambda: v1.train.RMSPropOptimizer(0.3, momentum=0.5, centered=True),
    "ProximalGradientDescent": lambda: v1.train.ProximalGradientDescentOptimizer(0.3, 0.01, 0.1),
    "ProximalAdagrad": lambda: v1.train.ProximalAdagradOptimizer(0.3, 0.1, 0.01, 0.1),
}


def optimizer_program(name, behind_handle):
    def steps_of_an_optimizer(tf):
        a = v1.get_variable("a", initializer=[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], use_resource=behind_handle)
        b = v1.get_variable("b", initializer=[3.0, 4.0], use_resource=behind_handle)
        optimizer = OPTIMIZERS[name]()
        rows = tf.IndexedSlices(tf.constant([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]), tf.constant([2, 0, 2]), [3, 2])
        step = optimizer.apply_gradients([(rows, a), (tf.constant([0.01, -0.01]), b)])
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            for _ in range(3):
                session.run(step)
            session.run([a.read_value(), b.read_value()])

    return steps_of_an_optimizer


for _name in OPTIMIZERS:
    for _behind in (False, True):
        PROGRAMS[f"{_name}: {'handles' if _behind else 'references'}"] = optimizer_program(_name, _behind)


@program
def a_gradient_of_another_shape(tf):
    v = v1.get_variable("v", initializer=[1.0, 2.0], use_resource=True)
    step = raw.ResourceApplyGradientDescent(var=v.handle, alpha=0.1, delta=hidden(np.ones(3, np.float32)))
    runs(step, 1)


# -- checkpoints --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["V1", "V2"])
@pytest.mark.parametrize("behind_handles", [False, True])
def test_a_saver_saves_and_restores(tmp_path, version, behind_handles):
    def saving_and_restoring(tf):
        where = str(tmp_path / "m")
        values = {"a": [1.0, 2.0], "b": np.arange(4, dtype=np.int64), "c": np.array([True, False])}
        made = [v1.get_variable(k, initializer=v, use_resource=behind_handles) for k, v in values.items()]
        with v1.variable_scope("cut", use_resource=behind_handles, partitioner=v1.fixed_size_partitioner(2)):
            v1.get_variable("w", [5, 2], initializer=v1.random_uniform_initializer(seed=3))
        saver = v1.train.Saver(sharded=True, max_to_keep=2, write_version=getattr(v1.train.SaverDef, version))
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            path = [saver.save(session, where, global_step=i, write_meta_graph=False) for i in range(3)][-1]
            session.run([v.assign(v1.zeros_like(v)) for v in made])
            saver.restore(session, path)
            session.run(v1.global_variables())
            session.run(raw.RestoreV2(prefix=path, tensor_names=["none"], shape_and_slices=[""], dtypes=["float32"]))

    assert differences(saving_and_restoring) == []


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_goes_here_as_it_goes_there(name):
    assert differences(PROGRAMS[name]) == []
