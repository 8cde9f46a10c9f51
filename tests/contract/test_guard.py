"""The guard refuses test classes that do not run their whole contract."""

import pytest

from tests.contract.guard import ContractTests, violations


class Promise(ContractTests):
    """A contract with one test."""

    contract = "Promise"

    def test_kept(self) -> None:
        """The promise is kept."""


def test_accepts_a_subclass_with_tests_of_its_own() -> None:
    """An adapter may add tests to those of the contract."""

    class TestWhole(Promise):
        adapter = "whole"

        def test_more(self) -> None: ...

    assert violations(TestWhole) == []


def test_refuses_an_overridden_test() -> None:
    """A test under the same name would hide that of the contract."""
    with pytest.raises(TypeError, match="test_kept of Promise is overridden"):

        class TestOverriding(Promise):
            adapter = "overriding"

            def test_kept(self) -> None: ...


def test_refuses_a_dropped_test() -> None:
    """Setting a test to None would take it away."""
    with pytest.raises(TypeError, match="test_kept of Promise is overridden"):

        class TestDropping(Promise):
            adapter = "dropping"
            test_kept = None


def test_refuses_a_test_overridden_by_a_mixin() -> None:
    """A class beside the contract cannot hide its tests either."""

    class Mixin:
        def test_kept(self) -> None: ...

    with pytest.raises(TypeError, match="test_kept of Promise is overridden"):

        class TestMixed(Mixin, Promise):
            adapter = "mixed"


def test_refuses_an_overridden_test_further_down() -> None:
    """A class between contract and adapter changes nothing about that."""

    class Between(Promise): ...

    with pytest.raises(TypeError, match="test_kept of Promise is overridden"):

        class TestLeaf(Between):
            adapter = "leaf"
            test_kept = None


def test_refuses_a_class_that_pytest_does_not_collect() -> None:
    """A contract that is not collected is not run."""
    with pytest.raises(TypeError, match="does not begin with Test"):

        class UnseenAdapter(Promise):
            adapter = "unseen"

    with pytest.raises(TypeError, match="told not to collect"):

        class TestHidden(Promise):
            adapter = "hidden"
            __test__ = False


def test_refuses_a_class_that_is_skipped_as_a_whole() -> None:
    """A single test may be skipped with a reason; a contract may not."""
    with pytest.raises(TypeError, match="marked skip"):

        class TestSkipped(Promise):
            adapter = "skipped"
            pytestmark = pytest.mark.skip(reason="never mind")


def test_refuses_a_class_without_an_adapter() -> None:
    """The table of results needs the name."""
    with pytest.raises(TypeError, match="does not name its adapter"):

        class TestNameless(Promise): ...


def test_refuses_a_class_without_a_contract() -> None:
    """Whoever inherits from the base alone has forgotten the contract."""
    with pytest.raises(TypeError, match="belongs to no contract"):

        class TestStray(ContractTests):
            adapter = "stray"
