"""Matrix products: the deck's, square, large, skinny, odd and many small ones."""

from tests.kernels.launches.places import Place, run


def launches():
    def product(M, N, K, dtype, turned=(False, False), **more):
        a = Place([K, M] if turned[0] else [M, K], dtype)
        b = Place([N, K] if turned[1] else [K, N], dtype)
        attrs = {"transpose_a": turned[0], "transpose_b": turned[1]} | more
        return run("MatMul", [a, b], [Place([M, N], dtype)], **attrs)

    yield "MatMul 10000x784x10", product(10000, 10, 784, "float32")
    yield "MatMul 784x10000x10", product(784, 10, 10000, "float32", (True, False))
    yield "MatMul 1024", product(1024, 1024, 1024, "float32")
    yield "MatMul 1024 ieee", product(1024, 1024, 1024, "float32", precision="ieee")
    yield "MatMul 1024 float16", product(1024, 1024, 1024, "float16")
    for dtype in ("bfloat16", "float32"):
        yield f"MatMul 8192 {dtype}", product(8192, 8192, 8192, dtype)
        yield f"MatMul 8192 {dtype} turned", product(8192, 8192, 8192, dtype, (True, True))
    yield "MatMul 8192 tf32", product(8192, 8192, 8192, "float32", precision="tf32")
    for dtype in ("bfloat16", "float32"):
        yield f"MatMul 256x2048x1000 {dtype}", product(256, 1000, 2048, dtype)
    yield "MatMul 16x4096x4096", product(16, 4096, 4096, "bfloat16")
    yield "MatMul 4097x4099x4093", product(4097, 4093, 4099, "bfloat16")
    yield "MatMul 1001x1003x1005", product(1001, 1005, 1003, "bfloat16")
    yield "MatMul 1001x1003x1005 float32", product(1001, 1005, 1003, "float32")
    many = [Place([512, 64, 64], "bfloat16")] * 2
    yield "BatchMatMul 512x64", run("BatchMatMulV2", many, many[:1], adj_x=False, adj_y=True)
