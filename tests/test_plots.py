"""Pictures show the numbers of the tables, under the user's names, and nothing is cut off.

Models have draws made here, so that what a picture must show is known.
"""

import ast
import copy
import inspect
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from scipy import stats
from scipy.special import expit, softmax

import bayesglm.plots
from bayesglm import (
    GLM,
    ClassifierGLM,
    ClassifierPopulationGLM,
    PopulationGLM,
    diagnostics,
    posterior,
)
from bayesglm._plots import Plots
from bayesglm.exceptions import NotFittedError
from bayesglm.plots import rank, uniformity
from bayesglm.plots.curves import binned_means
from bayesglm.plots.figure import COLORS, label

N, CHAINS, DRAWS = 120, 4, 100
NAMES = [
    "age of the respondent in completed years at the interview",
    "lives with a partner",
    "income_$ ($ thousands)",
    "_distance_to_the_nearest_hospital_in_kilometres",
]


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def design():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(N, 4))
    X[:, 1] = rng.random(N) < 0.4
    return pd.DataFrame(X, columns=NAMES)


X = design()
ETA = 0.6 + X.to_numpy() @ [0.3, -0.4, 0.0, 0.2]
COUNTS = np.random.default_rng(2).poisson(np.exp(ETA))


def with_draws(model, X, y, coef, intercept, spread=0.1, scale=None, **stats):
    """Give a model draws around some parameters, as `sample` would keep them."""
    rng = np.random.default_rng(3)
    around = lambda a: np.asarray(a) + spread * rng.normal(size=(CHAINS, DRAWS, *np.shape(a)))
    if isinstance(model, ClassifierGLM):
        model.set_classes(y)
    if model._coef is None:
        model.coef_, model.intercept_ = coef, np.atleast_1d(intercept)
    data = model._read(X, y, None, None, reset=True)
    model._labels = data.design.labels
    named = {"coef": around(coef), "intercept": around(intercept)}
    if scale is not None:
        named["scale"] = np.full((CHAINS, DRAWS, *np.shape(scale)), scale)
    labels = model._dimension_labels() | {"obs_id": np.arange(len(data.y))}
    groups = {"posterior": named, "sample_stats": stats, **model._data_groups(data)}
    model.posterior_ = posterior.to_datatree(groups, labels, {"seed": 0})
    model.diagnostics_ = diagnostics.diagnose(named)
    return model


@pytest.fixture(scope="module")
def fitted():
    """Counts, fitted."""
    return GLM("Poisson", regularizer="Ridge", regularizer_strength=0.01).fit(X, COUNTS)


@pytest.fixture(scope="module")
def sampled(fitted):
    """The same, with draws."""
    coef, intercept = np.asarray(fitted.coef_, float), float(fitted.intercept_[0])
    return with_draws(copy.copy(fitted), X, COUNTS, coef, intercept, spread=0.05)


RESPONSES = ["left $a$", "_middle", "right"]
MASK = np.ones((4, 3))
MASK[2, 1] = 0
TRUE = np.random.default_rng(4).normal(0, 0.4, (4, 3)) * MASK


def many_counts():
    """Counts of three responses; forty of the last are missing."""
    mean = np.exp(X.to_numpy() @ TRUE + [0.5, 0.0, 1.0])
    Y = np.random.default_rng(5).poisson(mean).astype(float)
    Y[:40, 2] = np.nan
    return pd.DataFrame(Y, columns=RESPONSES)


@pytest.fixture(scope="module")
def population():
    """Three responses, one without a feature, one with missing cells."""
    model = PopulationGLM("Poisson", feature_mask=MASK)
    with pytest.warns(Warning, match="40 entries of y are NaN"):
        with_draws(model, X, many_counts(), TRUE, np.array([0.5, 0.0, 1.0]))
    model.posterior_["posterior"]["coef"].values[:, :, 2, 1] = 0.0  # as a sampler leaves it
    return model


CLASSES = np.array(["bus or tram", "car", "walks"])
CLASS_COEF = np.random.default_rng(6).normal(0, 0.5, (4, 3))


@pytest.fixture(scope="module")
def classifier():
    utility = X.to_numpy() @ CLASS_COEF + np.random.default_rng(7).gumbel(size=(N, 3))
    y = CLASSES[utility.argmax(axis=1)]
    return with_draws(ClassifierGLM(n_classes=3), X, y, CLASS_COEF, np.zeros(3)), y


@pytest.fixture(scope="module")
def measured():
    """Measurements, with draws around the truth and a known scale."""
    y = ETA + 0.5 * np.random.default_rng(8).normal(size=N)
    coef = np.array([0.3, -0.4, 0.0, 0.2])
    return with_draws(GLM("Gaussian"), X, y, coef, 0.6, spread=0.02, scale=0.25), y


@pytest.fixture(scope="module")
def binary():
    y = (np.random.default_rng(9).random(N) < expit(ETA)).astype(float)
    return with_draws(GLM("Bernoulli"), X, y, np.array([0.3, -0.4, 0.0, 0.2]), 0.6), y


def drawn(ax, gid):
    """Points (m, 2) of lines, or segments (m, 2, 2), that have an identifier, in drawing order."""
    lines = [line.get_xydata() for line in ax.lines if line.get_gid() == gid]
    segments = [c.get_segments() for c in ax.collections if c.get_gid() == gid]
    return lines or [np.array(part) for part in segments]


def texts(labels):
    """Names as a picture shows them, in one line and without the mark of a literal dollar."""
    return [text.get_text().replace("\n", " ").replace("\\$", "$") for text in labels]


def joined(names):
    """The same of names that are wrapped."""
    return [label(name).replace("\n", " ").replace("\\$", "$") for name in names]


# Coefficients


def test_coefficients_are_those_of_the_tables(sampled):
    ax = sampled.plot.coefficients(0.9, intercept=True)
    terms = [*NAMES, "intercept"]
    assert texts(ax.get_yticklabels()) == joined(terms)
    wald, outer = sampled.confidence_interval(0.9), sampled.credible_interval(0.9)
    for gid, table in (("wald", wald), ("outer", outer), ("inner", sampled.credible_interval(0.5))):
        (segments,) = drawn(ax, gid)
        np.testing.assert_array_equal(segments[:, :, 0], table.loc[terms, ["lower", "upper"]])
    (mean,), (mode,) = drawn(ax, "mean"), drawn(ax, "mode")
    np.testing.assert_array_equal(mean[:, 0], outer["mean"])
    np.testing.assert_array_equal(mode[:, 0], wald["estimate"])
    assert (np.round(mean[:, 1]) == np.arange(5)).all()  # in the row of their name
    assert (np.round(mode[:, 1]) == np.arange(5)).all()


def test_coefficients_show_what_exists(fitted, sampled):
    ax = fitted.plot.coefficients()
    assert len(drawn(ax, "mode")[0]) == 4
    assert np.isnan(drawn(ax, "mean")[0][:, 0]).all()
    assert texts(ax.figure.legends[0].get_texts()) == ["mode, 95% Wald interval"]
    names = sampled.plot.coefficients().figure.legends[0].get_texts()
    assert texts(names)[0] == "posterior mean, 50% and 95% interval"


def test_coefficients_of_a_prior_without_a_mode_show_the_posterior_alone(measured):
    model, _ = measured
    tree = model.posterior_
    twin = GLM("Gaussian")
    with_draws(twin, X, ETA, np.ones(4), 0.0, scale=1.0)
    twin.posterior_["posterior"]["local_scale"] = tree["posterior"]["coef"] ** 2
    assert np.isnan(drawn(twin.plot.coefficients(), "mode")[0][:, 0]).all()


def test_coefficients_are_sorted_and_chosen_by_name(sampled):
    ax = sampled.plot.coefficients(sort=True)
    means = drawn(ax, "mean")[0][:, 0]
    assert (np.diff(means) < 0).all()
    ax = sampled.plot.coefficients(terms=[NAMES[2], "intercept"], intercept=True)
    assert texts(ax.get_yticklabels()) == joined([NAMES[2], "intercept"])
    with pytest.raises(ValueError, match=r"`terms` must name some of .*; got \['dose'\]"):
        sampled.plot.coefficients(terms="dose")


def test_coefficients_that_have_no_room_are_the_smallest(sampled):
    ax = sampled.plot.coefficients(max_terms=2)
    table = sampled.credible_interval().drop("intercept")
    size = table["mean"].abs() / (table["upper"] - table["lower"])
    expected = [name for name in NAMES if name in size.nlargest(2).index]
    assert texts(ax.get_yticklabels()) == joined(expected)
    assert "2 of 4 terms" in ax.get_title(loc="left")


def test_coefficients_of_a_small_population_are_told_apart_by_colour(population):
    ax = population.plot.coefficients()
    table = population.credible_interval()
    for k, name in enumerate(RESPONSES):
        means = drawn(ax, "mean")[k]
        expected = table.xs(name, level="response")["mean"][NAMES].to_numpy(copy=True)
        expected[MASK[:, k] == 0] = np.nan
        np.testing.assert_array_equal(means[:, 0], expected)
    shades = [line.get_color() for line in ax.lines if line.get_gid() == "mean"]
    assert shades == list(COLORS[:3])
    assert texts(ax.get_legend().get_texts()) == RESPONSES
    held = np.concatenate(drawn(ax, "held"))
    assert held.shape == (1, 2)
    assert round(held[0, 1]) == 2


def test_coefficients_of_a_classifier_are_told_apart_by_colour(classifier):
    ax = classifier[0].plot.coefficients()
    assert texts(ax.get_legend().get_texts()) == list(CLASSES)
    np.testing.assert_allclose(drawn(ax, "mean")[2][:, 0], CLASS_COEF[:, 2], atol=0.03)


def test_class_populations_have_a_panel_each(classifier):
    y = np.stack([classifier[1], classifier[1][::-1]], axis=1)
    Y = pd.DataFrame(y, columns=["to work", "back"])
    model = ClassifierPopulationGLM(n_classes=3)
    with_draws(model, X, Y, np.stack([CLASS_COEF] * 2, axis=1), np.zeros((2, 3)))
    axes = model.plot.coefficients()
    assert [ax.get_title(loc="left") for ax in axes] == ["to work", "back"]
    np.testing.assert_allclose(drawn(axes[1], "mean")[0][:, 0], CLASS_COEF[:, 0], atol=0.03)
    assert model.plot.coefficients(responses="back").get_title(loc="left") == "back"
    with pytest.raises(ValueError, match="`ax` is one axes, and 2 responses"):
        model.plot.coefficients(ax=plt.figure().add_subplot())
    axes = model.plot.population()
    assert [ax.get_title() for ax in axes[:3]] == list(CLASSES)


def test_two_hundred_coefficients_have_a_line_each_that_can_be_read():
    wide = np.random.default_rng(0).normal(size=(30, 200))
    model = GLM("Gaussian")
    with_draws(model, wide, wide[:, 0], np.zeros(200), 0.0, scale=1.0)
    ax = model.plot.coefficients()
    assert len(drawn(ax, "mean")[0]) == len(ax.get_yticklabels()) == 200
    ax.figure.draw_without_rendering()
    rows = ax.get_window_extent().height / ax.figure.dpi * 72 / 200  # in points
    assert rows > ax.get_yticklabels()[0].get_fontsize() * 1.1


def test_one_coefficient_fills_one_row():
    model = GLM("Gaussian")
    with_draws(model, X.to_numpy()[:, :1], ETA, np.ones(1), 0.0, scale=1.0)
    ax = model.plot.coefficients()
    assert texts(ax.get_yticklabels()) == ["x0"]
    assert ax.figure.get_figheight() < 2


def test_too_many_responses_for_colours_are_refused_with_a_remedy():
    Y = np.random.default_rng(0).poisson(1.0, (N, 8)).astype(float)
    model = PopulationGLM("Poisson")
    with_draws(model, X, Y, np.zeros((4, 8)), np.zeros(8))
    with pytest.raises(ValueError, match=r"8 responses .* `plot.population\(\)`"):
        model.plot.coefficients()
    assert len(drawn(model.plot.coefficients(responses=[7, 2]), "mean")) == 2


# Traces and ranks


def test_trace_has_a_line_per_chain_with_its_draws(sampled):
    axes = sampled.plot.trace()
    draws = sampled.posterior_["posterior"]
    assert axes.shape == (5, 2)
    titles = [ax.get_title(loc="left") for ax in axes[:, 0]]
    assert titles == [label(name, 44) for name in [f"coef[{name}]" for name in NAMES]] + [
        "intercept"
    ]
    for chain, line in enumerate(axes[0, 1].lines):
        np.testing.assert_array_equal(line.get_ydata(), draws["coef"][chain, :, 0])
    assert len(axes[0, 0].lines) == len(axes[0, 1].lines) == CHAINS
    for line in axes[0, 0].lines:  # densities, of which the picture leaves out no more than 1 %
        assert np.trapezoid(line.get_ydata(), line.get_xdata()) == pytest.approx(1, abs=0.02)


def test_trace_takes_the_worst_parameters_and_says_so():
    model = GLM("Gaussian")
    with_draws(model, X, ETA, np.zeros(4), 0.0, scale=1.0)
    coef = model.posterior_["posterior"]["coef"].values
    coef[0, :, 2] += 1.0
    coef[0, :, 1] += 0.1
    coef[:, :, 3] = 0.5  # held: nothing to see
    model.diagnostics_ = diagnostics.diagnose(model.posterior_["posterior"].data_vars)
    axes = model.plot.trace(max_parameters=2)
    assert [ax.get_title(loc="left") for ax in axes[:, 0]] == [
        label(f"coef[{NAMES[2]}]", 44),
        label(f"coef[{NAMES[1]}]", 44),
    ]
    headline = axes[0, 0].figure.get_suptitle()
    assert "2 of 4 parameters, worst R-hat first; 2 left out" in headline
    assert float(axes[0, 1].get_title(loc="right")[6:11]) > 1.5


def test_trace_marks_divergences():
    diverging = np.zeros((CHAINS, DRAWS), bool)
    diverging[1, [3, 50]] = True
    model = GLM("Gaussian")
    with_draws(model, X, ETA, np.zeros(4), 0.0, scale=1.0, diverging=diverging)
    axes = model.plot.trace("intercept")
    intercept = model.posterior_["posterior"]["intercept"].values
    (ticks,), (at,) = drawn(axes[0, 1], "divergences"), drawn(axes[0, 0], "divergences")
    assert ticks[:, 0].tolist() == [3, 50]
    np.testing.assert_array_equal(np.sort(at[:, 0]), np.sort(intercept[diverging]))
    assert "2 divergent transitions" in axes[0, 0].figure.get_suptitle()


def test_trace_marks_the_divergences_of_the_parameters_own_response(population):
    diverging = np.zeros((CHAINS, DRAWS, 3), bool)
    diverging[0, 7, 2] = True
    model = PopulationGLM("Poisson")
    Y = many_counts().fillna(1.0)
    with_draws(model, X, Y, TRUE, np.zeros(3), diverging=diverging)
    axes = model.plot.trace([f"intercept[{name}]" for name in RESPONSES])
    assert [len(drawn(ax, "divergences")) for ax in axes[:, 1]] == [0, 0, 1]


def test_parameters_are_chosen_by_name(sampled):
    assert len(sampled.plot.trace("coef")) == 4
    assert len(sampled.plot.rank(["intercept", f"coef[{NAMES[0]}]"])) == 2
    with pytest.raises(ValueError, match=r"`parameters` must name some of .* got \['slope'\]"):
        sampled.plot.trace("slope")
    with pytest.raises(ValueError, match="names 4 parameters, and `max_parameters` is 3"):
        sampled.plot.trace("coef", max_parameters=3)


def test_rank_curves_are_those_of_ranks_among_all_chains():
    model = GLM("Gaussian")
    with_draws(model, X, ETA, np.zeros(4), 0.0, scale=1.0)
    (ax,) = model.plot.rank("intercept")
    draws = model.posterior_["posterior"]["intercept"].values
    ranks = stats.rankdata(draws).reshape(draws.shape)
    curves = [line for line in ax.lines if len(line.get_xdata()) > 2]
    assert len(curves) == CHAINS
    for own, line in zip(ranks, curves, strict=True):
        at = line.get_xdata()
        share = [(own <= u * draws.size + 1e-9).mean() for u in at]
        np.testing.assert_allclose(line.get_ydata(), np.array(share) - at, atol=1e-12)


def is_within(ax, number):
    """Whether all of that many curves are within the band."""
    (band,) = (c for c in ax.collections if c.get_gid() == "band")
    vertices = band.get_paths()[0].vertices
    half = lambda at: np.max(vertices[np.isclose(vertices[:, 0], at), 1])
    lines = [line.get_xydata() for line in ax.lines if len(line.get_xdata()) > 2]
    assert len(lines) == number
    return all(abs(y) <= half(at) + 1e-12 for line in lines for at, y in line)


def test_rank_tells_chains_that_disagree():
    model = GLM("Gaussian")
    with_draws(model, X, ETA, np.zeros(4), 0.0, scale=1.0)
    coef = model.posterior_["posterior"]["coef"].values
    coef[2, :, 0] += 0.1  # a standard deviation
    apart, agree = model.plot.rank([f"coef[{NAMES[0]}]", f"coef[{NAMES[1]}]"])
    assert is_within(agree, CHAINS)
    assert not is_within(apart, CHAINS)


def test_ranks_are_of_about_as_many_draws_as_are_independent(rng):
    noise = rng.normal(size=(4, 4000))
    walk = np.zeros_like(noise)
    for i in range(1, 4000):  # correlation 0.8 of neighbours: nine draws count as one
        walk[:, i] = 0.8 * walk[:, i - 1] + noise[:, i]
    kept = rank.thinned(walk).shape[1]
    assert 4000 / 12 < kept < 4000 / 6
    apart = walk + 10.0 * np.arange(4)[:, None]
    assert rank.thinned(apart).shape[1] == pytest.approx(kept, rel=0.2)
    assert rank.thinned(noise).shape == noise.shape


def test_rank_refuses_a_single_chain():
    model = GLM("Gaussian")
    with_draws(model, X, ETA, np.zeros(4), 0.0, scale=1.0)
    model.posterior_ = model.posterior_.isel(chain=[0])
    with pytest.raises(ValueError, match="compare chains"):
        model.plot.rank()


# 4,000 curves and a quantile of 2,000: both together have a standard error of 0.006.
COVERAGE = {"expected": 0.95, "abs": 4 * 0.006}


@pytest.mark.parametrize("size", [20, 150])
def test_band_holds_uniform_curves_as_often_as_it_says(size, rng):
    points = uniformity.grid(size)
    band = uniformity.band(size, points)
    inside = [
        (np.abs(uniformity.differences(rng.random(size), points)) <= band + 1e-12).all()
        for _ in range(4000)
    ]
    assert np.mean(inside) == pytest.approx(**COVERAGE)


def test_band_of_ranks_holds_all_chains_as_often_as_it_says(rng):
    points = uniformity.grid(30, 120)
    band = uniformity.band_of_ranks(4, 30, points)
    ranks = np.arange(1, 121) / 120
    inside = []
    for _ in range(4000):
        chains = rng.permutation(ranks).reshape(4, 30)
        curves = np.array([uniformity.differences(chain, points) for chain in chains])
        inside.append((np.abs(curves) <= band + 1e-12).all())
    assert np.mean(inside) == pytest.approx(**COVERAGE)


# Populations


def test_population_maps_the_estimates(population):
    heat, intercept, explained = population.plot.population(level=0.8)
    table = population.credible_interval(0.8)
    image = heat.images[0].get_array()
    mean = table["mean"].unstack("response").loc[NAMES, RESPONSES]
    np.testing.assert_array_equal(image.mask, MASK.T == 0)
    np.testing.assert_array_equal(image.filled(0), mean.to_numpy().T * MASK.T)
    assert texts(heat.get_yticklabels()) == RESPONSES
    assert texts(heat.get_xticklabels()) == joined(NAMES)
    without_zero = ((table["lower"] > 0) | (table["upper"] < 0)).unstack("response")
    (marks,) = (c for c in heat.collections if c.get_gid() == "marks")
    expected = np.argwhere(without_zero.loc[NAMES, RESPONSES].to_numpy().T)
    np.testing.assert_array_equal(marks.get_offsets()[:, ::-1], expected)
    shown = intercept.lines[0].get_xydata()
    np.testing.assert_array_equal(shown[:, 0], table.loc["intercept", "mean"].loc[RESPONSES])
    np.testing.assert_array_equal(shown[:, 1], [0, 1, 2])
    assert explained.get_xlabel() == "deviance explained"


def test_population_shows_the_deviance_explained_of_the_cells_that_there_are(population):
    explained = population.plot.population()[-1].lines[0].get_xdata()
    mean, Y = population.predict(X), many_counts().to_numpy()
    for k in range(3):
        there = ~np.isnan(Y[:, k])
        y, mu = Y[there, k], mean[there, k]
        deviance = lambda m, y=y: (
            2 * np.sum(stats.poisson.logpmf(y, y) - stats.poisson.logpmf(y, m))
        )
        expected = 1 - deviance(mu) / deviance(y.mean())
        assert explained[k] == pytest.approx(expected, rel=1e-9)


def test_population_takes_responses_in_the_order_asked_for(population):
    heat = population.plot.population(responses=["right", "left $a$"], terms=NAMES[:2])[0]
    assert heat.images[0].get_array().shape == (2, 2)
    assert texts(heat.get_yticklabels()) == ["right", "left $a$"]


def test_population_of_a_fit_has_no_data_to_explain(population):
    model = copy.copy(population)
    model.posterior_ = None
    axes = model.plot.population()
    assert [ax.get_xlabel() for ax in axes] == ["", "intercept"]
    np.testing.assert_allclose(
        axes[0].images[0].get_array(),
        np.asarray(model.coef_).T,
        rtol=1e-5,  # single precision
    )


def test_population_points_at_responses_that_are_far_from_all_others():
    rng = np.random.default_rng(0)
    level = np.append(rng.normal(0.5, 0.1, 11), 40.0)
    Y = pd.DataFrame(rng.poisson(2.0, (len(X), 12)).astype(float))
    model = with_draws(PopulationGLM("Poisson"), X, Y, np.zeros((4, 12)), level)
    panel = model.plot.population()[1]
    assert panel.get_xlim()[1] < 2.0
    (arrow,) = [
        line for line in panel.lines if line.get_gid() == "outside" and line.get_xdata().size
    ]
    assert arrow.get_marker() == ">"
    np.testing.assert_array_equal(arrow.get_ydata(), [11])


def test_population_is_for_populations(sampled):
    with pytest.raises(ValueError, match=r"GLM has one response: use `plot.coefficients\(\)`"):
        sampled.plot.population()


def test_a_hundred_responses_are_named_row_by_row():
    names = [f"neuron {k}" for k in range(100)]
    Y = pd.DataFrame(np.random.default_rng(0).poisson(1.0, (N, 100)).astype(float), columns=names)
    model = PopulationGLM("Poisson")
    with_draws(model, X, Y, np.zeros((4, 100)), np.zeros(100))
    heat = model.plot.population()[0]
    assert texts(heat.get_yticklabels()) == names
    heat.figure.draw_without_rendering()
    row = heat.get_window_extent().height / heat.figure.dpi * 72 / 100
    assert row > heat.get_yticklabels()[0].get_fontsize()


# Predictive checks


def bars(ax):
    return [bar.get_height() for bar in ax.patches]


def test_ppc_counts_what_was_observed_and_what_would_be(sampled):
    ax = sampled.plot.ppc(progress_bar=False, num_draws=50)
    counts = np.bincount(COUNTS)
    last = len(bars(ax)) - 2
    np.testing.assert_array_equal(bars(ax), [*counts[: last + 1], counts[last + 1 :].sum()])
    middle = ax.containers[1].lines[0].get_ydata()
    mean = np.exp(ETA)
    expected = stats.poisson.pmf(np.arange(last + 1)[:, None], mean).sum(axis=1)
    # Draws are around the truth: a count of rows varies by its root, the median of 50 less.
    assert (np.abs(middle[:-1] - expected) < 4 * np.sqrt(expected + 1)).all()
    assert ax.get_yscale() == "function"


def test_ppc_leaves_missing_cells_out(population):
    axes = population.plot.ppc(progress_bar=False, num_draws=20)
    assert [ax.get_title() for ax in axes] == [label(name) for name in RESPONSES]
    assert [sum(bars(ax)) for ax in axes] == [N, N, N - 40]
    one = population.plot.ppc(progress_bar=False, num_draws=20, responses="right")
    assert bars(one) == bars(axes[2])


def test_ppc_of_rows_with_weights_counts_them_as_often(sampled):
    weight = np.random.default_rng(0).integers(0, 3, N)
    ax = sampled.plot.ppc(X, COUNTS, progress_bar=False, num_draws=5, sample_weight=weight)
    assert sum(bars(ax)) == weight.sum()
    assert bars(ax)[0] == weight[COUNTS == 0].sum()


def test_ppc_of_yes_and_no(binary):
    model, y = binary
    ax = model.plot.ppc(progress_bar=False, num_draws=50)
    assert bars(ax) == [N - y.sum(), y.sum()]
    middle = ax.containers[1].lines[0].get_ydata()
    assert middle.sum() == pytest.approx(N, abs=2)  # medians
    assert abs(middle[1] - expit(ETA).sum()) < 4 * np.sqrt(N / 4)
    with pytest.raises(ValueError, match="must be 'bars' for yes/no"):
        model.plot.ppc(kind="density")


def test_ppc_of_classes(classifier):
    model, y = classifier
    ax = model.plot.ppc(progress_bar=False, num_draws=50)
    assert bars(ax) == [(y == name).sum() for name in CLASSES]
    assert texts(ax.get_xticklabels()) == list(CLASSES)
    expected = softmax(X.to_numpy() @ CLASS_COEF, axis=1).sum(axis=0)
    middle = ax.containers[1].lines[0].get_ydata()
    assert (np.abs(middle - expected) < 4 * np.sqrt(N / 4)).all()


def test_ppc_of_measurements_smooths_all_lines_alike(measured):
    model, y = measured
    ax = model.plot.ppc(progress_bar=False, num_draws=30)
    (line,) = drawn(ax, "observed")
    spread = min(y.std(), np.subtract(*np.quantile(y, [0.75, 0.25])) / 1.34)
    width = 0.9 * spread * N**-0.2
    expected = stats.norm.pdf(line[:, :1], y, width).mean(axis=1)
    # The kernel is added up in bins of a fortieth of its width: 1 % of the peak.
    np.testing.assert_allclose(line[:, 1], expected, atol=0.01 * expected.max())
    replicated = drawn(ax, "replicated")
    assert len(replicated) == 30
    centers = [np.average(r[:, 0], weights=r[:, 1]) for r in replicated]
    assert np.mean(centers) == pytest.approx(ETA.mean(), abs=4 * 0.5 / np.sqrt(30 * N) + 0.02)


def test_ppc_draws_distribution_functions(measured):
    model, y = measured
    ax = model.plot.ppc(progress_bar=False, num_draws=5, kind="ecdf")
    (line,) = drawn(ax, "observed")
    np.testing.assert_allclose(line[:, 1], [(y <= at).mean() for at in line[:, 0]], atol=1e-12)


def test_ppc_shows_zeros_of_amounts_in_a_distribution_function():
    y = np.where(np.arange(N) % 4 == 0, 0.0, 1.0 + np.abs(ETA))
    model = GLM("Tweedie")
    with_draws(model, X, y, np.zeros(4), 0.0, scale=1.0)
    ax = model.plot.ppc(progress_bar=False, num_draws=5)
    (line,) = drawn(ax, "observed")
    assert ax.get_ylim() == (0, 1)
    assert line[:, 1].min() == pytest.approx(0.25)


def test_ppc_depends_on_its_seed_alone(measured):
    draws = [
        drawn(measured[0].plot.ppc(progress_bar=False, num_draws=3, random_state=s), "replicated")
        for s in (1, 1, 2)
    ]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])


def test_ppc_says_what_it_cannot_do(sampled):
    with pytest.raises(ValueError, match=r"`kind` must be one of .* got 'violin'"):
        sampled.plot.ppc(kind="violin")
    with pytest.raises(ValueError, match="`num_draws` must be a positive whole number; got 0"):
        sampled.plot.ppc(progress_bar=False, num_draws=0)
    with pytest.raises(NotFittedError, match="no posterior"):
        GLM("Poisson").plot.ppc()


# Transforms


@pytest.mark.parametrize("missing", [False, True])
def test_pit_curves_are_those_of_the_transforms(missing, measured, monkeypatch):
    model, _ = measured
    values = np.random.default_rng(0).random(N) ** 2
    values[:30] = np.nan if missing else values[:30]
    monkeypatch.setattr(type(model), "loo_pit", lambda self, X=None, y=None, **how: values)
    ax = model.plot.pit()
    (line,) = drawn(ax, "curve")
    kept = values[~np.isnan(values)]
    expected = [(kept <= at).mean() - at for at in line[:, 0]]
    np.testing.assert_allclose(line[:, 1], expected, atol=1e-12)
    assert not is_within(ax, 1)  # far from uniform


def test_pit_of_a_right_model_is_in_its_band(sampled):
    assert is_within(sampled.plot.pit(progress_bar=False), 1)


# Effects


def test_effects_are_expectations_over_the_draws(sampled):
    ax = sampled.plot.effects(NAMES[0], interval=0.8)
    (line,) = drawn(ax, "mean")
    draws = sampled._drawn()
    typical = np.array([0, X[NAMES[1]].mode()[0], X[NAMES[2]].mean(), X[NAMES[3]].mean()])
    rows = np.tile(typical, (len(line), 1))
    rows[:, 0] = line[:, 0]
    means = np.exp(rows @ draws.coef[:, :, 0].T + draws.intercept[:, 0])
    np.testing.assert_allclose(line[:, 1], means.mean(axis=1), rtol=1e-10)
    (band,) = (c for c in ax.collections if c.get_gid() == "band")
    lowest, highest = np.quantile(means, [0.1, 0.9], axis=1)
    vertices = band.get_paths()[0].vertices
    for x, low, high in zip(line[:, 0], lowest, highest, strict=True):
        at = vertices[np.isclose(vertices[:, 0], x, atol=1e-9), 1]
        assert at.min() == pytest.approx(low, rel=1e-9)
        assert at.max() == pytest.approx(high, rel=1e-9)
    assert line[[0, -1], 0].tolist() == [X[NAMES[0]].min(), X[NAMES[0]].max()]
    assert texts([ax.xaxis.label]) == joined(NAMES[:1])


def test_effects_of_a_feature_of_two_values_are_two_intervals(sampled):
    ax = sampled.plot.effects(NAMES[1])
    assert texts(ax.get_xticklabels()) == ["0", "1"]
    effect, data = ax.containers[1], ax.containers[0]
    assert len(effect.lines[0].get_xdata()) == 2
    means = pd.Series(COUNTS).groupby(X[NAMES[1]]).mean()
    np.testing.assert_allclose(data.lines[0].get_ydata(), means)


def test_effects_show_the_means_of_counts(sampled):
    data = sampled.plot.effects(NAMES[0]).containers[0].lines[0].get_xydata()
    tenths = pd.qcut(X[NAMES[0]], 10, labels=False)
    np.testing.assert_allclose(data[:, 0], X[NAMES[0]].groupby(tenths).mean())
    np.testing.assert_allclose(data[:, 1], pd.Series(COUNTS).groupby(tenths).mean())


def test_means_of_weighted_rows_are_those_of_repeated_rows(rng):
    x, y, weight = rng.integers(0, 3, 50).astype(float), rng.normal(size=50), rng.integers(1, 4, 50)
    once = binned_means(x, y, weight.astype(float))
    again = binned_means(np.repeat(x, weight), np.repeat(y, weight), np.ones(weight.sum()))
    np.testing.assert_allclose(once, again)
    error = stats.sem(np.repeat(y, weight)[np.repeat(x, weight) == 1])
    assert once[2][1] == pytest.approx(error)


def test_effects_show_measurements_one_by_one(measured):
    model, y = measured
    (dots,) = drawn(model.plot.effects(NAMES[0]), "data")
    np.testing.assert_array_equal(dots, np.column_stack([X[NAMES[0]], y]))
    assert not drawn(model.plot.effects(NAMES[0], data=None), "data")


def test_effects_of_a_fit_have_walds_band(fitted):
    with pytest.raises(ValueError, match="Pass `X`"):
        fitted.plot.effects(NAMES[0])
    ax = fitted.plot.effects(NAMES[0], X, COUNTS)
    (line,) = drawn(ax, "mean")
    typical = X.mean()
    typical[NAMES[1]] = X[NAMES[1]].mode()[0]
    rows = pd.DataFrame([typical] * len(line))
    rows[NAMES[0]] = line[:, 0]
    mean, spread = fitted.predict(rows, return_std=True)
    np.testing.assert_allclose(line[:, 1], mean)
    (band,) = (c for c in ax.collections if c.get_gid() == "band")
    vertices = band.get_paths()[0].vertices
    upper = [vertices[np.isclose(vertices[:, 0], x, atol=1e-9), 1].max() for x in line[:, 0]]
    np.testing.assert_allclose(upper, mean * np.exp(stats.norm.ppf(0.95) * spread / mean))
    assert not drawn(fitted.plot.effects(NAMES[0], X), "data")


def test_effects_of_classes_are_probabilities(classifier):
    model, _ = classifier
    ax = model.plot.effects(NAMES[0])
    curves = np.array(drawn(ax, "mean"))
    np.testing.assert_allclose(curves[:, :, 1].sum(axis=0), 1.0)
    assert texts(ax.get_legend().get_texts()) == list(CLASSES)
    assert ax.get_ylabel() == "probability"


def test_effects_have_a_panel_for_each_feature_and_a_colour_for_each_response(population):
    axes = population.plot.effects([NAMES[0], NAMES[2]])
    assert [len(drawn(ax, "mean")) for ax in axes] == [3, 3]
    held = drawn(axes[1], "mean")[1][:, 1]
    assert np.ptp(held) < 1e-12  # a feature that is not in the model
    assert texts(axes[-1].get_legend().get_texts()) == RESPONSES


def test_effects_say_what_they_cannot_do(sampled):
    with pytest.raises(ValueError, match=r"`feature` must name some of .* got \['dose'\]"):
        sampled.plot.effects("dose")
    with pytest.raises(ValueError, match=r"`data` must be one of .* got 'dots'"):
        sampled.plot.effects(NAMES[0], data="dots")
    with pytest.raises(ValueError, match="`ax` is one axes, and there are 2 panels"):
        sampled.plot.effects(NAMES[:2], ax=plt.figure().add_subplot())


# All pictures


ALL = {
    "coefficients": lambda plot: plot.coefficients(),
    "trace": lambda plot: plot.trace(),
    "rank": lambda plot: plot.rank(),
    "ppc": lambda plot: plot.ppc(progress_bar=False, num_draws=5),
    "pit": lambda plot: plot.pit(progress_bar=False),
    "effects": lambda plot: plot.effects(NAMES),
}


def is_inside(figure):
    """Whether all that is drawn is on the figure, but for a pixel."""
    figure.draw_without_rendering()
    drawn = figure.get_tightbbox(figure.canvas.get_renderer())  # in inches
    width, height = figure.get_size_inches()
    edge = 1 / figure.dpi
    across = -edge < drawn.x0 < drawn.x1 < width + edge
    return across and -edge < drawn.y0 < drawn.y1 < height + edge


@pytest.mark.parametrize("name", ALL)
def test_nothing_is_cut_off_and_no_setting_changed(name, sampled):
    before, open_figures = dict(plt.rcParams), plt.get_fignums()
    axes = ALL[name](sampled.plot)
    figure = np.ravel(axes)[0].figure
    assert is_inside(figure)
    assert dict(plt.rcParams) == before
    assert len(plt.get_fignums()) == len(open_figures) + 1


def test_nothing_is_cut_off_of_a_population(population):
    for axes in (population.plot.population(), population.plot.coefficients()):
        assert is_inside(np.ravel(axes)[0].figure)


@pytest.mark.parametrize("name", ["coefficients", "ppc", "pit"])
def test_pictures_are_drawn_into_the_axes_given(name, sampled):
    figure, (left, right) = plt.subplots(1, 2)
    options = {"pit": {"progress_bar": False}, "ppc": {"num_draws": 5, "progress_bar": False}}.get(
        name, {}
    )
    assert getattr(sampled.plot, name)(ax=right, **options) is right
    assert not left.has_data()
    assert plt.get_fignums() == [figure.number]
    assert not figure.get_suptitle()


def test_names_are_shown_as_they_are():
    assert label("$a_1$ and $b$") == r"\$a_1\$ and \$b\$"
    assert label("a_long_name_of_a_column", 10) == "a_long_\nname_of_a_\ncolumn"
    assert label("abcdefghijkl", 5) == "abcde\nfghij\nkl"
    assert label("") == ""
    assert to_rgba(COLORS[0]) != to_rgba(COLORS[1])


def test_help_lists_the_pictures(sampled):
    assert repr(sampled.plot) == (
        "Pictures of a GLM: coefficients, effects, pit, population, ppc, rank, trace"
    )


def test_without_matplotlib_the_error_says_what_to_install(sampled, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"pip install 'bayesglm\[plots\]'"):
        sampled.plot.coefficients()


def test_matplotlib_is_loaded_by_pictures_only():
    for path in Path(bayesglm.plots.__file__).parent.glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert "matplotlib" not in ast.unparse(node), path


@pytest.mark.parametrize("name", [name for name in dir(Plots) if not name.startswith("_")])
def test_every_picture_is_documented(name):
    doc = inspect.getdoc(getattr(Plots, name))
    for section in ("Parameters", "Returns", "Raises", "Examples"):
        assert f"{section}\n----" in doc
    own = inspect.signature(getattr(Plots, name)).parameters
    drawn = inspect.signature(getattr(bayesglm.plots, f"plot_{name}")).parameters
    assert [str(p) for p in own.values()][1:] == [str(p) for p in drawn.values()][1:]
