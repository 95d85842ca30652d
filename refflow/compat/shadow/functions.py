"""Functions of the graphs of 1.x, from modules that never were public: Defun, and functions as branches and loops.

Next: compat/shadow/test_util.py.
"""

from refflow.compat.v1.function import DefinedFunction, Defun, Function, function
from refflow.compat.v1.functional_ops import Case, For, Gradient, If, While, partitioned_call, remote_call

_DefinedFunction, defun = DefinedFunction, function

__all__ = [
    "Case", "Defun", "For", "Function", "Gradient", "If", "While", "defun", "function", "partitioned_call",
    "remote_call",
]  # fmt: skip
