"""Posterior densities in NumPy and SciPy alone, their exact marginals, and the gate for draws.

Nothing here calls the package except to name its objects. The dispersion is ``root**2``.
"""

import itertools
from typing import NamedTuple

import numpy as np
import numpyro.distributions as dist
from numpyro.diagnostics import effective_sample_size
from scipy import integrate, interpolate, optimize, special, stats

from bayesglm import observation_models as models

TRIALS, STUDENT_DF, TWEEDIE_POWER, KNOWN_SCALE = 5, 4.0, 1.5, 0.5
SMALLEST_PROPORTION = 1e-9  # what is drawn nearer to zero or one is moved there


# Families: what they are called, and log-densities in the mean and the dispersion


class Family(NamedTuple):
    """A family in the package's words and in SciPy's."""

    observations: object
    link: str | None
    mean: object
    log_density: object
    draw: object
    level: float = 0.0  # of intercepts that keep simulated means inside the domain
    estimated: bool = False  # whether there is a dispersion to sample
    kappa: object = lambda scale: np.ones_like(scale)


def _negative_binomial(y, mean, scale):
    size, odds = 1 / scale, scale * mean
    ways = special.gammaln(y + size) - special.gammaln(size) - special.gammaln(y + 1)
    return ways - size * np.log1p(odds) + y * np.log(odds / (1 + odds))


def _tweedie(y, mean, scale):
    """Poisson number of gamma amounts, summed over the number."""
    a, b = 2 - TWEEDIE_POWER, TWEEDIE_POWER - 1
    rate = mean**a / (a * scale)
    number = np.arange(1, 80).reshape(-1, *(1,) * np.ndim(mean))
    positive = np.where(y > 0, y, 1.0)
    amounts = stats.gamma.logpdf(positive, number * a / b, scale=scale * b * mean**b)
    some = special.logsumexp(stats.poisson.logpmf(number, rate) + amounts, axis=0)
    return np.where(y > 0, some, -rate)


def _draw_tweedie(rng, mean, scale):
    a, b = 2 - TWEEDIE_POWER, TWEEDIE_POWER - 1
    number = rng.poisson(mean**a / (a * scale))
    amounts = rng.gamma(np.maximum(number, 1) * a / b, scale * b * mean**b)
    return np.where(number > 0, amounts, 0.0)


def _draw_negative_binomial(rng, mean, scale):
    return rng.poisson(rng.gamma(1 / scale, scale * mean))


NegativeBinomial = models.NegativeBinomialObservations
FAMILIES = {
    "Poisson": Family(
        "Poisson",
        None,
        np.exp,
        lambda y, mean, scale: special.xlogy(y, mean) - mean - special.gammaln(y + 1),
        lambda rng, mean, scale: rng.poisson(mean),
        level=1.0,
    ),
    "Bernoulli": Family(
        "Bernoulli",
        None,
        special.expit,
        lambda y, mean, scale: np.log(np.where(y == 1, mean, 1 - mean)),
        lambda rng, mean, scale: rng.binomial(1, mean),
    ),
    "Binomial": Family(
        models.BinomialObservations(TRIALS),
        None,
        special.expit,
        lambda y, mean, scale: (
            np.log(special.comb(TRIALS, y))
            + special.xlogy(y, mean)
            + special.xlog1py(TRIALS - y, -mean)
        ),
        lambda rng, mean, scale: rng.binomial(TRIALS, mean),
    ),
    "Gaussian": Family(
        "Gaussian",
        None,
        lambda eta: eta,
        lambda y, mean, scale: stats.norm.logpdf(y, mean, np.sqrt(scale)),
        lambda rng, mean, scale: rng.normal(mean, np.sqrt(scale)),
        estimated=True,
        kappa=lambda scale: 2 * scale,
    ),
    "Gamma": Family(
        "Gamma",
        "log",
        np.exp,
        lambda y, mean, scale: (
            (np.log(y / (scale * mean)) - y / mean) / scale - special.gammaln(1 / scale) - np.log(y)
        ),
        lambda rng, mean, scale: rng.gamma(1 / scale, scale * mean),
        estimated=True,
        kappa=lambda scale: scale,
    ),
    "NegativeBinomial": Family(
        NegativeBinomial(scale=None),
        None,
        np.exp,
        _negative_binomial,
        _draw_negative_binomial,
        level=2.0,
        estimated=True,
    ),
    "NegativeBinomial, known": Family(
        NegativeBinomial(scale=KNOWN_SCALE),
        None,
        np.exp,
        lambda y, mean, scale: _negative_binomial(y, mean, KNOWN_SCALE),
        lambda rng, mean, scale: _draw_negative_binomial(rng, mean, KNOWN_SCALE),
    ),
    "InverseGaussian": Family(
        "InverseGaussian",
        "log",
        np.exp,
        lambda y, mean, scale: stats.invgauss.logpdf(y, mean * scale, scale=1 / scale),
        lambda rng, mean, scale: rng.wald(mean, 1 / scale),
        estimated=True,
        kappa=lambda scale: scale,
    ),
    "StudentT": Family(
        models.StudentTObservations(STUDENT_DF),
        None,
        lambda eta: eta,
        lambda y, mean, scale: stats.t.logpdf(y, STUDENT_DF, mean, np.sqrt(scale)),
        lambda rng, mean, scale: mean + np.sqrt(scale) * rng.standard_t(STUDENT_DF, mean.shape),
        estimated=True,
    ),
    "Beta": Family(
        "Beta",
        None,
        special.expit,
        lambda y, mean, scale: stats.beta.logpdf(y, mean / scale, (1 - mean) / scale),
        lambda rng, mean, scale: np.clip(
            rng.beta(mean / scale, (1 - mean) / scale),
            SMALLEST_PROPORTION,
            1 - SMALLEST_PROPORTION,
        ),
        estimated=True,
    ),
    "Tweedie": Family(
        models.TweedieObservations(TWEEDIE_POWER),
        None,
        np.exp,
        _tweedie,
        _draw_tweedie,
        estimated=True,
        kappa=lambda scale: scale,
    ),
}


# Priors of three coefficients: as a regularizer, and as log-densities given the dispersion


class PriorCase(NamedTuple):
    """A regularizer with its strength, and the log-density ``(coef, kappa, n)`` it stands for."""

    regularizer: object
    strength: object
    log_density: object
    parts: bool = False  # whether X is a dict of features


def elastic_net_log_density(coef, rate, curvature):
    """Density proportional to ``exp(-rate |w| - curvature w**2 / 2)``, normalised by quadrature."""
    kernel = lambda w: np.exp(-rate * w - 0.5 * curvature * w**2)
    size = 1 / max(rate, np.sqrt(curvature))
    half = integrate.quad(lambda v: kernel(v * size) * size, 0, 60)[0]
    return -rate * np.abs(coef) - 0.5 * curvature * coef**2 - np.log(2 * half)


def group_log_density(coef, rate):
    """Density of a vector of length one or two proportional to ``exp(-rate * norm)``."""
    volume = {1: 2.0, 2: 2 * np.pi}[len(coef)]
    return -rate * np.linalg.norm(coef) - np.log(volume) + len(coef) * np.log(rate)


def ridge_log_density(coef, kappa, n, strength):
    return stats.norm.logpdf(coef, 0, np.sqrt(kappa / (n * strength))).sum()


STRENGTH = 0.2
COVARIANCE = np.array([[0.5, 0.2, 0.0], [0.2, 0.4, -0.1], [0.0, -0.1, 0.3]])
GROUPS = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
MEANS = np.array([0.1, -0.2, 0.0])


def priors():
    """All the priors by name."""
    from bayesglm.regularizer import GroupLasso, Prior

    s = STRENGTH
    lasso = lambda w, kappa, n: stats.laplace.logpdf(w, 0, kappa / (n * s)).sum()
    ridge = lambda w, kappa, n: ridge_log_density(w, kappa, n, s)

    def elastic_net(w, kappa, n):
        terms = (elastic_net_log_density(v, 0.3 * n * s / kappa, 0.7 * n * s / kappa) for v in w)
        return sum(terms)

    def group_lasso(w, kappa, n):
        rate = n * s / kappa
        return group_log_density(w[:2], np.sqrt(2) * rate) + group_log_density(w[2:], rate)

    of = lambda distribution: lambda w, kappa, n: distribution.logpdf(w).sum()
    return {
        "none": PriorCase("UnRegularized", None, lambda w, kappa, n: 0.0),
        "ridge": PriorCase("Ridge", s, ridge),
        "lasso": PriorCase("Lasso", s, lasso),
        "elastic net": PriorCase("ElasticNet", (s, 0.3), elastic_net),
        "group lasso": PriorCase(GroupLasso(mask=GROUPS), s, group_lasso),
        "normal": PriorCase(Prior(dist.Normal(0.1, 0.7)), None, of(stats.norm(0.1, 0.7))),
        "Student-t": PriorCase(Prior(dist.StudentT(3.0, 0.0, 0.4)), None, of(stats.t(3, 0, 0.4))),
        "Laplace": PriorCase(Prior(dist.Laplace(0.0, 0.3)), None, of(stats.laplace(0, 0.3))),
        "half-normal": PriorCase(Prior(dist.HalfNormal(0.8)), None, of(stats.halfnorm(0, 0.8))),
        "multivariate normal": PriorCase(
            Prior(dist.MultivariateNormal(MEANS, COVARIANCE)),
            None,
            of(stats.multivariate_normal(MEANS, COVARIANCE)),
        ),
        "by feature": PriorCase(
            {"a": "Ridge", "b": Prior(dist.StudentT(3.0, 0.0, 0.4))},
            {"a": s},
            lambda w, kappa, n: ridge(w[:2], kappa, n) + stats.t.logpdf(w[2], 3, 0, 0.4),
            parts=True,
        ),
    }


# Exact marginals


class Marginal(NamedTuple):
    """Exact properties of the posterior of one number."""

    mean: float
    sd: float
    low: float  # quantile at 5 %
    high: float  # at 95 %


def log_posterior(family, log_prior, X, y, log_root_prior=None):
    """Vectorised log posterior of points (m, D): coefficients, intercept, log root dispersion."""

    def density(points):
        points = np.atleast_2d(points)
        p = X.shape[1]
        eta = points[:, :p] @ X.T + points[:, p : p + 1]
        scale, own = np.ones((len(points), 1)), 0.0
        if log_root_prior is not None:
            log_root = points[:, p + 1]
            scale, own = np.exp(2 * log_root)[:, None], log_root_prior(np.exp(log_root)) + log_root
        cells = family.log_density(y, family.mean(eta), scale)
        return cells.sum(axis=1) + log_prior(points[:, :p], points[:, p]) + own

    return density


def grid_moments(density, center, covariance, num=27, width=7.5):
    """Marginal of the first coordinate on a grid, and mean and covariance of all.

    The trapezoidal rule converges faster than any power of the step for smooth densities.
    """
    root = np.linalg.cholesky(covariance)
    axis = np.linspace(-width, width, num)
    z = np.array(list(itertools.product(axis, repeat=len(center))))
    points = center + z @ root.T
    log_value = np.concatenate(
        [density(part) for part in np.array_split(points, 1 + len(z) // 8000)]
    )
    weight = np.exp(log_value - log_value.max())
    weight /= weight.sum()
    mean = weight @ points
    away = points - mean
    first = weight.reshape(num, -1).sum(axis=1)
    return center[0] + root[0, 0] * axis, first, mean, (away * weight[:, None]).T @ away


def quantiles(grid, weight, levels=(0.05, 0.95)):
    """Quantiles of a density on an even grid, by splines of its logarithm."""
    spline = interpolate.CubicSpline(grid, np.log(np.maximum(weight, 1e-300)))
    fine = np.linspace(grid[0], grid[-1], 20001)
    steps = integrate.cumulative_trapezoid(np.exp(spline(fine)), fine, initial=0)
    return np.interp(np.array(levels) * steps[-1], steps, fine)


def marginals(density, start, num=27):
    """Exact marginal of each coordinate, by quadrature in coordinates whitened by the posterior."""
    found = optimize.minimize(lambda v: -density(v)[0], start, method="BFGS")
    center, covariance = found.x, found.hess_inv
    for _ in range(6):  # BFGS knows the covariance roughly, and at a kink hardly at all
        wide = 1.5 * covariance
        *_, center, seen = grid_moments(density, center, wide, num=13, width=4.5)
        covariance = seen + 0.1 * wide  # no narrower at once than this grid can see
    result = []
    for j in range(len(start)):
        order = [j, *(i for i in range(len(start)) if i != j)]
        back = np.argsort(order)
        seen = lambda points, back=back: density(points[:, back])
        grid, weight, mean, own = grid_moments(
            seen, center[order], covariance[np.ix_(order, order)], num
        )
        edge = max(weight[0], weight[-1])
        assert edge < 1e-5, f"The grid is too narrow: {edge} of the mass is at its end."
        result.append(Marginal(mean[0], np.sqrt(own[0, 0]), *quantiles(grid, weight)))
    return result


def gaussian_marginals(X, y, precision, log_root_prior):
    """Marginals of coefficients, intercept and log root dispersion of a Gaussian model.

    ``precision(scale)`` holds the prior's precisions of the coefficients and the intercept, with
    zero for a flat one. Given the dispersion all is normal; the dispersion is on a grid.
    """
    design = np.column_stack([X, np.ones(len(y))])
    log_root = np.linspace(-4, 3, 1501) + np.log(y.std())
    means, sds, density = [], [], []
    for u in log_root:
        scale = np.exp(2 * u)
        own = np.asarray(precision(scale), float)
        full = design.T @ design / scale + np.diag(own)
        covariance = np.linalg.inv(full)
        mean = covariance @ design.T @ y / scale
        means.append(mean)
        sds.append(np.sqrt(np.diag(covariance)))
        quadratic = mean @ full @ mean - y @ y / scale - np.linalg.slogdet(full)[1]
        proper = np.log(own[own > 0]).sum()
        density.append(0.5 * (quadratic + proper) - len(y) * u + log_root_prior(np.exp(u)) + u)
    return _over_dispersions(log_root, means, sds, density, end=1e-12)


def wide_gaussian_marginals(X, y, variance, log_root_prior):
    """As `gaussian_marginals` with more columns than rows: y is normal, its covariance known.

    ``variance`` holds the prior's variances of the coefficients and the intercept.
    """
    design = np.column_stack([X, np.ones(len(y))])
    spread = variance[:, None] * design.T
    log_root = np.linspace(-14, 3, 601)
    means, sds, density = [], [], []
    for u in log_root:
        covariance = design @ spread + np.exp(2 * u) * np.eye(len(y))
        means.append(spread @ np.linalg.solve(covariance, y))
        reduction = np.einsum("ij,ji->i", spread, np.linalg.solve(covariance, spread.T))
        sds.append(np.sqrt(variance - reduction))
        likelihood = stats.multivariate_normal(cov=covariance).logpdf(y)
        density.append(likelihood + log_root_prior(np.exp(u)) + u)
    # The density of the log root falls no faster than the root.
    return _over_dispersions(log_root, means, sds, density, end=1e-6)


def _over_dispersions(log_root, means, sds, density, end):
    """Marginals from a table of normal distributions, whose ends weigh less than ``end``."""
    means, sds, density = map(np.array, (means, sds, density))
    weight = np.exp(density - density.max())
    weight /= weight.sum()
    assert max(weight[0], weight[-1]) < end
    result = [_mixture(weight, m, s) for m, s in zip(means.T, sds.T, strict=True)]
    mean = weight @ log_root
    sd = np.sqrt(weight @ (log_root - mean) ** 2)
    return [*result, Marginal(mean, sd, *quantiles(log_root, weight))]


def _mixture(weight, means, sds):
    mean = weight @ means
    sd = np.sqrt(weight @ (sds**2 + (means - mean) ** 2))
    at = lambda level: optimize.brentq(
        lambda q: weight @ stats.norm.cdf(q, means, sds) - level, mean - 20 * sd, mean + 20 * sd
    )
    return Marginal(mean, sd, at(0.05), at(0.95))


# The gate


def z_scores(draws, exact, weight=None):
    """Errors of mean, sd and both quantiles in Monte Carlo standard errors, shape (4,).

    Parameters
    ----------
    draws
        Shape (chain, draw).
    exact
        The marginal.
    weight
        Importance weights of the same shape that sum to one, for independent draws.

    Notes
    -----
    Each statistic is a mean of a function of the draw: of the draw, of its squared distance to
    the exact mean, and of whether it is below each exact quantile. The standard error is the
    exact or observed spread over the root of the effective sample size of that function
    (NumPyro's), or that of a ratio estimate for weighted draws.
    """
    square = (draws - exact.mean) ** 2
    functions = [
        (draws, exact.mean),
        (square, exact.sd**2),
        (1.0 * (draws < exact.low), 0.05),
        (1.0 * (draws < exact.high), 0.95),
    ]
    return np.array([_z(values, truth, weight) for values, truth in functions])


def _z(values, truth, weight):
    if weight is not None:
        error = np.sqrt(np.sum(weight**2 * (values - truth) ** 2))
        return (np.sum(weight * values) - truth) / error
    if np.ptp(values) == 0:
        return np.inf  # no draw, or all of them, below a quantile
    error = values.std() / np.sqrt(effective_sample_size(values))
    return (values.mean() - truth) / error


def check_z(z):
    """The gate: no |z| of 5 or more, and a root mean square as of standard normal numbers."""
    z = np.asarray(z)
    assert np.all(np.abs(z) < 5), f"|z| is up to {np.abs(z).max():.1f}"
    size = np.sqrt(np.mean(z**2))
    assert 0.7 <= size <= 1.35, f"The root mean square of z is {size:.2f}"
