"""What other backends are held against: the examples of every op, as arrays and as data that any language reads."""

from refflow.conformance.check import Report, Verdict, check, examples, judged
from refflow.conformance.corpus import read_case, write_case, write_cases
