"""The published results: JSON of each run, and from these the pages and plots of docs/benchmarks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.growth.growth import FITTED_FROM, Growth
from benchmarks.harness.environment import Environment
from benchmarks.harness.svg import Bar, bars, curves, duration
from benchmarks.harness.timing import Effort
from benchmarks.overhead.comparison import BASELINE, OURS, PROMISED, Overhead
from benchmarks.specification import TABLE, Line, measured_times, verdict

OUTPUT = Path(__file__).parent.parent / "docs" / "benchmarks"
_MARKS = {True: "kept", False: "**missed**", None: ""}
_RESULTS = (
    "| adapter | operation | adapter, least / middle | baseline, least / middle | ratio of minima | median ratio "
    "| 95 % interval | rounds | more | promise | |"
)
_ASKED = "| port | adapter | operation | asked for | measured | |"
_CONTEXT = "| adapter | operation | context | least | middle |"
_WORD = re.compile(r"\w+")

R = TypeVar("R", Overhead, Growth)


def write_results(
    folder: Path, part: str, port: str, results: Sequence[Overhead | Growth], environment: Environment, effort: Effort
) -> None:
    """Keep the results of one port, replacing those of an earlier run."""
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    content = {
        "environment": environment.as_dict(),
        "effort": asdict(effort),
        "results": [result.as_dict() for result in results],
    }
    (data / f"{part}-{port}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def write_pages(folder: Path, sources: Mapping[str, Sequence[str]]) -> None:
    """Write the pages from all results that are there. ``sources`` are the modules of the baselines, by port."""
    plots = folder / "plots"
    plots.mkdir(exist_ok=True)
    overheads = list(_runs(folder, "overhead", Overhead.from_dict))
    growths = list(_runs(folder, "growth", Growth.from_dict))
    page = _overhead_page(plots, overheads, sources, _specification(overheads, growths))
    (folder / "overhead.md").write_text(page, encoding="utf-8")
    (folder / "growth.md").write_text(_growth_page(plots, growths), encoding="utf-8")


def _runs(
    folder: Path, part: str, read: Callable[[Mapping[str, Any]], R]
) -> Iterator[tuple[str, Mapping[str, Any], list[R]]]:
    for path in sorted((folder / "data").glob(f"{part}-*.json")):
        run = json.loads(path.read_text(encoding="utf-8"))
        yield path.stem.removeprefix(f"{part}-"), run, [read(result) for result in run["results"]]


def _overhead_page(
    plots: Path,
    runs: Sequence[tuple[str, Mapping[str, Any], list[Overhead]]],
    sources: Mapping[str, Sequence[str]],
    specification: Sequence[str],
) -> str:
    lines = [
        "# Overhead",
        "",
        "Written by `make bench`; see [README.md](README.md) for how it is measured. Each operation of an adapter is",
        "compared with hand-written code on the same driver that does the same job, [printed below](#baselines).",
        f"Promised is an upper bound of the interval of at most {PROMISED:g}.",
        "The times are of the quickest and of the middle round. *Context* is measured in the same rounds: what is left",
        "out there is what the baseline does more, so nobody has to believe that it was chosen well.",
    ]
    for port, run, results in runs:
        judged = [result for result in results if result.budget is None and result.adapter != "memory"]
        lines += ["", f"## {port.capitalize()}", "", _conditions(run), ""]
        if judged:
            picture = bars(f"{port}: time of the adapter / time of the baseline", list(map(_bar, judged)), PROMISED)
            (plots / f"overhead-{port}.svg").write_text(picture, encoding="utf-8")
            lines += [f"![{port}](plots/overhead-{port}.svg)", ""]
        lines += [
            _RESULTS,
            _rule(_RESULTS),
            *map(_overhead_row, results),
            "",
            _CONTEXT,
            _rule(_CONTEXT),
        ]
        lines += [
            f"| {result.adapter} | {result.operation} | {name} | {duration(times.least)} | {duration(times.middle)} |"
            for result in results
            for name, times in result.times.items()
            if name not in (OURS, BASELINE)
        ]
    lines += ["", *specification, "", "## Baselines"]
    for module in dict.fromkeys(module for port, *_ in runs for module in sources.get(port, ())):
        lines += ["", f"### {module.rpartition('.')[2]}", "", "```python", _source(module).rstrip(), "```"]
    return "\n".join(lines) + "\n"


def _specification(
    overheads: Sequence[tuple[str, Mapping[str, Any], list[Overhead]]],
    growths: Sequence[tuple[str, Mapping[str, Any], list[Growth]]],
) -> list[str]:
    times = measured_times(
        (result for *_, results in overheads for result in results),
        (result for *_, results in growths for result in results),
    )
    return [
        "## The times that were asked for",
        "",
        "Those of the middle round; of a search, those of the quickest among 1,000 cases. What is listed are cases of",
        "24 KB, which have to be decoded wherever they come from.",
        "",
        _ASKED,
        _rule(_ASKED),
        *(
            f"| {line.port} | {line.adapter} | {line.operation} | {_range(line)} | {duration(measured)} "
            f"| {verdict(line, measured)} |"
            for line in TABLE
            if (measured := times.get((line.port, line.adapter, line.operation)))
        ),
    ]


def _range(line: Line) -> str:
    return duration(line.to) if line.from_ == line.to else f"{duration(line.from_)} to {duration(line.to)}"


def _rule(header: str) -> str:
    return "|" + " --- |" * (header.count("|") - 1)


def _overhead_row(result: Overhead) -> str:
    ours, baseline, interval = result.times[OURS], result.times[BASELINE], result.median_ratio
    promise = ""
    if result.limit is not None:
        promise = f"≤ {result.limit:g}"
    elif result.budget is not None:
        promise = f"≤ {duration(result.budget)} more"
    cells = (
        result.adapter,
        result.operation,
        f"{duration(ours.least)} / {duration(ours.middle)}",
        f"{duration(baseline.least)} / {duration(baseline.middle)}",
        f"{result.ratio_of_minima:.3f}",
        f"{interval.value:.3f}",
        f"{interval.low:.3f} to {interval.high:.3f}",
        str(result.rounds),
        duration(result.more),
        promise,
        _MARKS[result.is_kept],
    )
    return f"| {' | '.join(cells)} |"


def _bar(result: Overhead) -> Bar:
    interval = result.median_ratio
    name = f"{result.adapter} {result.operation}"
    return Bar(name, interval.value, interval.low, interval.high, result.is_kept)


def _growth_page(plots: Path, runs: Sequence[tuple[str, Mapping[str, Any], list[Growth]]]) -> str:
    lines = [
        "# Growth",
        "",
        "Written by `make bench`; see [README.md](README.md) for how it is measured. What one call costs, in the",
        "quickest round, among so many cases, messages, keys or vectors, and the exponent `k` of the law",
        f"`cost = c * size ** k` fitted to the sizes from {FITTED_FROM:,} on: 0 is flat, 1 grows in proportion. The",
        "interval is that of the median over the rounds.",
    ]
    for port, run, results in runs:
        lines += ["", f"## {port.capitalize()}", "", _conditions(run)]
        for operation in dict.fromkeys(result.operation for result in results):
            chosen = [result for result in results if result.operation == operation]
            name = f"growth-{port}-{'-'.join(_WORD.findall(operation))}.svg"
            picture = curves(f"{port}: {operation}", {result.adapter: result.least for result in chosen})
            (plots / name).write_text(picture, encoding="utf-8")
            sizes = sorted({size for result in chosen for size in result.least})
            columns = " | ".join(f"{size:,}" for size in sizes)
            header = f"| adapter | {columns} | exponent | 95 % interval | rounds | promise | |"
            lines += [
                "",
                f"### {operation}",
                "",
                f"![{operation}](plots/{name})",
                "",
                header,
                _rule(header),
                *(_growth_row(result, sizes) for result in chosen),
            ]
    return "\n".join(lines) + "\n"


def _growth_row(result: Growth, sizes: Sequence[int]) -> str:
    interval = result.exponent
    cells = (
        result.adapter,
        *(duration(result.least[size]) if size in result.least else "" for size in sizes),
        f"{interval.value:.3f}",
        f"{interval.low:.3f} to {interval.high:.3f}",
        str(result.rounds),
        "" if result.limit is None else f"≤ {result.limit:g}",
        _MARKS[result.is_kept],
    )
    return f"| {' | '.join(cells)} |"


def _conditions(run: Mapping[str, Any]) -> str:
    effort = run["effort"]
    where = Environment(**run["environment"]).in_words()
    return f"{where} At most {effort['rounds']} rounds of {effort['block'] * 1000:g} ms, seed {effort['seed']}."


def _source(module: str) -> str:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(module)
    return Path(spec.origin).read_text(encoding="utf-8")
