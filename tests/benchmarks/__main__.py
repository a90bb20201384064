"""Command line of the benchmarks."""

from __future__ import annotations

import argparse
import os
import sys
import warnings

ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def arguments(argv):
    """What to run."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="CASE", help="names of cases; default all")
    parser.add_argument("--peers", nargs="*", help="packages to compare with; default all found")
    parser.add_argument("--rounds", type=int, help="timed runs of each contestant")
    parser.add_argument("--cold", action="store_true", help="time a new process's first run too")
    parser.add_argument(
        "--one-core", action="store_true", help="one core, one thread: CPU times can be compared"
    )
    parser.add_argument("--first-run-of", metavar="CONTESTANT", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def main(argv=None):
    """Run cases and print their tables."""
    options = arguments(argv)
    if options.one_core:
        os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    from . import fits, harness, peers, sampling, shrinkage

    warnings.simplefilter("ignore")
    cases = {case.name: case for case in fits.CASES + sampling.CASES + shrinkage.CASES}
    chosen = [cases[name] for name in options.only or cases]
    if options.first_run_of:
        print(harness.first_run(chosen[0], options.first_run_of))
        return
    versions = harness.installed(peers.PACKAGES)
    present = set(versions if options.peers is None else options.peers) | {harness.OURS}
    print(harness.machine(versions), flush=True)
    for case in chosen:
        if isinstance(case, harness.Figure):
            print(f"\n## {case.name}: {case.demand}", *case.measure(), sep="\n", flush=True)
            continue
        results = harness.race(case, present, options.rounds)
        cold = {name: harness.cold_seconds(case, name) for name in results if options.cold}
        print("\n" + harness.table(case, results, cold), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
