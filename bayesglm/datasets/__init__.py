"""Real data, embedded: nothing is downloaded."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["load_randhie"]


def load_randhie() -> tuple[pd.DataFrame, pd.Series]:
    """Doctor visits in the RAND Health Insurance Experiment.

    One row per person and year, 20,190 rows. Families in the United States were assigned at
    random to insurance plans that differ in how much of each bill the family pays itself; the
    response counts how often a person saw a doctor that year.

    Returns
    -------
    X
        Features, shape (20190, 9):

        - ``lncoins``: log(coinsurance + 1), the coinsurance rate in percent, 0 to 100;
        - ``idp``: 1 under a plan with a deductible per person, else 0;
        - ``lpi``: log(max(1, annual participation incentive payment in dollars));
        - ``fmde``: 0 if ``idp`` is 1, else log(max(1, maximum dollar expenditure /
          (0.01 coinsurance)));
        - ``physlm``: 1 with a physical limitation, else 0 (a fraction where it was imputed);
        - ``disea``: number of chronic diseases (a fraction where it was imputed);
        - ``hlthg``, ``hlthf``, ``hlthp``: 1 if health is self-rated good, fair or poor; all
          three are 0 if it is excellent.
    y
        ``mdvis``, the number of outpatient visits to a physician in that year, shape (20190,).

    References
    ----------
    Collected by the RAND Corporation. Used in Cameron and Trivedi (2005), *Microeconometrics:
    Methods and Applications*, Cambridge University Press. The file is the ``randhie.csv``
    distributed with statsmodels 0.15, which states that it is in the public domain, and that it
    varies slightly from the data in the book. Its bytes are unchanged but for compression;
    SHA-256 of the uncompressed file:
    9f6c87d05aef087a82cc4465310c8cd3f38327be6eafa43bd81fb98c4f3d088c.

    Examples
    --------
    >>> from bayesglm.datasets import load_randhie
    >>> X, y = load_randhie()
    >>> X.shape, y.name
    ((20190, 9), 'mdvis')
    >>> float(y.mean())
    2.8604
    """
    import pandas as pd

    source = resources.files(__package__) / "randhie.csv.gz"
    with resources.as_file(source) as path:
        table = pd.read_csv(path)
    return table.drop(columns="mdvis"), table["mdvis"]
