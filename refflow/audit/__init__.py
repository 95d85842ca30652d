"""What to look at when a model is ported: its parameters, its losses without learning, NaNs, and where values part."""
