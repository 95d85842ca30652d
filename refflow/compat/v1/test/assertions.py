"""What a TestCase of 1.x can say of lists, texts, dictionaries and arrays, beside unittest's own.

Each method fails the test with what was found; names and arguments are those of TensorFlow's TestCase and of absl's,
on which it stands.

Next: compat/v1/test/case.py.
"""

from __future__ import annotations

import difflib
import unittest
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np


class Assertions(unittest.TestCase):
    """Assertions that need no session."""

    def assertRaisesRegexp(self, *args: Any, **kwargs: Any) -> Any:
        """assertRaisesRegex under its older name."""
        return self.assertRaisesRegex(*args, **kwargs)

    @contextmanager
    def assertRaisesWithLiteralMatch(self, expected_exception: Any, expected_exception_message: str) -> Any:
        """An exception of that type is raised, whose text is exactly this."""
        with self.assertRaises(expected_exception) as caught:
            yield caught
        self.assertEqual(str(caught.exception), expected_exception_message)

    # -- containers ---------------------------------------------------------------------------------------------------

    def assertEmpty(self, container: Any, msg: str | None = None) -> None:
        """Nothing is in it."""
        if len(container):
            self.fail(self._formatMessage(msg, f"{container!r} has length of {len(container)}."))

    def assertNotEmpty(self, container: Any, msg: str | None = None) -> None:
        """Something is in it."""
        if not len(container):
            self.fail(self._formatMessage(msg, f"{container!r} has length of 0."))

    def assertLen(self, container: Any, expected_len: int, msg: str | None = None) -> None:
        """So much is in it."""
        if len(container) != expected_len:
            found = f"{container!r} has length of {len(container)}, expected {expected_len}."
            self.fail(self._formatMessage(msg, found))

    def assertItemsEqual(self, expected_seq: Iterable[Any], actual_seq: Iterable[Any], msg: str | None = None) -> None:
        """The same items, each as often, in any order."""
        self.assertCountEqual(list(expected_seq), list(actual_seq), msg)

    def assertSameElements(self, expected_seq: Any, actual_seq: Any, msg: str | None = None) -> None:
        """The same items, however often, in any order."""
        if isinstance(expected_seq, str) or isinstance(actual_seq, str):
            self.fail("Passing string/bytes to assertSameElements is usually a bug. Use assertEqual instead")
        self.assertEqual(_distinct(expected_seq), _distinct(actual_seq), msg)

    def assertNoCommonElements(self, expected_seq: Any, actual_seq: Any, msg: str | None = None) -> None:
        """No item is in both."""
        both = [x for x in expected_seq if x in list(actual_seq)]
        if both:
            self.fail(self._formatMessage(msg, f"Common elements {both}"))

    def assertContainsSubset(self, expected_subset: Any, actual_set: Any, msg: str | None = None) -> None:
        """All of the first are in the second."""
        missing = [x for x in expected_subset if x not in set(actual_set)]
        if missing:
            self.fail(self._formatMessage(msg, f"Missing elements {missing}"))

    def assertContainsSubsequence(self, container: Any, subsequence: Any, msg: str | None = None) -> None:
        """The items of the second come in the first in that order, others between them."""
        rest = iter(container)
        if not all(any(x == y for y in rest) for x in subsequence):
            self.fail(self._formatMessage(msg, f"{subsequence!r} not a subsequence of {container!r}"))

    def assertContainsExactSubsequence(self, container: Any, subsequence: Any, msg: str | None = None) -> None:
        """The items of the second come in the first in that order, one right after the other."""
        whole, part = list(container), list(subsequence)
        if not any(whole[i : i + len(part)] == part for i in range(len(whole) - len(part) + 1)):
            self.fail(self._formatMessage(msg, f"{subsequence!r} not an exact subsequence of {container!r}"))

    def assertContainsInOrder(self, strings: Iterable[str], target: str, msg: str | None = None) -> None:
        """The texts are found in `target` one after the other."""
        at = 0
        for text in [strings] if isinstance(strings, str) else strings:
            at = target.find(text, at)
            if at < 0:
                self.fail(self._formatMessage(msg, f"Did not find {text!r} in order in {target!r}"))
            at += len(text)

    def assertBetween(self, value: Any, minv: Any, maxv: Any, msg: str | None = None) -> None:
        """minv <= value <= maxv."""
        if not minv <= value <= maxv:
            self.fail(self._formatMessage(msg, f"{value!r} unexpectedly not between {minv!r} and {maxv!r}"))

    def assertSequenceStartsWith(self, prefix: Any, whole: Sequence[Any], msg: str | None = None) -> None:
        """The first items are these."""
        wanted = list(prefix) if hasattr(prefix, "__len__") else [prefix]
        self.assertEqual(list(whole[: len(wanted)]), wanted, msg)

    def assertSequenceAlmostEqual(
        self, expected_seq: Any, actual_seq: Any, places: int | None = None, msg: str | None = None,
        delta: float | None = None,
    ) -> None:  # fmt: skip
        """As many, and each is near that of the same place."""
        self.assertEqual(len(expected_seq), len(actual_seq), msg)
        for one, other in zip(expected_seq, actual_seq, strict=True):
            self.assertAlmostEqual(one, other, places, msg, delta)  # type: ignore[arg-type]

    def assertDictAlmostEqual(
        self, expected_dict: Mapping[Any, Any], actual_dict: Mapping[Any, Any], places: int | None = None,
        msg: str | None = None, delta: float | None = None,
    ) -> None:  # fmt: skip
        """The same keys, and each value is near."""
        self.assertEqual(set(expected_dict), set(actual_dict), msg)
        for key in expected_dict:
            self.assertAlmostEqual(expected_dict[key], actual_dict[key], places, msg, delta)  # type: ignore[arg-type]

    def assertTotallyOrdered(self, *groups: Any) -> None:
        """The items of each group are equal, and smaller than those of every later group."""
        for i, group in enumerate(groups):
            for x in group:
                self.assertTrue(all(x == y and not x < y and x <= y for y in group), f"{group!r} are not equal")
                for later in groups[i + 1 :]:
                    self.assertTrue(all(x < y and not y <= x for y in later), f"{x!r} is not below {later!r}")

    # -- texts and types ----------------------------------------------------------------------------------------------

    def assertStartsWith(self, actual: str, expected_start: str, msg: str | None = None) -> None:
        self.assertTrue(actual.startswith(expected_start), msg or f"{actual!r} does not start with {expected_start!r}")

    def assertNotStartsWith(self, actual: str, unexpected_start: str, msg: str | None = None) -> None:
        self.assertFalse(actual.startswith(unexpected_start), msg or f"{actual!r} does start with {unexpected_start!r}")

    def assertEndsWith(self, actual: str, expected_end: str, msg: str | None = None) -> None:
        self.assertTrue(actual.endswith(expected_end), msg or f"{actual!r} does not end with {expected_end!r}")

    def assertNotEndsWith(self, actual: str, unexpected_end: str, msg: str | None = None) -> None:
        self.assertFalse(actual.endswith(unexpected_end), msg or f"{actual!r} does end with {unexpected_end!r}")

    def assertMultiLineEqual(self, first: str, second: str, msg: str | None = None, **_: Any) -> None:
        """Two texts are equal; where they are not, the lines that differ are told."""
        if first != second:
            lines = difflib.ndiff(first.splitlines(True), second.splitlines(True))
            self.fail(self._formatMessage(msg, "\n" + "".join(lines)))

    def assertIsSubclass(self, cls: Any, class_or_tuple: Any, msg: str | None = None) -> None:
        self.assertTrue(issubclass(cls, class_or_tuple), msg or f"{cls} is not a subclass of {class_or_tuple}")

    def assertNotIsSubclass(self, cls: Any, class_or_tuple: Any, msg: str | None = None) -> None:
        self.assertFalse(issubclass(cls, class_or_tuple), msg or f"{cls} is a subclass of {class_or_tuple}")

    # -- arrays -------------------------------------------------------------------------------------------------------

    def _GetNdArray(self, a: Any) -> np.ndarray:
        """The array that a value, or a tensor in the test's session, is."""
        return np.asarray(a)

    def _hold(self, a: Any, holds: Callable[[np.ndarray], Any], what: str) -> None:
        array = self._GetNdArray(a)
        wrong = ~np.asarray(holds(array), bool)
        if wrong.any():
            at = np.argwhere(wrong)[0].tolist() if array.ndim else []
            self.fail(f"{int(wrong.sum())} of {array.size} elements are not {what}, first at {at}: {array[tuple(at)]}")

    def assertAllGreater(self, a: Any, comparison_target: Any) -> None:
        """All elements are greater."""
        self._hold(a, lambda x: x > comparison_target, f"greater than {comparison_target}")

    def assertAllLess(self, a: Any, comparison_target: Any) -> None:
        """All elements are smaller."""
        self._hold(a, lambda x: x < comparison_target, f"less than {comparison_target}")

    def assertAllGreaterEqual(self, a: Any, comparison_target: Any) -> None:
        """No element is smaller."""
        self._hold(a, lambda x: x >= comparison_target, f"at least {comparison_target}")

    def assertAllLessEqual(self, a: Any, comparison_target: Any) -> None:
        """No element is greater."""
        self._hold(a, lambda x: x <= comparison_target, f"at most {comparison_target}")

    def assertAllInRange(
        self, target: Any, lower_bound: Any, upper_bound: Any, open_lower_bound: bool = False,
        open_upper_bound: bool = False,
    ) -> None:  # fmt: skip
        """All elements lie between the bounds."""

        def within(x: np.ndarray) -> Any:
            above = x > lower_bound if open_lower_bound else x >= lower_bound
            return above & (x < upper_bound if open_upper_bound else x <= upper_bound)

        self._hold(target, within, f"between {lower_bound} and {upper_bound}")

    def assertAllInSet(self, target: Any, expected_set: Iterable[Any]) -> None:
        """All elements are among these."""
        self._hold(target, lambda x: np.isin(x, list(expected_set)), f"among {expected_set}")

    def assertNotAllEqual(self, a: Any, b: Any, msg: str | None = None) -> None:
        """Some element differs."""
        self._differ(self.assertAllEqual, a, b, msg)  # type: ignore[attr-defined]

    def assertNotAllClose(self, a: Any, b: Any, rtol: float = 1e-6, atol: float = 1e-6, msg: str | None = None) -> None:
        """Some element is further away than assertAllClose takes."""
        self._differ(lambda x, y: self.assertAllClose(x, y, rtol, atol), a, b, msg)  # type: ignore[attr-defined]

    def _differ(self, same: Callable[[Any, Any], None], a: Any, b: Any, msg: str | None) -> None:
        try:
            same(a, b)
        except AssertionError:
            return
        self.fail(msg or f"The two values are not different: {a!r}")

    def assertDTypeEqual(self, target: Any, expected_dtype: Any) -> None:
        """The elements are of this type."""
        from refflow.core.dtypes import as_dtype

        found = getattr(target, "dtype", None)
        found = self._GetNdArray(target).dtype if found is None else found
        self.assertEqual(as_dtype(found).base_dtype, as_dtype(expected_dtype).base_dtype)


def _distinct(items: Iterable[Any]) -> Any:
    listed = list(items)
    try:
        return set(listed)
    except TypeError:  # what has no hash
        return sorted(Counter(map(repr, listed)))
