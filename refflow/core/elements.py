"""What an op does with a stack, a list or an array of tensors, which is its first input, or is made by it [W43].

    StackPush         puts its second input, and keeps it
    StackPop          takes one out
    TensorListStack   reads them all

So it is known of which shape what comes out will be, and how many there are, where all that is ever put has one shape
(runtime/contents.py), and what is kept need not be copied where nobody changes it (runtime/lifetimes.py).

Next: core/opdef.py.
"""

from __future__ import annotations

from typing import NamedTuple


class Elements(NamedTuple):
    """put: the place of an input that is kept as it is. rows: of one whose rows are put. take: the output that is an
    element. stack: the output whose rows are all elements. number: the place of an input that says how many elements
    there are, by its value, or by its rows where they are put. None where there is no such thing. recounts: whether
    there are as many as before only by chance.
    """

    put: int | None = None
    rows: int | None = None
    take: int | None = None
    stack: int | None = None
    number: int | None = None
    recounts: bool = False
