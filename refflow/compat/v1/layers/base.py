"""A layer: settings, variables made when it first sees an input, and a function of inputs that uses them ever after.

    class Scale(tf.layers.Layer):
        def build(self, input_shape):
            self.factor = self.add_weight("factor", [input_shape[-1]])
            self.built = True

        def call(self, inputs):
            return inputs * self.factor

Its variables lie in a scope that is settled at the first call: `name` made unique, or the function's scope. Each call
puts its nodes into that scope's nodes again.

Next: compat/v1/layers/core.py.
"""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refflow.compat.v1.graph_keys import GraphKeys
from refflow.compat.v1.initializers import ones_initializer, zeros_initializer
from refflow.compat.v1.layers.input_spec import InputSpec
from refflow.compat.v1.variable import Variable
from refflow.compat.v1.variable_scope import get_variable, variable_scope
from refflow.compat.v1.variables import global_variables
from refflow.core.convert import convert_to_tensor, graph_of
from refflow.core.dtypes import as_dtype, float32
from refflow.core.graph import Operation, Tensor, get_default_graph
from refflow.core.nest import flatten, map_structure
from refflow.core.registry import op_def
from refflow.core.shapes import TensorShape
from refflow.core.tensor import default_session
from refflow.ops.array import shape
from refflow.ops.cast import cast

ZEROS, ONES = zeros_initializer(), ones_initializer()


def _snake_case(name: str) -> str:
    words = re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", name)).lower()
    return f"private{words}" if words.startswith("_") else words


def _unique_name(base: str) -> str:
    """base_1, base_2, ...: which layer of that kind in the graph this is."""
    held = get_default_graph()._collections.setdefault(("__layer_names",), [{}])[0]
    held[base] = held.get(base, 0) + 1
    return f"{base}_{held[base]}"


class Layer:
    """What all layers have; a class of one's own gives `build` and `call`."""

    input_spec: Any = None
    _scope: Any
    _getter: Any = None  # a custom getter for what is made inside `call`

    def __init__(self, trainable: bool = True, name: str | None = None, dtype: Any = None, **kwargs: Any):
        scope, self._reuse = kwargs.pop("_scope", None), kwargs.pop("_reuse", None)
        self.activity_regularizer: Callable[[Tensor], Any] | None = kwargs.pop("activity_regularizer", None)
        if kwargs:
            raise TypeError(f"Keyword argument not understood: {next(iter(kwargs))}")
        self.trainable = trainable
        self._dtype = None if dtype is None else as_dtype(dtype).base_dtype
        self._base_name = name or _snake_case(type(self).__name__)
        self._name = name or _unique_name(self._base_name)
        self._begin()
        if scope is not None:
            self._settle_scope(scope)

    def _begin(self) -> None:
        """What a layer has of graphs before its first call."""
        self.built, self._graph, self._scope = False, get_default_graph(), None
        self._own_trainable: list[Any] = []
        self._own_fixed: list[Any] = []
        self._own_updates: list[tuple[Any, Any]] = []
        self._own_losses: list[tuple[Any, Any]] = []
        self._calls: list[tuple[Any, Any]] = []

    # -- for classes to give -----------------------------------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Makes the variables; `input_shape` is a TensorShape, or a list of them."""
        self.built = True

    def call(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """The output of `inputs`."""
        return inputs

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The output's shape, of the input's."""
        raise NotImplementedError(f"{type(self).__name__} does not say what shape its output has")

    # -- for classes to use ------------------------------------------------------------------------------------------

    def add_weight(
        self, name: str, shape: Any = None, dtype: Any = None, initializer: Any = None, regularizer: Any = None,
        trainable: bool | None = None, constraint: Any = None, use_resource: Any = None, synchronization: Any = None,
        aggregation: Any = None, partitioner: Any = None,
    ) -> Any:  # fmt: skip
        """The layer's variable of that name."""
        trainable = True if trainable is None else trainable
        self._settle_scope(None)
        known = {v.op.name for v in global_variables()} if regularizer is not None else set()
        more = {"synchronization": synchronization, "aggregation": aggregation}
        reuse = True if self.built else self._reuse
        with variable_scope(self._scope, reuse=reuse, auxiliary_name_scope=False):
            made = get_variable(
                name, [] if shape is None else shape, as_dtype(dtype or self._dtype or float32), initializer,
                trainable=trainable and self.trainable, constraint=constraint, use_resource=use_resource,
                partitioner=partitioner, **{key: value for key, value in more.items() if value is not None},
            )  # fmt: skip
        for part in made if hasattr(made, "_get_variable_list") else [made]:
            if regularizer is not None and part.op.name not in known:
                self._regularize(part, regularizer)
        self._keep(made, trainable)
        return made

    add_variable = add_weight

    def _keep(self, made: Any, trainable: bool) -> None:
        held = self._own_trainable if trainable else self._own_fixed
        for part in made if hasattr(made, "_get_variable_list") else [made]:
            if not any(part is v for v in held):
                held.append(part)

    def _regularize(self, part: Any, regularizer: Callable[[Any], Any]) -> None:
        graph = get_default_graph()
        with graph.colocate_with(part.op), graph.name_scope(f"{part.op.name}/Regularizer/"):
            loss = regularizer(part)
        if loss is not None:
            self.add_loss(loss)

    def add_loss(self, losses: Any, inputs: Any = None) -> None:
        """Tensors that are to be small, for the collection REGULARIZATION_LOSSES."""
        self._enter(losses, inputs, self._own_losses, GraphKeys.REGULARIZATION_LOSSES)

    def add_update(self, updates: Any, inputs: Any = None) -> None:
        """Operations to run with each step of training, for the collection UPDATE_OPS."""
        self._enter(updates, inputs, self._own_updates, GraphKeys.UPDATE_OPS)

    def _enter(self, given: Any, inputs: Any, held: list[tuple[Any, Any]], key: str) -> None:
        listed = list(given) if isinstance(given, (list, tuple)) else [given]
        for item in listed:
            if not any(item is known for known, _ in held):
                held.append((item, inputs))
            graph = item.graph
            if not any(item is known for known in graph.get_collection(key)):
                graph.add_to_collection(key, item)

    # -- calling it --------------------------------------------------------------------------------------------------

    def _settle_scope(self, scope: Any) -> None:
        if self._scope is None:
            named = self._base_name if scope is None and self._reuse else scope
            with variable_scope(named, self._base_name) as opened:
                self._scope = opened

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """The layer's output; the first call makes its variables."""
        inputs = map_structure(convert_to_tensor, inputs)
        tensors = flatten(inputs)
        graph = graph_of(tensors)
        if self._graph is not graph and self.built:
            raise ValueError(f"Input graph and Layer graph are not the same: {tensors[:1]} is not of the graph in "
                             f"which layer {self.name} was called first")  # fmt: skip
        with graph.as_default():
            self._settle_scope(kwargs.pop("scope", None))
            reuse = True if self.built else self._reuse
            with (
                variable_scope(self._scope, reuse=reuse, custom_getter=self._getter, auxiliary_name_scope=False) as at,
                graph.name_scope(at.original_name_scope),
            ):
                self._check_and_build(inputs, tensors)
                if "scope" in inspect.signature(self.call).parameters:
                    kwargs["scope"] = at
                outputs = self.call(inputs, *args, **kwargs)
                self._regularize_activity(outputs, inputs)
        self._calls.append((inputs, outputs))
        return outputs

    apply = __call__

    def _check_and_build(self, inputs: Any, tensors: Sequence[Tensor]) -> None:
        specs = self.input_spec if isinstance(self.input_spec, (list, tuple)) else [self.input_spec] * len(tensors)
        for i, (tensor, spec) in enumerate(zip(tensors, specs, strict=False)):
            if spec is not None:
                spec.check(tensor, self.name, i)
        if self.built:
            return
        self._graph = get_default_graph()
        if self._dtype is None and tensors:
            self._dtype = tensors[0].dtype.base_dtype
        self.build(map_structure(lambda t: t.get_shape(), inputs))
        self.built = True
        for i, tensor in enumerate(tensors):
            if isinstance(self.input_spec, InputSpec):
                self.input_spec.check(tensor, self.name, i)

    def _regularize_activity(self, outputs: Any, inputs: Any) -> None:
        if self.activity_regularizer is None:
            return
        with get_default_graph().name_scope("ActivityRegularizer"):
            for output in flatten(outputs):
                loss = self.activity_regularizer(output)
                self.add_loss(loss / cast(shape(output)[0], loss.dtype), inputs)

    # -- asking it ---------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Its name, or that of its kind with a number."""
        return self._name

    @property
    def scope_name(self) -> str:
        """The scope of its variables."""
        if self._scope is None:
            raise ValueError(
                f'No name available for layer scope because the layer "{self._name}" has not been used yet. '
                "The scope name is determined the first time the layer instance is called."
            )
        return self._scope.name

    @property
    def dtype(self) -> Any:
        """The type of its variables: the first input's, unless said."""
        return self._dtype

    @property
    def graph(self) -> Any:
        """The graph that it was called in."""
        return self._graph

    @property
    def trainable_weights(self) -> list[Any]:
        """The variables to train; none where the layer is not trainable. Those of layers inside it are theirs."""
        return list(self._own_trainable) if self.trainable else []

    @property
    def non_trainable_weights(self) -> list[Any]:
        """The other variables."""
        return list(self._own_fixed) if self.trainable else [*self._own_trainable, *self._own_fixed]

    @property
    def weights(self) -> list[Any]:
        """All its variables, those to train first."""
        return self.trainable_weights + self.non_trainable_weights

    # By their other names; a class that overrides the ones has the others with them.
    variables = property(lambda self: self.weights, doc="All its variables.")
    trainable_variables = property(lambda self: self.trainable_weights, doc="The variables to train.")
    non_trainable_variables = property(lambda self: self.non_trainable_weights, doc="The other variables.")

    @property
    def losses(self) -> list[Any]:
        """What add_loss and the regularizers gave."""
        return [v for v, _ in self._own_losses]

    @property
    def updates(self) -> list[Any]:
        """What add_update gave."""
        return [v for v, _ in self._own_updates]

    def get_losses_for(self, inputs: Any) -> list[Any]:
        """The losses that were said to be of these inputs; with None, those of none."""
        return [v for v, of in self._own_losses if _about(of, inputs)]

    def get_updates_for(self, inputs: Any) -> list[Any]:
        """The updates that were said to be of these inputs; with None, those of none."""
        return [v for v, of in self._own_updates if _about(of, inputs)]

    def count_params(self) -> int:
        """How many numbers its variables have."""
        if not self.built:
            raise ValueError(f"You tried to call `count_params` on {self.name}, but the layer isn't built.")
        return int(sum(np.prod(v.get_shape().as_list(), dtype=np.int64) for v in self.weights))

    def get_weights(self) -> list[np.ndarray]:
        """The variables' values in the default session."""
        session = default_session(None, f"read the weights of layer {self.name!r}")
        return [session.run(v) for v in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Sets the variables in the default session."""
        if len(weights) != len(self.weights):
            raise ValueError(f'You called `set_weights(weights)` on layer "{self.name}" with a weight list of length '
                             f"{len(weights)}, but the layer was expecting {len(self.weights)} weights.")  # fmt: skip
        for variable, value in zip(self.weights, weights, strict=True):
            variable.load(value)

    def get_input_at(self, node_index: int) -> Any:
        """What its call of that number got."""
        return self._call(node_index)[0]

    def get_output_at(self, node_index: int) -> Any:
        """What its call of that number gave."""
        return self._call(node_index)[1]

    def _call(self, number: int) -> tuple[Any, Any]:
        if not self._calls:
            raise AttributeError(f"Layer {self.name} has no inbound nodes.")
        return self._calls[number]

    def _only_call(self) -> tuple[Any, Any]:
        found = self._call(0)
        if len(self._calls) > 1:
            raise AttributeError(f"Layer {self.name} has multiple inbound nodes: use get_input_at(node_index) or "
                                 "get_output_at(node_index)")  # fmt: skip
        return found

    input = property(lambda self: self._only_call()[0], doc="What its one call got.")
    output = property(lambda self: self._only_call()[1], doc="What its one call gave.")
    input_shape = property(lambda self: tuple(self.input.get_shape().as_list()), doc="The shape of `input`.")
    output_shape = property(lambda self: tuple(self.output.get_shape().as_list()), doc="The shape of `output`.")

    def __deepcopy__(self, memo: dict[int, Any]) -> Layer:
        """Another with the same settings that was not called yet."""
        made = type(self).__new__(type(self))
        made._begin()
        memo |= {id(self): made} | {id(v): v for v in (*self._own_trainable, *self._own_fixed)}
        for key, value in vars(self).items():
            if key not in vars(made):
                kept = isinstance(value, (Tensor, Variable))
                vars(made)[key] = value if kept else copy.deepcopy(value, memo)
        if not self._calls:
            made._scope = copy.copy(self._scope)
        return made

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"


def _about(of: Any, inputs: Any) -> bool:
    if of is None or inputs is None:
        return of is None and inputs is None
    mine = {id(t) for t in flatten(of)}
    return any(id(t) in mine for t in flatten(inputs))


def functional(called: str, layer: type[Layer], order: str | None = None, to_call: Sequence[str] = ()) -> Any:
    """The function of that name which makes a layer and calls it, with the layer's arguments after `inputs`.

    order: the arguments' names, where they are not the class's with `reuse` at the end. to_call: arguments, with their
    defaults in the layer's `call`, that go to the call.
    """
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    known = {p.name: p for p in inspect.signature(layer).parameters.values() if p.kind is kind}
    known |= {name: inspect.signature(layer.call).parameters[name] for name in to_call}
    known["reuse"] = inspect.Parameter("reuse", kind, default=None)
    names = list(known) if order is None else [n.strip() for n in order.split(",")]
    signature = inspect.Signature([inspect.Parameter("inputs", kind), *(known[n] for n in names)])

    def function(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs).arguments
        inputs, reuse = given.pop("inputs"), given.pop("reuse", None)
        more = {name: given.pop(name) for name in to_call if name in given}
        scope = {"_reuse": reuse, "_scope": given.get("name")} if "reuse" in names else {}
        return layer(**given, **scope)(inputs, **more)

    function.__name__ = function.__qualname__ = called
    function.__signature__ = signature  # type: ignore[attr-defined]
    function.__doc__ = f"{layer.__doc__} Made and called: see tf.layers.{layer.__name__}."
    return function


def operation(given: Any) -> Operation:
    """The operation of what an assignment gave."""
    return given if isinstance(given, Operation) else given.op


def constant_training(training: Any) -> bool | None:
    """Whether it is training, where that is no tensor."""
    return None if isinstance(training, Tensor) or hasattr(training, "op") else bool(training)


def identity(x: Any) -> Tensor:
    return op_def("Identity")(x)
