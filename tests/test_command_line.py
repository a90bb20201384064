"""The command line on a user's own file: the numbers of statsmodels, and messages that help."""

import contextlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

import bayesglm
from bayesglm import links
from bayesglm.__main__ import main
from bayesglm.command_line import arguments, fit, tables
from bayesglm.command_line.prepare import prepare
from bayesglm.command_line.report import table_text
from bayesglm.exceptions import DataWarning
from bayesglm.observation_models.registry import FAMILIES
from bayesglm.regularizer import REGULARIZERS

ROOT = Path(__file__).parent.parent
EQUAL = 1e-6  # both optimisers stop at gradients far smaller than this


def make_table():
    rng = np.random.default_rng(5)
    n = 120
    table = pd.DataFrame(
        {
            "age": rng.integers(20, 80, n).astype(float),
            "city": rng.choice(["Köln", "Bonn", "Aachen"], n),
            "smoker": rng.random(n) < 0.4,
            "years": rng.uniform(0.5, 3.0, n).round(2),
            "copies": rng.integers(1, 4, n),
            "bought": rng.choice(["yes", "no"], n),
            "kind": rng.choice(["c", "b", "a"], n),
        }
    )
    mean = np.exp(0.3 + 0.01 * table.age - 0.4 * table.smoker) * table.years
    table = table.assign(visits=rng.poisson(mean), cost=mean * rng.gamma(3.0, size=n))
    return table.assign(change=[2, -1, 0] * (n // 3))


TABLE = make_table()
FEATURES = "--features age city smoker"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder with the table in it, and we in the folder."""
    monkeypatch.chdir(tmp_path)
    TABLE.to_csv("data.csv", index=False)
    return tmp_path


@pytest.fixture
def command(here, capsys):
    """Run a command line; returns exit status, output and what went to standard error."""

    def run(text):
        try:
            status = main(shlex.split(text))
        except SystemExit as end:
            status = end.code
        return status, *capsys.readouterr()

    return run


def prepared(text):
    given = arguments.build_parser().parse_args(["fit", *shlex.split(text)])
    return prepare(given, tables.read_table(given.data))


# Numbers


def test_a_fit_with_categories_exposure_and_weights_is_that_of_statsmodels(command):
    status, out, err = command(
        f"fit data.csv --response visits {FEATURES} --exposure years --weights copies "
        "--level 0.9 --table table.csv --output model.npz"
    )
    assert (status, err) == (0, "")
    peer = smf.glm(
        "visits ~ age + C(city) + C(smoker)", TABLE, family=sm.families.Poisson(),
        exposure=TABLE.years, freq_weights=TABLE.copies,
    ).fit()  # fmt: skip
    names = {
        "age": "age",
        "city[Bonn]": "C(city)[T.Bonn]",
        "city[Köln]": "C(city)[T.Köln]",
        "smoker[True]": "C(smoker)[T.True]",
        "intercept": "Intercept",
    }
    table = pd.read_csv("table.csv", index_col="term")
    assert list(table.index) == list(names)
    low, high = peer.conf_int(0.1)[0], peer.conf_int(0.1)[1]
    expected = pd.concat([peer.params, peer.bse, low, high], axis=1).loc[list(names.values())]
    shown = table[["estimate", "std_error", "lower", "upper"]]
    np.testing.assert_allclose(shown, expected, rtol=EQUAL, atol=1e-9)
    for value in peer.params:
        assert f"{value:.4f}" in out
    assert f"Log-likelihood {peer.llf:,.2f}" in out
    assert "120 rows, 4 features and an intercept" in out
    assert "city: 3 levels, compared with 'Aachen'" in out
    assert "90% confidence interval" in out

    new = TABLE.iloc[::-1].query("city != 'Aachen' and smoker").drop(columns=["visits", "copies"])
    new[::-1].to_csv("new.csv", index=False)  # the first levels do not occur
    status, out, err = command("predict model.npz new.csv --output means.csv")
    assert (status, out, err) == (0, f"{len(new)} predictions written to means.csv.\n", "")
    means = pd.read_csv("means.csv")["predicted_visits"]
    np.testing.assert_allclose(means, peer.predict(new[::-1], exposure=new.years[::-1]), rtol=EQUAL)

    data = prepared(f"data.csv --response visits {FEATURES} --exposure years")
    by_hand = bayesglm.load("model.npz").predict(data.X)
    np.testing.assert_allclose(by_hand, peer.fittedvalues, rtol=EQUAL)

    TABLE.replace({"city": {"Bonn": "Paris"}}).to_csv("other.csv", index=False)
    status, out, err = command("predict model.npz other.csv")
    assert (status, out) == (2, "")
    assert "column 'city'" in err
    assert "'Paris'" in err
    new.drop(columns="years").rename(columns={"age": "Age"}).to_csv("other.csv", index=False)
    assert "no column 'age'; did you mean 'Age'?" in command("predict model.npz other.csv")[2]
    new.assign(age="old").to_csv("other.csv", index=False)
    assert "'age' held numbers" in command("predict model.npz other.csv")[2]
    new.assign(age=[np.nan, *new.age[1:]]).to_csv("other.csv", index=False)
    status, out, err = command("predict model.npz other.csv")
    assert out.splitlines()[1] in ("", '""')
    assert err == "warning: 1 rows with missing values have no prediction.\n"


def test_yes_and_no_are_one_and_zero(command):
    status, out, err = command(
        f"fit data.csv --response bought --family binomial {FEATURES} --output model.npz"
    )
    assert (status, err) == (0, "")
    assert "bought: 'yes' counts as 1, 'no' as 0" in out
    peer = smf.logit(
        "yes ~ age + city + smoker", TABLE.assign(yes=1.0 * (TABLE.bought == "yes"))
    ).fit(disp=0)
    status, out, err = command("predict model.npz data.csv")
    assert err == "predicted_bought is the probability of 'yes'.\n"
    lines = out.splitlines()
    assert lines[0] == "predicted_bought"
    np.testing.assert_allclose(np.array(lines[1:], float), peer.predict(TABLE), rtol=EQUAL)


def test_classes_are_those_of_multinomial_regression(command):
    options = f"--response kind --family categorical {FEATURES} --output model.npz"
    status, out, _ = command(f"fit data.csv {options}")
    assert status == 0
    assert "Categorical GLM, softmax link" in out
    command("predict model.npz data.csv --output classes.parquet")
    classes = pd.read_parquet("classes.parquet")
    codes = TABLE.kind.map({"a": 0, "b": 1, "c": 2})
    X = sm.add_constant(prepared("data.csv --response kind --family categorical " + FEATURES).X)
    expected = sm.MNLogit(codes, X).fit(disp=0).predict(X).to_numpy()
    probabilities = classes[["probability_a", "probability_b", "probability_c"]]
    np.testing.assert_allclose(probabilities, expected, rtol=1e-5)  # MNLogit stops at 1e-8 in steps
    assert classes["predicted_kind"].tolist() == ["abc"[i] for i in expected.argmax(axis=1)]


def test_several_responses_are_fitted_side_by_side(command):
    status, out, _ = command(
        f"fit data.csv --response visits cost --family gaussian {FEATURES} --output model.npz"
    )
    assert status == 0
    assert re.search(r"city\[Bonn\] +visits", out)
    means = command("predict model.npz data.csv --output means.tsv")[0], pd.read_table("means.tsv")
    X = sm.add_constant(prepared("data.csv --response visits " + FEATURES).X)
    for name in ("visits", "cost"):
        peer = sm.OLS(TABLE[name], X).fit()
        np.testing.assert_allclose(means[1][f"predicted_{name}"], peer.fittedvalues, rtol=EQUAL)


def test_a_fit_that_does_not_converge_says_so_and_writes_nothing(command, here):
    status, out, err = command(
        f"fit data.csv --response visits {FEATURES} --exposure years --weights copies --maxiter 1 "
        "--output model.npz --table table.csv"
    )
    assert status == 1
    assert "NOT CONVERGED" in out
    assert err.startswith("error: the fit did not converge in 1 steps")
    assert {path.name for path in here.iterdir()} == {"data.csv"}


def test_a_fit_that_the_library_gives_up_has_status_one(command, monkeypatch):
    def give_up(*_, **__):
        raise ValueError("the fit left the domain")

    monkeypatch.setattr(bayesglm.GLM, "fit", give_up)
    status, out, err = command(f"fit data.csv --response visits {FEATURES}")
    assert (status, out, err) == (1, "", "error: the fit left the domain\n")


def test_an_interrupt_ends_with_its_own_status(command, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(fit, "prepare", interrupt)
    assert command("fit data.csv --response visits") == (130, "", "error: interrupted.\n")


# Files


def as_excel_writes_it(table):
    table.to_csv("file.csv", index=False, sep=";", decimal=",", encoding="utf-8-sig")


FORMS = {
    "file.csv": lambda t: t.to_csv("file.csv", index=False, lineterminator="\r\n"),
    "file.csv ": lambda t: t.to_csv("file.csv", index=False, encoding="utf-8-sig"),
    "file.csv  ": as_excel_writes_it,
    "file.CSV": lambda t: t.to_csv("file.CSV", index=False, quoting=1),
    "file.tsv": lambda t: t.to_csv("file.tsv", index=False, sep="\t"),
    "file.txt.gz": lambda t: t.to_csv("file.txt.gz", index=False, sep="|"),
    "file.parquet": lambda t: t.to_parquet("file.parquet", index=False),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_table_is_read_alike_from_every_form(here, name):
    FORMS[name](TABLE)
    table = tables.read_table(name.strip())
    pd.testing.assert_frame_equal(table, TABLE, check_dtype=False)


def test_row_numbers_without_a_name_are_left_out(here):
    TABLE.to_csv("file.csv")
    with pytest.warns(DataWarning, match="without a name are left out: column 1"):
        table = tables.read_table("file.csv")
    assert list(table.columns) == list(TABLE.columns)


BAD_FILES = {
    "empty.csv": (b"", "is empty"),
    "header.csv": (b"a,b\n", "has column names but no rows"),
    "binary.csv": (bytes(range(256)), "is not text in UTF-8"),
    "zeros.csv": (b"a,b\n1,\0\n", "is not a text file"),
    "latin.csv": ("a,b\n1,ü\n".encode("latin-1"), "is not text in UTF-8"),
    "twice.csv": (b"a,b,a\n1,2,3\n", "has several columns named 'a'"),
    "long.csv": (b"a,b\n1,2\n1,2,3\n", "is not a regular table: Expected 2 fields in line 3"),
    "wide.csv": (b"a,b\n1,2,3\n4,5,6\n", "more fields than its first line has names"),
    "cut.csv.gz": (b"\x1f\x8b\x08\x00", "is damaged"),
    "plain.csv.gz": (b"a,b\n1,2\n", "is damaged"),
    "sheet.xlsx": (b"PK", "save a spreadsheet as CSV"),
    "text.parquet": (b"a,b\n", "cannot be read as Parquet"),
    "dates.csv": (b"a,d\n1,2020-01-02\n2,2021-01-02\n3,2020-01-02\n", "'d' holds dates"),
    "mixed.csv": (b"a,b\n1,7\n2,x\n3,9\n", "'b' mixes numbers and text: 'x' in row 2"),
    "ids.csv": (b"a,b\n1,u\n2,v\n3,w\n4,u\n", "'b' has 3 different texts in 4 rows"),
    "missing.csv": (b"a,b\n1,\n2,\n,3\n,4\n", "every row has missing values, by column: b 2, a 2"),
    "constant.csv": (b"a,b\n1,3\n2,3\n", "no feature varies"),
    "infinite.csv": (b"a,b\n1,2\n2,inf\n", "'b' has 1 infinite entries, the first in row 2"),
    "one.csv": (b"a\n1\n", "has no column left"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_refused_in_one_line(command, name):
    content, message = BAD_FILES[name]
    Path(name).write_bytes(content)
    assert_refused(command(f"fit {name} --response a"), message)


BAD_OPTIONS = {
    "other.csv --response visits": "there is no file other.csv.",
    "datta.csv --response visits": "did you mean 'data.csv'?",
    ". --response visits": "is a folder",
    "data.csv --response vists": "has no column 'vists'; did you mean 'visits'?",
    "data.csv --response visits --features Age": "did you mean 'age'?",
    "data.csv --response visits --features visits": "named twice, in --response and --features",
    "data.csv --response visits --offset cost --weights cost": "named twice",
    "data.csv --response visits --features age --categories city": "is no feature",
    "data.csv --response visits --features age --exposure city": "must hold numbers",
    "data.csv --response city --features age": "it holds text (",
    "data.csv --response kind --features age --family bernoulli": "has 3 levels (a, b, c)",
    "data.csv --response age --features cost --family bernoulli": "must be 0 or 1",
    "data.csv --response visits cost --features age --family categorical": "one response",
    "data.csv --response kind --features age --family categorical --link log": "has no --link",
    "data.csv --response visits --exposure years --link identity": "add --link log",
    "data.csv --response visits --features age --exposure change": "above 0, and is -1 in row 2",
    "data.csv --response visits --features age --weights change": "negative, and is -1 in row 2",
    "data.csv --response visits --strength 2": "--strength needs a --regularizer",
    "data.csv --response visits --output data.csv": "would be overwritten",
    "data.csv --response visits --output no/model.npz": "there is no folder no",
    "data.csv --response visits --table .": "is a folder",
}


@pytest.mark.parametrize("options", BAD_OPTIONS)
def test_options_that_make_no_sense_are_refused_in_one_line(command, options):
    assert_refused(command(f"fit {options}"), BAD_OPTIONS[options])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fit", "arguments are required"),
        ("fit data.csv", "required: --response"),
        ("fit data.csv --response visits --family poison", "did you mean 'poisson'?"),
        ("fit data.csv --response visits --level 95", "between 0 and 1"),
        ("fit data.csv --response visits --strength -1", "0 or above"),
        ("fit data.csv --response visits --maxiter 0", "1 or above"),
        ("fit data.csv --response visits --offset a --exposure b", "not allowed with"),
        ("guess data.csv", "invalid choice"),
    ],
)
def test_usage_errors_have_status_two(command, text, message):
    status, out, err = command(text)
    assert (status, out) == (2, "")
    assert message in err


@pytest.mark.parametrize("model", ["none.npz", "data.csv", "arrays.npz", "unfitted.npz"])
def test_predict_refuses_what_is_no_model_of_a_table(command, model):
    bayesglm.GLM().save("unfitted.npz")
    arrays = bayesglm.GLM()
    arrays.coef_, arrays.intercept_ = np.zeros(2), np.zeros(1)
    arrays.save("arrays.npz")
    assert_refused(command(f"predict {model} data.csv"), model)


def assert_refused(outcome, message):
    status, out, err = outcome
    assert (status, out) == (2, "")
    *warned, error = err.splitlines()
    assert all(line.startswith("warning: ") for line in warned)
    assert error.startswith("error: ")
    assert message in error


# Columns


def test_without_an_intercept_the_first_category_keeps_all_levels(here):
    options = "data.csv --response visits --no-intercept --features age smoker city"
    names = ["age", "smoker[False]", "smoker[True]", "city[Bonn]", "city[Köln]"]
    assert list(prepared(options).X.columns) == names


def test_numbers_can_name_categories_and_sort_as_numbers(here):
    TABLE.assign(code=[2, 10, 1] * 40).to_csv("file.csv", index=False)
    X = prepared("file.csv --response visits --features code --categories code").X
    assert list(X.columns) == ["code[2]", "code[10]"]
    assert X["code[10]"].tolist() == [0.0, 1.0, 0.0] * 40


def test_the_order_of_parquet_categories_is_kept(here):
    kinds = pd.Categorical(TABLE.kind, categories=["c", "unused", "a", "b"])
    TABLE.assign(kind=kinds).to_parquet("file.parquet")
    X = prepared("file.parquet --response visits --features kind").X
    assert list(X.columns) == ["kind[a]", "kind[b]"]


def test_rows_with_missing_values_are_left_out_and_counted(here):
    table = TABLE.astype({"city": object})
    table.loc[[3, 5], "city"] = None
    table.loc[5, "age"] = np.nan
    table.loc[7, "visits"] = np.nan
    table.loc[9, "cost"] = np.nan  # not used
    table.to_csv("file.csv", index=False)
    with pytest.warns(DataWarning, match=r"3 of 120, by column: age 1, city 2, visits 1\."):
        data = prepared(f"file.csv --response visits {FEATURES}")
    assert len(data.X) == len(data.y) == 117
    assert not data.X.isna().any(axis=None)
    with pytest.warns(DataWarning, match="1 of 120"):  # one of two responses is enough
        assert len(prepared("file.csv --response visits cost --features age").y) == 119


def test_columns_that_never_vary_are_left_out(here):
    TABLE.assign(one=1, word="x", nothing=np.nan).to_csv("file.csv", index=False)
    with pytest.warns(DataWarning, match="never vary: one, word, nothing"):
        data = prepared("file.csv --response visits --features age one word nothing")
    assert list(data.X.columns) == ["age"]
    assert len(data.X) == 120


def test_small_standard_errors_keep_their_digits():
    columns = ["estimate", "std_error", "statistic", "p_value", "lower", "upper"]
    rows = [[1.25, 0.5, 2.5, 0.012, 0.2, 2.2], [3.2e-6, 1.1e-6, 2.9, 0.003, 1e-6, 5e-6]]
    table = pd.DataFrame([*rows, [0.0] + [np.nan] * 5], columns=columns, index=["a", "b", "c"])
    a, b, c = (line.split() for line in table_text(table).splitlines()[1:])
    assert a == ["a", "1.2500", "0.5000", "2.50", "0.012", "0.2000", "2.2000"]
    assert b == ["b", "0.0000032", "0.0000011", "2.90", "0.003", "0.0000010", "0.0000050"]
    assert c == ["c", "0.0000", *["nan"] * 5]


# Help, names and the README


def test_every_name_is_one_of_the_library():
    assert set(arguments.FAMILIES.values()) == FAMILIES.keys() - {"Binomial"}
    assert set(arguments.REGULARIZERS.values()) == REGULARIZERS.keys() - {"GroupLasso"}
    found = {name: links.resolve(label) for name, label in arguments.LINKS.items()}
    for name in found.keys() - {"softplus", "cloglog"}:  # not names of links there
        assert links.resolve(name) is found[name]


@pytest.mark.parametrize("text", ["--help", "fit --help", "predict --help", "--version"])
def test_help_and_version_succeed(command, text):
    status, out, err = command(text)
    assert (status, err) == (0, "")
    assert "python -m bayesglm" in out or out == f"bayesglm {bayesglm.__version__}\n"


def test_help_imports_nothing_heavy():
    code = (
        "import sys, atexit; atexit.register(lambda: print(*sys.modules));"
        "from bayesglm.__main__ import main; main(['fit', '--help'])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "exit status" in run.stdout
    modules = set(run.stdout.splitlines()[-1].split())
    assert "bayesglm.command_line" in modules
    assert not modules & {"jax", "numpy", "pandas", "sklearn", "tqdm"}


def test_a_process_ends_with_the_status_and_without_a_traceback(here):
    run = subprocess.run(
        [sys.executable, "-m", "bayesglm", "fit", "data.csv", "--response", "vists"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    message = "error: data.csv has no column 'vists'; did you mean 'visits'?\n"
    assert (run.returncode, run.stdout, run.stderr) == (2, "", message)


def test_the_commands_of_the_readme_run(tmp_path, capsys):
    section = (ROOT / "README.md").read_text().split("## Fit your own file")[1]
    (block,) = re.findall(r"```bash\n(.*?)```", section.split("\n## ")[0], re.DOTALL)
    lines = [shlex.split(line) for line in block.splitlines()]
    with contextlib.chdir(tmp_path):
        for line in lines:
            assert line[:3] == [".venv/bin/python", "-m", "bayesglm"]
            words = [str(ROOT / w) if w.startswith("bayesglm/") else w for w in line[3:]]
            assert main(words) == 0
        means = pd.read_csv("means.csv")["predicted_mdvis"]
    out, err = capsys.readouterr()
    assert err == ""
    assert "lncoins" in out
    # The score equation of the intercept: fitted means sum to the observed visits.
    assert means.mean() == pytest.approx(2.8604, abs=5e-5)
