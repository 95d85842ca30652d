"""Factors of matrices and equations in them, small ones by the thousand and some larger; crops of images, and back."""

from tests.kernels.launches.places import Place, run


def launches():
    for count, n in ((4096, 20), (256, 64)):
        x = Place([count, n, n])
        yield f"Cholesky {count}x{n}", run("Cholesky", [x], [x])
    for count, n, m in ((4096, 20, 1), (16, 1024, 64)):
        x, b = Place([count, n, n]), Place([count, n, m])
        yield f"CholeskyGrad {count}x{n}", run("CholeskyGrad", [x, x], [x])
        for adjoint in (False, True):
            yield f"MatrixTriangularSolve {count}x{n} {'adjoint' if adjoint else ''}".rstrip(), run(
                "MatrixTriangularSolve", [x, b], [b], lower=True, adjoint=adjoint
            )
    boxes, owners = Place([300, 4]), Place([300], "int32")
    for c, dtype in ((256, "float32"), (3, "uint8")):
        image, crops, size = Place([4, 50, 50, c], dtype), Place([300, 14, 14, c]), [14, 14]
        method = {"method": "bilinear"}
        yield f"CropAndResize {c} {dtype}", run(
            "CropAndResize", [image, boxes, owners, size], [crops], extrapolation_value=0.0, **method
        )
    image, crops = Place([4, 50, 50, 256]), Place([300, 14, 14, 256])
    yield "CropAndResizeGradImage", run(
        "CropAndResizeGradImage", [crops, boxes, owners, [4, 50, 50, 256]], [image], **method
    )
    yield "CropAndResizeGradBoxes", run("CropAndResizeGradBoxes", [crops, image, boxes, owners], [boxes])
