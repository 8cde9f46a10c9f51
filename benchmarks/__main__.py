"""Measures the overhead of the adapters and how their costs grow: ``python -m benchmarks [--port PORT]``.

The results go to docs/benchmarks. With ``--smoke`` a part is measured, in less than two minutes, nothing is written,
and a gross regression makes the exit code 1.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence

import uvloop

from benchmarks import suites
from benchmarks.harness.environment import Environment
from benchmarks.harness.timing import Effort
from benchmarks.pages import OUTPUT, write_pages, write_results
from benchmarks.running import LARGEST, SIZES, Plan, find_regressions, run
from benchmarks.surroundings import Surroundings

SMOKE = Plan(Effort(rounds=25, block=0.004), sizes=(1_000, 10_000))


async def publish(ports: Sequence[str], parts: Sequence[str], adapters: Sequence[str], plan: Plan) -> int:
    """Measure and write the pages; with only some of the ``adapters`` nothing is written."""
    environment = Environment.here()
    with Surroundings(apart=True) as surroundings:
        for port in ports:
            for part in parts:
                results = []
                for suite in suites.of(part, port):
                    if not adapters or suite.adapter in adapters:
                        results += await run(suite, plan, surroundings)
                if not adapters:
                    write_results(OUTPUT, part, port, results, environment, plan.effort)
    if not adapters:
        write_pages(OUTPUT, suites.baselines())
        print(f"written to {OUTPUT}")
    return 0


async def smoke() -> int:
    """Look for gross regressions."""
    with Surroundings(cases=60, vectors=1_500, apart=True) as surroundings:
        problems = await find_regressions(suites.smoke(), SMOKE, surroundings)
    print(*(f"Regression: {problem}" for problem in problems), sep="\n")
    return 1 if problems else 0


def main() -> int:
    """Read the arguments and run; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure overhead and growth.")
    parser.add_argument("--port", choices=suites.PORTS, action="append", help="only this port; may be repeated")
    parser.add_argument("--part", choices=suites.PARTS, action="append", help="only this part")
    parser.add_argument("--adapter", action="append", default=[], help="only this adapter; nothing is written then")
    parser.add_argument("--rounds", type=int, default=Effort.rounds, help="how often each operation is measured")
    parser.add_argument("--block", type=float, default=Effort.block, help="seconds that one measurement takes")
    parser.add_argument("--seed", type=int, default=Effort.seed)
    parser.add_argument(
        "--largest", type=int, default=LARGEST, help=f"the largest size of the growth, up to {SIZES[-1]}"
    )
    parser.add_argument("--smoke", action="store_true", help="only look for gross regressions")
    given = parser.parse_args()
    # Whoever ends the run leaves no server behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if given.smoke:
        return uvloop.run(smoke())
    sizes = tuple(size for size in SIZES if size <= given.largest)
    plan = Plan(Effort(given.rounds, given.block, given.seed), sizes)
    return uvloop.run(publish(given.port or suites.PORTS, given.part or suites.PARTS, given.adapter, plan))


if __name__ == "__main__":
    sys.exit(main())
