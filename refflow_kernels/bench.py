"""The Triton kernels against torch's own operations, on a card: `python -m refflow_kernels.bench --out FILE`.

Each case is compared with float64 first, then both sides are timed in turns: the second cache is flushed before every
call, and medians are taken. A ratio above 1 means that refflow is quicker. The share of the card's copy speed is given
where memory is the limit. `--dry-run` runs every case on small sizes under Triton's interpreter, without a card.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any, NamedTuple

import numpy as np


class Case(NamedTuple):
    """One measurement: the op, its inputs, what torch calls it, and the bytes that must move."""

    label: str
    op_type: str
    inputs: tuple[Any, ...]
    attrs: dict[str, Any]
    peer: Callable[[Any, Sequence[Any]], Any]


def cases(small: bool) -> Iterator[Case]:
    """The deck's shapes and the usual ones; a fraction of them for a dry run."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=[max(2, s // 64) if small and s > 64 else s for s in shape]).astype(np.float32)

    for m, k, n in ((10000, 784, 10), (784, 10000, 10), (1024, 1024, 1024), (4096, 4096, 4096)):
        a, b = normal(m, k), normal(k, n)
        attrs = {"transpose_a": False, "transpose_b": False}
        yield Case(f"MatMul {m}x{k}x{n}", "MatMul", (a, b), attrs, lambda torch, x: x[0] @ x[1])
    for rows, columns in ((10000, 10), (4096, 1024), (4096, 50257)):
        x = normal(rows, columns)
        y = np.abs(rng.normal(size=x.shape)).astype(np.float32)
        y /= y.sum(axis=1, keepdims=True)
        yield Case(f"Softmax {rows}x{columns}", "Softmax", (x,), {}, lambda torch, x: torch.softmax(x[0], 1))
        yield Case(
            f"SoftmaxCrossEntropyWithLogits {rows}x{columns}", "SoftmaxCrossEntropyWithLogits", (x, y), {}, _torch_xent
        )
    for shape, axes in (((1 << 26,), [0]), ((8192, 8192), [1]), ((8192, 8192), [0]), ((1048576, 10), [0])):
        x = normal(*shape)
        indices = np.array(axes, np.int32)
        label = f"Sum {list(shape)} over {axes}"
        yield Case(label, "Sum", (x, indices), {}, lambda torch, x: x[0].sum(dim=tuple(x[1].tolist())))
    var, delta = normal(1 << 24), normal(1 << 24)
    rate = np.float32(0.5).reshape(())
    descent = "ApplyGradientDescent"
    yield Case(f"{descent} 2^24", descent, (var, rate, delta), {}, lambda torch, x: x[0] - x[1] * x[2])


def _torch_xent(torch: Any, x: Sequence[Any]) -> Any:
    """Loss and gradient, as torch users get them."""
    features = x[0].detach().requires_grad_(True)
    loss = torch.nn.functional.cross_entropy(features, x[1], reduction="none")
    return loss, torch.autograd.grad(loss.sum(), features)[0]


def exact(case: Case) -> list[np.ndarray]:
    """The outputs in float64."""
    x = [i.astype(np.float64) if i.dtype == np.float32 else i for i in case.inputs]
    if case.op_type == "MatMul":
        return [x[0] @ x[1]]
    if case.op_type == "Sum":
        return [x[0].sum(axis=tuple(x[1].tolist()))]
    if case.op_type == "ApplyGradientDescent":
        return [x[0] - x[1] * x[2]]
    shifted = x[0] - x[0].max(axis=1, keepdims=True)
    z = np.exp(shifted).sum(axis=1, keepdims=True)
    if case.op_type == "Softmax":
        return [np.exp(shifted) / z]
    return [(x[1] * (np.log(z) - shifted)).sum(axis=1), np.exp(shifted) / z - x[1]]


def error(got: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> float:
    """The largest difference, relative to the largest value of each output."""
    worst = 0.0
    for g, w in zip(got, wanted, strict=True):
        worst = max(worst, float(np.abs(g - w).max() / max(np.abs(w).max(), 1e-30)))
    return worst


class Card:
    """A CUDA card through torch: memory, and a clock."""

    def __init__(self) -> None:
        import torch

        self.torch = torch
        self.flush = torch.empty(256 << 20, dtype=torch.uint8, device="cuda")
        self.name = torch.cuda.get_device_name()

    def upload(self, array: np.ndarray) -> Any:
        return self.torch.from_numpy(array).cuda()

    def empty(self, shape: Sequence[int], dtype: str) -> Any:
        return self.torch.empty(tuple(shape), dtype=getattr(self.torch, dtype), device="cuda")

    def download(self, memory: Any) -> np.ndarray:
        return memory.cpu().numpy()

    def milliseconds(self, functions: Sequence[Callable[[], Any]], rounds: int = 30) -> list[float]:
        """Medians of the functions' times, in turns, each with a cold cache."""
        times: list[list[float]] = [[] for _ in functions]
        for round_ in range(rounds + 3):
            for function, taken in zip(functions, times, strict=True):
                start, end = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
                self.flush.zero_()
                start.record()
                function()
                end.record()
                self.torch.cuda.synchronize()
                if round_ >= 3:  # the first rounds compile and warm up
                    taken.append(start.elapsed_time(end))
        return [median(t) for t in times]


def measure(card: Any, case: Case, dry: bool) -> dict[str, Any]:
    """One row of the result."""
    from refflow_kernels.gpu import KERNELS

    kernel, wanted = KERNELS[case.op_type], exact(case)
    inputs = [x if i in kernel.host_inputs else card.upload(x) for i, x in enumerate(case.inputs)]
    out = tuple(card.empty(w.shape, "float32") for w in wanted)
    more = dict(case.attrs)
    need = kernel.workspace(inputs, **case.attrs) if kernel.workspace else None
    if need is not None:
        more["workspace"] = card.empty(*need)
    place = out if len(out) > 1 else out[0]

    def ours() -> Any:
        return kernel.function(*inputs, **more, out=place)

    ours()
    row: dict[str, Any] = {"case": case.label, "error": error([card.download(o) for o in out], wanted)}
    if dry:
        return row
    peers = case.peer(card.torch, inputs)
    peers = peers if isinstance(peers, tuple) else (peers,)
    row["torch_error"] = error([card.download(p.detach()) for p in peers], wanted)
    mine, theirs = card.milliseconds([ours, lambda: case.peer(card.torch, inputs)])
    moved = sum(x.nbytes for x in case.inputs) + sum(4 * w.size for w in wanted)
    return row | {"ms": mine, "torch_ms": theirs, "ratio": theirs / mine, "GB_per_s": moved / mine / 1e6}


def run(card: Any, dry: bool, say: Callable[[str], Any] = print) -> list[dict[str, Any]]:
    """Every case, said as it comes."""
    rows = []
    for case in cases(small=dry):
        row = measure(card, case, dry)
        rows.append(row)
        times = "" if dry else f"  {row['ms']:8.3f} ms  torch {row['torch_ms']:8.3f} ms  ratio {row['ratio']:.2f}"
        say(f"{row['case']:48} error {row['error']:.1e}{times}")
        if row["error"] > 1e-5:
            raise ArithmeticError(f"{row['case']} differs from float64 by {row['error']:.1e}")
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", metavar="FILE", help="write the rows as JSON")
    parser.add_argument("--dry-run", action="store_true", help="small sizes under the interpreter, without a card")
    options = parser.parse_args(arguments)
    if options.dry_run:
        os.environ["TRITON_INTERPRET"] = "1"
        from refflow_kernels.interpreter import InterpretedCard

        rows = run(InterpretedCard(), dry=True)
        facts: dict[str, Any] = {"device": "none: Triton's interpreter"}
    else:
        try:
            card = Card()
        except (ImportError, RuntimeError) as missing:
            print(f"this needs torch and a CUDA card ({missing}); --dry-run needs neither", file=sys.stderr)
            return 1
        rows = run(card, dry=False)
        facts = {"device": card.name, "torch": card.torch.__version__}
    import triton

    facts |= {"triton": triton.__version__, "numpy": np.__version__, "python": platform.python_version()}
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            json.dump({**facts, "rows": rows}, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
