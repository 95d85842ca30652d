"""The hot kernels in NumPy, by op type.

Elementwise ops have none here, one ufunc with `out=` being their floor, but where there is no good ufunc.
"""

from refflow_kernels.cpu import (
    batch_norm,
    cast,
    choose,
    colour,
    conv,
    depthwise,
    dilation,
    error_function,
    extremes,
    gamma,
    lrn,
    pool,
    pool_places,
    reductions,
    rows,
    scans,
    segments,
    softmax,
    softmax_xent,
    sparse,
    top_k,
)
from refflow_kernels.cpu.matmul import batch_matmul, fixed_matmul, matmul
from refflow_kernels.cpu.transpose import transpose
from refflow_kernels.cpu.updates import apply_gradient_descent
from refflow_kernels.kernel import Checked, Kernel

FLOATS = ("float16", "float32", "float64")
NARROW = ("float16", "float32")
WIDE = ("float32", "float64")
INTS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
COMPLEX = ("complex64", "complex128")
FIXED = (*FLOATS, *INTS, *COMPLEX, "bool")
PLAIN = (*FLOATS, *INTS, "bool")

KERNELS = {
    "MatMul": Kernel(matmul, (*FLOATS, "int32", "int64", *COMPLEX), fixed=fixed_matmul),
    "BatchMatMul": Kernel(batch_matmul, (*FLOATS, *COMPLEX)),
    "BatchMatMulV2": Kernel(batch_matmul, (*FLOATS, *COMPLEX)),
    "Conv2D": Kernel(conv.conv, FLOATS),
    "Conv2DBackpropInput": Kernel(conv.conv_to_input, FLOATS, host_inputs=(0,)),
    "Conv2DBackpropFilter": Kernel(conv.conv_to_filter, FLOATS, host_inputs=(1,)),
    "Conv3D": Kernel(conv.conv, FLOATS),
    "Conv3DBackpropInputV2": Kernel(conv.conv_to_input, FLOATS, host_inputs=(0,)),
    "Conv3DBackpropFilterV2": Kernel(conv.conv_to_filter, FLOATS, host_inputs=(1,)),
    "DepthwiseConv2dNative": Kernel(depthwise.depthwise, FLOATS),
    "DepthwiseConv2dNativeBackpropInput": Kernel(depthwise.depthwise_to_input, FLOATS, host_inputs=(0,)),
    "DepthwiseConv2dNativeBackpropFilter": Kernel(depthwise.depthwise_to_filter, FLOATS, host_inputs=(1,)),
    "Dilation2D": Kernel(dilation.dilation, WIDE),
    "Dilation2DBackpropInput": Kernel(dilation.dilation_to_input, WIDE),
    "Dilation2DBackpropFilter": Kernel(dilation.dilation_to_filter, WIDE),
    "MaxPool": Kernel(pool.max_pool, WIDE, takes=pool.pools_space),
    "MaxPoolWithArgmax": Kernel(pool_places.max_pool_with_argmax, WIDE, takes=pool_places.pools_space),
    "MaxPoolGrad": Kernel(pool.max_pool_grad, WIDE, takes=pool.pools_space),
    "AvgPool": Kernel(pool.avg_pool, WIDE, takes=pool.pools_space),
    "AvgPoolGrad": Kernel(pool.avg_pool_grad, WIDE, host_inputs=(0,), takes=pool.pools_space),
    "MaxPool3D": Kernel(pool.max_pool, WIDE, takes=pool.pools_space),
    "MaxPool3DGrad": Kernel(pool.max_pool_grad, WIDE, takes=pool.pools_space),
    "AvgPool3D": Kernel(pool.avg_pool, WIDE, takes=pool.pools_space),
    "AvgPool3DGrad": Kernel(pool.avg_pool_grad, WIDE, host_inputs=(0,), takes=pool.pools_space),
    "FusedBatchNorm": Kernel(batch_norm.fused_batch_norm, ("float32",)),
    "FusedBatchNormV2": Kernel(batch_norm.fused_batch_norm, NARROW, takes=batch_norm.takes_float32),
    "FusedBatchNormV3": Kernel(batch_norm.fused_batch_norm_v3, NARROW, takes=batch_norm.takes_float32),
    "FusedBatchNormGrad": Kernel(batch_norm.fused_batch_norm_grad, ("float32",)),
    "FusedBatchNormGradV2": Kernel(batch_norm.fused_batch_norm_grad, NARROW, takes=batch_norm.takes_float32),
    "FusedBatchNormGradV3": Kernel(batch_norm.fused_batch_norm_grad, NARROW, takes=batch_norm.takes_float32),
    "BatchNormWithGlobalNormalization": Kernel(batch_norm.global_batch_norm, WIDE),
    "BatchNormWithGlobalNormalizationGrad": Kernel(batch_norm.global_batch_norm_grad, WIDE),
    "LRN": Kernel(lrn.lrn, NARROW),
    "LRNGrad": Kernel(lrn.lrn_grad, NARROW),
    "Softmax": Kernel(softmax.softmax, FLOATS, rows_together=softmax.rows_together, overlaps=((0, 0),)),
    "LogSoftmax": Kernel(softmax.log_softmax, FLOATS, rows_together=softmax.rows_together, overlaps=((0, 0),)),
    "SoftmaxCrossEntropyWithLogits": Kernel(
        softmax_xent.softmax_xent, FLOATS, rows_together=softmax.rows_together, overlaps=((0, 1),)
    ),
    "SparseSoftmaxCrossEntropyWithLogits": Kernel(
        softmax_xent.sparse_softmax_xent, FLOATS, rows_together=softmax.rows_together, overlaps=((0, 1),),
        checked=Checked(1, softmax_xent.check_labels, softmax_xent.checked_softmax_xent),
    ),
    "Cast": Kernel(cast.cast, PLAIN, type_attr="SrcT", takes=lambda attrs: cast.is_plain(attrs, PLAIN)),
    "Sum": Kernel(reductions.reduce_sum, (*WIDE, *INTS), host_inputs=(1,), rows_together=reductions.rows_together,
                  fixed=reductions.fixed_sum),
    "Mean": Kernel(reductions.reduce_mean, WIDE, host_inputs=(1,), fixed=reductions.fixed_mean),
    "Max": Kernel(extremes.reduce_max, (*FLOATS, *INTS), host_inputs=(1,)),
    "Min": Kernel(extremes.reduce_min, (*FLOATS, *INTS), host_inputs=(1,)),
    "Prod": Kernel(extremes.reduce_prod, (*WIDE, *INTS), host_inputs=(1,)),
    "BiasAddGrad": Kernel(reductions.bias_add_grad, (*FLOATS, *INTS), fixed=reductions.fixed_bias_add_grad),
    "L2Loss": Kernel(reductions.l2_loss, FLOATS),
    "ArgMax": Kernel(scans.arg_max, (*FLOATS, *INTS, "bool"), host_inputs=(1,)),
    "ArgMin": Kernel(scans.arg_min, (*FLOATS, *INTS, "bool"), host_inputs=(1,)),
    "Cumsum": Kernel(scans.cumsum, (*WIDE, *INTS), host_inputs=(1,)),
    "Gather": Kernel(rows.gather, FIXED, type_attr="Tparams"),
    "SegmentSum": Kernel(segments.segment_sum, (*FLOATS, *INTS)),
    "SegmentProd": Kernel(segments.segment_prod, (*FLOATS, *INTS)),
    "SegmentMin": Kernel(segments.segment_min, (*FLOATS, *INTS)),
    "SegmentMax": Kernel(segments.segment_max, (*FLOATS, *INTS)),
    "SegmentMean": Kernel(segments.segment_mean, FLOATS),
    "SparseSegmentSum": Kernel(segments.sparse_segment_sum, (*FLOATS, *INTS)),
    "SparseSegmentMean": Kernel(segments.sparse_segment_mean, FLOATS),
    "SparseSegmentSqrtN": Kernel(segments.sparse_segment_sqrt_n, FLOATS),
    "SparseSegmentSumGrad": Kernel(segments.sparse_segment_sum_grad, FLOATS, host_inputs=(3,)),
    "SparseSegmentMeanGrad": Kernel(segments.sparse_segment_mean_grad, FLOATS, host_inputs=(3,)),
    "SparseSegmentSqrtNGrad": Kernel(segments.sparse_segment_sqrt_n_grad, FLOATS, host_inputs=(3,)),
    "UnsortedSegmentSum": Kernel(segments.unsorted_segment_sum, (*FLOATS, *INTS), host_inputs=(2,)),
    "UnsortedSegmentProd": Kernel(segments.unsorted_segment_prod, (*FLOATS, *INTS), host_inputs=(2,)),
    "UnsortedSegmentMin": Kernel(segments.unsorted_segment_min, (*FLOATS, *INTS), host_inputs=(2,)),
    "UnsortedSegmentMax": Kernel(segments.unsorted_segment_max, (*FLOATS, *INTS), host_inputs=(2,)),
    "ScatterAdd": Kernel(segments.scatter_add, (*FLOATS, *INTS)),
    "ScatterSub": Kernel(segments.scatter_sub, (*FLOATS, *INTS)),
    "SparseTensorDenseMatMul": Kernel(sparse.sparse_tensor_dense_matmul, FLOATS, host_inputs=(2,)),
    "TopK": Kernel(top_k.top_k, (*FLOATS, *INTS)),
    "TopKV2": Kernel(top_k.top_k_v2, (*FLOATS, *INTS), host_inputs=(1,)),
    "Transpose": Kernel(transpose, FIXED, host_inputs=(1,)),
    "AdjustHue": Kernel(colour.adjust_hue, ("float32",)),
    "AdjustSaturation": Kernel(colour.adjust_saturation, ("float32",)),
    "Erf": Kernel(error_function.erf, NARROW),
    "Erfc": Kernel(error_function.erfc, NARROW),
    "Lgamma": Kernel(gamma.lgamma, NARROW),
    "Digamma": Kernel(gamma.digamma, NARROW),
    "Select": Kernel(choose.select, (*FLOATS, *INTS, "bool")),
    "SelectV2": Kernel(choose.select_v2, (*FLOATS, *INTS, "bool")),
    "ApplyGradientDescent": Kernel(apply_gradient_descent, (*FLOATS, *INTS, *COMPLEX)),
}
