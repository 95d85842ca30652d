"""tf.saved_model of 1.x: graphs with signatures and variables in one folder.

Next: compat/v1/saved_model/builder.py.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from refflow.compat.v1.saved_model import builder, constants, loader, signature_constants, tag_constants
from refflow.compat.v1.saved_model import signatures as signature_def_utils
from refflow.compat.v1.saved_model.builder import SavedModelBuilder, simple_save
from refflow.compat.v1.saved_model.constants import *  # noqa: F403
from refflow.compat.v1.saved_model.loader import contains_saved_model, load, maybe_saved_model_directory
from refflow.compat.v1.saved_model.signature_constants import *  # noqa: F403
from refflow.compat.v1.saved_model.signatures import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.saved_model.signatures import build_tensor_info, get_tensor_from_tensor_info
from refflow.compat.v1.saved_model.tag_constants import GPU, SERVING, TPU, TRAINING
from refflow.core.control import group
from refflow.core.graph import get_default_graph

Builder = SavedModelBuilder
utils = SimpleNamespace(build_tensor_info=build_tensor_info, get_tensor_from_tensor_info=get_tensor_from_tensor_info)


def main_op_with_restore(restore_op_name: str) -> Any:
    """One operation that initializes local variables and tables after the restore of that name has run."""
    with get_default_graph().control_dependencies([_main()]):
        return group(get_default_graph().as_graph_element(restore_op_name))


def _main() -> Any:
    """One operation that initializes variables and tables."""
    from refflow.compat.v1.more import tables_initializer
    from refflow.compat.v1.variables import global_variables_initializer, local_variables_initializer

    return group(global_variables_initializer(), local_variables_initializer(), tables_initializer())


main_op = SimpleNamespace(main_op=_main, main_op_with_restore=main_op_with_restore)
