"""Shared by all tests: fixed seeds, no windows, no deadlines on compiled code."""

import importlib.metadata
import os
import re
from pathlib import Path

import hypothesis
import numpy as np
import pytest

os.environ.setdefault("MPLBACKEND", "Agg")
# Nearly all the time of the tests is compilation, the most of it optimisation of programs that run
# once. `XLA_FLAGS= python -m pytest` tests what users run.
QUICK = ["--xla_backend_optimization_level=0"]
if importlib.metadata.version("jaxlib").startswith("0.10."):  # later versions have no such flag
    QUICK.append("--xla_cpu_use_fusion_emitters=false")
os.environ.setdefault("XLA_FLAGS", " ".join(QUICK))
hypothesis.settings.register_profile("bayesglm", deadline=None, derandomize=True)
hypothesis.settings.load_profile("bayesglm")


# These are the longest of tests that say the same of
# several families, priors or solvers: they run with `-m slow`, their siblings by default.
LONG = (
    r"test_density_and_gradient_of_every_family\[(?!Poisson|Gaussian\])",
    r"test_density_and_gradient_under_every_prior\[(?!ridge|lasso|Student-t\])",
    r"test_fit_is_the_mode_under_a_ridge\[(?!Poisson|Gaussian\])",
    r"test_fit_is_the_mode_of_gamma\[(?!ridge|lasso\])",
    r"test_negative_binomial_with_its_dispersion",
    r"test_check_estimator\[Gaussian-ridge\]",
    r"test_two_processes_give_the_scores_of_one",
    r"test_streamed_rows_give_the_same_fit\[(?!plain)",
    r"test_smooth_solvers_reach_newtons_optimum\[",
    r"test_proximal_solvers_reach_the_same_zeros\[",
    r"test_simulation.py.*\[(NegativeBinomial|Gamma)\]",
    r"test_families_that_numpyro_lacks_have_a_distribution_all_the_same",
    r"test_other_vector_priors_are_smooth_and_have_no_prox",
    r"test_update_iterated_is_fit\[LBFGS\]",
    r"test_peers.py.*(probit|cloglog)",
    r"test_a_few_data\[(?!Poisson|Gaussian)",
    r"test_penalised_population\[(?!Poisson ridge)",
    r"test_population_coefficients\[(?!Poisson-log|Gaussian-identity)",
    r"test_penalised_classifier\[(?!ridge-False)",
    r"test_densities_are_those_of_single_data_sets",
    r"test_blocks_do_not_change_the_shape",
    r"test_golden.py.*(logit_breastcancer|grouplasso|enet)",
)


MAPS = Path("/proc/self/maps")
MOST_MAPS = 40_000  # Linux allows a process 65,530 pieces of memory; some 4,000 programs take them


@pytest.fixture(autouse=True, scope="module")
def room_for_programs():
    """Free compiled programs in time: out of memory maps, the compiler crashes."""
    yield
    if MAPS.exists() and MAPS.read_bytes().count(b"\n") > MOST_MAPS:
        import jax

        jax.clear_caches()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark long tests as slow before slow tests are left out."""
    pattern = re.compile("|".join(LONG))
    for item in items:
        if pattern.search(item.nodeid):
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def rng():
    """A fresh NumPy generator with a fixed seed."""
    return np.random.default_rng(2024)


@pytest.fixture
def key():
    """A JAX key with a fixed seed."""
    import jax

    return jax.random.key(2024)
