"""Random structured programs: nested loops and branches over a few vectors, and their slopes.

    program = random_program(seed)
    run_in_python(program, inputs)         plain Python and NumPy: what it means
    build(program, lib, inputs)            the same as a graph, by any library that has cond and while_loop

A statement is a tuple: ("set", name, expression), ("if", expression, then, otherwise), ("while", times, body),
("count", amount), which adds to a variable of the graph and waits for it. An expression: a name, a number, or
(operator, expression, ...). Values stay small, so that floats of any library can be compared.
"""

import random

import numpy as np

NAMES = ("a", "b", "c")
OPERATORS = {"add": 2, "sub": 2, "mul": 2, "tanh": 1}


def random_program(seed, depth=3, with_state=False):
    draw = random.Random(seed)
    return _block(draw, depth, draw.randint(2, 4), with_state)


def _block(draw, depth, count, with_state):
    return [_statement(draw, depth, with_state) for _ in range(count)]


def _statement(draw, depth, with_state):
    kind = draw.random()
    if depth and kind < 0.25:
        parts = [_block(draw, depth - 1, draw.randint(1, 2), with_state) for _ in range(2)]
        return ("if", _expression(draw, 2), *parts)
    if depth and kind < 0.5:
        return ("while", draw.randint(0, 3), _block(draw, depth - 1, draw.randint(1, 3), with_state))
    if with_state and kind < 0.65:
        return ("count", draw.randint(1, 5))
    return ("set", draw.choice(NAMES), ("tanh", _expression(draw, 2)))


def _expression(draw, depth):
    if not depth or draw.random() < 0.3:
        return draw.choice(NAMES) if draw.random() < 0.8 else round(draw.uniform(-1, 1), 2)
    operator = draw.choice(list(OPERATORS))
    return (operator, *(_expression(draw, depth - 1) for _ in range(OPERATORS[operator])))


# -- what it means ---------------------------------------------------------------------------------------------


def run_in_python(program, inputs):
    """The values of NAMES at the end, and what was counted."""
    values = dict(zip(NAMES, inputs, strict=True))
    counted = [0.0]
    _run(program, values, counted)
    return [values[n] for n in NAMES], counted[0]


def _run(block, values, counted):
    for statement in block:
        if statement[0] == "set":
            values[statement[1]] = _value(statement[2], values)
        elif statement[0] == "count":
            counted[0] += statement[1]
        elif statement[0] == "if":
            _run(statement[2 if np.sum(_value(statement[1], values)) > 0 else 3], values, counted)
        else:
            for _ in range(statement[1]):
                _run(statement[2], values, counted)


_NUMPY = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "tanh": np.tanh}


def _value(expression, values):
    if isinstance(expression, str):
        return values[expression]
    if isinstance(expression, float):
        return np.full(3, expression)
    return _NUMPY[expression[0]](*(_value(e, values) for e in expression[1:]))


# -- as a graph ------------------------------------------------------------------------------------------------


class Library:
    """What a library calls the few things that a program needs."""

    def __init__(self, lib, cond, while_loop, sum_, dtype):
        self.lib, self.cond, self.while_loop, self.sum, self.dtype = lib, cond, while_loop, sum_, dtype

    def constant(self, value):
        return self.lib.constant(np.asarray(value, self.dtype))


def build(program, library, inputs, state=None):
    """The tensors of NAMES at the end; `inputs` are tensors, `state` a variable that "count" adds to."""
    return _built(program, library, list(inputs), state)


def _built(block, library, values, state):
    lib = library.lib
    for statement in block:
        if statement[0] == "set":
            values = list(values)
            values[NAMES.index(statement[1])] = _tensor(statement[2], library, values)
        elif statement[0] == "count":
            with lib.control_dependencies(values):
                done = lib.assign_add(state, library.constant(float(statement[1])))
            with lib.control_dependencies([done]):
                values = [lib.identity(v) for v in values]
        elif statement[0] == "if":
            test = library.sum(_tensor(statement[1], library, values)) > library.constant(0.0)
            sides = [lambda part=part, v=values: _built(part, library, v, state) for part in statement[2:]]
            values = list(library.cond(test, *sides))
        else:
            values = _looped(statement, library, values, state)
    return values


def _looped(statement, library, values, state):
    _, times, body = statement

    def turn(i, *values):
        return [i + 1, *_built(body, library, list(values), state)]

    return list(library.while_loop(lambda i, *_: i < times, turn, [library.lib.constant(0), *values]))[1:]


def _tensor(expression, library, values):
    if isinstance(expression, str):
        return values[NAMES.index(expression)]
    if isinstance(expression, float):
        return library.constant(np.full(3, expression))
    function = getattr(library.lib, {"add": "add", "sub": "subtract", "mul": "multiply", "tanh": "tanh"}[expression[0]])
    return function(*(_tensor(e, library, values) for e in expression[1:]))
