"""Updates of variables."""

from tests.kernels.launches.places import Place, run


def launches():
    large = Place([1024, 1024])
    yield "ApplyGradientDescent", run("ApplyGradientDescent", [large, Place([]), large], [large])
