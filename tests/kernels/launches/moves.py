"""Elements that come to other places: axes reversed, into depth or batch, by indices, other sizes; the largest."""

import numpy as np

from tests.kernels.launches.places import Place, run


def launches():
    x, ids = Place([64, 128, 512]), Place([64], "int32")
    yield "ReverseV2", run("ReverseV2", [x, [1]], [x])
    yield "ReverseV2 of columns", run("ReverseV2", [x, [2]], [x])
    yield "Roll", run("Roll", [x, np.array([3]), np.array([1])], [x])
    yield "ReverseSequence", run("ReverseSequence", [x, ids], [x], seq_dim=1, batch_dim=0)
    image, deep = Place([32, 64, 64, 64]), Place([32, 32, 32, 256])
    yield "SpaceToDepth", run("SpaceToDepth", [image], [deep], block_size=2, data_format="NHWC")
    yield "BatchToSpaceND", run("BatchToSpaceND", [Place([128, 32, 32, 64]), [2, 2], [[0, 0], [0, 0]]], [image])
    table, pairs, found = Place([1000, 100, 64]), Place([4096, 2], "int32"), Place([4096, 64])
    yield "GatherNd", run("GatherNd", [table, pairs], [found])
    yield "GatherNd of elements", run("GatherNd", [Place([4096, 10]), pairs], [Place([4096])])
    wide = Place([4096, 1024])
    yield "ScatterNd", run("ScatterNd", [pairs, wide, [100, 100, 1024]], [Place([100, 100, 1024])])
    for dims, k, dtype in (([4096, 1000], 5, "float32"), ([4096, 10], 1, "float32"), ([64, 50257], 40, "float32"),
                           ([4096, 4096], 8, "bfloat16"), ([4096, 1000], 5, "int32")):  # fmt: skip
        result = Place([dims[0], k], dtype), Place([dims[0], k], "int32")
        yield f"TopK {k} of {dims[1]} {dtype}", run("TopK", [Place(dims, dtype)], result, k=k)
    small, large = Place([16, 56, 56, 64]), Place([16, 112, 112, 64])
    both = {"align_corners": False, "half_pixel_centers": False}
    yield "ResizeBilinear", run("ResizeBilinear", [small, [112, 112]], [large], **both)
    yield "ResizeBilinearGrad", run("ResizeBilinearGrad", [large, small], [small], **both)
    yield "ResizeNearestNeighbor", run("ResizeNearestNeighbor", [small, [112, 112]], [large], **both)
    yield "ResizeNearestNeighborGrad", run("ResizeNearestNeighborGrad", [large, [56, 56]], [small], **both)
    yield "ResizeBicubic", run("ResizeBicubic", [small, [112, 112]], [large], **both)
    halves = {"align_corners": False, "half_pixel_centers": True}
    yield "ResizeBicubicGrad", run("ResizeBicubicGrad", [large, small], [small], **halves)
    matrices, lines = Place([64, 1024, 1024]), Place([64, 1024])
    yield "MatrixBandPart", run("MatrixBandPart", [matrices, -1, 0], [matrices])
    yield "MatrixDiag", run("MatrixDiag", [lines], [matrices])
    yield "MatrixSetDiag", run("MatrixSetDiag", [matrices, lines], [matrices])
    band, k = Place([64, 5, 1024]), np.array([-2, 2])
    yield "MatrixDiagPartV3", run("MatrixDiagPartV3", [matrices, k, Place([])], [band], align="RIGHT_LEFT")
    yield "MatrixDiagV3", run("MatrixDiagV3", [band, k, -1, -1, Place([])], [matrices], align="RIGHT_LEFT")
    three, one = [1, 3, 3, 1], [1, 1, 1, 1]
    for channels in (64, 3):
        yield f"ExtractImagePatches {channels}", run(
            "ExtractImagePatches", [Place([32, 56, 56, channels])], [Place([32, 54, 54, 9 * channels])],
            ksizes=three, strides=one, rates=one, padding="VALID",
        )  # fmt: skip
    yield "InTopK", run("InTopK", [Place([4096, 1000]), Place([4096], "int64")], [Place([4096], "bool")], k=5)
