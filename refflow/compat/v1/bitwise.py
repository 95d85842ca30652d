"""tf.bitwise: the bits of whole numbers.

Next: compat/v1/raw_ops.py.
"""

from refflow.compat.v1.derived import derived

__all__ = ["bitwise_and", "bitwise_or", "bitwise_xor", "invert", "left_shift", "right_shift"]

bitwise_and, bitwise_or, bitwise_xor = derived("BitwiseAnd"), derived("BitwiseOr"), derived("BitwiseXor")
invert, left_shift, right_shift = derived("Invert"), derived("LeftShift"), derived("RightShift")
