"""`python -m refflow` is the command line."""

import sys

from refflow.cli import main

sys.exit(main())
