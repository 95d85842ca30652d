"""Pieces of arrays, and rows by number: wide ones, and sums of many rows."""

import numpy as np

from tests.kernels.launches.places import Place, run


def launches():
    x, half, ids = Place([1024, 1024]), Place([1024, 512]), Place([4096], "int32")
    whole16, half16 = Place([1024, 1024], "bfloat16"), Place([1024, 512], "bfloat16")
    yield "Slice", run("Slice", [x, [0, 512], [1024, 512]], [half])
    yield "Concat", run("Concat", [np.int32(1), [half, half]], [x])
    yield "Concat bfloat16", run("Concat", [np.int32(1), [half16, half16]], [whole16])
    yield "Split", run("Split", [np.int32(1), x], [half, half], num_split=2)
    yield "Tile", run("Tile", [half, [1, 2]], [x])
    image, framed, around = Place([64, 64, 64, 64]), Place([64, 70, 70, 64]), [[0, 0], [3, 3], [3, 3], [0, 0]]
    yield "MirrorPad", run("MirrorPad", [image, around], [framed], mode="REFLECT")
    yield "MirrorPadGrad", run("MirrorPadGrad", [framed, around], [image], mode="REFLECT")
    yield "Pad", run("Pad", [half, [[0, 0], [256, 256]]], [x])
    table, rows = Place([50257, 1024]), Place([4096, 1024])
    yield "Gather", run("Gather", [table, ids], [rows])
    yield "Gather of columns", run("GatherV2", [Place([4096, 50257]), ids, 1], [Place([4096, 4096])], batch_dims=0)
    yield "Gather narrow", run("Gather", [Place([50257, 16]), ids], [Place([4096, 16])])
    yield "UnsortedSegmentSum", run("UnsortedSegmentSum", [rows, ids, 50257], [table])
    many, data = Place([1 << 20], "int32"), Place([1 << 20, 128])
    yield "UnsortedSegmentSum of many", run("UnsortedSegmentSum", [data, many, 100000], [Place([100000, 128])])
    half, few = Place([4096, 1024], "bfloat16"), Place([1000, 1024], "bfloat16")
    yield "UnsortedSegmentMax", run("UnsortedSegmentMax", [half, ids, 1000], [few], T=None)
    means, grads = Place([1000, 1024]), Place([1000, 1024])
    yield "SegmentMean", run("SegmentMean", [rows, ids], [means])
    yield "SparseSegmentSqrtN", run("SparseSegmentSqrtN", [table, ids, ids], [means])
    yield "SparseSegmentMeanGrad", run("SparseSegmentMeanGrad", [grads, ids, ids, 50257], [table])
    yield "DynamicStitch", run("DynamicStitch", [[ids, ids], [rows, rows]], [Place([8192, 1024])])
    yield "ScatterDiv", run("ScatterDiv", [table, ids, rows], [table])
    yield "ScatterSub", run("ScatterSub", [table, ids, rows], [table])
    yield "OneHot", run("OneHot", [ids, 1000, Place([]), Place([])], [Place([4096, 1000])], axis=-1)
