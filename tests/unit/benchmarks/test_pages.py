"""What is published: results survive their file, and the pages and plots show them."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from benchmarks.growth.growth import Growth
from benchmarks.harness.environment import Environment
from benchmarks.harness.statistics import Interval
from benchmarks.harness.svg import Bar, bars, curves, duration
from benchmarks.harness.timing import Effort
from benchmarks.overhead.comparison import Overhead, Times
from benchmarks.pages import write_pages, write_results
from benchmarks.specification import TABLE, verdict

EFFORT = Effort(rounds=25)


def an_overhead(operation: str, high: float) -> Overhead:
    """A result whose interval ends at ``high``."""
    return Overhead(
        port="cases",
        adapter="sqlite",
        operation=operation,
        times={"adapter": Times(1.0e5, 1.2e5), "baseline": Times(1.0e5, 1.1e5), "bare row": Times(7e3, 8e3)},
        ratio_of_minima=1.0,
        median_ratio=Interval(high - 0.02, high - 0.04, high),
        rounds=25,
        limit=1.05,
        budget=None,
    )


def a_growth(operation: str, exponent: float) -> Growth:
    """A result with this exponent."""
    return Growth(
        port="cases",
        adapter="sqlite",
        operation=operation,
        least={size: 1e5 * size**exponent for size in (100, 1_000, 10_000)},
        exponent=Interval(exponent, exponent - 0.01, exponent + 0.01),
        rounds=25,
        limit=0.05,
    )


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A folder with the results of one port."""
    environment = Environment.here()
    overheads = [an_overhead("get", 1.03), an_overhead("save", 1.20)]
    growths = [a_growth("get", 0.01), a_growth("get_messages, last page", 0.5)]
    write_results(tmp_path, "overhead", "cases", overheads, environment, EFFORT)
    write_results(tmp_path, "growth", "cases", growths, environment, EFFORT)
    write_pages(tmp_path, {"cases": ["benchmarks.overhead.baselines.sqlite"]})
    return tmp_path


def test_results_survive_their_file() -> None:
    """What is read is what was written."""
    overhead, growth = an_overhead("get", 1.03), a_growth("get", 0.01)
    assert Overhead.from_dict(overhead.as_dict()) == overhead
    assert Growth.from_dict(growth.as_dict()) == growth


def test_overhead_page_says_what_is_kept(published: Path) -> None:
    """And where it was measured, with the code of the baseline."""
    page = (published / "overhead.md").read_text()
    lines = page.splitlines()
    assert "| sqlite | get | bare row | 7 µs | 8 µs |" in lines
    assert any(line.startswith("| sqlite | get |") and line.endswith("| kept |") for line in lines)
    assert any(line.startswith("| sqlite | save |") and line.endswith("| **missed** |") for line in lines)
    assert "seed 20251" in page
    assert "commit " in page
    assert "async def get(connections: Connections, case_id: str) -> Case | None:" in page


def test_growth_page_says_what_is_kept(published: Path) -> None:
    """One table and one plot an operation."""
    page = (published / "growth.md").read_text()
    assert "| 0.010 | 0.000 to 0.020 | 25 | ≤ 0.05 | kept |" in page
    assert "| 0.500 | 0.490 to 0.510 | 25 | ≤ 0.05 | **missed** |" in page
    for line in page.splitlines():
        if line.startswith("!["):
            assert (published / line.partition("(")[2].rstrip(")")).exists()


def test_plots_are_well_formed(published: Path) -> None:
    """Every picture is XML."""
    plots = sorted((published / "plots").iterdir())
    assert len(plots) == 3
    for plot in plots:
        assert ET.fromstring(plot.read_text()).tag.endswith("svg")  # noqa: S314 - it was made here


def test_plots_take_any_label_and_any_ratio() -> None:
    """Signs of XML are escaped, and what is too long is cut."""
    picture = bars("a < b & c", [Bar("<x>", 50.0, 40.0, 60.0, is_good=False)], 1.05)
    assert "&lt;x&gt;" in picture
    assert "<x>" not in picture
    ET.fromstring(picture)  # noqa: S314 - it was made here
    ET.fromstring(curves("one size", {"a": {100: 5.0}}))  # noqa: S314 - it was made here


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(0.5, "0.5 ns"), (999, "999 ns"), (1_500, "1.5 µs"), (2.5e6, "2.5 ms"), (3e9, "3 s"), (-1_500, "-1.5 µs")],
)
def test_durations_are_readable(nanoseconds: float, text: str) -> None:
    """Three digits and a unit."""
    assert duration(nanoseconds) == text


def test_verdict_on_the_table() -> None:
    """A time is as fast as asked for, within the range, or slower."""
    line = next(line for line in TABLE if (line.adapter, line.operation) == ("postgres", "save"))
    assert [verdict(line, time) for time in (2e6, 5e6, 5.1e6)] == ["as fast or faster", "within", "**slower**"]
