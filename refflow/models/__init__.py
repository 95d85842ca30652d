"""Models: recurrent nets as the first release had them, and what the programs of tutorials/models are built with."""

from refflow.models import rnn
