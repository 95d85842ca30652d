"""Which operations there are: a page for each of substance, a table for each family of one-liners.

A page is loaded with whatever imports from it. The others wait until an op type is asked for by name that no loaded
page defines: then all that lie in this folder are. Only six have to be there from the start, those that complete what
other pages define, and those of which the system itself builds nodes.
"""

from functools import cache
from importlib import import_module

from refflow.core.registry import before_missing
from refflow.ops import control, holomorphic, list_gradients, operators, passing, tensor_array_gradients


@before_missing
@cache
def load_all() -> None:
    """Loads every page of this folder."""
    from pkgutil import iter_modules

    for page in iter_modules(__path__):
        import_module(f"{__name__}.{page.name}")
