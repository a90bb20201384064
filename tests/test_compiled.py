"""Programs for small data are compiled quickly, those for large data thoroughly."""

import jax
import numpy as np
import pytest

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
