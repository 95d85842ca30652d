"""Sums by names: the projections, the scores and the sums of attention, and one that goes through copies."""

from tests.kernels.launches.places import Place


def launches():
    x, w, heads = Place([8, 512, 512]), Place([512, 8, 64]), Place([8, 512, 8, 64])
    scores = Place([8, 8, 512, 512])
    for equation, inputs, out in (
        ("btd,dhk->bthk", [x, w], heads), ("bthk,bshk->bhts", [heads, heads], scores),
        ("bhts,bshk->bthk", [scores, heads], heads), ("bthk,dhk->btd", [heads, w], x),
        ("btd,bthk->dhk", [x, heads], w), ("abcd,dae->ebc", [Place([4, 64, 64, 128]), Place([128, 4, 64])],
                                           Place([64, 64, 64])),
    ):  # fmt: skip
        yield f"Einsum {equation}", _run(equation, inputs, out)


def _run(equation, inputs, out):
    from refflow_kernels.gpu.einsum import einsum, einsum_workspace

    need = einsum_workspace([inputs], equation)
    workspace = None if need is None else Place(*need)
    return lambda: einsum(inputs, equation, out=out, workspace=workspace)
