"""What the README promises is what happens.

The examples in docstrings run too: pytest collects them by itself (``--doctest-modules`` in
pyproject.toml), with one setting for all: numbers agree to the digits that are printed.
"""

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
NUMBER = re.compile(r"[-+]?\d+\.?\d*(?:e[-+]?\d+)?")


def fenced(language):
    """Contents of the README's fenced blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def assert_same_text(actual, promised):
    """Same words, and numbers that agree to the digits promised."""
    assert NUMBER.sub("#", actual).split() == NUMBER.sub("#", promised).split()
    for got, said in zip(NUMBER.findall(actual), NUMBER.findall(promised), strict=True):
        unit = 10.0 ** -len(said.partition(".")[2])
        assert float(got) == pytest.approx(float(said), abs=unit)


def test_readme_example_prints_what_it_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # it draws a picture into the current folder
    (code,), (promised,) = fenced("python"), fenced("text")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "README.md", "exec"), {})
    assert_same_text(printed.getvalue(), promised)
    assert (tmp_path / "effects.png").stat().st_size > 0


def test_readme_example_is_short():
    (code,) = fenced("python")
    assert len(code.splitlines()) <= 15


def test_readme_comparison_has_teeth():
    assert_same_text("a 0.1234", "a  0.123")
    with pytest.raises(AssertionError):
        assert_same_text("a 0.125", "a 0.123")
    with pytest.raises(AssertionError):
        assert_same_text("b 0.123", "a 0.123")


def test_readme_commands_are_marked_for_continuous_integration():
    marked = re.findall(r"^<!-- command: (\w+) -->\n```bash\n.+\n```$", README, re.MULTILINE)
    assert marked == ["main", "tests"]


def test_relative_links_lead_somewhere():
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
