"""RNN, GRU and LSTM, one step after the other. x [steps, batch, size], weights [directions, gates * hidden, size]."""

from tests.peers.onnx_models.node import OutOfScope, const, ints, op, reshape, shape, translates, transpose

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
PLAIN = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}


class Cell:
    """The weights of one direction."""

    def __init__(self, n, direction):
        def pick(i):
            return None if n[i] is None else op.Unpack(n[i], num=shape(n[i])[0])[direction]

        self.kind, gates = n.type, GATES[n.type]
        self.hidden = n.get("hidden_size")
        self.w, self.r = pick(1), pick(2)
        bias = pick(3)
        if bias is None:
            bias = op.Fill(ints([2 * gates * self.hidden]), const(0, self.w))
        self.of_x, self.of_h = op.Split(ints(0), bias, num_split=2)
        peeps = pick(7) if self.kind == "LSTM" else None
        self.peeps = [None] * 3 if peeps is None else op.Split(ints(0), peeps, num_split=3)
        names = n.get("activations")
        names = [a.decode() for a in names] if names else PLAIN[self.kind] * 2
        self.f, self.g, self.h = (
            getattr(op, a) for a in (names[direction * len(PLAIN[self.kind]) :] + ["Tanh"] * 2)[:3]
        )
        self.before = bool(n.get("linear_before_reset", 0))

    def parts(self, x, h):
        """The gates' sums of x and of h."""
        count = GATES[self.kind]
        a = op.AddV2(op.MatMul(x, self.w, transpose_b=True), self.of_x)
        b = op.AddV2(op.MatMul(h, self.r, transpose_b=True), self.of_h)
        return op.Split(ints(1), a, num_split=count), op.Split(ints(1), b, num_split=count)

    def step(self, x, h, c):
        xs, hs = self.parts(x, h)
        if self.kind == "RNN":
            return self.f(op.AddV2(xs[0], hs[0])), c
        if self.kind == "GRU":
            z, r = (self.f(op.AddV2(a, b)) for a, b in zip(xs[:2], hs[:2], strict=True))
            if self.before:
                inner = op.Mul(r, hs[2])
            else:
                w = op.Split(ints(0), self.r, num_split=3)[2]
                bias = op.Split(ints(0), self.of_h, num_split=3)[2]
                inner = op.AddV2(op.MatMul(op.Mul(r, h), w, transpose_b=True), bias)
            new = self.g(op.AddV2(xs[2], inner))
            return op.AddV2(op.Mul(op.Sub(const(1, z), z), new), op.Mul(z, h)), c
        sums = [op.AddV2(a, b) for a, b in zip(xs, hs, strict=True)]  # input, output, forget, cell

        def peeped(total, weight, cell):
            return total if weight is None else op.AddV2(total, op.Mul(weight, cell))

        i = self.f(peeped(sums[0], self.peeps[0], c))
        forget = self.f(peeped(sums[2], self.peeps[2], c))
        new = op.AddV2(op.Mul(forget, c), op.Mul(i, self.g(sums[3])))
        out = self.f(peeped(sums[1], self.peeps[1], new))
        return op.Mul(out, self.h(new)), new


@translates("RNN", "GRU", "LSTM")
def recurrent(n):
    x = transpose(n[0], [1, 0, 2]) if n.get("layout", 0) else n[0]
    if n.get("clip") is not None:
        raise OutOfScope("clipped gates")
    steps, batch, _ = shape(x)
    count = shape(n[1])[0]
    outs, last_h, last_c = [], [], []
    for direction in range(count):
        backwards = direction == 1 or n.get("direction", "forward") == "reverse"
        cell = Cell(n, direction)
        h, c = (_start(n, place, direction, batch, cell) for place in (5, 6))
        ys = []
        times = op.Unpack(x, num=steps)
        for time in range(steps)[:: -1 if backwards else 1]:
            new_h, new_c = cell.step(times[time], h, c)
            if n[4] is not None:  # a sequence that has ended keeps its state, and gives zeros
                alive = op.ExpandDims(op.Greater(n[4], const(time, n[4])), ints(1))
                new_h, new_c = op.SelectV2(alive, new_h, h), op.SelectV2(alive, new_c, c)
                ys.append(op.SelectV2(alive, new_h, op.ZerosLike(new_h)))
            else:
                ys.append(new_h)
            h, c = new_h, new_c
        outs.append(op.Pack(ys[:: -1 if backwards else 1]))
        last_h.append(h)
        last_c.append(c)
    y = op.Pack(outs, axis=1)  # [steps, directions, batch, hidden]
    ends = [op.Pack(last_h), op.Pack(last_c)]
    if n.get("layout", 0):
        y, ends = transpose(y, [2, 0, 1, 3]), [transpose(t, [1, 0, 2]) for t in ends]
    return [y, *ends]


def _start(n, place, direction, batch, cell):
    if n[place] is None or (place == 6 and n.type != "LSTM"):
        return op.Fill(ints([batch, cell.hidden]), const(0, cell.w))
    given = transpose(n[place], [1, 0, 2]) if n.get("layout", 0) else n[place]
    return reshape(op.Slice(given, ints([direction, 0, 0]), ints([1, -1, -1])), [batch, cell.hidden])
