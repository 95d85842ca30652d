"""Programs and libraries of others, unchanged: what they import as `tensorflow` is refflow.

    refflow.compat.as_tensorflow()            import tensorflow as tf     finds  refflow.compat.v1
    refflow.compat.as_tensorflow("0.x")                                   finds  refflow, then refflow.compat.v1

A *finder* on sys.meta_path answers for `tensorflow` and everything under it, so that one that is installed is not
seen. Each module it makes is a *shadow*: empty, with a list of namespaces in which a name is looked up when a program
first asks for it. Which modules there are, and where each looks, is one table: compat/shadow/table.py.

State: the finder's shadows by full name. A shadow never changes what it looks into; what a program sets, it sets on
the shadow.

Next: compat/shadow/table.py.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from importlib import metadata
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace
from typing import Any

from refflow.compat.shadow.table import OPTIONAL, PACKAGES, SPELLINGS, TABLE

ROOT = "tensorflow"


def as_tensorflow(spelling: str = "1.x") -> Finder:
    """From now on `import tensorflow` gives refflow: until close(), or the end of a `with` over what this returns.

    spelling: "1.x" for refflow.compat.v1; "0.x" for the first release's names and argument orders, and 1.x's where it
    had none. Modules that were imported meanwhile keep what they found.
    """
    return Finder(spelling)


class Shadow(ModuleType):
    """A module that looks its names up in other namespaces, in order."""

    def __init__(self, name: str, finder: Finder, sources: tuple[Any, ...]):
        super().__init__(name, f"refflow's names, where programs look for those of {name}.")
        self.__path__: list[str] = []  # a package: it may have modules under it
        self._finder, self._sources = finder, sources
        if name == ROOT:
            self.__version__ = SPELLINGS[finder.spelling].version

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = self._finder.look_up(self, name)
        if found is None:
            raise AttributeError(self._finder.lacks(self.__name__, name), name=name, obj=self)
        self.__dict__[name] = found[0]
        return found[0]

    def __dir__(self) -> list[str]:
        names = {n for s in self._finder.namespaces(self) for n in dir(s) if _may_be_asked_for(s, n)}
        return sorted({n for n in names if not n.startswith("_")} | self.__dict__.keys())


class Finder:
    """On sys.meta_path: finds and makes the shadows."""

    def __init__(self, spelling: str):
        if spelling not in SPELLINGS:
            raise ValueError(f"as_tensorflow: spelling is {spelling!r}, expected one of {', '.join(SPELLINGS)}")
        self.spelling = spelling
        self._shadows: dict[str, ModuleType] = {}
        self._before = _taken_out()
        sys.meta_path.insert(0, self)

    def close(self) -> None:
        """Ends it: `tensorflow` is again what it was before, installed or not."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
            _taken_out()
            sys.modules.update(self._before)

    def __enter__(self) -> Finder:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    # -- what the import system asks ---------------------------------------------------------------------------------

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name.partition(".")[0] != ROOT:
            return None
        if self.module(name) is None:
            parent, _, child = name.rpartition(".")
            raise ModuleNotFoundError(self.lacks(parent, child), path=name)
        return ModuleSpec(name, self, origin="refflow", is_package=True)  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """A shadow has nothing to execute."""

    # -- what is where -----------------------------------------------------------------------------------------------

    def module(self, name: str) -> ModuleType | None:
        """The shadow of that full name, or None where there is nothing for it to look into."""
        if name not in self._shadows:
            sources = self._sources(name)
            if sources is None:
                return None
            self._shadows[name] = Shadow(name, self, sources)
        return self._shadows[name]

    def _sources(self, name: str) -> tuple[Any, ...] | None:
        """Where a module's names are; a module or namespace that a shadow finds has one of its own."""
        if name in OPTIONAL and not _is_installed(OPTIONAL[name]):
            return None
        parent, _, child = name.rpartition(".")
        above = self.module(parent) if parent else None
        values = list(self._values(above, child))
        # A function of that name is not hidden by a page of that name further on.
        is_one = bool(values) and isinstance(values[0], (ModuleType, SimpleNamespace))
        found = tuple(v for v in values if is_one and isinstance(v, (ModuleType, SimpleNamespace)))
        return TABLE[name] + found if name in TABLE else found or None

    def look_up(self, shadow: Shadow, name: str) -> tuple[Any] | None:
        """What a shadow has under a name, in a tuple; None where it has nothing."""
        module = self.module(f"{shadow.__name__}.{name}")
        if module is not None:
            return (module,)
        value = next(self._values(shadow, name), _NOTHING)
        return None if value is _NOTHING else (value,)

    def _values(self, shadow: Any, name: str) -> Iterator[Any]:
        """What the namespaces have under a name, in order, but not the modules that they import for themselves.

        What a page of inner names has only imported comes last: the library's own of that name goes before.
        """
        borrowed = []
        for namespace in self.namespaces(shadow) if shadow is not None else ():
            value = getattr(namespace, name, _NOTHING)
            if value is _NOTHING or (isinstance(value, ModuleType) and not _is_ours(value)):
                continue
            if shadow.__name__.startswith(_INNER) and _is_borrowed(namespace, value):
                borrowed.append(value)
            else:
                yield value
        yield from borrowed

    def namespaces(self, shadow: Any) -> list[Any]:
        """What a shadow looks into; what is not installed is left out."""
        found = []
        for source in shadow._sources:
            places = SPELLINGS[self.spelling].places(source) if isinstance(source, str) else [source]
            found += [_resolved(place) if isinstance(place, str) else place for place in places]
        return [namespace for namespace in found if namespace is not None]

    def lacks(self, module: str, name: str) -> str:
        """What to say of a name that is not there."""
        short = module.replace("tensorflow", "tf", 1)
        if module in TABLE or module == ROOT or self.module(module) is not None:
            said = f"refflow has no {short}.{name}"
        else:
            said = f"refflow stands in for tensorflow {self.spelling}, and knows no module {module}.{name}"
        looked_into = f"{TABLE.get(module)} {TABLE.get(f'{module}.{name}')}"
        for package, version in PACKAGES.items():
            if package in looked_into and not _is_installed(package):
                said += f". The package {package} may have it: pip install {package + (version and f'=={version}*')}"
        return f"{said} (docs/compat.rst says what is there)"


_NOTHING = object()
_INNER = f"{ROOT}.python."


def _is_borrowed(namespace: Any, value: Any) -> bool:
    """Whether a page of this package has a function or class from elsewhere."""
    page = getattr(namespace, "__name__", "")
    return page.startswith(f"{__name__}.") and getattr(value, "__module__", page) != page


def _resolved(place: str) -> Any:
    """The module or attribute that a place names; None where its package is not installed, or has no such attribute."""
    module, _, attributes = place.partition(":")
    if not _is_installed(module.partition(".")[0]):
        return None
    found = importlib.import_module(module)
    for attribute in attributes.split(".") if attributes else ():
        found = getattr(found, attribute, None)  # type: ignore[assignment]
    return found


def _is_installed(package: str) -> bool:
    """Whether there is such a package, of a version that fits."""
    if find_spec(package) is None:
        return False
    wanted = PACKAGES.get(package)
    try:
        return not wanted or metadata.version(package).startswith(wanted)
    except metadata.PackageNotFoundError:  # a folder without a version
        return False


def _may_be_asked_for(namespace: Any, name: str) -> bool:
    """Whether it is no module that a page imports for itself."""
    value = getattr(namespace, "__dict__", {}).get(name)
    return not isinstance(value, ModuleType) or _is_ours(value)


def _is_ours(module: ModuleType) -> bool:
    return module.__name__.partition(".")[0] in ("refflow", ROOT, *PACKAGES)


def _taken_out() -> dict[str, ModuleType]:
    """Takes `tensorflow` and what is under it out of the modules that are there."""
    names = [name for name in sys.modules if name.partition(".")[0] == ROOT]
    return {name: sys.modules.pop(name) for name in names}
