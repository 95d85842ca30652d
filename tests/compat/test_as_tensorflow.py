"""Programs and libraries that import `tensorflow` find refflow, and nothing of it is left behind."""

import importlib
import subprocess
import sys
from collections import OrderedDict, namedtuple
from types import ModuleType

import numpy as np
import pytest

import refflow
import refflow.compat.v1 as v1
from refflow.compat import as_tensorflow
from refflow.compat.shadow.inner import INNER
from refflow.compat.shadow.table import OPTIONAL, TABLE


@pytest.fixture(autouse=True)
def graph():
    with refflow.Graph().as_default() as found:
        yield found


@pytest.fixture
def finder():
    with as_tensorflow() as found:
        yield found


def imported(name):
    return importlib.import_module(name)


# -- what is found ----------------------------------------------------------------------------------------------------


def test_tensorflow_is_the_spelling_of_1_x(finder):
    import tensorflow as tf
    import tensorflow.compat.v1 as tf1

    assert tf.Session is v1.Session and tf1.layers.dense is v1.layers.dense
    assert tf.__version__ == "1.15.0"


def test_of_0_x_it_is_the_first_release_and_then_1_x():
    with as_tensorflow("0.x"):
        import tensorflow as tf

        assert tf.concat is refflow.concat and tf.mul is refflow.mul
        assert tf.layers.dense is v1.layers.dense
        assert tf.nn.relu is refflow.nn.relu and tf.nn.leaky_relu is v1.nn.leaky_relu
        assert tf.__version__ == "0.5.0"


def test_a_library_may_be_imported_as_a_module(finder):
    import tensorflow.nn.rnn_cell as same
    from tensorflow.nn import rnn_cell

    assert rnn_cell.GRUCell is same.GRUCell is v1.nn.rnn_cell.GRUCell
    assert imported("tensorflow").nn is imported("tensorflow.nn")


def test_inner_modules_find_the_public_names_and_their_own(finder):
    from tensorflow.python.framework import dtypes, errors_impl, ops, tensor_util
    from tensorflow.python.ops import array_ops, init_ops, nn_ops

    assert ops.Graph is v1.Graph and dtypes.float32 is v1.float32
    assert errors_impl.InvalidArgumentError is v1.errors.InvalidArgumentError
    assert array_ops.reshape is v1.reshape and nn_ops.conv2d is v1.nn.conv2d
    assert init_ops.zeros_initializer is v1.zeros_initializer
    assert tensor_util.constant_value(ops.convert_to_tensor([1, 2])).tolist() == [1, 2]


def test_a_function_is_not_hidden_by_a_page_of_its_name(finder):
    from tensorflow.python.ops import nn

    assert nn.moments is v1.nn.moments and imported("tensorflow").nn.moments is v1.nn.moments


def test_the_generated_modules_have_a_function_for_every_op_type(finder):
    from tensorflow.python.ops import gen_array_ops, gen_data_flow_ops, gen_nn_ops

    images, slopes = np.ones((1, 4, 4, 1), np.float32), np.ones((1, 2, 2, 1), np.float32)
    back = gen_nn_ops.conv2d_backprop_filter(images, [3, 3, 1, 1], slopes, [1, 1, 1, 1], "VALID", name="back")
    assert back.op.type == "Conv2DBackpropFilter" and back.op.name == "back"
    assert "op type FIFOQueueV2" in gen_data_flow_ops.fifo_queue_v2.__doc__
    assert gen_array_ops._concat(0, [[1], [2]]).op.type == "Concat"
    with v1.Session() as session:
        assert session.run(back).ravel().tolist() == [4.0] * 9


def test_every_module_of_the_table_can_be_imported(finder):
    for name in TABLE.keys() - OPTIONAL.keys():  # those are there with their package
        assert imported(name).__name__ == name
    assert all(f"tensorflow.{name}" in TABLE for name in INNER)


def test_what_a_program_sets_on_a_module_stays_on_that_shadow(finder):
    import tensorflow as tf

    tf.mine = 3
    assert imported("tensorflow").mine == 3 and not hasattr(v1, "mine")


def test_dir_has_what_may_be_asked_for(finder):
    import tensorflow as tf

    assert {"Session", "placeholder", "nn"} <= set(dir(tf))


# -- what is not ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("import tensorflow.nothing", "refflow has no tf.nothing"),
        ("from tensorflow.python.ops import nothing", "refflow has no tf.python.ops.nothing"),
        ("from tensorflow.python.ops.array_ops import nothing", "refflow has no tf.python.ops.array_ops.nothing"),
        ("import tensorflow.python.nothing.more", "refflow has no tf.python.nothing"),
    ],
)
def test_a_module_or_name_that_is_not_there_is_an_import_error_that_says_so(finder, statement, said):
    with pytest.raises(ImportError, match=said):
        exec(statement)


def test_an_attribute_that_is_not_there_is_an_attribute_error_that_says_so(finder):
    import tensorflow as tf

    with pytest.raises(AttributeError, match=r"refflow has no tf\.nn\.nothing"):
        _ = tf.nn.nothing
    assert not hasattr(tf, "np"), "what a page imports for itself is not among its names"


def test_other_spellings_are_refused():
    with pytest.raises(ValueError, match=r"spelling is '2\.x', expected one of 1\.x, 0\.x"):
        as_tensorflow("2.x")


# -- and afterwards ---------------------------------------------------------------------------------------------------


def test_afterwards_tensorflow_is_what_it_was(monkeypatch):
    real = ModuleType("tensorflow")
    real.nn = ModuleType("tensorflow.nn")
    monkeypatch.setitem(sys.modules, "tensorflow", real)
    monkeypatch.setitem(sys.modules, "tensorflow.nn", real.nn)
    monkeypatch.delitem(sys.modules, "tensorflow.python.ops.array_ops", raising=False)  # where an oracle is installed
    found = as_tensorflow()
    import tensorflow as tf

    assert tf is not real and imported("tensorflow.nn") is not real.nn
    imported("tensorflow.python.ops.array_ops")
    found.close()
    found.close()  # twice is as once
    assert sys.modules["tensorflow"] is real and sys.modules["tensorflow.nn"] is real.nn
    assert "tensorflow.python.ops.array_ops" not in sys.modules
    assert tf.nn.rnn_cell.GRUCell is v1.nn.rnn_cell.GRUCell, "who imported it meanwhile keeps it"


def test_importing_compat_loads_no_page_of_names():
    code = "import refflow.compat, sys; print([m for m in sys.modules if m.startswith('refflow.compat.')])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "refflow.compat.v1" not in loaded and "nest" not in loaded


# -- the command ------------------------------------------------------------------------------------------------------

PROGRAM = """
import sys
import tensorflow as tf
from beside import SIZE
flags = tf.app.flags
flags.DEFINE_integer("steps", 1, "how many")

def main(_):
    total = tf.Variable(tf.zeros([SIZE]))
    step = total.assign_add(tf.ones([SIZE]))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for _ in range(flags.FLAGS.steps):
            session.run(step)
        print("total", session.run(total).tolist(), sys.argv[1:])

if __name__ == "__main__":
    tf.app.run()
"""


def test_the_command_runs_a_program_with_its_arguments_and_what_lies_beside_it(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "beside.py").write_text("SIZE = 2")
    command = [sys.executable, "-m", "refflow", "as-tensorflow", str(tmp_path / "program.py"), "--steps", "3"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert "total [3.0, 3.0] ['--steps', '3']" in result.stdout, result.stderr


def test_the_command_shows_where_a_program_went_wrong(tmp_path):
    (tmp_path / "program.py").write_text("import tensorflow as tf\ntf.nothing()")
    command = [sys.executable, "-m", "refflow", "as-tensorflow", str(tmp_path / "program.py")]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1 and "refflow has no tf.nothing" in result.stderr and "line 2" in result.stderr


# -- inner modules' own names -----------------------------------------------------------------------------------------


def test_nest_takes_structures_apart_and_puts_them_together(finder):
    from tensorflow.python.util import nest

    Pair = namedtuple("Pair", "a b")
    structure = OrderedDict([("b", [2, (3,)]), ("a", Pair(0, 1))])
    assert nest.flatten(structure) == [0, 1, 2, 3] and nest.flatten("text") == ["text"]
    packed = nest.pack_sequence_as(structure, list("wxyz"))
    assert packed == {"a": Pair("w", "x"), "b": ["y", ("z",)]} and list(packed) == ["b", "a"]
    assert nest.map_structure(lambda x, y: x + y, [1, (2,)], [10, (20,)]) == [11, (22,)]
    assert nest.flatten_up_to([0, 0], [[1, 2], 3]) == [[1, 2], 3]
    assert nest.map_structure_up_to([0, 0], sum, [[1, 2], [3]]) == [3, 3]
    assert list(nest.yield_flat_paths({"a": [5]})) == [("a", 0)]


@pytest.mark.parametrize(
    ("one", "other", "error", "said"),
    [
        ([1, 2], [1], ValueError, "don't have the same number of elements"),
        ([1, 2], (1, 2), TypeError, "don't have the same sequence type"),
        ([1, [2]], [1, 2], ValueError, "don't have the same nested structure"),
        ({"a": 1}, {"b": 1}, ValueError, "don't have the same set of keys"),
    ],
)
def test_nest_tells_how_structures_differ(finder, one, other, error, said):
    from tensorflow.python.util import nest

    with pytest.raises(error, match=said):
        nest.assert_same_structure(one, other)


def test_compat_makes_bytes_and_text(finder):
    import tensorflow as tf

    assert tf.compat.as_bytes("ä") == b"\xc3\xa4" and tf.compat.as_text(b"\xc3\xa4") == "ä"
    assert tf.compat.as_str_any(3) == "3"
    with pytest.raises(TypeError, match="Expected binary or unicode string, got 3"):
        tf.compat.as_bytes(3)


def test_smart_cond_builds_one_side_where_it_is_known_which(finder, graph):
    from tensorflow.python.framework import smart_cond

    assert smart_cond.smart_cond(v1.constant(True), lambda: "yes", lambda: "no") == "yes"
    unknown = v1.placeholder(v1.bool, [])
    found = smart_cond.smart_cond(unknown, lambda: v1.constant(1), lambda: v1.constant(2))
    with v1.Session() as session:
        assert session.run(found, {unknown: False}) == 2


@pytest.mark.parametrize("zero_debias", [False, True])
def test_assign_moving_average_moves_a_part_of_the_way(finder, zero_debias):
    from tensorflow.python.training import moving_averages

    average = v1.Variable(0.0)
    moved = moving_averages.assign_moving_average(average, v1.constant(8.0), 0.75, zero_debias=zero_debias)
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        found = [session.run(moved) for _ in range(2)]
    assert np.allclose(found, [8.0, 8.0] if zero_debias else [2.0, 3.5])


def test_hparams_read_text_and_keep_their_types(finder):
    import tensorflow as tf

    hparams = tf.contrib.training.HParams(rate=0.1, sizes=[64, 32], name="net", on=True)
    hparams.parse("rate=0.5, sizes=[8,4],on=false").parse("sizes[1]=2")
    assert hparams.values() == {"rate": 0.5, "sizes": [8, 2], "name": "net", "on": False}
    with pytest.raises(ValueError, match="Unknown hyperparameter 'rat'"):
        hparams.parse("rat=1")
    with pytest.raises(ValueError, match="Could not cast hyperparameter 'sizes'"):
        hparams.parse("sizes=[a]")


def test_messages_are_made_of_their_fields(finder):
    from tensorflow.core.framework import attr_value_pb2, types_pb2
    from tensorflow.core.protobuf import config_pb2

    assert attr_value_pb2.AttrValue(i=3).i == 3 and types_pb2.DT_FLOAT == 1
    assert config_pb2.ConfigProto is v1.ConfigProto


def test_read_data_sets_gives_batches_of_every_picture_once_an_epoch(finder, tmp_path, capsys):
    from tensorflow.examples.tutorials.mnist import input_data

    mnist = input_data.read_data_sets(str(tmp_path), one_hot=True, validation_size=2000)
    assert "MNIST is not in" in capsys.readouterr().err
    assert (mnist.train.num_examples, mnist.validation.num_examples, mnist.test.num_examples) == (8000, 2000, 2000)
    images, labels = mnist.train.next_batch(100)
    assert images.shape == (100, 784) and images.dtype == np.float32 and 0 <= images.min() <= images.max() <= 1
    assert labels.shape == (100, 10) and (labels.sum(1) == 1).all()
    small = input_data.DataSet(np.arange(12, dtype=np.uint8).reshape(3, 2, 2), np.arange(3), dtype="uint8")
    seen = np.concatenate([small.next_batch(2)[1] for _ in range(3)])
    assert sorted(seen[:3]) == sorted(seen[3:]) == [0, 1, 2] and small.epochs_completed == 2


def test_read_data_sets_reads_the_files_of_its_folder(finder, tmp_path):
    import gzip

    from tensorflow.contrib.learn.python.learn.datasets import mnist

    from refflow.data.idx import format_idx

    for kind, count in [("train", 6), ("t10k", 2)]:
        images, labels = np.full((count, 3, 4), 51, np.uint8), np.arange(count, dtype=np.uint8)
        (tmp_path / f"{kind}-images-idx3-ubyte.gz").write_bytes(gzip.compress(format_idx(images)))
        (tmp_path / f"{kind}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(format_idx(labels)))
    data = mnist.read_data_sets(tmp_path, reshape=False, validation_size=1)
    assert data.train.images.shape == (5, 3, 4, 1) and np.allclose(data.train.images, 0.2)
    assert data.train.labels.tolist() == [1, 2, 3, 4, 5]


# -- contrib.layers, where tf_slim is not installed -------------------------------------------------------------------


def test_contrib_layers_make_nets(finder):
    import tensorflow.contrib.layers as layers

    x = v1.placeholder(v1.float32, [None, 6, 6, 1])
    h = layers.conv2d(x, 3, 3, normalizer_fn=layers.batch_norm, scope="conv")
    h = layers.flatten(layers.avg_pool2d(layers.max_pool2d(h, 2), 3))
    out = layers.fully_connected(h, 2, activation_fn=None, weights_regularizer=layers.l2_regularizer(0.5), scope="out")
    names = [v.name for v in v1.trainable_variables()]
    assert names == ["conv/weights:0", "conv/BatchNorm/beta:0", "out/weights:0", "out/biases:0"]
    assert out.get_shape().as_list() == [None, 2]
    assert len(v1.get_collection(v1.GraphKeys.UPDATE_OPS)) == 2
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        (penalty,), weights = session.run([v1.losses.get_regularization_losses(), v1.trainable_variables()[2]])
        assert np.allclose(penalty, 0.25 * (weights**2).sum())
        assert session.run(out, {x: np.ones((4, 6, 6, 1))}).shape == (4, 2)


def test_batch_norm_without_a_collection_moves_its_averages_before_its_result(finder):
    from tensorflow.contrib.layers import batch_norm

    x = v1.constant([[1.0], [3.0]])
    found = batch_norm(x, decay=0.5, updates_collections=None)
    assert not v1.get_collection(v1.GraphKeys.UPDATE_OPS)
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        session.run(found)
        mean = next(v for v in v1.global_variables() if "moving_mean" in v.name)
        assert session.run(mean).tolist() == [1.0]


def test_arg_scope_gives_layers_what_their_calls_do_not(finder):
    from tensorflow.contrib.framework import add_arg_scope, arg_scope

    @add_arg_scope
    def layer(x, size=1, scale=1):
        return x, size, scale

    with arg_scope([layer], size=2) as kept:
        assert layer(0) == (0, 2, 1) and layer(0, size=5) == (0, 5, 1)
        with arg_scope([layer], scale=3):
            assert layer(0) == (0, 2, 3)
    assert layer(0) == (0, 1, 1)
    with arg_scope(kept):
        assert layer(0) == (0, 2, 1)
    with pytest.raises(ValueError, match="is not decorated with @add_arg_scope"), arg_scope([print], x=1):
        pass


# -- contrib.legacy_seq2seq, contrib.rnn -------------------------------------------------------------------------------


@pytest.mark.parametrize("cell_of", ["GRUCell", "BasicLSTMCell"])
@pytest.mark.parametrize("model", ["rnn", "tied_rnn", "attention"])
def test_legacy_seq2seq_makes_symbols_from_symbols(finder, cell_of, model):
    from tensorflow.contrib import legacy_seq2seq, rnn

    v1.set_random_seed(2)  # of other weights the symbols that are fed back may be those that are given
    cell = rnn.MultiRNNCell([getattr(rnn, cell_of)(4) for _ in range(2)])
    source, target = [v1.constant([1, 2])] * 3, [v1.constant([0, 3])] * 2
    make = getattr(legacy_seq2seq, f"embedding_{model}_seq2seq")
    symbols = (7,) if model == "tied_rnn" else (5, 7)
    feed = v1.placeholder(v1.bool, [])
    outputs, state = make(source, target, cell, *symbols, embedding_size=3, feed_previous=feed)
    loss = legacy_seq2seq.sequence_loss(outputs, target, [v1.ones([2])] * 2)
    slopes = v1.gradients(loss, v1.trainable_variables())
    assert None not in slopes and [o.get_shape().as_list() for o in outputs] == [[2, 7]] * 2
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        given, looped = (session.run([*outputs, loss, slopes], {feed: f})[:2] for f in (False, True))
        assert np.allclose(given[0], looped[0]) and not np.allclose(given[1], looped[1])
        assert len(session.run(state, {feed: True})) == 2


def test_buckets_share_their_variables_and_have_a_loss_each(finder):
    from tensorflow.contrib import legacy_seq2seq, rnn

    steps = [v1.constant([1, 2])] * 4
    cell = rnn.GRUCell(3)
    outputs, losses = legacy_seq2seq.model_with_buckets(
        steps, steps, steps, [v1.ones([2])] * 4, [(2, 2), (4, 3)],
        lambda x, y: legacy_seq2seq.embedding_rnn_seq2seq(x, y, cell, 5, 5, 3), per_example_loss=True,
    )  # fmt: skip
    assert [len(o) for o in outputs] == [2, 3] and [x.get_shape().as_list() for x in losses] == [[2], [2]]
    assert len({v.name for v in v1.trainable_variables()}) == len(v1.trainable_variables()) == 12
    with pytest.raises(ValueError, match=r"Length of targets \(1\) must be at least that of last bucket \(3\)"):
        legacy_seq2seq.model_with_buckets(steps, steps, steps[:1], steps, [(2, 3)], None)


def test_a_loss_of_sampled_symbols_is_called_with_labels_and_logits(finder):
    from tensorflow.contrib.legacy_seq2seq import sequence_loss_by_example

    seen = []

    def loss(labels, logits):
        seen.append((labels, logits))
        return v1.constant([1.0, 3.0])

    weights = [v1.constant([1.0, 0.0]), v1.constant([3.0, 0.0])]
    total = sequence_loss_by_example(["a", "b"], ["c", "d"], weights, softmax_loss_function=loss)
    assert seen == [("c", "a"), ("d", "b")]
    with v1.Session() as session:
        assert session.run(total).tolist() == [1.0, 0.0], "weights that are all 0 do no harm"


def test_projections_stand_before_and_behind_a_cell(finder):
    from tensorflow.contrib import rnn

    cell = rnn.OutputProjectionWrapper(rnn.InputProjectionWrapper(rnn.GRUCell(4), 3), 2)
    outputs, _ = v1.nn.dynamic_rnn(cell, v1.ones([1, 5, 6]), dtype=v1.float32)
    assert outputs.get_shape().as_list() == [1, 5, 2] and cell.output_size == 2 and cell.state_size == 4


# -- what libraries on top reach for -----------------------------------------------------------------------------------


class Doubled:
    """Stands for twice a tensor, as libraries of random variables have it."""

    def __init__(self, tensor):
        self.tensor = tensor


def test_a_type_of_a_library_is_fetched_and_fed_as_the_library_says(finder):
    from tensorflow.python.client.session import register_session_run_conversion_functions

    register_session_run_conversion_functions(
        Doubled, lambda d: ([d.tensor], lambda values: 2 * values[0]), lambda d, value: [(d.tensor, value / 2)]
    )
    x = v1.placeholder(v1.float32, [])
    with v1.Session() as session:
        assert session.run([Doubled(x + 1), x + 1], {Doubled(x): 6.0}) == [8.0, 4.0]


def test_the_operators_of_tensors_can_be_listed_and_wrapped(finder):
    import tensorflow as tf

    names = tf.Tensor.OVERLOADABLE_OPERATORS
    assert {"__add__", "__rsub__", "__getitem__", "__neg__", "__matmul__"} <= names
    assert all(callable(getattr(tf.Tensor, name)) for name in names) and "__eq__" not in names


def test_file_io_names_what_gfile_does(finder, tmp_path):
    from tensorflow.python.lib.io import file_io

    path = str(tmp_path / "a" / "b.txt")
    file_io.recursive_create_dir(str(tmp_path / "a"))
    file_io.write_string_to_file(path, "text")
    assert file_io.file_exists(path) and file_io.is_directory(str(tmp_path / "a"))
    assert file_io.read_file_to_string(path) == "text"
    file_io.delete_file(path)
    assert not file_io.file_exists(path)


def test_programs_of_2016_find_recurrent_nets_under_tf_nn_and_savers_that_write_graphs(tmp_path):
    pytest.importorskip("google.protobuf")
    with as_tensorflow("0.x"):
        import tensorflow as tf

        cell = tf.nn.rnn_cell.GRUCell(3)
        outputs, state = tf.nn.rnn(cell, [tf.ones([2, 4])] * 3, dtype=tf.float32)
        assert len(outputs) == 3 and state.get_shape().as_list() == [2, 3]
        assert tf.types.float32 is tf.float32 and callable(tf.nn.seq2seq.rnn_decoder)
        with tf.Session() as session:
            session.run(tf.initialize_all_variables())
            path = tf.train.Saver(tf.all_variables()).save(session, str(tmp_path / "model"))
        assert (tmp_path / "model.meta").exists() and path == str(tmp_path / "model")


def test_flags_may_be_parsed_and_printed_as_in_2016(finder, monkeypatch):
    from refflow.platform.flags import Flags

    flags = Flags()
    flags.define("steps", 3, "how many", type=int)
    monkeypatch.setattr(sys, "argv", ["program", "--steps", "5"])
    flags._parse_flags()
    assert getattr(flags, "__flags") == flags.flag_values_dict() == {"steps": 5}


def test_whole_floats_are_fed_for_whole_numbers_and_truths(finder):
    places, on = v1.placeholder(v1.int32, [None]), v1.placeholder(v1.bool, [])
    with v1.Session() as session:
        assert session.run(places + 1, {places: np.zeros(2)}).tolist() == [1, 1]
        assert not session.run(v1.logical_not(on), {on: 1.0})
        assert not session.run(v1.logical_not(on), {on: 0.5})  # 1.x lets NumPy make it fit
    with refflow.Session() as session, pytest.raises(TypeError, match="float64 values do not become bool without loss"):
        session.run(v1.logical_not(on), {on: 0.5})


def test_what_a_loop_learns_of_an_arrays_elements_is_known_after_it(finder):
    array = v1.TensorArray(v1.float32, 3)
    _, array = v1.while_loop(
        lambda i, a: i < 3, lambda i, a: (i + 1, a.write(i, v1.ones([2, 4]))), [v1.constant(0), array]
    )
    assert array.stack().get_shape().as_list()[1:] == [2, 4]


def test_a_saver_saves_where_protobuf_is_not_installed(finder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.protobuf", None)
    v1.Variable(1.0, name="x")
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, str(tmp_path / "model"))
    assert v1.train.latest_checkpoint(str(tmp_path)) and not (tmp_path / "model.meta").exists()


def test_a_copy_of_a_cell_was_not_called_yet(finder):
    import copy

    cell = v1.nn.rnn_cell.MultiRNNCell([v1.nn.rnn_cell.GRUCell(2)])
    with v1.variable_scope("one"):
        cell(v1.ones([1, 3]), cell.zero_state(1, v1.float32))
    other = copy.deepcopy(cell)
    with v1.variable_scope("other"):
        other(v1.ones([1, 3]), other.zero_state(1, v1.float32))
    assert {v.name.partition("/")[0] for v in v1.global_variables()} == {"one", "other"}


def test_both_spellings_of_get_variable_name_the_same_variable():
    with v1.variable_scope("layer"):
        one = refflow.get_variable("w", [2])
    with v1.variable_scope("layer", reuse=True):
        assert v1.get_variable("w", [2]) is one and refflow.get_variable("w", [2]) is one


@pytest.mark.parametrize("lengths", [None, [3, 2]])
def test_a_bidirectional_net_reads_each_sequence_from_both_ends(finder, lengths):
    from tensorflow.contrib import rnn

    steps = [v1.constant(x, v1.float32) for x in np.arange(6.0).reshape(3, 2, 1)]
    one = v1.ones_initializer()
    with v1.variable_scope("net", initializer=one):
        cells = [rnn.BasicRNNCell(1, activation=v1.identity) for _ in range(2)]
        made = rnn.static_bidirectional_rnn(*cells, steps, dtype=v1.float32, sequence_length=lengths)
    with v1.Session() as session:  # with all weights 1 an output is the sum of what was read so far
        session.run(v1.global_variables_initializer())
        found, fw, bw = session.run(list(made))
    ends = [6.0, 9.0 if lengths is None else 4.0]
    assert fw.ravel().tolist() == bw.ravel().tolist() == ends
    assert found[0].tolist() == [[0.0, ends[0]], [1.0, ends[1]]]


def test_an_evaluation_counts_its_steps_and_gives_what_is_asked_at_its_end(finder, tmp_path):
    from tensorflow.python.ops import variables
    from tensorflow.python.training import evaluation

    weight = v1.Variable(2.0, name="w")
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        session.run(weight.assign(5.0))
        path = v1.train.Saver().save(session, str(tmp_path / "model"))
    zero = v1.zeros_initializer()
    seen = v1.get_variable("seen", [], initializer=zero, trainable=False, collections=["local_variables"])
    found = evaluation._evaluate_once(
        path, eval_ops=seen.assign_add(weight), final_ops={"seen": seen}, hooks=[evaluation._StopAfterNEvalsHook(3)]
    )
    assert found == {"seen": 15.0} and variables.PartitionedVariable.__module__ == "refflow.compat.v1.partitioned"


def test_labels_of_candidate_losses_may_be_of_any_integers():
    table, bias = refflow.zeros([5, 2]), refflow.zeros([5])
    loss = refflow.nn.nce_loss(table, bias, refflow.ones([3, 2]), refflow.constant([[1], [2], [3]]), 2, 5)
    assert loss.get_shape().as_list() == [3]


def test_a_device_is_named_as_1_x_names_it_and_variables_have_no_length():
    with v1.device(device_name_or_function="/cpu:1"):
        x = v1.constant(1.0)
    assert "1" in x.device and not hasattr(v1.Variable([1.0, 2.0]), "__len__")
    with pytest.raises(TypeError, match="len is not well defined for a symbolic Tensor"):
        len(x)


def test_functions_and_datasets_of_inner_modules_are_those_of_1_x(finder):
    defun = imported("tensorflow.python.framework.function").Defun
    functional = imported("tensorflow.python.ops.functional_ops")
    contrib = imported("tensorflow.contrib.data")
    double = defun(v1.float32)(lambda x: x * 2)
    numbers = v1.data.Dataset.range(5)
    pairs = numbers.apply(contrib.batch_and_drop_remainder(2)).make_one_shot_iterator().get_next()
    total = contrib.reduce_dataset(numbers, contrib.Reducer(lambda _: np.int64(0), lambda s, x: s + x, lambda s: s))
    rows = contrib.padded_batch_and_drop_remainder(3, [])(numbers).make_one_shot_iterator().get_next()
    turns = numbers.apply(contrib.sloppy_interleave(lambda x: v1.data.Dataset.from_tensors(x), 2))
    with v1.Session() as session:
        assert session.run([*functional.If(True, [3.0], double, double), total]) == [6, 10]
        assert [session.run(part).tolist() for part in (pairs, rows)] == [[0, 1], [0, 1, 2]]
        assert session.run(turns.make_one_shot_iterator().get_next()) == 0
    assert imported("tensorflow.python.eager.def_function").function is v1.function
