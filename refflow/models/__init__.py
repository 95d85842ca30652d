"""Models: parts of neural nets that remember."""

from refflow.models import rnn
