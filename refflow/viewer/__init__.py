"""A graph as a page to look at: folded by name scope, without a server (docs/viewer.rst)."""
