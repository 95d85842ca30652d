"""The manual's configuration. Pages about ops are generated from their definitions before every build."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent / "_ext"), str(Path(__file__).parents[1])]

project = "refflow"
copyright = "the refflow authors, Apache-2.0"
extensions = ["sphinx.ext.mathjax", "generate"]
html_theme = "furo"
html_title = "refflow"
exclude_patterns = ["_build", "_ext"]
