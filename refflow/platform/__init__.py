"""What a program needs around its graph: flags, a main function, messages."""

from refflow.platform import app, flags, logging
