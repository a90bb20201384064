"""The arguments of the command line; nothing heavy is imported, so that help comes at once."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

from bayesglm.command_line.errors import suggestion

DESCRIPTION = """\
Without arguments: fit a Poisson GLM to 20,190 person-years of the RAND Health Insurance
Experiment, which is embedded in the package, and print coefficients with standard errors and 95%
intervals.

  python -m bayesglm fit DATA.csv --response visits      fit a model to your own file
  python -m bayesglm predict model.npz DATA.csv          predict from a saved model"""

FIT = """\
Fit a generalized linear model to a table and print its coefficients.

DATA is a CSV (also .csv.gz, .tsv, .txt) or Parquet file with column names in its first line. All
columns but the response are features, unless --features or --exclude says otherwise. Columns of
text or True/False become one 0/1 column per level but the first, named column[level]. Rows with
missing values are left out and counted."""

FIT_EXAMPLES = """\
examples:
  python -m bayesglm fit doctor.csv --response visits --family poisson
  python -m bayesglm fit doctor.csv --response visits --exposure years --features age income
  python -m bayesglm fit shop.csv --response bought --family bernoulli --exclude id date
  python -m bayesglm fit houses.parquet --response price --family gamma --link log \\
      --regularizer ridge --strength 0.1 --output model.npz
  python -m bayesglm fit flowers.csv --response species --family categorical

exit status: 0 success, 1 the fit failed or did not converge, 2 bad input, 130 interrupted"""

PREDICT = """\
Predict the mean response (or the class) for each row of a table from a saved model.

The columns of DATA are encoded as they were by `fit`; further columns are ignored. A level that
`fit` did not see is an error. A row with missing values has an empty prediction."""

PREDICT_EXAMPLES = """\
examples:
  python -m bayesglm predict model.npz new.csv
  python -m bayesglm predict model.npz new.csv --output predictions.csv"""

FAMILIES = {
    "poisson": "Poisson",
    "negative-binomial": "NegativeBinomial",
    "bernoulli": "Bernoulli",
    "binomial": "Bernoulli",
    "categorical": "Categorical",
    "gaussian": "Gaussian",
    "student-t": "StudentT",
    "gamma": "Gamma",
    "inverse-gaussian": "InverseGaussian",
    "tweedie": "Tweedie",
    "beta": "Beta",
}
LINKS = {  # of the library, by what they are called here
    "log": "exp",
    "identity": "identity",
    "logit": "logistic",
    "probit": "norm_cdf",
    "cloglog": "cloglog",
    "inverse": "one_over_x",
    "inverse-squared": "inverse_squared",
    "sqrt": "square",
    "softplus": "softplus",
}
REGULARIZERS = {
    "none": "UnRegularized",
    "ridge": "Ridge",
    "lasso": "Lasso",
    "elastic-net": "ElasticNet",
    "prior": "Prior",
}


def build_parser() -> argparse.ArgumentParser:
    """Parser of all commands."""
    layout = {"formatter_class": argparse.RawDescriptionHelpFormatter}
    parser = argparse.ArgumentParser(
        prog="python -m bayesglm", usage="%(prog)s [fit|predict] ...", description=DESCRIPTION,
        epilog="`fit --help` and `predict --help` have the options and examples.", **layout,
    )  # fmt: skip
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    prog = parser.prog
    commands = parser.add_subparsers(dest="command", required=True, prog=prog, metavar="command")
    _add_fit(
        commands.add_parser(
            "fit",
            help="fit a model to a file",
            description=FIT,
            epilog=FIT_EXAMPLES,
            usage="%(prog)s DATA --response COLUMN [--family NAME] [further options]",
            **layout,
        )
    )
    _add_predict(
        commands.add_parser(
            "predict", help="predict from a saved model", description=PREDICT,
            epilog=PREDICT_EXAMPLES, **layout,
        )
    )  # fmt: skip
    return parser


class _Version(argparse.Action):
    """Look the version up only when it is asked for."""

    def __call__(self, parser, namespace, values, option_string=None):
        from importlib.metadata import version

        print(f"bayesglm {version('bayesglm')}")
        parser.exit()


def _add_fit(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("data", metavar="DATA", help="the file; put it before the options")
    add("--response", nargs="+", required=True, metavar="COLUMN", help="one, or several")
    add("--family", type=_one_of(FAMILIES), default="Poisson", metavar="NAME",
        help=f"{', '.join(FAMILIES)} (default: poisson)")  # fmt: skip
    add("--link", type=_one_of(LINKS), metavar="NAME",
        help=f"{', '.join(LINKS)} (default: the family's)")  # fmt: skip
    which = parser.add_argument_group("columns")
    add = which.add_argument
    add("--features", nargs="+", metavar="COLUMN", help="default: all that have no other role")
    add("--exclude", nargs="+", default=[], metavar="COLUMN", help="columns to leave out")
    add("--categories", nargs="+", default=[], metavar="COLUMN",
        help="columns of numbers that name categories")  # fmt: skip
    add("--weights", metavar="COLUMN", help="a weight of 2 counts a row twice")
    known = which.add_mutually_exclusive_group()
    known.add_argument("--offset", metavar="COLUMN", help="added to the linear predictor")
    known.add_argument("--exposure", metavar="COLUMN",
                       help="multiplies the mean: its log is the offset")  # fmt: skip
    how = parser.add_argument_group("how to fit")
    add = how.add_argument
    add("--regularizer", type=_one_of(REGULARIZERS), default="UnRegularized", metavar="NAME",
        help=f"{', '.join(REGULARIZERS)} (default: none)")  # fmt: skip
    add("--strength", type=_not_negative, metavar="NUMBER", help="of the regularizer (default: 1)")
    add("--no-intercept", dest="intercept", action="store_false", help="leave the intercept out")
    add("--maxiter", type=_positive_integer, metavar="NUMBER", help="most steps of the solver")
    out = parser.add_argument_group("results")
    add = out.add_argument
    add("--level", type=_level, default=0.95, metavar="NUMBER",
        help="coverage of the intervals (default: 0.95)")  # fmt: skip
    add("--output", metavar="FILE", help="save the model, as in model.npz")
    add("--table", metavar="FILE", help="write the coefficients, as in coefficients.csv")


def _add_predict(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL", help="a file that `fit --output` wrote")
    add("data", metavar="DATA", help="a CSV or Parquet file with the columns of the features")
    add("--output", metavar="FILE", help="a .csv, .tsv or .parquet file (default: print as CSV)")


def _one_of(names: Mapping[str, str]) -> Callable[[str], str]:
    """Reader of a name, however it is written: Student-T, student_t, studentt."""
    plain = lambda name: name.lower().replace("-", "").replace("_", "")
    found = {plain(name): value for name, value in names.items()}
    found |= {plain(value): value for value in names.values()}

    def read(text: str) -> str:
        if plain(text) in found:
            return found[plain(text)]
        raise argparse.ArgumentTypeError(f"no such name {text!r}; {suggestion(text, names)}")

    return read


def _number(text: str, kind: type, what: str, is_right: Callable[[float], bool]):
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not is_right(value):
        raise argparse.ArgumentTypeError(f"must be {what}; got {text!r}.")
    return value


def _not_negative(text: str) -> float:
    return _number(text, float, "a number, 0 or above", lambda v: 0 <= v < float("inf"))


def _positive_integer(text: str) -> int:
    return _number(text, int, "a whole number, 1 or above", lambda v: v >= 1)


def _level(text: str) -> float:
    return _number(text, float, "between 0 and 1, such as 0.95", lambda v: 0 < v < 1)
