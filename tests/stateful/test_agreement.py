"""All adapters of a port give byte-equal answers to the same lists of commands."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from hypothesis import given

from tests.stateful.adapters import ADAPTERS
from tests.stateful.agreement import Empty, Port
from tests.stateful.machine import Command
from tests.stateful.ports import PORTS
from tests.stateful.profiles import AGREEMENT_SETTINGS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]


def marked(port: Port[Any, Any]) -> Any:
    """The port as a parameter, with the markers of its adapters."""
    markers = {adapter.marker for adapter in ADAPTERS[port.name] if adapter.marker}
    return pytest.param(port, id=port.name, marks=[getattr(pytest.mark, marker) for marker in sorted(markers)])


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """The event loop in which all the stores of a test live."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        yield runner


@pytest.mark.parametrize("port", [marked(port) for port in PORTS])
def test_adapters_agree(port: Port[Any, Any], runner: asyncio.Runner, request: pytest.FixtureRequest) -> None:
    """Whatever is asked, they say the same."""
    opened = AsyncExitStack()

    async def open_all() -> dict[str, Empty[Any]]:
        adapters = ADAPTERS[port.name]
        return {each.name: await opened.enter_async_context(each.open(request.getfixturevalue)) for each in adapters}

    @AGREEMENT_SETTINGS
    @given(commands=port.lists_of_commands())
    def agree(commands: list[Command[Any]]) -> None:
        runner.run(port.compare(stores, commands))

    try:
        stores = runner.run(open_all())
        agree()
    finally:
        runner.run(opened.aclose())
