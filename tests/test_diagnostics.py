"""Diagnostics of draws: the numbers against ArviZ and closed forms, the words against faults."""

import time

import arviz_stats
import numpy as np
import pytest
from arviz_stats.base import array_stats

from bayesglm import ConvergenceWarning, SamplingWarning
from bayesglm.diagnostics import (
    convergence,
    diagnose,
    e_bfmi,
    ess_bulk,
    ess_tail,
    mcse_mean,
    mcse_sd,
    rhat,
    warn_of,
)

# The same sums in another order; the transforms of both have other lengths. Measured: 1e-14.
ROUNDING = 1e-8
FEATURES = {"feature": ["dose", "age", "sex"]}


def autoregressive(rng, shape, correlation):
    noise = rng.normal(size=shape)
    draws = noise.copy()
    for i in range(1, shape[1]):
        draws[:, i] = correlation * draws[:, i - 1] + np.sqrt(1 - correlation**2) * noise[:, i]
    return draws


def apart(rng, shape):
    return rng.normal(size=shape) + np.arange(shape[0])[:, None, None]


KINDS = {
    "independent": lambda rng, shape: rng.normal(size=shape),
    "autocorrelated": lambda rng, shape: autoregressive(rng, shape, 0.9),
    "hardly moving": lambda rng, shape: autoregressive(rng, shape, 0.999),
    "antithetic": lambda rng, shape: autoregressive(rng, shape, -0.8),
    "heavy tails": lambda rng, shape: rng.standard_cauchy(size=shape),
    "chains apart": apart,
    "chains stuck apart": lambda rng, shape: np.round(apart(rng, shape)[:, :1]) + np.zeros(shape),
    "rejections": lambda rng, shape: np.repeat(rng.normal(size=shape), 3, axis=1)[:, : shape[1]],
    "whole numbers": lambda rng, shape: rng.integers(0, 3, size=shape),
    "two values": lambda rng, shape: rng.integers(0, 2, size=shape),
    "constant": lambda rng, shape: np.full(shape, 0.5),
}


def arviz(draws):
    """What ArviZ says, its Monte Carlo error of the standard deviation as in version 1."""
    draws = np.moveaxis(np.asarray(draws, float), (0, 1), (-2, -1))
    square = (draws - draws.mean(axis=(-2, -1), keepdims=True)) ** 2
    variance = square.mean(axis=(-2, -1))
    fourth = (square**2).mean(axis=(-2, -1))
    ess_of_square = array_stats.ess(draws, method="sd")
    return {
        "r_hat": array_stats.rhat(draws),
        "ess_bulk": array_stats.ess(draws),
        "ess_tail": array_stats.ess(draws, method="tail", prob=(0.05, 0.95)),
        "mcse_mean": array_stats.mcse(draws),
        "mcse_sd": np.sqrt((fourth - variance**2) / ess_of_square / variance / 4),
    }


@pytest.mark.parametrize("chains", [1, 2, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_those_of_arviz(kind, chains):
    rng = np.random.default_rng(0)
    for count in (4, 5, 9, 50, 101):
        draws = KINDS[kind](rng, (chains, count, 2))
        with np.errstate(all="ignore"):
            expected = arviz(draws)
        for measure, value in convergence.all_of(draws).items():
            message = f"{measure} of {count} draws"
            np.testing.assert_allclose(value, expected[measure], ROUNDING, err_msg=message)


@pytest.mark.skipif(arviz_stats.__version__ < "1", reason="ArviZ 0 has another definition")
def test_error_of_the_standard_deviation_is_that_of_arviz_1():
    draws = KINDS["autocorrelated"](np.random.default_rng(0), (4, 101, 2))
    expected = array_stats.mcse(np.moveaxis(draws, 2, 0), method="sd")
    np.testing.assert_allclose(mcse_sd(draws), expected, ROUNDING)


@pytest.mark.parametrize("correlation", [-0.5, 0.0, 0.5, 0.9])
def test_autoregressive_draws_have_their_known_effective_size(correlation):
    draws = autoregressive(np.random.default_rng(1), (4, 2000, 30), correlation)
    known = 8000 * (1 - correlation) / (1 + correlation)
    # An estimate is off by some 5 %, the mean of thirty by 1 %; the bulk size, that of ranks, has
    # slightly smaller correlations. The error of the mean uses the draws themselves.
    assert np.mean(ess_bulk(draws)) == pytest.approx(known, rel=0.1)
    assert np.mean(mcse_mean(draws)) == pytest.approx(known**-0.5, rel=0.05)
    # The correlation of squares is the square of the correlation.
    squares = 8000 * (1 - correlation**2) / (1 + correlation**2)
    assert np.mean(mcse_sd(draws)) == pytest.approx((2 * squares) ** -0.5, rel=0.05)


def test_errors_scale_with_the_unit_of_measurement():
    draws = np.random.default_rng(2).normal(size=(4, 100))
    for measure in (mcse_mean, mcse_sd):
        np.testing.assert_allclose(measure(1e-20 * draws), 1e-20 * measure(draws), 1e-10)


@pytest.mark.parametrize("measure", [rhat, ess_bulk, ess_tail, mcse_mean, mcse_sd])
def test_shapes_blocks_and_missing_draws(measure, monkeypatch):
    draws = np.random.default_rng(3).normal(size=(4, 50, 3, 2))
    whole = measure(draws)
    assert whole.shape == (3, 2)
    assert measure(draws[..., 0, 0]).shape == ()
    assert measure(draws[..., :0]).shape == (3, 0)
    assert np.isnan(measure(draws[:, :3])).all()
    monkeypatch.setattr(convergence, "BLOCK_BYTES", 2 * 8 * 4 * 50)  # two parameters at a time
    draws[1, 7, 2, 0] = np.nan
    again = measure(draws)
    assert np.isnan(again[2, 0])
    again[2, 0] = whole[2, 0]
    # A sum over a block may go in another order.
    np.testing.assert_allclose(again, whole, 1e-12)


def test_draws_need_two_axes():
    with pytest.raises(ValueError, match=r"\(chain, draw, \.\.\.\); got shape \(5,\)"):
        rhat(np.zeros(5))


def test_e_bfmi():
    rng = np.random.default_rng(4)
    energy = autoregressive(rng, (3, 100, 2), 0.7)
    expected = array_stats.bfmi(np.moveaxis(energy, 2, 0)).T
    np.testing.assert_allclose(e_bfmi(energy), expected, 1e-12)
    assert np.isnan(e_bfmi(energy[:, :1])).all()


@pytest.mark.slow
def test_many_parameters_are_fast():
    draws = np.random.default_rng(5).normal(size=(4, 1000, 500))
    start = time.perf_counter()
    convergence.all_of(draws)
    ours = time.perf_counter() - start
    start = time.perf_counter()
    with np.errstate(all="ignore"):
        arviz(draws[..., :25])
    # Measured on two busy cores: 6 times as fast.
    assert ours < 20 * (time.perf_counter() - start) / 3


def good(responses=(), count=500, chains=4):
    """Draws and statistics without fault."""
    rng = np.random.default_rng(6)
    draws = {
        "coef": rng.normal(size=(chains, count, 3, *responses)),
        "intercept": rng.normal(size=(chains, count, *responses)),
    }
    stats = {
        "lp": rng.normal(size=(chains, count, *responses)),
        "energy": rng.normal(size=(chains, count, *responses)),
        "diverging": np.zeros((chains, count, *responses), bool),
        "tree_depth": np.full((chains, count, *responses), 2),
    }
    return draws, stats


def shift_a_chain(draws, stats):
    draws["coef"][2, :, 1] += 2.0


def repeat_draws(draws, stats):
    draws["intercept"][:] = np.repeat(draws["intercept"][:, :10], 50, axis=1)


def visit_the_tails_rarely(draws, stats):
    draws["intercept"][:, 200:300] *= 5.0  # the middle is crossed at every draw


def diverge(draws, stats):
    stats["diverging"][2, :9] = stats["diverging"][0, 3] = True


def go_deep(draws, stats):
    stats["tree_depth"][1, :20] = 10


def walk_in_energy(draws, stats):
    stats["energy"][3] = np.cumsum(stats["energy"][3], axis=0)


def overflow(draws, stats):
    draws["coef"][0, 0, 2] = np.inf


FAULTS = {
    "R-hat": (shift_a_chain, "R-hat above 1.01: coef[age] 1.", "(1 of 4 parameters)"),
    "bulk": (repeat_draws, "Bulk ESS below 400 (100 per chain): intercept ", "`num_samples`"),
    "tail": (
        visit_the_tails_rarely,
        "Tail ESS below 400 (100 per chain): intercept ",
        "`num_samples`",
    ),
    "divergences": (
        diverge,
        "10 of 2,000 transitions diverged (0.5 %): chain 2: 9 (1.8 %), chain 0: 1 (0.2 %)",
        "`target_accept`",
    ),
    "depth": (go_deep, "largest tree depth (10): chain 1: 4 %.", "`max_tree_depth`"),
    "energy": (walk_in_energy, "E-BFMI below 0.3: chain 3: 0.0", "`num_warmup`"),
    "overflow": (overflow, "Draws that are not finite: coef[sex]", "prior"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_named(fault):
    spoil, what, advice = FAULTS[fault]
    draws, stats = good()
    spoil(draws, stats)
    found = diagnose(draws, stats, names=FEATURES)
    (text,) = [text for text in found.problems if what in text]
    assert advice in text
    assert str(found).startswith(f"Sampling diagnostics: {len(found.problems)} problem")
    with pytest.warns(SamplingWarning) as caught:
        warn_of(found)
    (warning,) = caught
    assert all(text in str(warning.message) for text in found.problems)
    assert warning.filename == __file__
    assert issubclass(SamplingWarning, ConvergenceWarning)


def test_good_draws_have_no_problems():
    found = diagnose(*good(), names=FEATURES, pareto_k=0.3)
    assert found.problems == found.notes == []
    first, second = str(found).splitlines()
    assert first == "Sampling diagnostics: no problems."
    assert second.startswith("4 chains of 500 draws, 4 parameters; largest R-hat 1.0")
    assert second.endswith("0 divergences.")
    warn_of(found)  # a warning would be an error


def test_interruption_and_importance_weights():
    draws, _ = good((2,))
    found = diagnose(draws, complete=False, pareto_k=[0.5, 0.94], names={"response": ["a", "b"]})
    interrupted, weights = found.problems
    assert "interrupted after 500 draws" in interrupted
    assert "k above 0.7 in 1 of 2 responses: response b: 0.94. " in weights
    (alone,) = diagnose(good()[0], pareto_k=0.8).problems
    assert "k above 0.7: 0.80. " in alone


@pytest.mark.parametrize(
    "stats",
    [
        {"reached_max_tree_depth": np.arange(100) < 2},
        {"tree_depth": np.where(np.arange(100) < 2, 5, 3)},
        {"n_steps": np.where(np.arange(100) < 2, 31, 30)},
    ],
    ids=lambda stats: next(iter(stats)),
)
def test_largest_tree_depth_by_any_statistic(stats):
    stats = {name: np.tile(value, (4, 1)) for name, value in stats.items()}
    found = diagnose(good(count=100)[0], stats, max_tree_depth=5)
    np.testing.assert_allclose(found.max_depth_share, 0.02)
    assert "largest tree depth (5)" in " ".join(found.problems)


def test_few_draws_and_single_chains_are_noted_without_a_warning():
    draws, stats = good(chains=1)
    found = diagnose(draws, stats)
    assert found.problems == []
    assert ["One chain" in note for note in found.notes] == [True]
    warn_of(found)
    assert np.isnan(found.r_hat["coef"]).all()
    assert diagnose(draws, {"lp": stats["lp"]}).notes == []  # independent draws need no chains
    draws, stats = good(count=50)
    assert "Fewer than 100 draws" in " ".join(diagnose(draws, stats).notes)


def test_constant_draws_are_no_failure():
    draws, stats = good()
    draws["coef"][..., 1] = 0.3
    draws["coef"][..., 2] = np.nan  # such as those of a response without data
    draws["intercept"] *= 0.0
    found = diagnose(draws, stats, names=FEATURES, held={"intercept": True})
    assert found.problems == []
    assert found.notes == ["Constant, all draws being equal: coef[age]."]
    assert found.num_parameters == 1
    everything = diagnose(draws, stats, held={"intercept": True, "coef": [False, True, True]})
    assert everything.notes == []


def test_a_population_is_described_briefly():
    K = 40
    draws, stats = good((K,), count=100)
    draws["coef"][1] += 1.0
    stats["diverging"][3, :7] = True
    names = FEATURES | {"response": [f"n{k}" for k in range(K)]}
    found = diagnose(draws, stats, names=names)
    assert found.e_bfmi.shape == found.divergences.shape == (4, K)
    assert " of 160 parameters, in 40 of 40 responses)" in found.problems[0]
    assert "in 40 of 40 responses: response n0: 7, " in " ".join(found.problems)
    assert len(str(found)) < 2000
    table = found.table()
    assert table.shape == (160, 5)
    assert table.loc["coef[age, n7]", "r_hat"] == found.r_hat["coef"][1, 7]
    assert table.loc["intercept[n39]", "mcse_sd"] == found.mcse_sd["intercept"][39]


def test_names_by_class_and_by_dimension():
    draws = np.random.default_rng(7).normal(size=(4, 10, 2, 3))
    names = {"feature": ["<x>", "y"], "class": ["a", "b", "c"]}
    found = diagnose(
        {"coef": draws, "weight": draws, "tau": draws}, names=names, dims={"tau": ["class"]}
    )
    assert {"coef[<x>, a]", "weight[0, 0]", "tau[0, 2]"} <= set(found.table().index)
    assert "&lt;x&gt;" in found._repr_html_()


@pytest.mark.parametrize(
    ("draws", "stats", "message"),
    [
        ({}, {}, "at least one array"),
        ({"coef": np.zeros(3)}, {}, r"\(chain, draw\); got \{'coef': \(3,\)\}"),
        ({"coef": np.zeros((2, 5))}, {"lp": np.zeros((5, 2))}, r"'lp': \(5, 2\)"),
    ],
)
def test_shapes_that_do_not_agree(draws, stats, message):
    with pytest.raises(ValueError, match=message):
        diagnose(draws, stats)
