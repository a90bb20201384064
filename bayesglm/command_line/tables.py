"""Read a table from a file, refusing what would be misread; write one."""

from __future__ import annotations

import csv
import gzip
import re
import warnings
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

from bayesglm._warnings import warn_user
from bayesglm.command_line.errors import InputError, listing, nearest, suggestion
from bayesglm.exceptions import DataWarning

HEAD = 2**16  # characters from which separator and decimal sign are found
TEXT = (".csv", ".tsv", ".txt")
UNNAMED = "\0"  # begins the names of columns that have none
SEPARATORS = ",;\t|"
DECIMAL_COMMA = re.compile(r"(?m)(?:^|;)[ \t]*-?\d+,\d+[ \t]*(?:;|$)")


def read_table(name: str) -> Any:
    """DataFrame of a CSV or Parquet file.

    Parameters
    ----------
    name
        Name of the file; its suffix says what it is: .csv, .tsv, .txt, the same with .gz, or
        .parquet. Commas, semicolons (also with decimal commas), tabs and bars separate fields.

    Raises
    ------
    InputError
        If the file cannot be read as a table, or two columns have one name.
    """
    path = Path(name)
    check_is_file(path)
    kind = "".join(suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz")
    if kind.endswith((".parquet", ".pq")):
        table = _read_parquet(path)
    elif kind.endswith(TEXT):
        table = _read_text(path, kind.endswith(".tsv"))
    else:
        raise InputError(
            f"{path} must end in .csv, .tsv, .txt (also with .gz) or .parquet; save a spreadsheet "
            "as CSV."
        )
    if not len(table):
        raise InputError(f"{path} has column names but no rows.")
    return table


def write_table(table: Any, name: str) -> None:
    """Write a DataFrame to a .csv, .tsv (also .gz) or .parquet file, without its row numbers."""
    if name.lower().endswith((".parquet", ".pq")):
        table.to_parquet(name, index=False)
    else:
        separator = "\t" if ".tsv" in name.lower() else ","
        table.to_csv(name, sep=separator, index=False)


def check_output(name: str | None, *inputs: str) -> None:
    """Raise InputError unless a file of that name can be written, before any work is done."""
    if name is None:
        return
    path = Path(name)
    if path.is_dir():
        raise InputError(f"{path} is a folder: give the name of a file in it.")
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {path.parent}, where {path.name} should go.")
    if path.exists() and any(path.samefile(other) for other in inputs if Path(other).exists()):
        raise InputError(f"{path} would be overwritten; give another name for the output.")


def require_column(table: Any, name: str, path: str) -> None:
    """Raise InputError, with the nearest name, if there is no such column."""
    if name not in table.columns:
        raise InputError(f"{path} has no column {name!r}; {suggestion(name, table.columns)}")


def check_is_file(path: Path) -> None:
    """Raise InputError, with the nearest name beside it, if there is no such file."""
    if path.is_dir():
        raise InputError(f"{path} is a folder, not a file.")
    if not path.exists():
        here = [item.name for item in path.parent.iterdir()] if path.parent.is_dir() else []
        near = nearest(path.name, here, cutoff=0.75)
        hint = f"; did you mean {near!r}?" if near else "."
        raise InputError(f"there is no file {path}{hint}")


def _read_parquet(path: Path) -> Any:
    import pandas as pd

    try:
        table = pd.read_parquet(path)
    except ImportError as error:
        raise InputError("Parquet files need pyarrow: pip install pyarrow.") from error
    except ValueError as error:
        raise InputError(f"{path} cannot be read as Parquet: {error}") from error
    named = [name for name in table.index.names if name is not None]
    table = table.reset_index(named) if named else table
    table.columns = [str(column).strip() for column in table.columns]
    _refuse_duplicates(list(table.columns), path)
    return table


def _read_text(path: Path, has_tabs: bool) -> Any:
    try:
        head = _read_head(path)
        separator = "\t" if has_tabs else _separator(head)
        names = _column_names(head, separator, path)
        has_comma = separator == ";" and DECIMAL_COMMA.search(head)
        table = _read_rows(path, separator, "," if has_comma else ".", names)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not text in UTF-8 ({error.reason} at byte {error.start}): save it as CSV "
            "in UTF-8."
        ) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is damaged: {error}") from error
    return table


def _read_head(path: Path) -> str:
    """Read the first characters of a file of text."""
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    with opened(path, "rt", encoding="utf-8-sig") as file:
        head = file.read(HEAD)
    if "\0" in head:
        raise InputError(
            f"{path} is not a text file: it holds zero bytes. Save it as CSV in UTF-8."
        )
    if not head.strip():
        raise InputError(f"{path} is empty.")
    return head


def _separator(head: str) -> str:
    """Separator that occurs most often in the first line, outside of quotes."""
    first = re.sub(r'"[^"]*"', "", head.lstrip().splitlines()[0])
    return max(SEPARATORS, key=first.count)


def _column_names(head: str, separator: str, path: Path) -> list[str]:
    """Names in the first line; those without a name have a number after a zero byte."""
    lines = head.splitlines(keepends=True)
    rows = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    names = [name.strip() for name in next(row for row in rows if row)]
    _refuse_duplicates([name for name in names if name], path)
    return [name or f"{UNNAMED}{index}" for index, name in enumerate(names, 1)]


def _refuse_duplicates(names: list[str], path: Path) -> None:
    repeated = [f"{name!r}" for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise InputError(f"{path} has several columns named {listing(repeated)}; rename them.")


def _read_rows(path: Path, separator: str, decimal: str, names: list[str]) -> Any:
    """DataFrame of the named columns."""
    import pandas as pd

    layout = {"sep": separator, "decimal": decimal, "names": names, "header": 0}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                path, **layout, index_col=False, skipinitialspace=True, low_memory=False,
                encoding="utf-8-sig",
            )  # fmt: skip
    except pd.errors.ParserWarning as error:
        raise InputError(
            f"the rows of {path} have more fields than its first line has names ({len(names)}): "
            "name every column, or remove separators at the ends of lines."
        ) from error
    except pd.errors.ParserError as error:
        reason = str(error).removeprefix("Error tokenizing data. C error: ")
        raise InputError(f"{path} is not a regular table: {reason}") from error
    unnamed = [name for name in names if name.startswith(UNNAMED)]
    if unnamed:
        which = listing(name.removeprefix(UNNAMED) for name in unnamed)
        warn_user(f"columns without a name are left out: column {which}.", DataWarning)
    return table.drop(columns=unnamed)
