"""Run the code of a notebook in this process: ``python run_notebook.py NOTEBOOK``.

Each cell is shown as a notebook shows it, by the representation of its last expression. A cell
may warn only of what its stored output says that it warns of.
"""

import ast
import json
import sys
import warnings
from pathlib import Path


def code_cells(path):
    """Source and stored text on stderr of each cell of code."""
    for cell in json.loads(Path(path).read_text())["cells"]:
        if cell["cell_type"] == "code":
            texts = [o["text"] for o in cell["outputs"] if o.get("name") == "stderr"]
            yield "".join(cell["source"]), "".join("".join(text) for text in texts)


def run(source, names, where):
    """Execute a cell, and show its last expression as HTML where it can be, else as text."""
    *statements, last = ast.parse(source, where).body or [ast.Pass()]
    shown = isinstance(last, ast.Expr) and not source.rstrip().endswith(";")
    body = statements if shown else [*statements, last]
    exec(compile(ast.Module(body, []), where, "exec"), names)
    if shown:
        value = eval(compile(ast.Expression(last.value), where, "eval"), names)
        getattr(value, "_repr_html_", value.__repr__)()


def main(path):
    """Run all cells in order; raise at the first that raises, or warns of something new."""
    names = {"__name__": "__main__"}
    for number, (source, stored) in enumerate(code_cells(path), start=1):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            run(source, names, f"{Path(path).name}, code cell {number}")
        for warning in caught:
            if f"{warning.category.__name__}:" not in stored:
                raise AssertionError(
                    f"code cell {number} warns, and its stored output does not: "
                    f"{warning.category.__name__}: {warning.message}\n{source}"
                )


if __name__ == "__main__":
    main(sys.argv[1])
