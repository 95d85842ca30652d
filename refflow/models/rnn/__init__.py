"""Recurrent nets: cells, their unrolling in time, and sequences made from sequences."""

from refflow.models.rnn import linear, rnn, rnn_cell, seq2seq
