"""What every test shares: how many examples Hypothesis tries, and the table of contracts at the end."""

import gc
import os

import pytest
from hypothesis import HealthCheck, settings

# The contracts stand in modules that pytest does not collect; their assertions should explain themselves too.
pytest.register_assert_rewrite("tests.contract", "tests.stateful")
pytest_plugins = [
    "tests.plugins.contract_table",
    "tests.plugins.extras",
    "tests.plugins.servers",
    "tests.plugins.timed",
]

# How long an example takes says something about the machine, not about the example.
slow_is_fine = [HealthCheck.too_slow]
# A build on somebody's change tries the same examples each time; new ones are for the desk and for the night.
settings.register_profile(
    "default",
    deadline=None,
    max_examples=50 if "CI" in os.environ else 100,
    stateful_step_count=30,
    suppress_health_check=slow_is_fine,
    derandomize="CI" in os.environ,
)
settings.register_profile(
    "nightly", deadline=None, max_examples=2000, stateful_step_count=50, suppress_health_check=slow_is_fine
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


MACHINE = "runTest"
"""The name of the one test of a state machine."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests come first, so that none is left at the end while other processes have nothing more to do.

    They run untraced: tracing makes them up to four times longer, and every line has a test of its own.
    """
    # It asks for the profile that this module has just chosen.
    from tests.stateful.profiles import MACHINE_SECONDS

    for item in items:
        if item.name == MACHINE:
            item.add_marker(pytest.mark.timeout(MACHINE_SECONDS))
        if _is_long(item):
            item.add_marker("no_cover")
    items.sort(key=_is_long, reverse=True)


def pytest_collection_finish() -> None:
    """Keep the garbage collector from walking through thousands of collected tests again and again."""
    gc.collect()
    gc.freeze()


def _is_long(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None or item.name == MACHINE
