"""One op, one OpDef: everything anybody needs to know about an op type is asked here [W04, S43].

    XENT = define_op(
        "SoftmaxCrossEntropyWithLogits",
        "features: T[N, C], labels: T[N, C] -> loss: T[N], backprop: T[N, C]",
        T=FLOATS,
    )

    @XENT.kernel       the definition in plain NumPy: arrays in, arrays out
    @XENT.gradient     adds the nodes that compute the inputs' gradients
    XENT.case(...)     an example: documentation, test and conformance case at once
    XENT(x, y)         builds one node in the current graph

A *kernel* is a function of arrays and attributes for one device type [S43, W05]. Ref inputs reach it
as the variable's present array, and it returns their new values first, in order; the runtime stores
them. So a reference kernel never changes anything, even that of an assignment.

Next: ops/matmul.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from refflow.core import errors, shape_rules, shapes
from refflow.core.bfloat16 import through_float32
from refflow.core.build import add_node
from refflow.core.dtypes import DType, bfloat16
from refflow.core.elements import Elements
from refflow.core.errors import NodeError
from refflow.core.kernel import Kernel
from refflow.core.registry import register
from refflow.core.shapes import Shape
from refflow.core.signature import Arg, Attr, as_attr, parse_signature

ACCURACY = ("exact", "rounded", "transcendental", "special", "dot", "composed", "random")


class Case(NamedTuple):
    """One example of an op: given these inputs and attributes, these outputs or this error."""

    clause: str
    title: str
    inputs: dict[str, Any]
    attrs: dict[str, Any]
    outputs: dict[str, Any]
    error: str | None


class ByElement(NamedTuple):
    """An update of variables that treats each element alone.

    rule: from the inputs, in order, to the variables' new values, in NumPy. numbers: places of inputs that are single
    numbers; all others are arrays of one shape: the variables, and at the end the gradient. The kernel of an op that
    gets the variables' handles takes a function as `update`, which is to be called with all inputs, for each handle
    the variable's own memory.
    """

    rule: Callable[..., Sequence[Any]]
    numbers: tuple[int, ...]

    def arrays(self, count: int) -> list[int]:
        """The places, among that many inputs, of the variables and at the end of the gradient."""
        return [i for i in range(count) if i not in self.numbers]


class OpDef:
    """An op type: signature, attributes, shape rule, kernels, gradient, cases, clauses."""

    def __init__(
        self,
        name: str,
        signature: str,
        attrs: dict[str, Any],
        source: tuple[str, ...],
        stateful: bool,
        commutative: bool,
        accuracy: str,
        view: bool,
        allows_uninitialized: bool,
        by_handle: bool = False,
    ):
        self.name = name
        self.signature = signature
        self.inputs, self.outputs = parse_signature(signature)
        self.attrs: dict[str, Attr] = {key: as_attr(key, value) for key, value in attrs.items()}
        self._type_lists = {key for key, attr in self.attrs.items() if attr.kind == "list(type)"}
        self.source = source
        self.stateful = stateful
        self.commutative = commutative
        self.accuracy = accuracy
        self.view = view  # the first output may share the first input's memory
        self.elements: Elements | None = None  # what it does with a stack, a list or an array
        self.moves_bits = False  # values go in and out as they are, whatever their type
        self.moved: tuple[str, ...] = ()  # inputs whose elements the outputs are made of, each as it was
        self.by_element: ByElement | None = None
        self.in_place: Callable[..., None] | None = None  # an update's kernel that writes where the references lie
        self.waits = False  # the kernel may give a Pending: what it does needs somebody else first
        self.allows_uninitialized = allows_uninitialized
        self.by_handle = by_handle  # the kernel gets the state behind a reference itself, and nothing is read or stored
        self.cases: list[Case] = []
        self.kernels: dict[str, Kernel] = {}
        self.shape_rule: shape_rules.Rule | None = None
        self.shape_function: Callable[[Any], Any] | None = None  # RegisterShape's: of the operation itself
        self.ranks: dict[str, int | tuple[int, int]] = {}  # of inputs, which only a graph that is built must show
        self.constant_rule: Callable[[Any], Any] | None = None
        self.work_rule: Callable[..., int] | None = None
        self.refusal: Callable[..., None] | None = None
        self.make_state: Callable[..., Any] | None = None
        self.gradient_function: Callable[..., Any] | None = None
        self.has_gradient_rule = False
        self.why_unknown = ""  # what is wrong with the one node that this stands for
        self.is_unknown = False  # no such op type is defined here: a graph that names it can be read, but not run
        self.lacks_gradient = False  # stated, so that nobody takes it for forgotten
        self.variant_of: OpDef | None = None  # the op that explains this one
        self.page = ""  # the module that defines it
        self.formula: Any = None  # core/elementwise.py: the op's one expression
        self.formula_rule: Callable[[dict[str, Any]], Any] | None = None  # where that depends on attributes
        self._fixed_places = all(a.number is None and not self.is_type_list(a) for a in self.inputs + self.outputs)
        self._input_places = {a.name: i for i, a in enumerate(self.inputs)}
        self._output_places = {a.name: i for i, a in enumerate(self.outputs)}
        self.ref_inputs = () if by_handle else tuple(i for i, a in enumerate(self.inputs) if a.is_ref)
        # Placeholder-like ops have no inputs, so `foldable` is for ops that compute from their inputs alone.
        self.foldable = not stateful and not self.ref_inputs and not any(a.is_ref for a in self.outputs)
        self._check()

    def _check(self) -> None:
        if self.accuracy not in ACCURACY:
            raise NodeError(f"{self.name}: accuracy {self.accuracy!r} is none of {', '.join(ACCURACY)}")
        for arg in self.inputs + self.outputs:
            if arg.fixed is None and arg.type not in self.attrs:
                raise NodeError(f"{self.name}: {arg.type}, the type of {arg.name}, is neither a type nor an attribute")
            if arg.number is not None and arg.number not in self.attrs:
                raise NodeError(f"{self.name}: count {arg.number} of {arg.name} is not an attribute")

    @classmethod
    def unknown(cls, name: str, why: str = "") -> OpDef:
        """Stands for an op type that is not defined, or for a node that cannot be built, which `why` explains."""
        found = cls(name, "->", {}, (), True, False, "exact", False, False)
        found.is_unknown, found.why_unknown = True, why
        return found

    @property
    def keeps(self) -> int | None:
        """The place of an input that outlives the node: it is to lie in memory that nobody changes."""
        return None if self.elements is None else self.elements.put

    @property
    def family(self) -> str:
        """The name of the op that this is, or is a variant of."""
        return self.name if self.variant_of is None else self.variant_of.family

    # -- filling it in (decorators on the op's page) -----------------------------------------------

    def kernel(self, function: Any = None, device_type: str = "cpu") -> Any:
        """Registers a kernel. The one for "cpu" on the op's page is the reference."""
        if function is None or isinstance(function, str):
            return lambda f: self.kernel(f, function or device_type)
        self.kernels[device_type] = Kernel.of(function, device_type, self.attrs)
        return function

    def gradient(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Registers `function(op, *output_gradients) -> one gradient or None per input` [W30]."""
        if self.has_gradient_rule:
            raise NodeError(f"{self.name} has a gradient already")
        self.gradient_function, self.has_gradient_rule = function, True
        return function

    def no_gradient(self) -> None:
        """States that nothing flows back through this op; without it, asking is a LookupError [W30]."""
        if self.has_gradient_rule:
            raise NodeError(f"{self.name} has a gradient already")
        self.has_gradient_rule = True

    def no_gradient_registered(self) -> None:
        """States that the release has no rule here, so that asking for one is a LookupError by name [W30]."""
        self.lacks_gradient = True

    def shape(self, rule: shape_rules.Rule) -> shape_rules.Rule:
        """Registers a rule `rule(context)` where the signature's dimension names cannot say it."""
        self.shape_rule = rule
        return rule

    def built_with(self, **ranks: int | tuple[int, int]) -> None:
        """States ranks of inputs, or least and most, that a graph must show where a kernel takes more."""
        self.ranks = ranks

    def constant(self, rule: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Registers `rule(op)`: the value where it is known before the run, else None; of several outputs, a list."""
        self.constant_rule = rule
        return rule

    def refuses(self, check: Callable[..., None]) -> Callable[..., None]:
        """Registers `check(*inputs)`, which raises for values that have no result: it is called before a fast kernel.

        The page's own kernel calls it itself.
        """
        self.refusal = check
        return check

    def work(self, rule: Callable[..., int]) -> Callable[..., int]:
        """Registers `rule(inputs, outputs, attrs)`: the multiply-adds of a run, from the shapes [W19]."""
        self.work_rule = rule
        return rule

    def moves(self, *names: str) -> None:
        """States that each output's elements are elements of these inputs, at other places: nothing is computed [S71].

        What a view gives is its first input, which need not be said.
        """
        self.moved = names

    def state(self, make: Callable[..., Any]) -> Callable[..., Any]:
        """Registers what makes the per-session state that a kernel gets as `state`."""
        self.make_state = make
        return make

    def case(self, clause: str, title: str, *, error: str | None = None, **values: Any) -> None:
        """Adds an example. Values are given by the names of inputs, attributes and outputs."""
        sides: dict[str, dict[str, Any]] = {"inputs": {}, "attrs": {}, "outputs": {}}
        for key, value in values.items():
            if key in self.attrs:
                sides["attrs"][key] = value
            elif key in self._input_places:
                sides["inputs"][key] = value
            elif key in self._output_places:
                sides["outputs"][key] = value
            else:
                raise NodeError(f"{self.name}, case {title!r}: {key} is no input, attribute or output")
        self.cases.append(Case(clause, title, **sides, error=error))

    # -- asking it -----------------------------------------------------------------------------------

    @property
    def reference(self) -> Callable[..., Any]:
        """The kernel on the op's page: its definition in NumPy."""
        if "cpu" not in self.kernels:
            raise errors.UnimplementedError(None, None, f"{self.name} has no reference kernel")
        return self.kernels["cpu"].function

    def page_kernel(self, attrs: dict[str, Any]) -> Callable[..., Any]:
        """The reference kernel for nodes with these attributes: bfloat16 goes through float32."""
        types = [t for value in attrs.values() for t in (value if isinstance(value, list) else [value])]
        if self.view or self.moves_bits or not any(t is bfloat16 for t in types):
            return self.reference
        return through_float32(self.reference, self._result_types(attrs))

    def expression(self, attrs: dict[str, Any]) -> Any:
        """The formula that is all of a node with these attributes, or None."""
        if self.formula_rule is not None:
            return self.formula_rule(attrs)
        return None if "cpu" not in self.kernels or self.kernels["cpu"].attrs else self.formula

    def _result_types(self, attrs: dict[str, Any]) -> list[DType]:
        """The types of what a kernel returns: new values of its references, then plain outputs."""
        references = [self.inputs[i].fixed or attrs[self.inputs[i].type] for i in self.ref_inputs]
        return references + [t for t in self.output_types(attrs) if not t.is_ref_dtype or not references]

    def compute(self, arrays: Sequence[Any], attrs: dict[str, Any]) -> list[Any]:
        """The reference kernel's outputs for a stateless op, as a list."""
        result = self.page_kernel(attrs)(*self.group(arrays, attrs), **self.kernels["cpu"].arguments(attrs))
        return list(result) if isinstance(result, (tuple, list)) else [result]

    def is_type_list(self, arg: Arg) -> bool:
        return arg.type in self._type_lists

    def length(self, arg: Arg, attrs: dict[str, Any]) -> int:
        """How many tensors `arg` stands for."""
        if arg.number is not None:
            return attrs[arg.number]
        return len(attrs[arg.type]) if self.is_type_list(arg) else 1

    def places(self, attrs: dict[str, Any], outputs: bool) -> dict[str, int | slice]:
        """Where each named input or output stands: a position, or a slice for a list."""
        if self._fixed_places:
            return self._output_places if outputs else self._input_places  # type: ignore[return-value]
        found: dict[str, int | slice] = {}
        at = 0
        for arg in self.outputs if outputs else self.inputs:
            count = self.length(arg, attrs)
            single = arg.number is None and not self.is_type_list(arg)
            found[arg.name] = at if single else slice(at, at + count)
            at += count
        return found

    def group(self, flat: Sequence[Any], attrs: dict[str, Any]) -> Sequence[Any]:
        """A flat list of inputs as the kernel takes them: one entry per argument, lists as lists."""
        if self._fixed_places:
            return flat
        return [flat[place] for place in self.places(attrs, outputs=False).values()]

    def output_types(self, attrs: dict[str, Any]) -> list[DType]:
        types: list[DType] = []
        for arg in self.outputs:
            given = arg.fixed or attrs[arg.type]
            each = list(given) if isinstance(given, list) else [given] * self.length(arg, attrs)
            types += [t.as_ref for t in each] if arg.is_ref else each
        return types

    def infer_shapes(self, op: Any) -> list[Shape]:
        """The outputs' static shapes; a ShapeError that names the node, what it got, and what to do.

        What no kernel does (an OpError) is no wrong graph: the shapes stay unknown, and the step says so that runs it.
        """
        from refflow.core.constants import constant_value
        from refflow.core.sizes import known_sizes

        if self.shape_function is not None:
            return [shapes.TensorShape(s).as_tuple for s in self.shape_function(op)]

        def value_of(place: Any) -> Any:
            return constant_value(op.inputs[place])

        def sizes_of(place: Any) -> Any:
            return known_sizes(op.inputs[place])

        try:
            return shape_rules.infer(self, op.attrs, [t.dims for t in op.inputs], value_of, sizes_of)
        except errors.OpError:
            return [None] * len(self.output_types(op.attrs))
        except errors.ShapeError as error:
            given = ", ".join(
                f"{label}: {t.dtype.base_dtype.name}{shapes.text(t.dims)}"
                for label, t in zip(self.labels(op.attrs), op.inputs, strict=True)
            )
            said = str(error).replace(errors.THIS_NODE, op.name).rstrip(".")
            raise errors.ShapeError(f"{self.name} {op.name!r}: {said}. {given}. Signature: {self.signature}") from None

    def labels(self, attrs: dict[str, Any]) -> list[str]:
        """A name for each input: `a`, `values[0]`, `values[1]`, ..."""
        found = []
        for arg in self.inputs:
            if arg.number is None and not self.is_type_list(arg):
                found.append(arg.name)
            else:
                found += [f"{arg.name}[{i}]" for i in range(self.length(arg, attrs))]
        return found

    def __call__(self, *args: Any, name: str | None = None, **kwargs: Any) -> Any:
        """Builds one node. Returns its Tensor, a named tuple of its Tensors, or the Operation if it has none."""
        return add_node(self, args, kwargs, name)

    def __repr__(self) -> str:
        return f"<OpDef {self.name}({self.signature})>"


def define_op(
    name: str,
    signature: str,
    /,
    *,
    source: Iterable[str] = (),
    stateful: bool = False,
    commutative: bool = False,
    accuracy: str = "exact",
    view: bool = False,
    allows_uninitialized: bool = False,
    by_handle: bool = False,
    **attrs: Any,
) -> OpDef:
    """Registers an op type and returns its OpDef [S44].

    attrs: each attribute by its default (`transpose_a=False`), its allowed types (`T=FLOATS`), or an Attr.
    source: clauses that name the op. stateful: a run may see or leave something beyond inputs and outputs.
    accuracy: how near a kernel must come to the exact value; one of ACCURACY.
    """
    op_def = OpDef(
        name, signature, attrs, tuple(source), stateful, commutative, accuracy, view, allows_uninitialized, by_handle
    )
    return register(op_def)


def define_variant(name: str, base: OpDef, signature: str = "", /, **attrs: Any) -> OpDef:
    """Registers another name of an operation: today's `AddV2` beside `Add`.

    Everything that `base` has by now is shared: kernels, rules, gradient, flags and the cases that need no attribute
    that is gone. `signature` and `attrs` say what differs; an attribute given as None is left out. The kernel is
    called with inputs in this signature's order, so an op that only reorders them registers a kernel of its own.
    """
    kept = {key: attr for key, attr in (base.attrs | attrs).items() if attr is not None}
    twin = define_op(
        name, signature or base.signature, source=base.source, stateful=base.stateful, commutative=base.commutative,
        accuracy=base.accuracy, view=base.view, allows_uninitialized=base.allows_uninitialized,
        by_handle=base.by_handle,
        **kept,
    )  # fmt: skip
    twin.variant_of = base
    for device_type, page in base.kernels.items():
        twin.kernel(page.function, device_type)
    twin.shape_rule, twin.constant_rule, twin.make_state = base.shape_rule, base.constant_rule, base.make_state
    twin.work_rule, twin.refusal, twin.moved = base.work_rule, base.refusal, base.moved
    twin.gradient_function, twin.has_gradient_rule = base.gradient_function, base.has_gradient_rule
    twin.lacks_gradient, twin.formula, twin.formula_rule = base.lacks_gradient, base.formula, base.formula_rule
    same_names = {a.name for a in base.inputs + base.outputs} == {a.name for a in twin.inputs + twin.outputs}
    if same_names:
        twin.cases = [c for c in base.cases if c.attrs.keys() <= twin.attrs.keys()]
    return twin
