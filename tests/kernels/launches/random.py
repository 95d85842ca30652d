"""Random numbers: a million of each kind, and classes by chances."""

from tests.kernels.launches.places import Place, run


def launches():
    for op_type in ("RandomUniform", "RandomStandardNormal", "TruncatedNormal"):
        yield op_type, run(op_type, [[1 << 20]], [Place([1 << 20])], state=Place([3], "int64"))
    half = Place([1 << 20], "bfloat16")
    yield "RandomUniform bfloat16", run("RandomUniform", [[1 << 20]], [half], state=Place([3], "int64"))
    for rows, c, samples, dtype in ((4096, 10, 1, "float32"), (64, 50000, 1, "float32"), (64, 256, 100, "bfloat16")):
        out, state = Place([rows, samples], "int64"), Place([3], "int64")
        yield f"Multinomial {samples} of {c} {dtype}", run(
            "Multinomial", [Place([rows, c], dtype), samples], [out], state=state
        )
