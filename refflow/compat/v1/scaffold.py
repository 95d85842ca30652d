"""What a monitored session needs of a graph: how to begin, how to see that all is there, what to save.

    Scaffold(init_op=..., saver=...)       what is not given is found in a collection, or made, by finalize()

    init_op, init_fn                gives variables their values where no checkpoint does
    ready_for_local_init_op         names of variables without a value; empty once local_init_op may run
    local_init_op                   local variables and tables, in every process
    ready_op                        names of variables without a value; empty once steps may run

Next: compat/v1/session_manager.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refflow.compat.v1 import summary
from refflow.compat.v1.graph_keys import GraphKeys
from refflow.compat.v1.more import tables_initializer
from refflow.compat.v1.savers import default_saver
from refflow.compat.v1.variables import (
    global_variables,
    global_variables_initializer,
    local_variables_initializer,
    report_uninitialized_variables,
)
from refflow.core.control import group
from refflow.core.graph import get_default_graph
from refflow.platform import logging

__all__ = ["Scaffold"]


class Scaffold:
    """The pieces that a session is built around. init_fn: called with the scaffold and the session after init_op."""

    def __init__(
        self, init_op: Any = None, init_feed_dict: Any = None, init_fn: Any = None, ready_op: Any = None,
        ready_for_local_init_op: Any = None, local_init_op: Any = None, summary_op: Any = None, saver: Any = None,
        copy_from_scaffold: Scaffold | None = None, local_init_feed_dict: Any = None,
    ):  # fmt: skip
        other = copy_from_scaffold
        if other is not None and not isinstance(other, Scaffold):
            raise TypeError("copy_from_scaffold is not a Scaffold instance.")

        def first(value: Any, name: str) -> Any:
            return value if value is not None or other is None else getattr(other, name)

        self._init_op, self._init_feed_dict = first(init_op, "init_op"), first(init_feed_dict, "init_feed_dict")
        self._user_init_fn = first(init_fn, "_user_init_fn")
        self._ready_op = first(ready_op, "ready_op")
        self._ready_for_local_init_op = first(ready_for_local_init_op, "ready_for_local_init_op")
        self._local_init_op = first(local_init_op, "local_init_op")
        self._local_init_feed_dict = first(local_init_feed_dict, "local_init_feed_dict")
        self._summary_op, self._saver = first(summary_op, "summary_op"), first(saver, "saver")

    @property
    def init_fn(self) -> Callable[[Any], Any] | None:
        """The function for a session, or None."""
        return None if self._user_init_fn is None else lambda session: self._user_init_fn(self, session)

    @property
    def init_op(self) -> Any:
        return self._init_op

    @property
    def init_feed_dict(self) -> Any:
        return self._init_feed_dict

    @property
    def ready_op(self) -> Any:
        return self._ready_op

    @property
    def ready_for_local_init_op(self) -> Any:
        return self._ready_for_local_init_op

    @property
    def local_init_op(self) -> Any:
        return self._local_init_op

    @property
    def local_init_feed_dict(self) -> Any:
        return self._local_init_feed_dict

    @property
    def summary_op(self) -> Any:
        return self._summary_op

    @property
    def saver(self) -> Any:
        return self._saver

    def finalize(self) -> Scaffold:
        """Finds or makes what was not given; nothing can be added to the graph from now on."""
        makers: dict[str, tuple[str, Callable[[], Any]]] = {
            "init_op": (GraphKeys.INIT_OP, lambda: group(global_variables_initializer())),
            "ready_op": (GraphKeys.READY_OP, report_uninitialized_variables),
            "ready_for_local_init_op": (
                GraphKeys.READY_FOR_LOCAL_INIT_OP, lambda: report_uninitialized_variables(global_variables())
            ),
            "local_init_op": (GraphKeys.LOCAL_INIT_OP, Scaffold.default_local_init_op),
            "summary_op": (GraphKeys.SUMMARY_OP, summary.merge_all),
        }  # fmt: skip
        for name, (key, make) in makers.items():
            if getattr(self, name) is None:
                setattr(self, f"_{name}", Scaffold.get_or_default(name, key, make))
        if self._saver is None:
            self._saver = default_saver()
        self._saver.build()
        get_default_graph().finalize()
        logging.info("Graph was finalized.")
        return self

    @staticmethod
    def get_or_default(arg_name: str, collection_key: str, default_constructor: Callable[[], Any]) -> Any:
        """The one element of a collection, or what the constructor makes, which is then in it."""
        held = get_default_graph().get_collection(collection_key)
        if len(held) > 1:
            raise RuntimeError(
                f'More than one item in the collection "{collection_key}". Please indicate which one to use by passing '
                f"it to the tf.Scaffold constructor as:  tf.Scaffold({arg_name}=item to use)"
            )
        if held:
            return held[0]
        made = default_constructor()
        if made is not None:
            get_default_graph().add_to_collection(collection_key, made)
        return made

    @staticmethod
    def default_local_init_op() -> Any:
        """What gives local variables and tables their values."""
        return group(local_variables_initializer(), tables_initializer())
