"""The page on adding a backend is followed to the letter, and leads to an adapter that keeps its contract."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.docs.guide import REPOSITORY, Guide, run

PAGE = REPOSITORY / "docs" / "adding-a-backend.md"
ADAPTER = "adapters/sqlite_blobs/blobs.py"
TESTS = "tests/adapters/sqlite_blobs"
MACHINE = "tests/stateful/test_sqlite_blobs.py"
GUIDE = Guide.of(PAGE.read_text(encoding="utf-8"))

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository in which the page was followed."""
    root = tmp_path_factory.mktemp("guide")
    GUIDE.carry_out(root)
    return root


def outcomes(root: Path, *tests: str) -> tuple[Counter[str], str]:
    """Run tests: how many passed, failed and were skipped, and the output with their names."""
    _, output = run(root, "-m", "pytest", "-q", "-rA", "--tb=line", "--assert=plain", *tests)
    return Counter(re.findall(r"^(PASSED|FAILED|ERROR|SKIPPED) ", output, flags=re.MULTILINE)), output


@contextmanager
def changed(path: Path, before: str, after: str) -> Iterator[None]:
    """The file with another text in place of one that it has, for a while."""
    text = path.read_text(encoding="utf-8")
    assert text.count(before) == 1
    path.write_text(text.replace(before, after), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(text, encoding="utf-8")


def test_the_adapter_is_small() -> None:
    assert len(GUIDE.files[ADAPTER].splitlines()) < 150


def test_it_keeps_the_contract_and_passes_its_state_machine(root: Path) -> None:
    counts, output = outcomes(root, TESTS, MACHINE)
    # Optional abilities that it does not have are skipped.
    assert set(counts) == {"PASSED", "SKIPPED"}, output
    assert counts["PASSED"] >= 69
    assert f"PASSED {MACHINE}::" in output
    table = dict(re.findall(r"^(BlobStore.*sqlite) +(\d+ passed, \d+ skipped)$", output, flags=re.MULTILINE))
    assert table == {
        "BlobStore           sqlite": "66 passed, 7 skipped",
        "BlobStore, durable  sqlite": "2 passed, 1 skipped",
    }


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "check", *GUIDE.files, *(path for path in GUIDE.edits if path.endswith(".py"))),
        ("ruff", "format", "--check", *GUIDE.files, *(path for path in GUIDE.edits if path.endswith(".py"))),
        ("mypy", "--strict", "--package", "adapters.sqlite_blobs", "--package", "bootstrap"),
    ],
    ids=lambda command: "-".join(command[:2]),
)
def test_make_check_accepts_it(root: Path, command: tuple[str, ...]) -> None:
    code, output = run(root, "-m", *command)
    assert code == 0, output


def test_the_driver_is_allowed_there_and_only_because_the_page_says_so(root: Path) -> None:
    lint = ("-c", "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())")
    code, output = run(root, *lint)
    assert code == 0, output
    assert "0 broken" in output
    ((before, after),) = GUIDE.edits["pyproject.toml"]
    with changed(root / "pyproject.toml", after, before):
        code, output = run(root, *lint)
    assert code == 1
    assert "adapters.sqlite_blobs.blobs -> sqlite3" in output


def test_it_agrees_with_the_other_adapters(root: Path) -> None:
    counts, output = outcomes(root, "tests/stateful/test_agreement.py", "-k", "blobs")
    assert counts == {"PASSED": 1}, output


def test_the_setting_opens_it(root: Path) -> None:
    counts, output = outcomes(root, "tests/unit/bootstrap/test_sqlite_blobs.py")
    assert counts == {"PASSED": 1}, output


def test_the_factory_makes_it_and_a_type_of_another_distribution(root: Path) -> None:
    (entry_point,) = re.findall(
        r'^\[project.entry-points."(.*)"\]\n(\w+) = "(.*)"$', PAGE.read_text(), flags=re.MULTILINE
    )
    group, name, value = entry_point
    info = root / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\n")
    program = (
        "import asyncio\n"
        "from bootstrap.stores import StoreFactory\n"
        "async def main(kind):\n"
        "    async with StoreFactory.create_blob_store({'type': kind, 'path': f'{kind}.db'}) as store:\n"
        "        print(await store.stat('file'), type(await store.opened()).__name__)\n"
        "for kind in ('sqlite', 'acme', 'other'):\n"
        "    asyncio.run(main(kind))\n"
    )
    code, output = run(root, "-c", program)
    assert output.startswith("None SqliteBlobStore\nNone SqliteBlobStore\n")
    assert "type: 'other' is not accepted; accepted: acme, file, inmemory, sqlite" in output
    assert code == 1


def test_it_has_a_line_on_the_page_of_adapters(root: Path) -> None:
    code, page = run(root, "-m", "tests.docs.adapters_page")
    assert code == 0, page
    abilities = "SupportsHealth, SupportsIntegrityCheck, Closeable"
    assert (
        f"| sqlite | `sqlite` | `adapters.sqlite_blobs.blobs.SqliteBlobStore` | yes | one | {abilities} | 76 |" in page
    )


def test_a_method_that_is_missing_is_named_by_the_type_checker_and_by_the_contract(root: Path) -> None:
    text = GUIDE.files[ADAPTER]
    scan = text[text.index("    async def scan(") : text.index("    async def check_health(")]
    with changed(root / ADAPTER, scan, ""):
        code, output = run(root, "-m", "mypy", "--strict", "--package", "adapters.sqlite_blobs")
        assert code == 1
        assert 'SqliteBlobStore has abstract attributes "scan"' in output
        counts, output = outcomes(root, TESTS)
    assert counts["FAILED"] >= 20
    assert "::test_scan_gives_what_is_stored_in_the_order_of_the_keys" in output


@pytest.mark.parametrize(
    ("before", "after", "promise"),
    [
        (
            "(key > :prefix || '/' AND key < :prefix || '0')",
            "key LIKE :prefix || '%'",
            "test_scan_of_a_prefix_gives_whole_segments[case]",
        ),
        ("content[start : start + _PIECE_BYTES]", "content", "test_put_and_open[65537]"),
    ],
    ids=["another prefix", "pieces that are too large"],
)
def test_a_promise_that_is_broken_is_named_by_the_contract(root: Path, before: str, after: str, promise: str) -> None:
    with changed(root / ADAPTER, before, after):
        counts, output = outcomes(root, TESTS)
    assert f"FAILED {TESTS}/test_contract.py::TestSqliteBlobStore::{promise}" in output
    assert counts["PASSED"] > 50
