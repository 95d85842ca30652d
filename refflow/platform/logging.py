"""Messages of a program, through Python's logging, under the name "refflow".

    tf.logging.info("step %d: loss %.3f", step, loss)

Next: platform/app.py.
"""

from __future__ import annotations

import logging
from typing import Any

DEBUG, INFO, WARN, ERROR, FATAL = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL

_logger = logging.getLogger("refflow")


def debug(msg: Any, *args: Any) -> None:
    """A message for who looks for a mistake."""
    _logger.debug(msg, *args)


def info(msg: Any, *args: Any) -> None:
    """A message that all is going well; shown once the verbosity is INFO."""
    _logger.info(msg, *args)


def warn(msg: Any, *args: Any) -> None:
    """A message that something may go wrong."""
    _logger.warning(msg, *args)


warning = warn


def error(msg: Any, *args: Any) -> None:
    """A message that something went wrong."""
    _logger.error(msg, *args)


def fatal(msg: Any, *args: Any) -> None:
    """A message that the program cannot go on; ending it is the caller's."""
    _logger.critical(msg, *args)


def log(level: int, msg: Any, *args: Any) -> None:
    """A message of the given level, one of DEBUG, INFO, WARN, ERROR and FATAL."""
    _logger.log(level, msg, *args)


def set_verbosity(level: int) -> None:
    """Shows messages of `level` and above. They go to stderr unless the program has set up logging otherwise."""
    if not logging.getLogger().handlers:
        logging.basicConfig(format="%(levelname)s:%(name)s:%(message)s")
    _logger.setLevel(level)


def get_verbosity() -> int:
    """The level from which on messages are shown."""
    return _logger.getEffectiveLevel()
