"""Control flow under the names of the first release's module [W39, E12].

Next: ops/conditionals.py.
"""

from refflow.core.control import group, no_op, with_dependencies
from refflow.core.control import tuple_ as tuple
from refflow.ops.conditionals import case, cond
from refflow.ops.control_flow import exit, merge, switch
from refflow.ops.loops import While, fold, while_loop

__all__ = [
    "While", "case", "cond", "exit", "fold", "group", "merge", "no_op", "switch", "tuple", "while_loop",
    "with_dependencies",
]  # fmt: skip
