"""Keeps the contracts whole: a class that does not run every test of its port as it stands cannot be defined."""

from __future__ import annotations

import inspect
from typing import ClassVar

EXEMPTING_MARKS = frozenset({"skip", "skipif", "xfail"})


class ContractTests:
    """Base of the contract classes.

    A contract names itself with ``contract = "CaseRepository"``; a class that runs it names the adapter with
    ``adapter = "sqlite"`` and provides the fixtures that the contract asks for. A contract may be put together from
    several classes of tests.
    """

    contract: ClassVar[str]
    adapter: ClassVar[str]

    def __init_subclass__(cls) -> None:
        """Refuse a class that leaves out a test of its contract or runs another one in its place."""
        super().__init_subclass__()
        if problems := violations(cls):
            raise TypeError(f"{cls.__module__}.{cls.__qualname__} breaks its contract: {'; '.join(problems)}")


def violations(cls: type[ContractTests]) -> list[str]:
    """What keeps ``cls`` from running each test of its contracts, in words."""
    problems = []
    promised = [base for base in cls.__mro__[1:] if "contract" in vars(base)]
    for base in promised:
        for name, test in inspect.getmembers_static(base):
            if name.startswith("test_") and inspect.getattr_static(cls, name, None) is not test:
                problems.append(f"{name} of {base.__name__} is overridden")
    if "contract" in vars(cls):
        return problems
    if not promised:
        problems.append("it belongs to no contract")
    if vars(cls).get("__test__") is False:
        problems.append("pytest is told not to collect it")
    marks = vars(cls).get("pytestmark", [])
    names = {mark.name for mark in (marks if isinstance(marks, list) else [marks])}
    problems.extend(f"the whole class is marked {name}" for name in sorted(names & EXEMPTING_MARKS))
    if "adapter" in vars(cls) and not cls.__name__.startswith("Test"):
        problems.append("its name does not begin with Test, so pytest does not collect it")
    if cls.__name__.startswith("Test") and not hasattr(cls, "adapter"):
        problems.append("it does not name its adapter")
    return problems
