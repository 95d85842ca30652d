"""How often a step uses each parameter: by the report, by hand, and as a simulated step has it."""

import re
from itertools import pairwise

import numpy as np
import pytest

import refflow as tf
import refflow.compat.v1 as tf1
from refflow.cli import main
from refflow.distbelief import ClientLoop, Clock, Dense, Downpour, Links, Machine, Network, Relu, Sgd
from refflow.reuse import Use, of_program, reuse, table
from refflow.runtime.costs import CostModel, multiply_adds
from refflow.runtime.device import local_devices
from refflow.runtime.events import EventLog
from refflow.runtime.simulate import simulate


def uses(graph, loss, **options):
    """U of each variable by its name."""
    return {use.variable: use.uses for use in reuse(graph, [loss], **options).uses}


def changed(weights, y):
    """How many elements of y each weight has a part in, on the average: those where y moves with it."""
    with tf1.Session() as session:
        session.run(weights.initializer)
        before, start = session.run(y), session.run(weights)
        counts = []
        for place in np.ndindex(*start.shape):
            other = start.copy()
            other[place] += 1.0
            weights.load(other, session)
            counts.append((session.run(y) != before).sum())
        return np.mean(counts)


# -- layers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("batch", "width"), [(1, 7), (64, 7), (64, 300)])
def test_a_dense_layer_uses_each_weight_once_an_example(graph, batch, width):  # [S72]
    x = tf.placeholder(tf.float32, [batch, 20])
    w, b = tf.Variable(tf.zeros([20, width]), name="w"), tf.Variable(tf.zeros([width]), name="b")
    y = tf.matmul(x, w) + b
    (product,) = [op for op in graph.get_operations() if op.type == "MatMul"]
    assert product.op_def.work_rule([(batch, 20), (20, width)], [(batch, width)], {}) == batch * 20 * width
    assert uses(graph, y) == {"w": batch, "b": batch}


def test_a_convolution_uses_each_weight_at_784_places_of_an_image(graph):  # [S73]
    x = tf.placeholder(tf.float32, [None, 28, 28, 3])
    w = tf.Variable(tf.zeros([3, 3, 3, 8]), name="w")
    y = tf.nn.bias_add(tf.nn.conv2d(x, w, [1, 1, 1, 1], "SAME"), tf.Variable(tf.zeros([8]), name="b"))
    assert uses(graph, y, batch=1) == {"w": 784, "b": 784}
    assert uses(graph, y, batch=64) == {"w": 784 * 64, "b": 784 * 64}


@pytest.mark.parametrize(
    ("stride", "padding", "places"), [(1, "VALID", 5 * 4), (2, "VALID", 3 * 2), (2, "SAME", 4 * 3)]
)
def test_what_is_counted_is_what_a_weight_moves(graph, stride, padding, places):  # [S72, S73]
    x = tf.ones([2, 7, 6, 2])
    w = tf1.get_variable("w", initializer=np.ones((3, 3, 2, 3), np.float32))
    y = tf.nn.conv2d(x, w, [1, stride, stride, 1], padding)
    assert uses(graph, y) == {"w": 2 * places}
    if padding == "VALID":  # at the edges of the other, some weights meet only zeros
        assert changed(w, y) == 2 * places
    v = tf1.get_variable("v", initializer=np.ones((4, 3), np.float32))
    dense = tf.matmul(tf.ones([5, 4]), v)
    assert uses(graph, dense) == {"v": 5} and changed(v, dense) == 5


def recurrent_step(w, x, h):
    return tf.tanh(tf.matmul(tf.concat(1, [x, h]), w))


def test_a_recurrent_net_uses_each_weight_once_a_step_unrolled_and_in_a_loop(graph):  # [S74]
    steps, batch = 50, 6
    xs = tf.placeholder(tf.float32, [steps, None, 3])
    w = tf.Variable(tf.zeros([7, 4]), name="w")
    first = tf.fill(tf.pack([tf.shape(xs)[1], 4]), 0.0)
    h = first
    for x in tf.unpack(xs):
        h = recurrent_step(w, x, h)
    _, looped = tf.while_loop(
        lambda t, h: t < steps, lambda t, h: (t + 1, recurrent_step(w, tf.gather(xs, t), h)), [tf.constant(0), first],
        shape_invariants=[tf.TensorShape([]), tf.TensorShape([None, 4])],
    )  # fmt: skip
    shapes = {xs: (steps, batch, 3)}
    assert uses(graph, h, shapes=shapes) == uses(graph, looped, shapes=shapes) == {"w": steps * batch}


@pytest.mark.parametrize("cell", ["LSTMCell", "GRUCell", "LSTMBlockCell", "BasicRNNCell"])
def test_the_cells_of_the_library_do(cell):  # [S74]
    import refflow.compat

    graph = tf1.Graph()
    with graph.as_default(), refflow.compat.as_tensorflow():
        from tensorflow.contrib import rnn

        made = getattr(rnn, cell)(5)
        x = tf1.placeholder(tf1.float32, [None, 50, 3])
        y, _ = tf1.nn.dynamic_rnn(made, x, dtype=tf1.float32)
    found = reuse(graph, [y], batch=4)
    kernels = [u for u in found.uses if "bias" not in u.variable]
    assert kernels and all(u.uses == 50 * 4 and u.moved == u.parameters for u in kernels)


def test_a_table_moves_only_rows_that_are_looked_up(graph):  # [S71, S50e]
    ids = tf.placeholder(tf.int32, [None])
    table_, w = tf.Variable(tf.zeros([1000, 8]), name="table"), tf.Variable(tf.zeros([8, 5]), name="w")
    y = tf.matmul(tf.nn.embedding_lookup(table_, ids), w)
    found = reuse(graph, [y], batch=30)
    assert found["table"][1:] == (8000, 30 * 8, 30 * 8 * 5, 4)  # each number of a row meets the 5 weights of one of w
    assert found["w"][1:] == (40, 40, 30 * 8 * 5, 4)
    assert found.whole.multiply_adds == 30 * 8 * 5  # one product, though two variables are in it
    assert reuse(graph, [y], batch=5000)["table"].moved == 8000  # no more than there are
    tied = tf.matmul(tf.nn.embedding_lookup(table_, ids), table_, transpose_b=True)
    assert reuse(graph, [tied], batch=30)["table"].moved == 8000


def test_weights_that_are_shared_add_up(graph):  # [S71]
    x, z = tf.placeholder(tf.float32, [8, 6]), tf.placeholder(tf.float32, [3, 6])
    w = tf.Variable(tf.zeros([6, 6]), name="w")
    assert uses(graph, tf.add_n([tf.reduce_sum(tf.matmul(t, w)) for t in (x, x, z)])) == {"w": 8 + 8 + 3}
    assert uses(graph, tf.matmul(tf.matmul(x, w), w)) == {"w": 16}
    assert uses(graph, tf.reduce_sum(tf.matmul(x, w)) + tf.nn.l2_loss(w)) == {"w": 9}


def test_parts_and_joined_variables_are_followed(graph):
    x = tf.placeholder(tf.float32, [8, 6])
    a, b = tf.Variable(tf.zeros([4, 5]), name="a"), tf.Variable(tf.zeros([2, 5]), name="b")
    y = tf.matmul(x, tf.transpose(tf.transpose(tf.concat(0, [a, b]))))
    assert uses(graph, y) == {"a": 8, "b": 8}
    half = tf.matmul(x[:, :2], tf.slice(a, [1, 0], [2, -1]))
    assert reuse(graph, [half])["a"][1:4] == (20, 10, 8 * 10)
    other = tf.placeholder(tf.float32, [9, 2])
    left = tf.cond(tf.placeholder(tf.bool, []), lambda: tf.reduce_sum(y), lambda: tf.reduce_sum(tf.matmul(other, b)))
    assert uses(graph, left) == {"a": 8, "b": 8 + 9}


def test_the_way_back_and_the_updates_do_not_count(graph):
    """They are in the 6 operations; and the slots of an optimizer are no parameters."""
    x, w = tf.placeholder(tf.float32, [3, 5]), tf.Variable(tf.zeros([5, 5]), name="w")
    loss = tf.reduce_mean(tf.matmul(tf.tanh(tf.matmul(x, w)), w))
    before = uses(graph, loss)
    slopes = tf.gradients(loss, [w, x])
    tf.train.AdamOptimizer(0.1).minimize(loss)
    assert uses(graph, loss) == before == {"w": 6}
    assert uses(graph, tf.reduce_sum(slopes[1]) + loss) == before
    assert reuse(graph, [loss.op]) == reuse(graph, [loss])
    with pytest.raises(ValueError, match="updates has no value: say what the forward part computes, with --fetch LOSS"):
        reuse(graph, [tf.group(loss.op, name="updates")])


def test_rows_are_followed_through_an_array_into_a_loop():  # [S71, S74]
    graph = tf1.Graph()
    with graph.as_default():
        ids = tf1.placeholder(tf1.int32, [None, 9])
        rows = tf1.nn.embedding_lookup(tf1.get_variable("rows", [1000, 4]), ids)
        y, _ = tf1.nn.dynamic_rnn(tf1.nn.rnn_cell.GRUCell(5), rows, dtype=tf1.float32)
    found = reuse(graph, [y], batch=3)
    assert found["rnn/gru_cell/gates/kernel"].uses == 3 * 9
    assert found["rows"].moved == 3 * 9 * 4 and found["rows"].uses == 3 * 5  # two gates, a candidate, of 5 units each


def test_variables_behind_handles_have_the_same_uses():
    graph = tf1.Graph()
    with graph.as_default():
        w = tf1.get_variable("w", [6, 2], use_resource=True)
        rows = tf1.get_variable("rows", [50, 6], use_resource=True)
        y = tf1.matmul(tf1.nn.embedding_lookup(rows, tf1.placeholder(tf1.int32, [7])), w)
    found = reuse(graph, [y])
    assert found["w"].uses == 7 and found["rows"].moved == 7 * 6


# -- loops --------------------------------------------------------------------------------------------------


def loop(condition, body, start, w, x):
    return tf.while_loop(lambda i, h: condition(i), lambda i, h: (body(i), tf.matmul(h, w)), [start, x], name="loop")[1]


@pytest.mark.parametrize(
    ("condition", "body", "start", "turns"),
    [
        (lambda i: i < 9, lambda i: i + 2, 0, 5),
        (lambda i: i > 0, lambda i: i - 1, 4, 4),
        (lambda i: tf.logical_and(i < 100, i * i < 50), lambda i: i + 1, 0, 8),
        (lambda i: i > 5, lambda i: i, 0, 0),
    ],
)
def test_turns_that_follow_from_constants_are_counted(graph, condition, body, start, turns):  # [S74]
    w, x = tf.Variable(tf.zeros([3, 3]), name="w"), tf.placeholder(tf.float32, [2, 3])
    assert uses(graph, loop(condition, body, tf.constant(start), w, x)) == ({"w": 2 * turns} if turns else {})


def test_loops_in_loops_multiply(graph):
    w, x = tf.Variable(tf.zeros([3, 3]), name="w"), tf.placeholder(tf.float32, [2, 3])
    y = tf.while_loop(
        lambda i, h: i < 3, lambda i, h: (i + 1, loop(lambda j: j < 5, lambda j: j + 1, tf.constant(0), w, h)),
        [tf.constant(0), x],
    )[1]  # fmt: skip
    assert uses(graph, y) == {"w": 2 * 3 * 5}


def test_turns_that_depend_on_data_are_asked_for(graph):  # [S74]
    w, x, n = tf.Variable(tf.zeros([3, 3]), name="w"), tf.placeholder(tf.float32, [2, 3]), tf.placeholder(tf.int32, [])
    y = loop(lambda i: i < n, lambda i: i + 1, tf.constant(0), w, x)
    with pytest.raises(ValueError, match=r"loop '(.*)' turns is not known before.*--turns \1=N") as caught:
        reuse(graph, [y])
    name = re.search(r"loop '(.*?)'", str(caught.value))[1]
    assert uses(graph, y, turns={name: 11}) == {"w": 22}
    with pytest.raises(ValueError, match=f"no loop of the step is called 'other'; there is '{name}'"):
        reuse(graph, [y], turns={"other": 1})
    forever = loop(lambda i: i < 10, lambda i: i, tf.constant(0), w, x)
    with pytest.raises(ValueError, match="turns more than 100,000 times"):
        reuse(graph, [forever])


def test_what_no_variable_is_in_moves_nothing(graph):
    found = reuse(graph, [tf.matmul(tf.ones([2, 3]), tf.placeholder(tf.float32, [3, 4]))])
    assert found.uses == [] and table(found, 1e12, 1e9) == "no variable is used: there is nothing to move"


# -- what is not known --------------------------------------------------------------------------------------


def test_sizes_that_nobody_knows_are_asked_for(graph):  # [S70]
    x = tf.placeholder(tf.float32, [None, None, 4], name="x")
    y = tf.matmul(tf.reshape(x, [-1, 4]), tf.Variable(tf.zeros([4, 2]), name="w"))
    for options in ({}, {"batch": 3}):
        with pytest.raises(ValueError, match=r"variable 'w' is used is not known.*comes from x:0 \[.,\?,4\].*--shape"):
            reuse(graph, [y], **options)
    assert uses(graph, y, shapes={x: (3, 5, 4)}) == {"w": 15}
    with pytest.raises(KeyError, match="no variable 'v'; it has w"):
        reuse(graph, [y], shapes={x: (3, 5, 4)})["v"]


# -- times --------------------------------------------------------------------------------------------------


def perceptron(batch, width, apart=False):
    """A step of training whose parameters are on one device and whose arithmetic is on another, or on one."""
    graph, far = tf.Graph(), f"/cpu:{int(apart)}"
    with graph.as_default(), graph.device(far):
        x = tf.fill([batch, width], 1.0)
        h, weights = x, []
        for i in range(3):
            with graph.device("/cpu:0"):
                weights.append(tf.Variable(tf.fill([width, width], 0.1), name=f"w{i}"))
            h = tf.nn.relu(tf.matmul(h, tf.identity(weights[-1])))  # fetched once, for both directions
        loss = tf.reduce_mean(h)
        dx, *slopes = tf.gradients(loss, [x, *weights])  # also of the data, as in the middle of a net
        with graph.device("/cpu:0"):
            step = tf.group(*(tf.assign_sub(w, slope) for w, slope in zip(weights, slopes, strict=True)), name="step")
        return graph, loss, [step, dx.op], tf.initialize_all_variables()


@pytest.mark.parametrize("batch", [16, 64])
def test_the_times_are_those_of_a_simulated_step(batch):  # [S70, S71]
    width, rate, link = 128, 2e9, 1e9  # the first release's rule: a thousand multiply-adds a microsecond
    graph, loss, targets, _ = perceptron(batch, width, apart=True)
    with tf.Session(graph=graph, devices=local_devices({"CPU": 2}), variable_reads="snapshot") as session:
        stages = session.stages(session.signature(targets, []))
    run = simulate(stages.partitioned, CostModel(latency=0.0, bandwidth=link / 1e6))
    near, far = sorted({n.device for n in stages.partitioned.nodes}, key=lambda d: d.name)
    seconds = {line: 1e-6 * sum(run.end[n] - run.start[n] for n in nodes) for line, nodes in run.lines.items()}
    whole = reuse(graph, [loss]).whole
    assert whole.uses == batch and whole.moved == 3 * width**2
    assert seconds[far] == pytest.approx(whole.computation(rate), rel=0.05)
    assert seconds[near, far] + seconds[far, near] == pytest.approx(whole.moving(link), rel=0.01)
    measured = seconds[far] / (seconds[near, far] + seconds[far, near])
    assert whole.ratio(rate, link) == 0.75 * batch * link / rate
    assert measured == pytest.approx(0.75 * batch * link / rate, rel=0.05)


@pytest.mark.parametrize(("batch", "width"), [(4, 24), (32, 24), (32, 48)])
def test_a_replica_on_a_simulated_link_waits_as_long_as_predicted(batch, width):  # [S70, S71]
    """The work is counted while the step runs; a machine then takes its time for it, between fetching and pushing."""
    graph, loss, targets, init = perceptron(batch, width)
    log = EventLog(iter(range(10**6)).__next__)
    with tf.Session(graph=graph, log=log, executor="executor") as session:
        session.run(init)
        session.run(targets)
    last = log.events[-1].step
    ran = [log.nodes[last, e.node_id] for e in log.events if e.step == last and e.kind == "end"]
    work = sum(2 * multiply_adds(n) for n in ran if n.op_def.work_rule is not None)
    rate, link = 1e9, 1e8
    clock = Clock()
    server, replica = Machine(clock, "server"), Machine(clock, "replica", speed=rate)
    links = Links(clock, bandwidth=link)
    size = 4 * 3 * width**2
    links.send(server, replica, size, lambda: replica.compute(work, lambda: links.send(replica, server, size, int)))
    clock.run()
    whole = reuse(graph, [loss]).whole
    assert replica.busy == pytest.approx(whole.computation(rate))
    assert clock.now - replica.busy == pytest.approx(whole.moving(link))
    assert replica.busy / (clock.now - replica.busy) == pytest.approx(0.75 * batch * link / rate)


def test_replicas_pay_until_the_ratio_says(graph):  # [S70, S02]
    """Half of the moving is on the server's line in, half on its line out: twice the ratio is how many they feed."""
    batch, sizes, link = 16, [40, 40, 10], 1e7
    x = tf.placeholder(tf.float32, [batch, sizes[0]])
    h = x
    for k, n in pairwise(sizes):
        h = tf.nn.relu(tf.matmul(h, tf.Variable(tf.zeros([k, n]))) + tf.Variable(tf.zeros([n])))
    whole = reuse(graph, [h]).whole
    rate = 0.75 * batch * link / 2  # for a ratio of 2
    assert whole.uses == batch and whole.ratio(rate, link) == pytest.approx(2)
    net = Network([40], [Dense(40), Relu(), Dense(10)])
    rows = np.random.default_rng(0)
    examples, targets = rows.normal(size=(256, 40)), np.eye(10)[rows.integers(0, 10, 256)]

    def measured(replicas):
        cluster = Downpour(net, examples, targets, Sgd(0.1), ClientLoop(batch), replicas=replicas,
                           links=Links(Clock(), bandwidth=link), speed=rate)  # fmt: skip
        return cluster.run(until=0.15).examples_per_second(since=0.05)

    speedups = [measured(replicas) / measured(1) for replicas in (2, 4, 8, 16)]
    assert speedups[:2] == pytest.approx([2, 4], rel=0.12)
    assert speedups[2:] == pytest.approx([4, 4], rel=0.12)


def test_parameters_of_64_bits_are_twice_as_long_on_the_link():  # [S70]
    use = Use("w", parameters=10, moved=5, multiply_adds=20, itemsize=8)
    assert use.moving(link=100.0) == 2 * 5 * 8 / 100.0 and use.ratio(rate=60.0, link=100.0) == 2 / 0.8


def test_the_ratio_does_not_depend_on_the_number_of_parameters(graph):  # [S71]
    x = tf.placeholder(tf.float32, [40, 10])
    small, large = (tf.matmul(x, tf.Variable(tf.zeros([10, n]))) for n in (2, 2000))
    ratios = [reuse(graph, [y]).whole.ratio(1e12, 1e9) for y in (small, large)]
    assert ratios == pytest.approx([0.75 * 40 * 1e9 / 1e12] * 2)


# -- the command --------------------------------------------------------------------------------------------


def test_the_command_prints_every_variable(capsys):  # [S70, S71]
    assert main(["reuse", "lenet", "--rate", "1e12", "--link", "1e9"]) == 0
    rows = {line.split()[0]: line.split()[1:4] for line in capsys.readouterr().out.splitlines() if line}
    assert rows["Variable"] == ["800", "800", "50,176"]  # 64 images of 28 by 28
    assert rows["Variable_4"] == ["1,605,632", "1,605,632", "64"]
    assert main(["reuse", "deck"]) == 0
    told = capsys.readouterr().out
    assert re.search(r"Variable +7,840 +7,840 +10,000 +470.4 us +62.72 us +7.5\n", told)
    assert told.endswith("a copy of this model waits for arithmetic\n")


def test_the_command_takes_what_is_not_known(tmp_path, capsys):
    file = tmp_path / "program.py"
    file.write_text(
        "import refflow as tf\n"
        "x, n = tf.placeholder(tf.float32, [None, None, 3], name='x'), tf.placeholder(tf.int32, [])\n"
        "w = tf.Variable(tf.zeros([3, 3]), name='w')\n"
        "y = tf.while_loop(lambda i, h: i < n, lambda i, h: (i + 1, tf.matmul(h, w)),\n"
        "                  [tf.constant(0), tf.reshape(x, [-1, 3])])[1]\n"
        "loss = tf.reduce_mean(y, name='loss')\n"
    )
    found = of_program(str(file), ["loss:0"], shapes=["x=4,5,3"], turns=["while/while_context=7"])
    assert found["w"].uses == 4 * 5 * 7 and "waits for" in table(found, 1e12, 1e9)
    for arguments, message in (
        ([], "say what a step is, with --fetch NAME"),
        (["--fetch", "loss:0"], "comes from x:0 [?,?,3]"),
        (["--fetch", "loss:0", "--shape", "x=2,2,3"], "--turns while/while_context=N"),
        (["--fetch", "loss:0", "--turns", "while/while_context"], "a name and numbers, as --turns rnn/while=50"),
        (["--fetch", "loss:0", "--turns", "while/while_context=2", "--batch", "4"], "comes from x:0 [4,?,3]"),
        (["--fetch", "loss:0", "--shape", "x=4,y"], "expected a name and numbers, as --shape x:0=64,784"),
        (["--fetch", "loss:0", "--shape", "z=4"], "z:0"),
        (["--fetch", "loss:0", "--shape", "x=4,5,2"], "x:0 cannot have the shape [4,5,2]: it is [?,?,3]"),
    ):
        assert main(["reuse", str(file), *arguments]) == 1
        assert message in capsys.readouterr().err
    assert main(["reuse", "deck", "--rate", "0"]) == 1
    assert "both must be positive: 0 operations a second" in capsys.readouterr().err
