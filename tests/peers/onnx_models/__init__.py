"""ONNX models as graphs of refflow's op types: what the ONNX node tests need, and a table to read.

    outputs = run(model, arrays)

`TRANSLATIONS` maps an ONNX op to a function of a `Node` that builds op types of refflow. Inputs that say how a node
works (axes, pads, sizes) are taken as they are known while the graph is built, as importers of ONNX do; all others are
fed. Images are turned to channels last and back.
"""

from tests.peers.onnx_models import arrays, maths, nets, recurrent
from tests.peers.onnx_models.node import TRANSLATIONS, OutOfScope, arrays_of, run
