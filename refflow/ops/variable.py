"""Variables: nodes whose value outlives the run [S14, S32, W11].

A `Variable` node gives out a *reference*. The ops that take `Ref(T)` change what is behind it; every
other op that is given the reference reads the value at the moment it runs [W12].

    Assign       ref := value           may take a variable that has no value yet
    AssignAdd    ref := ref + value
    AssignSub    ref := ref - value

Kernels here compute the new value from the old one; the runtime stores it under the variable's lock,
at the same address.

Next: core/gradients.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.control import group
from refflow.core.convert import convert_to_tensor, op_scope, register_tensor_conversion_function
from refflow.core.dtypes import NUMBERS, DType, as_dtype, int32, int64
from refflow.core.errors import DTypeError, OutOfRangeError, ShapeError
from refflow.core.graph import GraphKeys, Operation, Tensor, get_default_graph
from refflow.core.no_numbers import NoNumbers
from refflow.core.opdef import define_op, define_variant
from refflow.core.scopes import LocalStack
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr

VARIABLE = define_op("Variable", "-> ref: Ref(dtype)", shape=Attr("shape"), dtype=Attr("type"), container="",
                     shared_name="", stateful=True, source=("S14", "W11", "W06"))  # fmt: skip


@VARIABLE.shape
def _variable_shape(context: ShapeContext) -> shapes.Shape:
    return context.attrs["shape"].as_tuple


VARIABLE_V2 = define_variant("VariableV2", VARIABLE)


ASSIGN = define_op("Assign", "ref: Ref(T), value: T -> output_ref: Ref(T)", T=Attr("type"), validate_shape=True,
                   use_locking=True, allows_uninitialized=True, source=("S14", "W11", "W06"))  # fmt: skip
ASSIGN.no_gradient()


@ASSIGN.kernel
def assign_kernel(ref, value):
    return value


@ASSIGN.shape
def _assign_shape(context: ShapeContext) -> shapes.Shape:
    ref, value = context.dims("ref"), context.dims("value")
    if not context.attrs["validate_shape"]:
        return value
    if not shapes.compatible(ref, value):
        raise ShapeError(
            f"Assign requires shapes of both tensors to match. lhs shape= {shapes.text(ref)} rhs shape= "
            f"{shapes.text(value)}"
        )
    return shapes.merge(ref, value)


ASSIGN_ADD = define_op("AssignAdd", "ref: Ref(T), value: T -> output_ref: Ref(T)", T=NUMBERS,
                       use_locking=False, accuracy="rounded", source=("W11", "W06"))  # fmt: skip
ASSIGN_SUB = define_op("AssignSub", "ref: Ref(T), value: T -> output_ref: Ref(T)", T=NUMBERS,
                       use_locking=False, accuracy="rounded", source=("W11", "S32"))  # fmt: skip
for _op in (ASSIGN_ADD, ASSIGN_SUB):
    _op.no_gradient()


@ASSIGN_ADD.shape
def _changed_shape(context: ShapeContext) -> shapes.Shape:
    ref, value = context.dims("ref"), context.dims("value")
    if not shapes.compatible(ref, value):
        raise ShapeError(f"Parameters and update must be the same size: {shapes.text(ref)} and {shapes.text(value)}")
    return shapes.merge(ref, value)


ASSIGN_SUB.shape(_changed_shape)


@ASSIGN_ADD.kernel
def assign_add_kernel(ref, value):
    return ref + value


@ASSIGN_SUB.kernel
def assign_sub_kernel(ref, value):
    return ref - value


IS_VARIABLE_INITIALIZED = define_op("IsVariableInitialized", "ref: Ref(dtype) -> is_initialized: bool[]",
                                    dtype=Attr("type"), by_handle=True, stateful=True, allows_uninitialized=True,
                                    source=("S14",))  # fmt: skip
COUNT_UP_TO = define_op("CountUpTo", "ref: Ref(T) -> output: T[]", limit=Attr("int"), T=(int32, int64),
                        source=("W06",))  # fmt: skip
TEMPORARY_VARIABLE = define_variant("TemporaryVariable", VARIABLE, var_name="", container=None, shared_name=None)
DESTROY_TEMPORARY_VARIABLE = define_op("DestroyTemporaryVariable", "ref: Ref(T) -> value: T", T=Attr("type"),
                                       var_name=Attr("string"), source=("W06",))  # fmt: skip
for _op in (IS_VARIABLE_INITIALIZED, COUNT_UP_TO, DESTROY_TEMPORARY_VARIABLE):
    _op.no_gradient()


@IS_VARIABLE_INITIALIZED.kernel
def is_variable_initialized_kernel(ref):
    """Whether the variable has a value."""
    return np.array(ref.value is not None)


@COUNT_UP_TO.kernel
def count_up_to_kernel(ref, limit):
    """The value, and one more behind the reference; OutOfRangeError at the limit."""
    if ref >= limit:
        raise OutOfRangeError(None, None, f"Reached limit of {limit}")
    return ref + ref.dtype.type(1), np.array(ref)


@DESTROY_TEMPORARY_VARIABLE.kernel
def destroy_temporary_variable_kernel(ref):
    """The last value. The next step begins with whatever it assigns."""
    return ref, np.array(ref)


@DESTROY_TEMPORARY_VARIABLE.shape
def _destroy_shape(context: ShapeContext) -> shapes.Shape:
    return context.dims("ref")


COUNT_UP_TO.case("W06", "the number before it grows", T="int32", ref=3, limit=5, output=3)
COUNT_UP_TO.case("W06", "no further than the limit", T="int32", ref=5, limit=5, error="Reached limit of 5")
DESTROY_TEMPORARY_VARIABLE.case("W06", "the last value", ref=[1, 2], var_name="t", value=[1, 2])
ASSIGN.case("W11", "the new value", ref=[1, 2], value=[3, 4], output_ref=[3, 4])
ASSIGN.case("W11", "the shape stays", ref=[1, 2], value=[3],
            error="Assign requires shapes of both tensors to match. lhs shape= [2] rhs shape= [1]")  # fmt: skip
ASSIGN.case("W11", "the shape may change if asked", ref=[1, 2], value=[3], validate_shape=False, output_ref=[3])
ASSIGN_ADD.case("W11", "an update fits", ref=[1, 2], value=[3],
                error="Parameters and update must be the same size: [2] and [1]")  # fmt: skip
ASSIGN_ADD.case("W11", "+=", ref=[1, 2], value=[10, 20], output_ref=[11, 22])
ASSIGN_SUB.case("S32", "-=", ref=[1, 2], value=[10, 20], output_ref=[-9, -18])


def assign(
    ref: Any, value: Any, validate_shape: bool = True, use_locking: bool = True, name: str | None = None
) -> Tensor:
    """Sets the variable behind `ref` [W11]; the result is the reference, after the change.

    value: of the variable's type, and of its shape unless validate_shape is False; else a DTypeError or ShapeError.
    """
    return ASSIGN(ref, value, validate_shape=validate_shape, use_locking=use_locking, name=name)


def assign_add(ref: Any, value: Any, use_locking: bool = False, name: str | None = None) -> Tensor:
    """Adds a value of its shape and type to the variable behind `ref`, which is returned, after the change [W11]."""
    return ASSIGN_ADD(ref, value, use_locking=use_locking, name=name)


def assign_sub(ref: Any, value: Any, use_locking: bool = False, name: str | None = None) -> Tensor:
    """Subtracts a value of its shape and type from the variable behind `ref`, which is returned [W11, S32]."""
    return ASSIGN_SUB(ref, value, use_locking=use_locking, name=name)


def count_up_to(ref: Any, limit: int, name: str | None = None) -> Tensor:
    """The integer behind `ref` before it grows by one; OutOfRangeError once it is `limit`."""
    return COUNT_UP_TO(ref, limit=limit, name=name)


class Variable(NoNumbers):
    """A Variable node with its initializer, entered in the graph's collections [S14].

    initial_value: anything that becomes a tensor; its shape must be known, unless validate_shape is
    False. A Variable may stand wherever a tensor may, and is then read.

    >>> import refflow as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     v = tf.Variable([1.0, 2.0], name="v")
    ...     session.run(v.initializer)
    ...     session.run(v.assign_add([10.0, 10.0]))
    array([11., 12.], dtype=float32)
    """

    def __init__(
        self,
        initial_value: Any,
        trainable: bool = True,
        collections: Any = None,
        validate_shape: bool = True,
        name: str | None = None,
    ):
        if initial_value is None:
            raise ValueError("a Variable needs an initial value: it gives the shape and the type")
        # What gives the first value waits for nothing that is around: it has to run before all that.
        with (
            op_scope([initial_value] if hasattr(initial_value, "graph") else [], name, "Variable") as scope,
            get_default_graph().outside(),
        ):
            self._initial_value = convert_to_tensor(initial_value, name="initial_value")
            shape = self._initial_value.get_shape()
            if validate_shape and not shape.is_fully_defined():
                raise ShapeError(
                    f"the initial value of Variable {scope.rstrip('/')!r} has shape {shape}, but every size must be "
                    "known. Use set_shape() on it, or validate_shape=False"
                )
            dtype = self._initial_value.dtype.base_dtype
            declared = shape if validate_shape else None
            self._variable = VARIABLE(shape=declared or shapes.unknown_shape(), dtype=dtype, name=scope)
            self._initializer = ASSIGN(self._variable, self._initial_value, validate_shape=validate_shape,
                                       name="Assign").op  # fmt: skip
        keys = [GraphKeys.VARIABLES] if collections is None else list(collections)
        if trainable and GraphKeys.TRAINABLE_VARIABLES not in keys:
            keys.append(GraphKeys.TRAINABLE_VARIABLES)
        for key in keys:
            self.graph.add_to_collection(key, self)

    @classmethod
    def of_nodes(cls, variable: Tensor, initializer: Operation, initial_value: Any) -> Variable:
        """The Variable that is made of nodes which are there already; it is entered in no collection."""
        found = cls.__new__(cls)
        found._variable, found._initializer, found._initial_value = variable, initializer, initial_value
        return found

    def _as_graph_element(self) -> Tensor:
        return self._variable

    def beside(self, initial_value: Any, name: str) -> Variable:
        """A variable of the same kind that goes along with this one, and is not trained."""
        return type(self)(initial_value, trainable=False, name=name)

    @property
    def initializer(self) -> Operation:
        """The operation that gives the variable its initial value."""
        return self._initializer

    @property
    def initial_value(self) -> Tensor:
        return self._initial_value

    def initialized_value(self) -> Tensor:
        """The value, read only after the initializer has run in the same step."""
        graph = self.graph
        with graph.as_default(), graph.control_dependencies([self._initializer]):
            from refflow.ops.array import identity

            return identity(self._variable)

    def ref(self) -> Tensor:
        """The reference itself, for ops that change it."""
        return self._variable

    def value(self) -> Tensor:
        """What stands for the value in the graph: the live reference, as in the first release [E13]."""
        return self._variable

    def assign(self, value: Any, use_locking: bool = False) -> Tensor:
        return assign(self._variable, value, use_locking=use_locking)

    def assign_add(self, delta: Any, use_locking: bool = False) -> Tensor:
        return assign_add(self._variable, delta, use_locking=use_locking)

    def assign_sub(self, delta: Any, use_locking: bool = False) -> Tensor:
        return assign_sub(self._variable, delta, use_locking=use_locking)

    def count_up_to(self, limit: int) -> Tensor:
        """The value before it grows by one; OutOfRangeError once it is `limit`."""
        return count_up_to(self._variable, limit)

    def scatter_sub(self, sparse_delta: Any, use_locking: bool = False) -> Tensor:
        """Subtracts the rows of IndexedSlices, each at its place."""
        from refflow.ops.scatter import scatter_sub

        return scatter_sub(self._variable, sparse_delta.indices, sparse_delta.values, use_locking=use_locking)

    def eval(self, session: Any = None) -> np.ndarray:
        return self._variable.eval(session=session)

    @property
    def name(self) -> str:
        return self._variable.name

    @property
    def op(self) -> Operation:
        return self._variable.op

    @property
    def dtype(self) -> DType:
        return self._variable.dtype

    @property
    def device(self) -> str:
        return self._variable.device

    @property
    def graph(self) -> Any:
        return self._variable.graph

    def get_shape(self) -> shapes.TensorShape:
        return self._variable.get_shape()

    @property
    def shape(self) -> shapes.TensorShape:
        """What get_shape() gives."""
        return self._variable.get_shape()

    def __repr__(self) -> str:
        return f"<tf.Variable {self.name!r} shape={self.get_shape()} dtype={self.dtype.name}>"


# What a Variable that stands for a tensor is read by, instead of by whoever uses it (train/towers.py).
readers: LocalStack[Callable[[Variable], Tensor]] = LocalStack(None)


def _convert_variable(value: Variable, dtype: DType | None, name: str | None, as_ref: bool) -> Tensor:
    tensor = value._variable
    if dtype is not None and tensor.dtype.base_dtype is not as_dtype(dtype):
        raise DTypeError(
            f"variable {tensor.name!r} is {tensor.dtype.base_dtype.name}, but {dtype.name} is needed. "
            "Nothing is converted silently: use cast()"
        )
    read = None if as_ref else readers.top()
    return tensor if read is None else read(value)


register_tensor_conversion_function(Variable, _convert_variable, 10)


def all_variables() -> list[Variable]:
    """Every Variable of the default graph, in order of creation."""
    return get_default_graph().get_collection(GraphKeys.VARIABLES)


def trainable_variables() -> list[Variable]:
    """The Variables that optimizers change unless told otherwise."""
    return get_default_graph().get_collection(GraphKeys.TRAINABLE_VARIABLES)


def assert_variables_initialized(var_list: Any = None) -> Operation | None:
    """An operation that fails with FailedPrecondition while one of the variables has no value; None without any."""
    variables = all_variables() if var_list is None else list(var_list)
    if not variables:
        return None
    from refflow.ops.array import rank

    return group(*(rank(v.value()) for v in variables))


def initialize_variables(var_list: list[Variable], name: str = "init") -> Operation:
    """One operation that runs the initializers of `var_list` [S24]."""
    return group(*(v.initializer for v in var_list), name=name)


def initialize_all_variables() -> Operation:
    """One operation that gives every variable of the default graph its initial value [S24, E21]."""
    return initialize_variables(all_variables())
