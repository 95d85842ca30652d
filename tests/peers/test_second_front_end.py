"""What the second front end writes is anybody's graph: TensorFlow trains the deck's program from it [S06]."""

from pathlib import Path

import numpy as np
import pytest

import refflow as tf
from refflow import deck
from refflow.data import FashionMnist
from refflow.interop import protos
from refflow.lisp import FrontEnd

pytestmark = pytest.mark.peers


def test_tensorflow_trains_the_program_of_s_expressions_with_the_same_losses(rng):
    v1 = pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'").compat.v1
    images, labels = rng.integers(0, 256, (60, 28, 28)).astype(np.uint8), rng.integers(0, 10, 60).astype(np.uint8)
    data = FashionMnist(images[:50], labels[:50], images[50:], labels[50:], "made for a test")
    said = []
    names = deck.free_names(data, 101, lambda *words: said.append(words)) | {"seed": 1}
    with tf.Session(graph=tf.Graph()) as session:
        program = FrontEnd(names, session)
        program.load(Path(tf.__file__).parent / "lisp" / "deck.lisp")
    graph_def = v1.GraphDef.FromString(protos.write_graph(program.graph_def()).SerializeToString())
    with v1.Graph().as_default(), v1.Session() as session:
        v1.import_graph_def(graph_def, name="")
        session.run("init")
        losses = [session.run(["GradientDescent", "Mean:0"])[1] for _ in range(101)]
    ours = [words[-1] for words in said if words[0] == "Loss at step"]
    np.testing.assert_allclose(ours, losses[::100], rtol=1e-5)
    assert len(ours) == 2 and ours[1] < ours[0] / 10
