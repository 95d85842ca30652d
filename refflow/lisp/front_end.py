"""A second front end: a program of s-expressions becomes a GraphDef, which any session takes [S06].

    (MatMul x W :transpose_a true)     a node: op type, inputs, attributes, also :name and :after; (out node 1)
    (let y (f x))  (let (a b) pair)    names; (define (f x) ...) functions; (for i 100 ...)  (if condition a b)
    (scope "layer" ...)                a prefix of nodes' names, which is `here` inside
    (gradients loss (list W b))        slopes as nodes; (define (slopes-of-Relu x y dy) ...) says how they flow back
    (run init)                         a step: sends the session what is new, and gives what the nodes computed

An edge is its text, as in a GraphDef. With the Python front end this one shares what any language could read from a
file, the table of op types and the form of a GraphDef; its functions and gradients are its own, in library.lisp.

Next: core/graphdef.py.
"""

import json
import operator
import re
from collections import ChainMap
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from refflow.core import dtypes, graphdef, registry

Env = ChainMap[str, Any]  # names where a form stands, those around it, those of the program


class Symbol(str):
    """A name in a program; one that begins with ':' says which argument follows."""


class LispError(ValueError):
    """What is wrong with a program, and where."""


class Edge(str):
    """An output of a node, "name" or "name:port"; of a node without outputs, the node itself."""


class Form(list):
    """What stands in parentheses, and where these begin."""

    where = ""


def read(text: str, name: str) -> Form:
    """The forms of a program. LispError, with the line, where a parenthesis or a quote has no partner."""
    stack = [Form()]
    for match in re.finditer(r';.*|"[^"]*"|[()"]|[^\s();"]+', text):
        word, where = match[0], f"{name}, line {text.count(chr(10), 0, match.start()) + 1}: "
        if word == "(":
            stack.append(Form())
            stack[-1].where = where
        elif word == '"' or (word == ")" and len(stack) == 1):
            raise LispError(f"{where}this {word} has no partner")
        elif word[0] != ";":
            done = stack.pop() if word == ")" else _atom(word)
            stack[-1].append(done)
    if len(stack) > 1:
        raise LispError(f"{stack[-1].where}this ( has no partner")
    return stack[0]


def _atom(word: str) -> Any:
    try:
        return json.loads(word)  # numbers, texts, true, false
    except ValueError:
        return Symbol(word)


class FrontEnd:
    """One program's graph. names: what it may use; session: what `extend` and `run` are asked of."""

    def __init__(self, names: dict[str, Any] | None = None, session: Any = None):
        self.session, self.nodes, self.types, self.sent = session, dict[str, graphdef.NodeDef](), dict[Edge, Any](), 0
        self.scope, self.used = "", set[str]()
        self.globals = ChainMap[str, Any]({t.name: t for t in dtypes.ALL} | {
            "+": lambda a, b: self.node("Add", a, b, name="add") if isinstance(a, Edge) else a + b,
            "*": lambda a, b: self.node("Mul", a, b, name="mul") if isinstance(a, Edge) else a * b,
            "%": operator.mod, "=": operator.eq, "not": operator.not_, "print": print, "nil": None, "seed": 0,
            "list": lambda *items: [*items], "map": lambda f, *lists: [f(*row) for row in zip(*lists, strict=True)],
            "begin": lambda *values: values[-1], "push": lambda items, item: items.append(item) or item,
            "out": lambda edge, port: Edge(f"{edge}:{port}"), "attr": lambda edge, key: self.nodes[edge].attr[key],
            "count": lambda: len(self.nodes), "constant": self.constant, "gradients": self.gradients, "run": self.run,
            "full": lambda shape, number: np.full(shape, number, np.float32), "join": lambda *parts: "".join(parts),
        })  # fmt: skip
        self.load(Path(__file__).with_name("library.lisp"))
        self.globals |= names or {}

    def load(self, path: Path) -> Any:
        """Runs the program of a file; the value of its last form. LispError, with file and line, for a mistake."""
        self.scope = ""
        return self.all(read(path.read_text(), path.name), self.globals)

    def all(self, forms: Any, env: Env) -> Any:
        return [None, *(self.evaluate(form, env) for form in forms)][-1]

    def evaluate(self, form: Any, env: Env) -> Any:
        if not isinstance(form, Form):
            return self.named(form, env) if isinstance(form, Symbol) and form[0] != ":" else form
        try:
            if special := getattr(self, f"form_{form[0]}", None):
                return special(env, *form[1:])
            function, *values = (self.evaluate(part, env) for part in form)
            plain = next((i for i, v in enumerate(values) if isinstance(v, Symbol)), len(values))
            more = {key[1:]: value for key, value in zip(values[plain::2], values[plain + 1 :: 2], strict=True)}
            return function(*values[:plain], **more)
        except Exception as error:
            place = "" if isinstance(error, LispError) else f"{form.where}({form[0] if form else ''} ...): "
            raise LispError(f"{place}{error}") from error

    def named(self, name: str, env: Env) -> Any:
        if name in env:
            return env[name]
        if registry.find_op_def(name) is None:
            raise NameError(f"{name!r} is no name of this program and no op type")
        return lambda *inputs, **more: self.node(name, *inputs, **more)

    def form_let(self, env: Env, target: Any, value: Any) -> None:
        found = self.evaluate(value, env)
        env.update(zip(target, found, strict=True) if isinstance(target, Form) else [(target, found)])

    def form_define(self, env: Env, head: Form, *body: Any) -> None:
        env[head[0]] = lambda *values: self.all(body, env.new_child(dict(zip(head[1:], values, strict=True))))

    def form_if(self, env: Env, condition: Any, *ways: Any) -> Any:
        return self.all(ways[:1] if self.evaluate(condition, env) else ways[1:], env)

    def form_for(self, env: Env, name: str, count: Any, *body: Any) -> None:
        for i in range(self.evaluate(count, env)):
            self.all(body, env.new_child({name: i}))

    def form_scope(self, env: Env, name: Any, *body: Any) -> Any:
        with self.scoped(self.evaluate(name, env)):
            return self.all(body, env.new_child({"here": self.scope}))

    @contextmanager
    def scoped(self, name: str) -> Any:
        outer, self.scope = self.scope, self.unique(name) + "/"
        yield
        self.scope = outer

    def unique(self, name: str) -> str:
        """A name of this scope that is not in use; one that ends in "/" as it is."""
        if name.endswith("/"):
            return name[:-1]
        found, number = self.scope + name, 0
        while found in self.used:
            number += 1
            found = f"{self.scope}{name}_{number}"
        self.used.add(found)
        return found

    def node(self, op_type: str, *inputs: Any, name: str = "", after: Any = (), **attrs: Any) -> Edge:
        """A node. What is no edge among its inputs becomes a constant called `node/argument`."""
        op = registry.op_def(op_type)
        if len(inputs) != len(op.inputs):
            raise TypeError(f"it takes {len(op.inputs)} inputs, got {len(inputs)}: {op.signature}")
        name, edges, inferred = self.unique(name or op_type), list[Edge](), dict[str, Any]()
        for arg, given in zip(op.inputs, inputs, strict=True):
            many = given if arg.number else [given]
            edges += (found := [e if isinstance(e, Edge) else self.constant(e, f"{name}/{arg.name}/") for e in many])
            inferred = {arg.number or "": len(found), arg.type: self.types[found[0]].base_dtype} | inferred
        if wrong := attrs.keys() - op.attrs.keys():
            raise TypeError(f"it has no attribute {', '.join(wrong)}, but {', '.join(op.attrs) or 'none'}")
        attrs = {key: attr.check(key, (inferred | attrs).get(key, attr.default)) for key, attr in op.attrs.items()}
        waits = sorted({w.partition(":")[0] for w in after if w}, key=[*self.nodes].index)
        self.nodes[name] = graphdef.NodeDef(name, op_type, [*map(str, edges), *(f"^{w}" for w in waits)], attr=attrs)
        for port, dtype in enumerate(op.output_types(attrs)):
            self.types[Edge(f"{name}:{port}" if port else name)] = dtype
        return Edge(name)

    def constant(self, value: Any, name: str = "Const") -> Edge:
        """A node of an array, or of numbers: int32, or float32 where there is a fraction."""
        array = np.asarray(value)
        if not isinstance(value, np.ndarray):
            array = array.astype({"i": np.int32, "f": np.float32}.get(array.dtype.kind, array.dtype))
        return self.node("Const", name=name, value=array, dtype=dtypes.as_dtype(array.dtype))

    def gradients(self, y: Edge, xs: list[Edge]) -> list[Edge | None]:
        """Nodes under gradients/ for the slope of y along each of xs; nil where y does not depend on it."""
        between, arrived = {*map(str, xs)}, dict[str, list[Edge]]()
        for node in self.nodes.values():
            between |= {node.name} if any(e.partition(":")[0] in between for e in node.input) else set()

        def total(edge: str) -> Edge | None:
            parts = arrived.get(edge, [])
            arrived[edge] = [self.node("AddN", parts)] if len(parts) > 1 else parts
            return arrived[edge][0] if parts else None

        with self.scoped("gradients"):
            arrived[y] = [self.node("Fill", self.node("Shape", y), self.constant(1.0))]
            for node in [*self.nodes.values()][[*self.nodes].index(y) :: -1]:
                found = {e: total(e) for e in [*self.types] if e.partition(":")[0] == node.name}
                if node.name in between and node.input and any(found.values()):
                    slopes = [slope or self.node("ZerosLike", e, name="zeros_like") for e, slope in found.items()]
                    with self.scoped(f"{node.name}_grad"):
                        rule = self.named(f"slopes-of-{node.op}", self.globals)
                        back = rule(*map(Edge, node.input), Edge(node.name), *slopes)
                        back = back if len(back) - back.count(None) < 2 else self.globals["gate"](back)
                    for edge, slope in zip(node.input, back, strict=True):
                        arrived.setdefault(edge, []).extend([slope] if slope else [])
            return [total(x) for x in xs]

    def graph_def(self, start: int = 0) -> graphdef.GraphDef:
        """The nodes from number `start` on."""
        return graphdef.GraphDef([*self.nodes.values()][start:])

    def run(self, *edges: Edge) -> list[Any]:
        """What a session's step gives for each edge; nil for a node without outputs."""
        new, self.sent = self.graph_def(self.sent), len(self.nodes)
        self.session.extend(new)
        return self.session.run([e if ":" in e or e not in self.types else f"{e}:0" for e in edges])
