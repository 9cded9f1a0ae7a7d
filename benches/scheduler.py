"""What a sweep of ten million points on a thousand workers would come to: the scheduler, simulated event by event.

    python benches/scheduler.py [--points 10000000] [--workers 1000] [--seconds 0.1]

One scheduler hands out chunks, one after the other, at the cost per task that `benches/sweep.py` measures. A worker computes a
chunk, writes it, asks for the next. Workers die (exponentially, `--deaths` per worker and day) and come back after `--restart`
seconds; what they had in hand is computed again. Some chunks take longer than others (log-normal, `--spread`). A driver that
dies loses nothing but the time until it is back: tasks in hand are lost with it.

Prints, per number of points per chunk: wall time, share of it in which workers compute what is kept, chunks computed twice,
files, busy share of the scheduler. Standard library only.
"""

from __future__ import annotations

import argparse
import heapq
import random
from dataclasses import dataclass
from typing import List, Tuple


@dataclass(frozen=True)
class Plan:
    points: int
    workers: int
    #: One point, mean.
    seconds: float
    #: Standard deviation of ln(time of a chunk) for one point; falls with the root of the points of a chunk.
    spread: float
    #: The scheduler's time per task.
    overhead: float
    #: A worker's time to write a chunk.
    write: float
    #: Deaths per worker and day.
    deaths: float
    restart: float
    #: Deaths of the driver, evenly spread.
    driver_deaths: int


@dataclass(frozen=True)
class Outcome:
    wall: float
    efficiency: float
    repeated: int
    chunks: int
    scheduler: float


def simulate(plan: Plan, chunk: int, seed: int = 0) -> Outcome:
    """One sweep."""
    chance = random.Random(seed)
    chunks = -(-plan.points // chunk)
    sigma = plan.spread / chunk**0.5
    mean = plan.seconds * chunk
    rate = plan.deaths / 86_400
    left, again, repeated, useful = chunks, 0, 0, 0.0
    free = 0.0  # when the scheduler can hand out the next task
    busy = 0.0
    # (time, worker): the worker asks for a task.
    asks: List[Tuple[float, int]] = [(chance.random(), worker) for worker in range(plan.workers)]
    heapq.heapify(asks)
    interval = None
    if plan.driver_deaths:
        interval = mean * chunks / plan.workers / (plan.driver_deaths + 1)
    next_driver = interval
    end = 0.0
    while left > 0 and asks:
        now, worker = heapq.heappop(asks)
        if next_driver is not None and interval is not None and now >= next_driver:
            # The new driver starts within a minute; every worker loses what it has in hand.
            free = max(free, now) + 60.0
            repeated += plan.workers
            again += plan.workers
            next_driver = next_driver + interval if next_driver < interval * plan.driver_deaths else None
        start = max(now, free)
        free = start + plan.overhead
        busy += plan.overhead
        took = mean * chance.lognormvariate(-sigma * sigma / 2, sigma) + plan.write
        death = chance.expovariate(rate) if rate > 0 else float("inf")
        if death < took:
            repeated += 1
            heapq.heappush(asks, (start + death + plan.restart, worker))
            continue
        finish = start + plan.overhead + took
        end = max(end, finish)
        if again > 0:
            # Time that only replaces what the driver's death lost.
            again -= 1
        else:
            left -= 1
            useful += took - plan.write
        heapq.heappush(asks, (finish, worker))
    return Outcome(end, useful / (end * plan.workers), repeated, chunks, busy / end)


def duration(seconds: float) -> str:
    for limit, unit, size in ((120.0, "s", 1.0), (7200.0, "min", 60.0), (172_800.0, "h", 3600.0)):
        if seconds < limit:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds / 86_400:.1f} days"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--points", type=int, default=10_000_000)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=0.1, help="of one point")
    parser.add_argument("--spread", type=float, default=1.0)
    parser.add_argument("--overhead", type=float, default=0.001, help="the scheduler's seconds per task")
    parser.add_argument("--write", type=float, default=0.02, help="seconds to write a chunk")
    parser.add_argument("--deaths", type=float, default=1.0, help="per worker and day")
    parser.add_argument("--restart", type=float, default=120.0)
    parser.add_argument("--driver-deaths", type=int, default=1)
    options = parser.parse_args()
    plan = Plan(
        options.points, options.workers, options.seconds, options.spread, options.overhead, options.write,
        options.deaths, options.restart, options.driver_deaths,
    )
    cpu = plan.points * plan.seconds
    print(f"{plan.points} points of {plan.seconds} s: {duration(cpu)} of one core, {duration(cpu / plan.workers)} of {plan.workers}")
    print("| points per chunk | chunk | wall | efficiency | computed twice | files | scheduler busy |")
    print("|---|---|---|---|---|---|---|")
    for chunk in (1, 10, 100, 500, 1000, 2000, 5000, 10_000, 50_000):
        if plan.points / chunk < plan.workers / 5:
            continue
        if plan.points / chunk > 2_000_000:
            # The scheduler alone would take that long.
            least = plan.points / chunk * plan.overhead
            print(f"| {chunk} | {duration(chunk * plan.seconds)} | at least {duration(least)} | | | {plan.points // chunk} | 100 % |")
            continue
        found = simulate(plan, chunk)
        print(
            f"| {chunk} | {duration(chunk * plan.seconds)} | {duration(found.wall)} | {found.efficiency:.1%} | "
            f"{found.repeated} | {found.chunks} | {found.scheduler:.1%} |"
        )


if __name__ == "__main__":
    main()
