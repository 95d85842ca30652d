"""Speech, samples, crops of images, and triangular factors, at the sizes of small training runs.

torch draws other random numbers: its time is that of its own, its answer is ours.

Next: refflow_kernels/bench/changes.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from refflow_kernels.bench.case import Case, made, normal, shrink
from refflow_kernels.bench.slopes import Slopes


def cases(small: bool) -> Iterator[Case]:
    for time, classes, longest in ((1000, 29, 200), (150, 5000, 30)):
        label = f"CTCLoss {time} steps, 64 examples of {longest} of {classes}"
        yield _speech(label, *((6, 7, 2) if small else (time, classes, longest)), 3 if small else 64)
    for rows, classes, samples in ((4096, 10, 1), (64, 50257, 1), (256, 256, 100)):
        sizes = (shrink(rows, small), shrink(classes, small), 3 if small and samples > 1 else samples)
        yield _drawn(f"Multinomial {samples} of {rows}x{classes}", *sizes)
    for count, n in ((4096, 20), (256, 64), (4, 1024)):
        yield from _factors(f"{count}x{n}x{n}", *((2, 5) if small else (count, n)))


# -- labellings ----------------------------------------------------------------------------------------------------


def _speech(label: str, time: int, classes: int, longest: int, batch: int) -> Case:
    """Every example has all its steps and labels."""
    labels = np.random.default_rng(0).integers(0, classes - 1, (batch, longest)).astype(np.int32)
    places = np.stack(np.meshgrid(np.arange(batch), np.arange(longest), indexing="ij"), axis=-1).reshape(-1, 2)
    inputs = (normal(time, batch, classes), places, labels.reshape(-1), np.full(batch, time, np.int32))
    flags = {"preprocess_collapse_repeated": False, "ctc_merge_repeated": True,
             "ignore_longer_outputs_than_inputs": False}  # fmt: skip

    def peer(torch: Any, x: Sequence[Any]) -> Any:
        scores = x[0].detach().requires_grad_(True)
        steps = [torch.full((batch,), n, dtype=torch.long) for n in (time, longest)]
        loss = torch.nn.functional.ctc_loss(scores.log_softmax(2), x[2].reshape(batch, longest).long(), *steps,
                                            blank=classes - 1, reduction="none")  # fmt: skip
        return loss, torch.autograd.grad(loss.sum(), scores)[0]

    return Case(label, "CTCLoss", inputs, flags, peer)


# -- samples -------------------------------------------------------------------------------------------------------


def _drawn(label: str, rows: int, classes: int, samples: int) -> Case:
    from refflow.core.dtypes import int64
    from refflow.ops.philox import PhiloxStream
    from refflow.ops.random_counts import MULTINOMIAL
    from refflow.runtime.gpu_kernels import place_of
    from refflow_kernels.gpu import KERNELS

    kernel, kept = KERNELS["Multinomial"], {}

    def wanted(logits: Any) -> np.ndarray:
        if "host" not in kept:
            given = np.asarray(logits, np.float32)
            kept["host"] = MULTINOMIAL.reference(given, np.array(samples), int64, PhiloxStream(1, 2))
        return kept["host"]

    def setup(card: Any, inputs: Sequence[Any], _: Sequence[Any]) -> Any:
        state = card.upload(place_of(PhiloxStream(1, 2), kernel.reserves((rows, samples))))
        out = card.empty((rows, samples), "int64")
        return lambda: kernel.function(inputs[0], samples, state=state, out=out), [out]

    def peer(torch: Any, x: Sequence[Any]) -> Any:
        device = str(x[0].device)
        if device not in kept:
            kept[device] = torch.from_numpy(wanted(x[0].cpu().numpy())).to(device)
        torch.multinomial(x[0].softmax(1), samples, replacement=True)
        return kept[device]

    return Case(label, "Multinomial", (normal(rows, classes),), {}, peer, setup=setup, page=lambda x: [wanted(x[0])],
                outs=())  # fmt: skip


# -- factors -------------------------------------------------------------------------------------------------------


def _factors(label: str, count: int, n: int) -> Iterator[Case]:
    """Matrices near 4 times the identity."""

    def lower() -> np.ndarray:
        return np.tril(normal(count, n, n) / np.float32(n)) + 2 * np.eye(n, dtype=np.float32)

    def whole() -> np.ndarray:
        factor = lower()
        return factor @ factor.swapaxes(1, 2)

    shape = (count, n, n)
    yield Case(f"Cholesky {label}", "Cholesky", (made(shape, whole),), {}, lambda torch, x: torch.linalg.cholesky(x[0]))

    def forward(torch: Any, x: Sequence[Any]) -> tuple[Any, Sequence[Any], Any]:
        """torch's slope is that of a symmetric matrix's two halves alike."""
        given = (x[0] @ x[0].mT).detach().requires_grad_(True)
        return torch.linalg.cholesky(given), [given], x[1].tril()

    factor, slope = made(shape, lower), normal(count, n, n, seed=1)
    yield Case(f"CholeskyGrad {label}", "CholeskyGrad", (factor, slope), {}, Slopes(forward))
    for m in (1, min(n, 64)):
        yield Case(f"MatrixTriangularSolve {label} of {m}", "MatrixTriangularSolve", (factor, normal(count, n, m)),
                   {"lower": True, "adjoint": False},
                   lambda torch, x: torch.linalg.solve_triangular(x[0], x[1], upper=False))  # fmt: skip
