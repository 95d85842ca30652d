"""What every dataset is: the variant that a node gives, and the spec of its elements.

    dataset._variant_tensor     the graph's side;  dataset.element_spec     the program's
    made(op_type, spec, ...)    another one

Next: compat/v1/data/transformations.py.
"""

from __future__ import annotations

from typing import Any, NoReturn

from refflow.compat.v1.data import elements
from refflow.compat.v1.data.options import Options
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import bool_, int64, variant
from refflow.core.errors import ShapeError
from refflow.core.graph import get_default_graph
from refflow.core.registry import op_def
from refflow.core.shapes import TensorShape
from refflow.core.tensor import Tensor


class DatasetBase(elements.Described):
    """A node that makes a dataset, and what its elements are."""

    def __init__(self, variant_tensor: Tensor, element_spec: Any, options: Options | None = None):
        self._variant_tensor, self._spec = variant_tensor, element_spec
        self._options = options or Options()

    @property
    def _type_spec(self) -> DatasetSpec:
        return DatasetSpec(self._spec)

    def options(self) -> Options:
        """What this dataset and those that it is made of have been told."""
        return self._options

    def with_options(self, options: Options, name: str | None = None) -> Any:
        """The same elements: options say how quickly, which is not asked here."""
        return _dataset(self._variant_tensor, self._spec, self._options.merge(options))

    def _as_variant_tensor(self) -> Tensor:
        return self._variant_tensor

    def __iter__(self) -> NoReturn:
        raise RuntimeError(
            "`tf.data.Dataset` only supports Python-style iteration in eager mode or within tf.function. Make an "
            "iterator: tf.data.make_one_shot_iterator(dataset).get_next()"
        )

    def as_numpy_iterator(self) -> NoReturn:
        raise RuntimeError("`tf.data.Dataset.as_numpy_iterator()` is only supported in eager mode.")

    def __len__(self) -> NoReturn:
        raise TypeError(
            "`tf.data.Dataset` only supports `len` in eager mode. Use `tf.data.Dataset.cardinality()` instead."
        )

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<{type(self).__name__} shapes: {self.output_shapes}, types: {self.output_types}>"


class DatasetSpec:
    """The spec of elements that are datasets themselves; for who asks in 1.x, class, type and shape at once."""

    def __init__(self, element_spec: Any, dataset_shape: Any = ()):
        self._element_spec, self._shape = element_spec, TensorShape(dataset_shape)

    @property
    def element_spec(self) -> Any:
        return self._element_spec

    @property
    def value_type(self) -> Any:
        from refflow.compat.v1.data.dataset import Dataset

        return Dataset

    @property
    def _type_spec(self) -> DatasetSpec:
        return self

    @property
    def _legacy(self) -> tuple[Any, Any, Any]:
        return self, self, self

    @property
    def _kind(self) -> tuple[Any, TensorShape]:
        return variant, self._shape

    def _component(self, value: Any) -> Tensor:
        return value._variant_tensor

    def _value(self, component: Tensor) -> Any:
        return _dataset(component, self._element_spec)

    def _rows(self, value: Any) -> NoReturn:
        raise TypeError("a dataset has no rows that could be elements. Use flat_map to go through its elements")

    def _unbatch(self) -> NoReturn:
        raise ValueError("Slicing dataset elements is not supported for rank 0.")

    def _batch(self, size: int | None) -> NoReturn:
        raise TypeError("datasets of datasets cannot be batched. Make tensors of the inner ones first, by flat_map")

    def _relaxed(self, other: Any) -> Any:
        inner = elements.map_structure(lambda a, b: a._relaxed(b), self._element_spec, other._element_spec)
        return DatasetSpec(inner)

    def is_compatible_with(self, other: Any) -> bool:
        other = other._type_spec if isinstance(other, DatasetBase) else other
        if not isinstance(other, DatasetSpec):
            return False
        pairs = zip(elements.flatten(self._element_spec), elements.flatten(other._element_spec), strict=True)
        return all(a.is_compatible_with(b) for a, b in pairs)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, DatasetSpec) and self._element_spec == other._element_spec

    def __hash__(self) -> int:
        return hash(tuple(elements.flatten(self._element_spec)))

    def __repr__(self) -> str:
        return f"DatasetSpec({self._element_spec!r}, {self._shape})"


def _dataset(variant_tensor: Tensor, spec: Any, options: Options | None = None) -> Any:
    from refflow.compat.v1.data.dataset import Dataset

    return Dataset._of(variant_tensor, spec, options)


def made(op_type: str, spec: Any, sources: list[Any], *inputs: Any, **attrs: Any) -> Any:
    """The dataset that a node makes whose elements have this spec; it has the options of its `sources`."""
    said = {"output_shapes": None, **elements.attributes(spec)}
    if "Toutput_types" in op_def(op_type).attrs:
        said["Toutput_types"] = said.pop("output_types")
    known = {key: value for key, value in said.items() if key in op_def(op_type).attrs}
    options = Options()
    for source in sources:
        options = options.merge(source.options())
    return _dataset(op_def(op_type)(*inputs, **known, **attrs), spec, options)


def number(value: Any, name: str) -> Tensor:
    """A whole number for a node: a tensor of int64, or what becomes one; ShapeError, a ValueError, for several."""
    return _scalar(convert_to_tensor(value, int64, name), name)


def truth(value: Any, name: str) -> Tensor:
    return _scalar(convert_to_tensor(value, bool_, name), name)


def _scalar(tensor: Tensor, name: str) -> Tensor:
    if tensor.get_shape().ndims not in (None, 0):
        raise ShapeError(f"Shape must be rank 0 but is rank {tensor.get_shape().ndims} for {name}: it is one number")
    return tensor


def check_dataset(value: Any, what: str) -> Any:
    if not isinstance(value, DatasetBase):
        raise TypeError(f"{what} must be a `tf.data.Dataset` object. Got {type(value)}.")
    return value


def check_graph(dataset: DatasetBase) -> None:
    """A ValueError where a dataset was made in another graph than the one that is being built."""
    here, there = get_default_graph(), dataset._variant_tensor.graph
    if here is not there:
        raise ValueError(
            f"The graph {here} of the iterator is different from the graph {there} the dataset: "
            f"{dataset._variant_tensor} was created in. Make sure that the dataset is created in the same graph as "
            "the iterator."
        )
