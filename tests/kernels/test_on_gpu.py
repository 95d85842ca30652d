"""The Triton kernels and the deck's program on a real card: `pytest -m gpu`."""

import os

import numpy as np
import pytest

from refflow_kernels.gpu import KERNELS
from tests.kernels.samples import SAMPLES, assert_within, reference
from tests.kernels.samples.bounds import gamma

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def torch():
    if os.environ.get("TRITON_INTERPRET") == "1":
        pytest.skip("kernels are interpreted in this run; pytest -m gpu runs them on a card")
    torch = pytest.importorskip("torch", reason="torch allocates the card's memory")
    if not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA card")
    return torch


def launch(torch, op_type, inputs, attrs, wanted, dtype):
    """The outputs; for bfloat16, which NumPy has not, inputs and outputs are float32 here and bfloat16 on the card."""
    kernel = KERNELS[op_type]
    half = dtype == "bfloat16"

    def there(x):
        on_card = torch.from_numpy(np.ascontiguousarray(x).reshape(np.shape(x)).copy()).cuda()
        return on_card.bfloat16() if half and on_card.dtype == torch.float32 else on_card

    def named(w):
        return torch.bfloat16 if half and w.dtype == np.float32 else getattr(torch, w.dtype.name)

    memory = [
        x if i in kernel.host_inputs else [there(m) for m in x] if isinstance(x, list) else there(x)
        for i, x in enumerate(inputs)
    ]
    places = tuple(torch.full(w.shape, 77, dtype=named(w), device="cuda") for w in wanted)
    scratch = {}
    need = kernel.workspace and kernel.workspace(memory, **attrs)
    if need:
        scratch["workspace"] = torch.empty(need[0], dtype=getattr(torch, need[1]), device="cuda")
    kernel.function(*memory, **attrs, out=places if len(places) > 1 else places[0], **scratch)
    return [(p.float() if p.dtype == torch.bfloat16 else p).cpu().numpy() for p in places]


def on_a_card(op_type, inputs, attrs, bounds):
    """What a card's arithmetic adds to the bounds of correctly rounded float32.

    exp and log are good to two units, where NumPy's are good to one. In tf32x3 each operand is split in two parts with
    11 bits, which leaves 2^-22 of it out, and the product of the two small parts is left out too: 12 units of 2^-24
    altogether. Tensor cores cut sums off instead of rounding them: twice the error for each addition.
    """
    if "Softmax" in op_type:
        return tuple(4 * np.asarray(b) for b in bounds)
    if "MatMul" not in op_type:
        return bounds
    turned = attrs.get("transpose_a", attrs.get("adj_x"))
    size = bounds[0] / gamma(inputs[0].shape[-2 if turned else -1] + 2, "float32")
    return (2 * bounds[0] + 12 * 2.0**-24 * size,)


@pytest.mark.parametrize(("op_type", "dtype"), [(o, d) for o, k in KERNELS.items() for d in k.dtypes])
def test_a_kernel_agrees_with_its_page_and_with_itself(torch, op_type, dtype, rng):
    for inputs, attrs, bounds in SAMPLES[op_type](rng, "float32" if dtype == "bfloat16" else dtype):
        if dtype == "bfloat16":
            inputs = [torch.from_numpy(x).bfloat16().float().numpy() if x.dtype == np.float32 else x for x in inputs]
        wanted = reference(op_type, inputs, attrs)
        first, second = (launch(torch, op_type, inputs, attrs, wanted, dtype) for _ in range(2))
        bounds = on_a_card(op_type, inputs, attrs, bounds)
        if dtype == "bfloat16":  # the result is rounded to 8 bits
            bounds = [b + 2.0**-8 * np.abs(w) for b, w in zip(bounds, wanted, strict=True)]
        assert_within(first, wanted, bounds, "float32" if dtype == "bfloat16" else dtype)
        assert [f.tobytes() for f in first] == [s.tobytes() for s in second]


def test_the_deck_s_program_learns_on_the_card_as_on_the_cpu(torch):  # [S33, S42]
    from refflow import deck

    def losses(gpu):
        lines = []
        deck.run(num_steps=301, gpu=gpu, say=lambda *words: lines.append(" ".join(map(str, words))))
        return [float(line.split(" : ")[1]) for line in lines if line.startswith("Loss")]

    np.testing.assert_allclose(losses(True), losses(False), rtol=1e-5)
