"""How long the state machines run: 100 runs of 30 steps, or 2,000 of 50 in the nightly profile."""

from hypothesis import settings

NIGHTLY = settings().max_examples >= 1000
"""True in the nightly profile, which takes the time for the full numbers."""

MACHINE_SETTINGS = settings(max_examples=2_000 if NIGHTLY else 100, stateful_step_count=50 if NIGHTLY else 30)

MACHINE_SECONDS = 14_400 if NIGHTLY else 600
"""How long one may take: in the night it does some thirty times as much."""

AGREEMENT_SETTINGS = settings(max_examples=10_000 if NIGHTLY else 200)
"""How many lists of commands all adapters of a port answer."""
