"""What a benchmark is, how it is run, and how its table is printed. Knows no model."""

from __future__ import annotations

import gc
import importlib.metadata
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

OURS = "bayesglm"


@dataclass(frozen=True)
class Contestant:
    """One way to do the work.

    ``run()`` returns the answer; it imports what it needs, so that a cold process pays for it.
    ``share`` is the part of the work that it does, where the whole would take too long.
    """

    run: Callable[[], Any]
    share: float = 1.0


@dataclass(frozen=True)
class Entry:
    """A race's data made: contestants by name, and the error of an answer, alike for all."""

    contestants: dict[str, Contestant]
    error: Callable[[Any], float]


@dataclass(frozen=True)
class Race:
    """The same work done by several packages. ``make(peers)`` makes the data."""

    name: str
    demand: str
    make: Callable[[set[str]], Entry]
    rounds: int = 7


@dataclass(frozen=True)
class Figure:
    """Something other than a ratio of times: ``measure()`` returns lines of text."""

    name: str
    demand: str
    measure: Callable[[], list[str]]


@dataclass
class Times:
    """Seconds of one contestant, a round each."""

    wall: list[float]
    cpu: list[float]
    error: float


def installed(packages: dict[str, str]) -> dict[str, str]:
    """Versions of those packages (name: distribution) that this environment has."""
    found = {}
    for name, distribution in packages.items():
        try:
            found[name] = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def clock(run: Callable[[], Any]) -> tuple[Any, float, float]:
    """Answer, and seconds of wall and of CPU time."""
    wall, cpu = time.perf_counter(), time.process_time()
    answer = run()
    return answer, time.perf_counter() - wall, time.process_time() - cpu


def race(case: Race, peers: set[str], rounds: int | None) -> dict[str, Times]:
    """Let all contestants run in turn, round after round, so that they share what disturbs them."""
    entry = case.make(peers)
    results = {}
    for name, contestant in entry.contestants.items():  # warm up, and see that answers are right
        results[name] = Times([], [], entry.error(contestant.run()))
    for _ in range(rounds or case.rounds):
        for name, contestant in entry.contestants.items():
            gc.collect()
            _, wall, cpu = clock(contestant.run)
            results[name].wall.append(wall / contestant.share)
            results[name].cpu.append(cpu / contestant.share)
    return results


def cold_seconds(case: Race, name: str) -> float:
    """Seconds of the first run in a new process, imports and compilation included."""
    command = [sys.executable, "-m", __package__, "--only", case.name, "--first-run-of", name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def first_run(case: Race, name: str) -> float:
    """What `cold_seconds` asks its process for."""
    contestant = case.make({name}).contestants[name]
    return clock(contestant.run)[1] / contestant.share


def table(case: Race, results: dict[str, Times], cold: dict[str, float]) -> str:
    """Rows of text: median seconds, ratio of ours to each, and the errors of the answers."""
    own = results[OURS]
    head = f"{'':24s}{'wall s':>10s}{'cpu s':>10s}{'ours/wall':>11s}{'ours/cpu':>10s}{'error':>10s}"
    lines = [f"## {case.name}: {case.demand}", head + (f"{'cold s':>10s}" if cold else "")]
    for name, times in results.items():
        wall, cpu = (_ratio(getattr(own, k), getattr(times, k)) for k in ("wall", "cpu"))
        line = f"{name:24s}{median(times.wall):10.4f}{median(times.cpu):10.4f}"
        line += f"{wall:11.3f}{cpu:10.3f}{times.error:10.1e}"
        lines.append(line + (f"{cold[name]:10.2f}" if name in cold else ""))
    return "\n".join(lines)


def _ratio(ours: list[float], theirs: list[float]) -> float:
    """Median over rounds of the ratio within a round."""
    return median(a / b for a, b in zip(ours, theirs, strict=True))


def machine(versions: dict[str, str]) -> str:
    """Where the figures come from."""
    import os

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    shown = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"{platform.machine()}, {cores} cores, Python {platform.python_version()}, {shown}"
