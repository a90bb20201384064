"""``python -m bayesglm fit`` and ``predict``: the command line on a file of the user's own."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence

from bayesglm.command_line.arguments import build_parser
from bayesglm.command_line.errors import FitError, InputError

BAD_INPUT, FAILED, INTERRUPTED = 2, 1, 130  # exit statuses; 0 is success
SHOWN = (UserWarning, RuntimeWarning)  # what else a library warns of is for programmers


def run(arguments: Sequence[str]) -> int:
    """Run one command: results go to standard output, warnings and errors to standard error.

    Parameters
    ----------
    arguments
        What follows ``python -m bayesglm``, one string each.

    Returns
    -------
    Exit status: 0, 1 if the fit failed or did not converge, 2 for input that cannot be used, 130
    if interrupted.

    Raises
    ------
    SystemExit
        With status 2 if the arguments cannot be read; with 0 after ``--help`` and ``--version``.

    Examples
    --------
    >>> run(["fit", "--help"])
    Traceback (most recent call last):
        ...
    SystemExit: 0
    """
    given = build_parser().parse_args(arguments)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        for category in SHOWN:
            warnings.simplefilter("always", category)
        status, message = _attempt(given)
    for text in dict.fromkeys(_one_line(item.message) for item in caught):
        print(f"warning: {text}", file=sys.stderr)
    if message:
        print(f"error: {message}", file=sys.stderr)
    return status


def _attempt(given) -> tuple[int, str]:
    """Exit status of a command, and what went wrong."""
    try:
        if given.command == "fit":
            from bayesglm.command_line.fit import fit as command
        else:
            from bayesglm.command_line.predict import predict as command
        command(given)
        sys.stdout.flush()
    except InputError as error:
        return BAD_INPUT, _one_line(error)
    except FitError as error:
        return FAILED, _one_line(error)
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        return BAD_INPUT, _one_line(error)
    except KeyboardInterrupt:
        return INTERRUPTED, "interrupted."
    return 0, ""


def _one_line(message: object) -> str:
    return " ".join(str(message).split())
