"""Control flow under the names of the first release's module [W39].

Next: ops/control_flow.py.
"""

from refflow.core.control import group, no_op, with_dependencies
from refflow.core.control import tuple_ as tuple
from refflow.ops.control_flow import exit, merge, switch

__all__ = ["exit", "group", "merge", "no_op", "switch", "tuple", "with_dependencies"]
