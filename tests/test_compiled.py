"""Programs for small data are compiled quickly, those for large data thoroughly."""

import os
import subprocess
import sys

import jax
import numpy as np
import pytest

import bayesglm
from bayesglm import _compiled

SMALL, LARGE = np.arange(5.0), np.arange(2.0 + _compiled.LARGE_BYTES // 8)


@pytest.fixture
def options(monkeypatch):
    """Compiler options of the programs that are made, in turn."""
    made, jit = [], jax.jit

    def spy(function, **how):
        made.append(how.get("compiler_options"))
        return jit(function, **how)

    monkeypatch.setenv("XLA_FLAGS", "")
    monkeypatch.setattr(_compiled.jax, "jit", spy)
    return made


def double(x, name="a string is no array"):
    assert name
    return 2 * x


def test_size_decides(options):
    program = _compiled.compiled(double)
    np.testing.assert_array_equal(program(LARGE), 2 * LARGE)
    assert options == [None]
    for _ in range(2):
        np.testing.assert_array_equal(program(SMALL), 2 * SMALL)
    assert options == [None, _compiled.QUICK]


def test_a_part_of_another_program_has_no_options_of_its_own(options):
    program = _compiled.compiled(double)
    np.testing.assert_array_equal(jax.vmap(program)(SMALL), 2 * SMALL)
    assert options == [None]


def test_the_environment_has_the_last_word(options, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", " ".join(f"--{name}=0" for name in _compiled.QUICK))
    program = _compiled.compiled(double)
    program(SMALL)
    assert options == [None, {}]


def test_elsewhere_than_on_a_cpu_nothing_is_changed(options, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    _compiled.compiled(double)(SMALL)
    assert options == [None, {}]


def test_the_options_are_known_to_the_compiler():
    program = jax.jit(double, static_argnums=1, compiler_options=_compiled.QUICK)
    np.testing.assert_array_equal(program(SMALL), 2 * SMALL)


def test_what_is_no_array_passes_through_and_makes_another_program():
    traced = []

    def power(x, how):
        traced.append(how["exponent"])
        return {"value": x ** how["exponent"], "nothing": None, **how}

    program = _compiled.compiled(power)
    for exponent in (2, 3, 2):
        found = program(SMALL, {"exponent": exponent, "name": "p"})
        np.testing.assert_array_equal(found.pop("value"), SMALL**exponent)
        assert found == {"nothing": None, "exponent": exponent, "name": "p"}
    program(SMALL + 1, {"exponent": 2, "name": "p"})
    assert traced == [2, 3]  # once for each exponent, whatever the numbers


def test_float64_and_float32_are_different_programs():
    program = _compiled.compiled(lambda x: x / 3)
    for dtype in (np.float32, np.float64):
        with jax.enable_x64(True):
            assert program(SMALL.astype(dtype)).dtype == dtype


# Several parameters of a distribution, and two distributions, which the sampler passes on.
SAMPLE = """
import sys
import numpy as np
import numpyro.distributions as dist
import bayesglm

bayesglm.keep_compiled(sys.argv[1] + "/before")
bayesglm.GLM("Gaussian").fit(np.arange(9.0)[:, None], np.arange(9.0) ** 2)
bayesglm.keep_compiled(sys.argv[1])
X = np.linspace(-1.0, 1.0, 40).reshape(20, 2) ** [1, 2]
model = bayesglm.GLM("Gamma", regularizer=bayesglm.Prior(dist.StudentT(4.0, 0.0, 1.0)))
how = {"num_samples": 5, "num_warmup": 5, "random_state": 0, "progress_bar": False}
tree = model.sample(X, np.exp(X[:, 0]), method="nuts", scale_prior=dist.Gamma(2.0, 3.0), **how)
print(float(tree["posterior"]["coef"].sum()))
"""


def test_another_process_finds_what_was_compiled(tmp_path):
    """Whatever the hashes of names, by which NumPyro orders the parameters of distributions."""
    kept, printed = [], []
    for seed in ("1", "2", "6"):  # which put location and scale, shape and rate, in either order
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", SAMPLE, str(tmp_path / "made" / "too")],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        printed.append(done.stdout)
        kept.append({path.name for path in (tmp_path / "made" / "too").glob("*-cache")})
    assert len(kept[0]) > 10
    assert kept[0] == kept[1] == kept[2]
    assert printed[0] == printed[1] == printed[2]


def test_programs_are_kept_in_a_folder():
    with pytest.raises(TypeError, match="`folder` must be a path; got 3"):
        bayesglm.keep_compiled(3)
