"""Tests of programs: a TestCase that knows sessions and arrays, and gradients against differences."""

from refflow.test.case import TestCase, get_temp_dir, is_built_with_cuda, main
from refflow.test.gradient_checker import compute_gradient, compute_gradient_error
