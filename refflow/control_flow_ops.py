"""Control flow as the first release's module of that name has it [W39].

Next: ops/control_flow.py.
"""

from refflow.core.control import group, no_op, with_dependencies
from refflow.core.control import tuple_ as tuple
from refflow.ops.control_flow import exit, merge, switch
