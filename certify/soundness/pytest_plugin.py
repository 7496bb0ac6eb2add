"""The pytest fixture `assert_sound`: a test that fails with the simplest row that breaks a kernel.

    def test_my_kernel_is_sound(assert_sound):
        assert_sound(my_kernel, quantity="tail", dtype="float32", seconds=10)

Its options are those of `certify.soundness.hunt`; it returns the hunt. Rows that broke a kernel are kept in pytest's
cache and tried first by the next run. A bad call (NaN, a crash, a time limit) fails the test as well.
Loaded by every pytest run where this package is installed, so nothing heavy is imported before the fixture is used.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from certify.soundness.evidence import Hunt

__all__ = ["assert_sound"]


@pytest.fixture
def assert_sound(pytestconfig: pytest.Config) -> Callable[..., Hunt]:
    """assert_sound(kernel, **options): hunt, and fail with the counterexample, if there is one."""

    def check(kernel: Any, **options: Any) -> Hunt:
        from certify.soundness.evidence import HuntVerdict
        from certify.soundness.report import told
        from certify.soundness.search import hunt

        cache = getattr(pytestconfig, "cache", None)  # absent under -p no:cacheprovider
        if cache is not None:
            options.setdefault("database", Path(cache.mkdir("certify-soundness")) / "past-failures.json")
        found = hunt(kernel, **options)
        if found.verdict is not HuntVerdict.NONE_FOUND:
            pytest.fail(told(found), pytrace=False)
        return found

    return check
