"""The notebooks of `examples/` run from their first cell to their last, and are stored so."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
LARGEST = 600_000  # bytes: pictures are in the repository for ever


def execute(path, folder):
    """Run a notebook in a fresh process, which works in a folder of its own."""
    command = [sys.executable, str(Path(__file__).parent / "run_notebook.py"), str(path)]
    environment = os.environ | {"MPLBACKEND": "Agg"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.slow  # a minute or two each
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, tmp_path):
    done = execute(path, tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_stored_as_it_ran_from_top_to_bottom(path):
    notebook = json.loads(path.read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert not any(out["output_type"] == "error" for cell in code for out in cell["outputs"])
    assert path.stat().st_size <= LARGEST


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_uses_public_names_alone(path):
    cells = json.loads(path.read_text())["cells"]
    code = "".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    assert not re.findall(r"(?:\bimport +|\bfrom +|\. *)_[a-z]\w*", code)


def test_every_notebook_is_in_the_list_of_examples():
    page = (ROOT / "docs" / "examples.md").read_text()
    assert NOTEBOOKS
    for path in NOTEBOOKS:
        assert f"{path.stem}.ipynb" in page


@pytest.mark.parametrize(
    ("source", "stderr", "complaint"),
    [
        ("1 / 0", "", "ZeroDivisionError"),
        ("import warnings\nwarnings.warn('no')", "", "code cell 2 warns"),
        ("import warnings\nwarnings.warn('no')", "line 2: UserWarning: no", None),
        ("class A:\n    def __repr__(self): return 1 + ''\nA()", "", "TypeError"),
        ("names = 1;", "", None),
    ],
)
def test_execution_has_teeth(source, stderr, complaint, tmp_path):
    output = {"output_type": "stream", "name": "stderr", "text": stderr}
    cells = [
        {"cell_type": "markdown", "source": "text"},
        {"cell_type": "code", "source": "x = 1", "outputs": []},
        {"cell_type": "code", "source": source, "outputs": [output]},
    ]
    path = tmp_path / "some.ipynb"
    path.write_text(json.dumps({"cells": cells}))
    done = execute(path, tmp_path)
    assert (done.returncode == 0) == (complaint is None)
    assert complaint is None or complaint in done.stderr
