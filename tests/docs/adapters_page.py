"""Writes the page `docs/adapters.md` from the adapters' classes, the settings and the tests; `make docs` runs it.

What an adapter is, the registry says in one line. What it can do, how many tests it keeps its contract by and which
behaviour of its backend they hide is not written down anywhere: it is asked of the classes and of the collected tests.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from inspect import getdoc
from pathlib import Path

import pytest

from bootstrap.storage_settings import StorageSettings
from ports import capabilities, transfer
from tests.contract.guard import ContractTests
from tests.docs.registry import PORTS, Adapter, Port
from tests.plugins.contract_table import ELSEWHERE

REPOSITORY = Path(__file__).parents[2]
QUIRK = "quirk"

_HEAD = """\
# Adapters

Which adapters each port has, what they can do, and what their backends do differently from what one expects. How to add
one: [adding-a-backend.md](adding-a-backend.md). This page is made from the code and the tests by `make docs`.

* **durable**: opening the adapter again finds what was there, by a test of its contract. A server may be set up to
  keep its data in memory only.
* **processes**: whether several processes may serve from the same data.
* **abilities**: what it offers beyond its port (see the end of the page).
* **tests**: how many tests of the contract run on it; durable ones may have some more. State machines, and the
  comparison of all adapters with each other, come on top.
"""

_QUIRKS = """
## What backends do differently

This is how the backends work, or their drivers. The test proves that it does not come through: a test of a contract
runs on every adapter of the port, so that all of them answer alike.

| backend | what it does | test |
| --- | --- | --- |
"""


class _Tests:
    """The tests that pytest finds for the adapters."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.reopened: set[tuple[str, str]] = set()
        self.quirks: dict[tuple[str, str], dict[str, None]] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Count them, and note what they are marked with."""
        for item in session.items:
            assert isinstance(item, pytest.Function)
            contract = None
            if item.cls is not None and issubclass(item.cls, ContractTests):
                contract = item.cls.contract.partition(",")[0]
                self.counts[contract, item.cls.adapter] += 1
                if _reopens(item):
                    self.reopened.add((contract, item.cls.adapter))
            for mark in item.iter_markers(QUIRK):
                backend, behaviour = mark.args
                if contract is not None or not _path(item).is_relative_to("tests/contract"):
                    self.quirks.setdefault((backend, behaviour), {})[_link(item, contract)] = None


def _path(item: pytest.Function) -> Path:
    """Where the test is defined, which for one of a contract is not where it is run."""
    file = sys.modules[item.function.__module__].__file__
    assert file is not None
    return Path(file).relative_to(REPOSITORY)


def _link(item: pytest.Function, contract: str | None) -> str:
    path = _path(item)
    whose = f"{contract}: " if path.is_relative_to("tests/contract") else ""
    return f"{whose}[`{item.originalname}`](../{path.as_posix()})"


def _reopens(item: pytest.Function) -> bool:
    """True if the adapter says how it is opened again; the contract's own fixture says that it cannot be."""
    definitions = item._fixtureinfo.name2fixturedefs.get("reopen", ())
    return bool(definitions) and not definitions[-1].func.__module__.startswith("tests.contract.")


def collected() -> _Tests:
    """All tests of the adapters."""
    tests, output = _Tests(), io.StringIO()
    with contextlib.redirect_stdout(output):
        code = pytest.main(
            ["--collect-only", "-qq", "--assert=plain", str(REPOSITORY / "tests" / "adapters")], plugins=[tests]
        )
    if code != pytest.ExitCode.OK:
        raise SystemExit(output.getvalue())
    return tests


def adapters_page(tests: _Tests) -> str:
    """The page as Markdown."""
    return _HEAD + "".join(_port(port, tests) for port in PORTS) + "".join(_quirks(tests)) + "".join(_abilities())


def _port(port: Port, tests: _Tests) -> str:
    columns = ["adapter", f"`{port.variable}`", "class", *(["durable", "processes"] if port.keeps_data else [])]
    columns += ["abilities", "tests"]
    rows = [_cells(port, adapter, tests) for adapter in port.adapters]
    lines = [columns, ["---"] * len(columns), *rows]
    contracts = ", ".join(f"`{contract}`" for contract in port.contracts)
    return f"\n## {port.title}: {contracts}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cells(port: Port, adapter: Adapter, tests: _Tests) -> Iterator[str]:
    yield adapter.name
    yield f"`{adapter.value}`" + "".join(f" with `{name}`" for name in adapter.more)
    yield f"`{adapter.cls.__module__}.{adapter.cls.__qualname__}`"
    if port.keeps_data:
        alone = port.variable in _chosen(port, adapter).single_process
        survives = any((contract, adapter.name) in tests.reopened for contract in port.contracts)
        yield "yes" if survives else "no" if alone else "as the server is set up"
        yield "one" if alone else "several"
    yield ", ".join(ability.__name__ for ability in abilities() if _has(adapter.cls, ability)) or "-"
    elsewhere = [
        ELSEWHERE[contract, adapter.name] for contract in port.contracts if (contract, adapter.name) in ELSEWHERE
    ]
    yield elsewhere[0] if elsewhere else str(sum(tests.counts[contract, adapter.name] for contract in port.contracts))


def _chosen(port: Port, adapter: Adapter) -> StorageSettings:
    choice = {port.variable: adapter.value, **adapter.more}
    return StorageSettings.model_validate({name.lower(): value for name, value in choice.items()})


def abilities() -> Iterable[type]:
    """The optional abilities."""
    named = [*vars(capabilities).values(), *vars(transfer).values()]
    return [each for each in named if getattr(each, "_is_runtime_protocol", False)]


def _has(cls: type, ability: type) -> bool:
    # Several of those to move content are alike in their methods, and one has a property: only its bases tell.
    return ability in cls.__mro__ if ability.__module__ == transfer.__name__ else issubclass(cls, ability)


def _quirks(tests: _Tests) -> Iterator[str]:
    yield _QUIRKS
    for (backend, behaviour), links in sorted(tests.quirks.items()):
        yield f"| {backend} | {behaviour} | {'; '.join(links)} |\n"


def _abilities() -> Iterator[str]:
    yield "\n## Optional abilities\n\n"
    for ability in abilities():
        yield f"* `{ability.__name__}`: {(getdoc(ability) or '').splitlines()[0]}\n"


if __name__ == "__main__":
    print(adapters_page(collected()), end="")  # noqa: T201 - its output is the page
