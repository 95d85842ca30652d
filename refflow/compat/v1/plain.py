"""What 1.x has at the top that is an op type and no more.

Next: compat/v1/blocks.py.
"""

from refflow.compat.v1.derived import derived

__all__ = [
    "acosh",
    "approx_top_k",
    "arg_max",
    "arg_min",
    "asinh",
    "atan2",
    "atanh",
    "batch_to_space_nd",
    "betainc",
    "bitcast",
    "conv",
    "cosh",
    "cross",
    "diag_part",
    "extract_volume_patches",
    "fake_quant_with_min_max_args",
    "fake_quant_with_min_max_args_gradient",
    "fake_quant_with_min_max_vars",
    "fake_quant_with_min_max_vars_gradient",
    "fake_quant_with_min_max_vars_per_channel",
    "fake_quant_with_min_max_vars_per_channel_gradient",
    "fft",
    "fft2d",
    "fft3d",
    "fftnd",
    "guarantee_const",
    "ifft",
    "ifft2d",
    "ifft3d",
    "ifftnd",
    "igamma",
    "igammac",
    "irfftnd",
    "matrix_inverse",
    "matrix_square_root",
    "polygamma",
    "qr",
    "quantized_concat",
    "ragged_fill_empty_rows",
    "ragged_fill_empty_rows_grad",
    "random_index_shuffle",
    "rfftnd",
    "scatter_nd",
    "sinh",
    "space_to_batch_nd",
    "tensor_scatter_add",
    "tensor_scatter_nd_add",
    "tensor_scatter_nd_max",
    "tensor_scatter_nd_min",
    "tensor_scatter_nd_sub",
    "tensor_scatter_nd_update",
    "tensor_scatter_sub",
    "tensor_scatter_update",
    "timestamp",
    "truncatediv",
    "truncatemod",
    "unravel_index",
    "unsorted_segment_max",
    "unsorted_segment_min",
    "unsorted_segment_prod",
    "zeta",
]  # fmt: skip

# -- elementwise -------------------------------------------------------------------------------------------------

cosh, sinh, acosh, asinh, atanh = map(derived, ("Cosh", "Sinh", "Acosh", "Asinh", "Atanh"))
atan2 = derived("Atan2", "atan2")
igamma, igammac, zeta, polygamma, betainc = map(derived, ("Igamma", "Igammac", "Zeta", "Polygamma", "Betainc"))
truncatediv, truncatemod = derived("TruncateDiv", "truncatediv"), derived("TruncateMod", "truncatemod")
bitcast, guarantee_const, timestamp = derived("Bitcast"), derived("GuaranteeConst"), derived("Timestamp")

# -- spectra and matrices ----------------------------------------------------------------------------------------

fft, fft2d, fft3d, fftnd = map(derived, ("FFT", "FFT2D", "FFT3D", "FFTND"))
ifft, ifft2d, ifft3d, ifftnd = map(derived, ("IFFT", "IFFT2D", "IFFT3D", "IFFTND"))
rfftnd, irfftnd = derived("RFFTND"), derived("IRFFTND")
cross, diag_part, qr = derived("Cross"), derived("DiagPart"), derived("Qr")
matrix_inverse, matrix_square_root = derived("MatrixInverse"), derived("MatrixSquareRoot")

# -- arrays ------------------------------------------------------------------------------------------------------

arg_max, arg_min = derived("ArgMax"), derived("ArgMin")
approx_top_k, conv = derived("ApproxTopK"), derived("Conv")
batch_to_space_nd, space_to_batch_nd = derived("BatchToSpaceND"), derived("SpaceToBatchND")
extract_volume_patches, random_index_shuffle = derived("ExtractVolumePatches"), derived("RandomIndexShuffle")
ragged_fill_empty_rows, ragged_fill_empty_rows_grad = map(derived, ("RaggedFillEmptyRows", "RaggedFillEmptyRowsGrad"))
scatter_nd, unravel_index = derived("ScatterNd"), derived("UnravelIndex")
tensor_scatter_nd_update = derived("TensorScatterUpdate", "tensor_scatter_nd_update")
tensor_scatter_nd_add = derived("TensorScatterAdd", "tensor_scatter_nd_add")
tensor_scatter_nd_sub = derived("TensorScatterSub", "tensor_scatter_nd_sub")
tensor_scatter_nd_max = derived("TensorScatterMax", "tensor_scatter_nd_max")
tensor_scatter_nd_min = derived("TensorScatterMin", "tensor_scatter_nd_min")
tensor_scatter_update, tensor_scatter_add, tensor_scatter_sub = (
    tensor_scatter_nd_update, tensor_scatter_nd_add, tensor_scatter_nd_sub
)  # fmt: skip
unsorted_segment_max, unsorted_segment_min = derived("UnsortedSegmentMax"), derived("UnsortedSegmentMin")
unsorted_segment_prod = derived("UnsortedSegmentProd")

# -- quantized numbers -------------------------------------------------------------------------------------------

fake_quant_with_min_max_args = derived("FakeQuantWithMinMaxArgs")
fake_quant_with_min_max_args_gradient = derived("FakeQuantWithMinMaxArgsGradient")
fake_quant_with_min_max_vars = derived("FakeQuantWithMinMaxVars")
fake_quant_with_min_max_vars_gradient = derived("FakeQuantWithMinMaxVarsGradient")
fake_quant_with_min_max_vars_per_channel = derived("FakeQuantWithMinMaxVarsPerChannel")
fake_quant_with_min_max_vars_per_channel_gradient = derived("FakeQuantWithMinMaxVarsPerChannelGradient")
quantized_concat = derived("QuantizedConcat")
