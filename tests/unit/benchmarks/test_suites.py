"""What is measured hangs together."""

import random
from importlib.util import find_spec

import pytest

from benchmarks import suites
from benchmarks.growth.growth import GrowthSuite
from benchmarks.harness.timing import call_once
from benchmarks.specification import TABLE
from benchmarks.surroundings import Surroundings

LOCAL = ("memory", "sqlite", "file")


def test_smoke_names_suites_that_exist() -> None:
    """A renamed adapter is not left out silently."""
    wanted = [(part, *names) for part, chosen in suites.SMOKE.items() for names in chosen]
    every = {
        (part, suite.port, suite.adapter)
        for part in suites.PARTS
        for port in suites.PORTS
        for suite in suites.of(part, port)
    }
    assert {*wanted} <= every
    assert len(list(suites.smoke())) == len(wanted)


def test_every_port_has_suites_of_its_own() -> None:
    """Each adapter once."""
    for port in suites.PORTS:
        adapters = [suite.adapter for suite in suites.of("overhead", port)]
        assert adapters
        assert len(adapters) == len({*adapters})
    assert {suite.port for suite in (*suites.OVERHEAD, *suites.GROWTH)} == {*suites.PORTS}


def test_baselines_can_be_printed() -> None:
    """Their modules are there."""
    for modules in suites.baselines().values():
        assert modules
        assert all(find_spec(module) for module in modules)


def test_table_asks_for_adapters_that_are_measured() -> None:
    """Else a line of it would stay empty."""
    measured = {(suite.port, suite.adapter) for suite in suites.OVERHEAD}
    assert {(line.port, line.adapter) for line in TABLE} <= measured


@pytest.mark.parametrize(
    "suite",
    [suite for suite in suites.GROWTH if suite.adapter in LOCAL],
    ids=lambda suite: f"{suite.port}-{suite.adapter}",
)
async def test_growth_can_be_measured(suite: GrowthSuite) -> None:
    """Each store fills, and each operation works; servers are left to the smoke run."""
    with Surroundings() as surroundings:
        async with suite.open(surroundings, 100) as operations:
            assert set(suite.limits) <= set(operations)
            for operation in operations.values():
                await call_once(operation, random.Random(1))
