"""What every test shares: how many examples Hypothesis tries, and the table of contracts at the end."""

import os

import pytest
from hypothesis import settings

# The contracts stand in modules that pytest does not collect; their assertions should explain themselves too.
pytest.register_assert_rewrite("tests.contract", "tests.stateful")
pytest_plugins = ["tests.plugins.contract_table"]

settings.register_profile("default", deadline=None, max_examples=100, stateful_step_count=30)
settings.register_profile("nightly", deadline=None, max_examples=2000, stateful_step_count=50)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
