"""Speed and memory against other packages: ``python -m tests.benchmarks``. Asserts no time."""
