"""Random numbers: a million of each kind."""

from tests.kernels.launches.places import Place, run


def launches():
    for op_type in ("RandomUniform", "RandomStandardNormal", "TruncatedNormal"):
        yield op_type, run(op_type, [[1 << 20]], [Place([1 << 20])], state=Place([3], "int64"))
    half = Place([1 << 20], "bfloat16")
    yield "RandomUniform bfloat16", run("RandomUniform", [[1 << 20]], [half], state=Place([3], "int64"))
