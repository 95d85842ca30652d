"""What libraries on 1.x need besides the public names: packages that stand for modules, inner helpers."""

import importlib
import sys

import numpy as np
import pytest

import refflow.compat.v1 as v1
from refflow.compat import as_tensorflow


@pytest.fixture(autouse=True)
def graph():
    with v1.Graph().as_default() as found:
        yield found


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Makes a package that is installed under a version."""

    def make(name, version, text):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(text)
        (tmp_path / f"{name}-{version}.dist-info").mkdir()
        (tmp_path / f"{name}-{version}.dist-info" / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, name, raising=False)
        importlib.invalidate_caches()

    yield make
    for name in ("keras", "tensorflow_probability"):
        sys.modules.pop(name, None)


def test_keras_of_1_x_s_time_is_tf_keras_where_it_is_installed(package):
    package("keras", "2.2.9", "class Sequential: made = 'here'\nimport os\n")
    with as_tensorflow():
        import tensorflow as tf
        from tensorflow.python.keras import Sequential

        assert tf.keras.Sequential is Sequential and Sequential.made == "here"
        assert "os" not in dir(tf.keras) and "Sequential" in dir(tf.keras)


def test_keras_of_another_version_is_not_and_the_error_says_which_would_be(package):
    package("keras", "3.1.0", "class Sequential: pass\n")
    with as_tensorflow():
        import tensorflow as tf

        assert not hasattr(tf, "keras")
        with pytest.raises(ImportError, match=r"refflow has no tf\.keras.*pip install keras==2\.2\.\*"):
            importlib.import_module("tensorflow.keras")


def test_contrib_distributions_are_those_of_1_x_and_of_their_package_where_that_is_installed(package):
    with as_tensorflow():
        from tensorflow.contrib import distributions

        assert distributions.Normal is v1.distributions.Normal
        with pytest.raises(ImportError, match=r"tensorflow_probability==0\.5\.\*"):
            importlib.import_module("tensorflow.contrib.distributions.bijectors")
    text = "from types import SimpleNamespace\ndistributions = SimpleNamespace(Poisson=3)\n"
    package("tensorflow_probability", "0.5.0", text + "bijectors = SimpleNamespace(Exp=4)\n")
    with as_tensorflow():
        from tensorflow.contrib.distributions import Normal, Poisson, bijectors

        assert (Poisson, bijectors.Exp) == (3, 4) and Normal is v1.distributions.Normal


def test_variants_of_families_make_any_number_positive():
    with as_tensorflow():
        from tensorflow.contrib.distributions import NormalWithSoftplusScale, StudentTWithAbsDfSoftplusScale

        one = NormalWithSoftplusScale(1.0, -2.0, name="one")
        other = StudentTWithAbsDfSoftplusScale(df=-2.7, loc=0.0, scale=0.0)
    with v1.Session() as session:
        scale, df = session.run([one.scale, other.df])
    assert scale == pytest.approx(np.log1p(np.exp(-2.0))) and df == 2 and one.name == "one/"
    assert one.parameters == {"loc": 1.0, "scale": -2.0, "validate_args": False, "allow_nan_stats": True, "name": "one"}


def test_inner_helpers_of_layers_say_sizes_and_forms():
    with as_tensorflow():
        from tensorflow.python.layers import utils
        from tensorflow.python.ops import nn_ops

        assert utils.normalize_tuple(3, 2, "kernel_size") == (3, 3)
        assert utils.normalize_data_format("Channels_First") == "channels_first"
        assert utils.convert_data_format("channels_last", 4) == "NHWC" and utils.normalize_padding("SAME") == "same"
        assert utils.conv_output_length(10, 3, "valid", 2) == 4 and utils.conv_output_length(None, 3, "same", 1) is None
        images, windows = np.ones((1, 4, 4, 1), np.float32), np.ones((3, 3, 1, 2), np.float32)
        convolution = nn_ops.Convolution(images.shape, windows.shape, "VALID")
    with v1.Session() as session:
        assert session.run(convolution(images, windows)).tolist() == np.full((1, 2, 2, 2), 9.0).tolist()


def test_of_cases_that_are_known_one_is_built():
    with as_tensorflow():
        from tensorflow.python.framework import smart_cond

        hole = v1.placeholder_with_default(True, [])
        assert smart_cond.smart_case([(False, lambda: 1), (v1.constant(True), lambda: 2)]) == 2
        assert smart_cond.smart_case([(False, lambda: 1)], default=lambda: 3) == 3
        found = smart_cond.smart_case([(hole, lambda: v1.constant(4))], default=lambda: v1.constant(5))
    with v1.Session() as session:
        assert session.run([found])[0] == 4 and session.run(found, {hole: False}) == 5


def test_a_scope_of_variables_alone_names_no_nodes():
    with as_tensorflow():
        from tensorflow.python.ops import rnn_cell_impl, variable_scope

        with variable_scope._pure_variable_scope("pure") as scope:
            variable, node = v1.get_variable("v", [2]), v1.constant(1.0, name="c")
        assert (scope.name, variable.op.name, node.op.name) == ("pure", "pure/v", "c")
        zeros = rnn_cell_impl._zero_state_tensors((2, [3]), 4, v1.float32)
        assert [z.get_shape().as_list() for z in (zeros[0], zeros[1][0])] == [[4, 2], [4, 3]]


def test_what_is_no_tensor_is_known():
    with as_tensorflow():
        from tensorflow.python.framework import tensor_shape, tensor_util

        assert tensor_util.constant_value(3) == 3 and tensor_util.constant_value(v1.constant(4)) == 4
        assert tensor_shape.scalar().as_list() == []


def test_tensors_have_the_operators_that_python_2_called():
    with v1.Session() as session:
        assert session.run(v1.Tensor.__div__(v1.constant(7.0), 2.0)) == 3.5
    assert v1.Tensor.__nonzero__ is v1.Tensor.__bool__
