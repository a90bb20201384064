"""What `sample` returns, and that runs survive, repeat and continue."""

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import bayesglm
from bayesglm import GLM, ClassifierGLM, PopulationGLM
from bayesglm._progress import ChainProgress
from bayesglm.inference import nuts

SETTINGS = {"num_samples": 150, "num_chains": 2, "random_state": 3, "progress_bar": False}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    return X, rng.poisson(np.exp(0.5 + X @ [0.4, -0.3])).astype(float)


@pytest.fixture
def model():
    return GLM("Poisson", regularizer="Ridge", regularizer_strength=0.05)


def coef_of(tree):
    return np.asarray(tree["posterior"]["coef"])


@pytest.fixture(scope="module")
def drawn(data):
    model = GLM("Poisson", regularizer="Ridge", regularizer_strength=0.05)
    return model, model.sample(*data, **SETTINGS)


@pytest.mark.filterwarnings("ignore::bayesglm.exceptions.SamplingWarning")
class TestRuns:
    """All with the same shapes, which share one program."""

    def test_groups_dimensions_and_labels(self, data):
        pandas = pytest.importorskip("pandas")
        frame = pandas.DataFrame(data[0], columns=["age", "income"])
        tree = GLM("Poisson", regularizer="Ridge", regularizer_strength=0.05).sample(
            frame, data[1], **SETTINGS
        )
        assert set(tree.children) >= {
            "posterior",
            "sample_stats",
            "observed_data",
            "constant_data",
        }
        coef = tree["posterior"]["coef"]
        assert coef.dims == ("chain", "draw", "feature")
        assert coef.shape == (2, 150, 2)
        assert coef["feature"].values.tolist() == ["age", "income"]
        assert tree["posterior"]["intercept"].dims == ("chain", "draw")
        assert tree["sample_stats"]["diverging"].dims == ("chain", "draw")
        assert tree["observed_data"]["y"].dims == ("obs_id",)
        assert all(
            type(array.data) is np.ndarray
            for group in tree.children.values()
            for array in group.to_dataset().data_vars.values()
        )

    def test_fits_as_well(self, drawn, data, model):
        alone = model.fit(*data)
        assert np.array_equal(drawn[0].coef_, alone.coef_)
        assert drawn[0].posterior_ is drawn[1]
        # The mode of so many data is near the mean: half a standard deviation is generous.
        center = coef_of(drawn[1]).mean(axis=(0, 1))
        assert np.all(np.abs(center - np.asarray(alone.coef_)) < 0.5 * alone.standard_errors_[0])

    def test_same_seed_same_draws(self, drawn, data, model):
        again = model.sample(*data, **SETTINGS)
        assert np.array_equal(coef_of(again), coef_of(drawn[1]))
        other = model.sample(*data, **(SETTINGS | {"random_state": 4}))
        assert not np.array_equal(coef_of(other), coef_of(drawn[1]))

    def test_seed_is_recorded(self, data, model):
        first = model.sample(*data, **(SETTINGS | {"random_state": None}))
        again = model.sample(*data, **(SETTINGS | {"random_state": first.attrs["seed"]}))
        assert np.array_equal(coef_of(first), coef_of(again))

    def test_continuation_is_the_longer_run(self, drawn, data, model):
        long = model.sample(*data, **(SETTINGS | {"num_samples": 250}))
        more = model.sample(*data, **(SETTINGS | {"num_samples": 100}), continue_from=drawn[1])
        assert np.array_equal(coef_of(more), coef_of(long))
        assert more["sample_stats"]["lp"].shape == (2, 250)

    def test_continues_after_saving(self, drawn, data, tmp_path):
        drawn[0].save(tmp_path / "model.npz")
        loaded = bayesglm.load(tmp_path / "model.npz")
        assert np.array_equal(coef_of(loaded.posterior_), coef_of(drawn[1]))
        assert loaded.posterior_.attrs["seed"] == 3
        assert str(loaded.diagnostics_) == str(drawn[0].diagnostics_)
        assert loaded.diagnostics_.table().equals(drawn[0].diagnostics_.table())
        settings = SETTINGS | {"num_samples": 100}
        more = loaded.sample(*data, **settings, continue_from=loaded.posterior_)
        assert coef_of(more).shape == (2, 250, 2)

    def test_netcdf(self, drawn, tmp_path):
        xarray = pytest.importorskip("xarray")
        drawn[1].to_netcdf(tmp_path / "draws.nc")
        with xarray.open_datatree(tmp_path / "draws.nc") as tree:
            assert np.array_equal(coef_of(tree), coef_of(drawn[1]))

    def test_arviz_reads_it(self, drawn):
        arviz_stats = pytest.importorskip("arviz_stats")
        table = arviz_stats.summary(drawn[1], var_names=["coef"])
        mean = coef_of(drawn[1]).mean(axis=(0, 1))
        assert np.allclose(np.asarray(table["mean"], float), mean, atol=0.01)  # as it rounds

    def test_checkpoint_resumes_to_the_bit(self, drawn, data, model, monkeypatch, tmp_path):
        advance, calls = nuts.advance, []

        def killed(*args):
            calls.append(args)
            if len(calls) == 3:
                raise MemoryError("killed")
            return advance(*args)

        with monkeypatch.context() as patch:
            patch.setattr(nuts, "advance", killed)
            with pytest.raises(MemoryError):
                model.sample(*data, **SETTINGS, checkpoint=tmp_path / "run")
        resumed = model.sample(*data, **SETTINGS, checkpoint=tmp_path / "run")
        assert np.array_equal(coef_of(resumed), coef_of(drawn[1]))

    def test_checkpoint_of_another_run_is_refused(self, data, model, tmp_path):
        model.sample(*data, **SETTINGS, checkpoint=tmp_path / "run")
        with pytest.raises(bayesglm.exceptions.ModelFileError, match="another"):
            model.sample(data[0], data[1] + 1, **SETTINGS, checkpoint=tmp_path / "run")

    def test_nothing_recompiles(self, drawn, data, model, caplog):
        import jax

        rng = np.random.default_rng(5)
        with jax.log_compiles(True):
            model.sample(data[0] + 0.1, rng.poisson(2.0, 60), **SETTINGS)
        compiled = [r.getMessage() for r in caplog.records if "Finished XLA" in r.getMessage()]
        assert compiled == []


@pytest.mark.filterwarnings("ignore::bayesglm.exceptions.SamplingWarning")
def test_interruption_keeps_what_was_drawn(drawn, data, model, monkeypatch):
    advance, calls = nuts.advance, []

    def interrupted(*args):
        calls.append(args)
        if len(calls) == 4:  # the first finds where to start
            raise KeyboardInterrupt
        return advance(*args)

    monkeypatch.setattr(nuts, "advance", interrupted)
    tree = model.sample(*data, **SETTINGS)
    assert tree.attrs["complete"] == 0
    kept = coef_of(tree)
    assert kept.shape == (2, 50, 2)  # two pieces of 100, of which 150 are warm-up
    assert np.array_equal(kept, coef_of(drawn[1])[:, :50])


@pytest.mark.filterwarnings("ignore::bayesglm.exceptions.SamplingWarning")
@pytest.mark.filterwarnings("ignore::bayesglm.exceptions.ConvergenceWarning")  # mode at the edge
def test_starts_of_no_probability_do_no_harm():
    """With an identity link some starts have a negative mean, and a density of zero."""
    rng = np.random.default_rng(5)
    X = rng.uniform(size=(60, 2))
    y = rng.poisson(0.1 + 0.3 * X.sum(axis=1))
    model = GLM("Poisson", "identity", regularizer="Ridge", regularizer_strength=0.1)
    tree = model.sample(X, y, **SETTINGS)
    design = np.column_stack([X, np.ones(60)])
    theta = np.append(model.coef_, model.intercept_)
    around = rng.multivariate_normal(theta, model.covariance_, 1000)
    assert ((around @ design.T).min(axis=1) < 0).mean() > 0.5  # of starts, half are there
    draws = tree["posterior"].to_dataset()
    mean = coef_of(tree) @ X.T + np.asarray(draws["intercept"])[..., None]
    assert mean.min() > 0
    assert np.isfinite(tree["sample_stats"]["lp"]).all()


def test_a_fit_forgets_the_posterior(data, model):
    model.posterior_ = "old"
    model.fit(*data)
    assert model.posterior_ is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "gibbs"}, "`method` must be one of"),
        ({"num_samples": 0}, "`num_samples` must be a positive whole number"),
        ({"num_chains": 2.5}, "`num_chains` must be a positive whole number"),
        ({"random_state": -1}, "`random_state` must be"),
        ({"random_state": "one"}, "`random_state` must be"),
        ({"continue_from": "run"}, "`continue_from` must be"),
        ({"method": "exact"}, "for the Gaussian observation model"),
    ],
)
def test_bad_arguments(data, model, arguments, message):
    with pytest.raises(ValueError, match=message):
        model.sample(*data, **(SETTINGS | arguments))


def test_counts_that_are_not_whole_are_refused(data, model):
    with (
        pytest.warns(bayesglm.exceptions.DataWarning),
        pytest.raises(ValueError, match="not whole numbers, the first in row 0"),
    ):
        model.sample(data[0], data[1] + 0.5, **SETTINGS)


def test_an_improper_posterior_is_refused(data):
    X = data[0]
    separated = (X[:, 0] > 0).astype(float)
    with pytest.raises(ValueError, match="improper"):
        GLM("Bernoulli").sample(X, separated, **SETTINGS)
    with pytest.raises(ValueError, match="x2"):
        GLM("Poisson").sample(np.c_[X, X[:, 0]], data[1], **SETTINGS)


@pytest.mark.filterwarnings("ignore::bayesglm.exceptions.SamplingWarning")
@pytest.mark.filterwarnings("ignore::bayesglm.exceptions.DataWarning")
def test_population_with_a_mask_and_missing_cells(data):
    X, y = data
    Y = np.column_stack([y, y[::-1], y])
    Y[:7, 1] = np.nan
    mask = np.array([[1, 1, 0], [1, 0, 1]])
    model = PopulationGLM(
        "Poisson", regularizer="Ridge", regularizer_strength=0.05, feature_mask=mask
    )
    tree = model.sample(X, Y, method="importance", **SETTINGS)
    coef = tree["posterior"]["coef"]
    assert coef.dims == ("chain", "draw", "feature", "response")
    spread = np.asarray(coef.std(("chain", "draw")))
    assert np.array_equal(spread > 0, mask > 0)
    alone = GLM("Poisson", regularizer="Ridge", regularizer_strength=0.05).fit(X, y)
    center = np.asarray(coef.mean(("chain", "draw")))
    # Monte Carlo error of 300 draws and skewness: within half a standard error of the mode.
    assert np.all(np.abs(center[:, 0] - alone.coef_) < 0.5 * alone.standard_errors_[0])


@pytest.mark.filterwarnings("ignore::bayesglm.exceptions.SamplingWarning")
def test_classes(data):
    X, y = data
    labels = np.array(["none", "one", "more"])[np.minimum(y, 2).astype(int)]
    model = ClassifierGLM(3, regularizer="UnRegularized")
    tree = model.sample(X, labels, method="importance", **SETTINGS | {"num_samples": 3000})
    coef = tree["posterior"]["coef"]
    assert coef.dims == ("chain", "draw", "feature", "class")
    assert coef["class"].values.tolist() == sorted(set(labels))
    # Nothing decides the level of the classes: it is zero, as in `fit`.
    assert np.allclose(coef.sum("class"), 0, atol=1e-12)
    assert np.allclose(tree["posterior"]["intercept"].sum("class"), 0, atol=1e-12)
    mode = model.fit(X, labels)
    distance = np.asarray(coef.mean(("chain", "draw"))) - mode.coef_
    # Long runs of NUTS have means within 0.42 standard errors of the mode; the rest is Monte Carlo.
    assert np.all(np.abs(distance) < 0.7 * mode.standard_errors_[0])


@pytest.mark.slow
def test_killed_process_resumes(data, tmp_path):
    """A process killed between two pieces loses nothing: the rest is drawn by the next one."""
    script = f"""
import numpy as np, sys
from bayesglm import GLM
X = np.asarray({data[0].tolist()}); y = np.asarray({data[1].tolist()})
model = GLM("Poisson", regularizer="Ridge", regularizer_strength=0.05)
tree = model.sample(X, y, num_samples=3000, num_chains=2, random_state=3, progress_bar=False,
                    checkpoint={str(tmp_path / "run")!r})
np.save({str(tmp_path / "draws.npy")!r}, np.asarray(tree["posterior"]["coef"]))
"""
    pieces = lambda: len(list((tmp_path / "run").glob("piece_*.npz")))
    process = subprocess.Popen([sys.executable, "-c", script])
    while process.poll() is None and pieces() < 5:
        pass
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert 5 <= pieces() < 32
    assert not (tmp_path / "draws.npy").exists()
    subprocess.run([sys.executable, "-c", script], check=True)
    settings = SETTINGS | {"num_samples": 3000}
    model = GLM("Poisson", regularizer="Ridge", regularizer_strength=0.05)
    whole = model.sample(*data, **settings)
    assert np.array_equal(np.load(tmp_path / "draws.npy"), coef_of(whole))


def test_the_bar_counts_divergences_after_warm_up_alone():
    piece = SimpleNamespace(diverging=np.ones((100, 2, 1), bool), step_size=np.ones((100, 2, 1)))
    with ChainProgress(150, 150, 2, shown=False) as bar:
        for done, expected in [(100, 0), (200, 50), (300, 150)]:
            bar.show(done, piece)
            np.testing.assert_array_equal(bar.divergences, [expected, expected])
