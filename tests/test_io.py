"""Saved models: what comes back, what is refused, and what survives a crash."""

import functools
import io
import json
import os
import pickle
import signal
import subprocess
import sys
import time
import warnings
import zipfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bayesglm
from bayesglm import (
    GLM,
    ClassifierGLM,
    ClassifierPopulationGLM,
    ModelFileError,
    PopulationGLM,
    Prior,
    _archive,
    links,
)
from bayesglm._archive_reader import Archive
from bayesglm.observation_models import (
    BinomialObservations,
    GaussianObservations,
    NegativeBinomialObservations,
    PoissonObservations,
    StudentTObservations,
)
from bayesglm.regularizer import GroupLasso, Lasso, PerFeature, Ridge

RNG = np.random.default_rng(11)
X = RNG.uniform(-1, 1, (400, 4))  # one shape for all: another one compiles for seconds
TREE = {"speed": X[:, :3], "past": (X[:, 3:],)}
COUNTS = RNG.poisson(np.exp(X @ [0.3, -0.2, 0.1, 0.4] + 1.0)).astype(float)
POPULATION = RNG.poisson(np.exp(X @ RNG.uniform(-0.3, 0.3, (4, 2)) + 1.0)).astype(float)
LABELS = np.array(["left", "right", "stay"])[(X[:, :3] + RNG.gumbel(size=(400, 3))).argmax(1)]
MASK = np.array([[1, 0], [1, 1], [0, 1], [1, 1]])
GROUPS = np.array([[1.0, 1, 0, 0], [0, 0, 1, 1]])


def raised_exp(eta):
    return jnp.exp(eta) + 0.1


def numpyro():
    import numpyro.distributions as dist

    return dist


class Counts(PoissonObservations.__bases__[0]):  # a user's own family
    """Poisson counts under another name, with a setting."""

    level: float = 1.0

    default_inverse_link_function = links.exp

    def log_density(self, y, eta, link, scale):
        return PoissonObservations().log_density(y, eta, link, scale)

    def get_params(self, deep=True):
        return {"level": self.level}


def as_if_fitted(model, features=X, trailing=()):
    """Give a model all that a fit finds, without the seconds of compiling one."""
    rng = np.random.default_rng(12)
    draw = lambda leaf: rng.normal(size=(leaf.shape[1], *trailing))
    model.coef_ = jax.tree.map(draw, features)
    model.intercept_ = rng.normal(size=trailing or (1,))
    num_responses = model._coef.shape[1]
    size = model._coef[:, 0].size + model._intercept[0].size
    root = rng.normal(size=(num_responses, size, size))
    model._covariance = root @ np.swapaxes(root, 1, 2)
    model._scale, model._dof_resid = rng.uniform(1, 2, (2, num_responses))
    model.n_iter_, model.n_features_in_ = 3, 4
    return model


FITTED = {
    "poisson": lambda: GLM().fit(X, COUNTS),
    "population with mask": lambda: PopulationGLM(feature_mask=MASK).fit(X, POPULATION),
    "classifier of strings": lambda: ClassifierGLM(3).fit(X, LABELS),
    "gaussian ridge tree": lambda: as_if_fitted(
        GLM("Gaussian", None, "Ridge", {"speed": 0.1, "past": (0.2,)}), TREE
    ),
    "negative binomial": lambda: as_if_fitted(GLM(NegativeBinomialObservations(scale=0.5))),
    "prior": lambda: as_if_fitted(GLM(regularizer=Prior(numpyro().StudentT(3.0, 0.0, 2.5)))),
    "group lasso": lambda: as_if_fitted(GLM("Poisson", None, GroupLasso(mask=GROUPS), 0.01)),
    "custom link": lambda: as_if_fitted(GLM(inverse_link_function=raised_exp)),
    "population tree": lambda: as_if_fitted(PopulationGLM("Bernoulli"), TREE, (2,)),
    "classifiers of objects": lambda: as_if_fitted(
        ClassifierPopulationGLM(3).set_classes(LABELS.astype(object)), X, (2, 3)
    ),
}
CUSTOM = {"raised_exp": raised_exp, "Counts": Counts}
fitted = functools.cache(lambda name: FITTED[name]())


def by_hand(**settings):
    """A model with coefficients that no fit found."""
    model = GLM(**settings)
    model.coef_, model.intercept_ = np.arange(4.0), [0.5]
    return model


UNFITTED = {
    "defaults": lambda: GLM(),
    "population": lambda: PopulationGLM("Gamma", "softplus", feature_mask=jnp.asarray(MASK)),
    "classifier": lambda: ClassifierGLM(4, regularizer=Lasso(), fit_intercept=False),
    "classifiers": lambda: ClassifierPopulationGLM(2, solver_kwargs={"tol": 1e-7, "maxiter": 5}),
    "classes only": lambda: ClassifierGLM(2).set_classes([3.0, 5.0]),
    "native link": lambda: GLM(inverse_link_function=links.cloglog),
    "jax function": lambda: GLM(inverse_link_function=jax.nn.softplus),
    "link object": lambda: GLM(inverse_link_function=links.Custom(raised_exp)),
    "own family": lambda: GLM(Counts(2.0)),
    "binomial": lambda: GLM(BinomialObservations(trials=np.array([3, 4, 5]))),
    "student": lambda: GLM(StudentTObservations(df=7.0)),
    "estimated": lambda: GLM(NegativeBinomialObservations(scale=None)),
    "per feature": lambda: GLM(regularizer=PerFeature({"a": Ridge(), "b": Lasso()})),
    "dict": lambda: GLM(regularizer={"a": "Ridge", "b": None}, regularizer_strength={"a": 2}),
    "group tree": lambda: GLM(regularizer=GroupLasso({"a": GROUPS[:, :2], "b": GROUPS[:, 2:]})),
    "strengths": lambda: GLM(regularizer="ElasticNet", regularizer_strength=(np.ones(4), 0.5)),
    "autoscaled": lambda: GLM(regularizer=Prior(intercept=numpyro().Normal(0.0, 5.0))),
    "bare prior": lambda: GLM(regularizer=numpyro().Laplace(0.0, np.float32(1.5))),
    "priors": lambda: GLM(
        regularizer=Prior({"a": numpyro().HalfNormal(2.0), "b": numpyro().Normal(0, np.ones(3))})
    ),
    "vector prior": lambda: GLM(
        regularizer=Prior(numpyro().MultivariateNormal(np.zeros(2), np.eye(2) + 0.5))
    ),
    "expanded": lambda: GLM(regularizer=Prior(numpyro().Normal(0.0, 1.0).expand([4]).to_event(1))),
    "truncated": lambda: GLM(regularizer=Prior(numpyro().TruncatedNormal(0.0, 1.0, low=-0.5))),
    "mixture": lambda: GLM(
        regularizer=Prior(
            numpyro().MixtureSameFamily(
                numpyro().Categorical(np.array([0.2, 0.8])),
                numpyro().Normal(np.zeros(2), np.array([1.0, 3.0])),
            )
        )
    ),
    "odd numbers": lambda: GLM(offset_column=np.int64(2), solver_kwargs={"a": float("inf")}),
    "by hand": lambda: by_hand(observation_model=GaussianObservations()),
}


def assert_same(a, b):
    """Values are the same to the last bit, of the same types."""
    assert type(a) is type(b) or {type(a), type(b)} <= {np.ndarray, type(jnp.ones(1))}
    if isinstance(a, (dict, list, tuple)):
        assert len(a) == len(b)
        pairs = (
            zip(a.items(), b.items(), strict=True)
            if isinstance(a, dict)
            else zip(a, b, strict=True)
        )
        for left, right in pairs:
            assert_same(left, right)
    elif isinstance(a, (np.ndarray, jax.Array)):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    elif hasattr(a, "get_params"):
        assert_same(a.get_params(), b.get_params())
    elif hasattr(a, "arg_constraints"):
        assert a.batch_shape == b.batch_shape
        assert a.event_shape == b.event_shape
        point = np.full(a.batch_shape + a.event_shape, 0.3)
        np.testing.assert_array_equal(a.log_prob(point), b.log_prob(point))
    else:
        assert a == b or a != a


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.npz"


@pytest.mark.parametrize("name", FITTED)
def test_fitted_models_come_back(name, path):
    model = fitted(name)
    model.save(path)
    twin = bayesglm.load(path, custom_objects=CUSTOM)
    assert type(twin) is type(model)
    assert_same(model.get_params(deep=False), twin.get_params(deep=False))
    features = TREE if "tree" in name else X
    assert_same(model.predict(features), twin.predict(features))
    assert_same(model.coef_, twin.coef_)
    for attribute in ("intercept_", "scale_", "dof_resid_", "covariance_", "n_iter_"):
        assert_same(getattr(model, attribute), getattr(twin, attribute))
    assert_same(getattr(model, "classes_", None), getattr(twin, "classes_", None))
    assert twin.n_features_in_ == model.n_features_in_
    assert twin.solver_state_ is None
    assert model.summary().equals(twin.summary())


@pytest.mark.parametrize("name", UNFITTED)
def test_settings_come_back(name, path):
    model = UNFITTED[name]()
    model.save_params(path)
    twin = bayesglm.load(path, custom_objects=CUSTOM)
    expected = model.get_params(deep=False)
    if name == "jax function":  # comes back as the link that it is
        expected["inverse_link_function"] = links.softplus
    assert_same(expected, twin.get_params(deep=False))
    assert twin.__sklearn_is_fitted__() == (name == "by hand")
    assert_same(getattr(model, "classes_", None), getattr(twin, "classes_", None))


def test_loaded_models_can_be_fitted_and_saved_again(path):
    fitted("poisson").save(path)
    twin = bayesglm.load(path)
    first = path.read_bytes()
    twin.save(path)
    assert path.read_bytes() == first
    assert_same(twin.fit(X, COUNTS).coef_, fitted("poisson").coef_)


def test_names_of_features_and_responses_come_back(path):
    import pandas as pd

    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    responses = pd.DataFrame(POPULATION, columns=["u", "v"])
    model = PopulationGLM(feature_mask=MASK).fit(frame, responses)
    bayesglm.save(model, path)
    twin = bayesglm.load(path)
    assert_same(model.feature_names_in_, twin.feature_names_in_)
    assert_same(model.predict(frame), twin.predict(frame))
    assert twin.summary().equals(model.summary())
    with pytest.raises(ValueError, match="feature names"):
        twin.predict(frame[["b", "a", "c", "d"]])


def test_numpy_reads_the_file_without_pickle(path):
    model = fitted("poisson")
    model.save(path)
    with np.load(path, allow_pickle=False) as file:
        header = json.loads(file["header.json"].tobytes())
        coef = file[header["fitted"]["_coef"]["member"]]
    np.testing.assert_array_equal(coef, model._coef)
    assert header["versions"].keys() == {"bayesglm", "jax", "numpyro", "numpy"}


# What is stored by name


@pytest.mark.parametrize(
    ("name", "needed"), [("link object", "raised_exp"), ("own family", "Counts")]
)
def test_what_is_missing_is_named(name, needed, path):
    UNFITTED[name]().save(path)
    with pytest.raises(ModelFileError, match=f"needs '{needed}'.*custom_objects"):
        bayesglm.load(path)


def test_another_function_in_its_place_is_noticed(path):
    fitted("custom link").save(path)
    with pytest.warns(UserWarning, match="means .* differ"):
        bayesglm.load(path, {"raised_exp": jnp.exp})


def test_classes_of_users_cannot_be_saved(path):
    class Mine(GLM):
        pass

    with pytest.raises(TypeError, match=r"Only GLM, .* got Mine"):
        Mine().save(path)
    assert not path.exists()


def test_load_model_takes_objects_by_parameter(path):
    GLM(inverse_link_function=raised_exp).save_params(path)
    model = bayesglm.load_model(path, {"inverse_link_function": raised_exp})
    assert model.inverse_link_function.function is raised_exp


def test_load_model_replaces_with_a_warning(path):
    GLM("Gamma", regularizer="Ridge", regularizer_strength=0.3).save_params(path)
    with pytest.warns(UserWarning, match="The following keys have been replaced"):
        model = bayesglm.load_model(path, {"regularizer": Lasso})
    assert model.regularizer == Lasso()
    assert model.regularizer_strength == 0.3


def test_load_model_refuses_what_makes_no_sense(path):
    GLM().save_params(path)
    with pytest.raises(ValueError, match="Invalid map parameter types detected"):
        bayesglm.load_model(path, {"inverse_link_function": "exp"})
    with pytest.raises(ValueError, match="Did you mean 'inverse_link_function'"):
        bayesglm.load_model(path, {"inverse_link": raised_exp})


def test_inspect_shows_versions_parameters_and_arrays(path, capsys):
    fitted("prior").save(path)
    bayesglm.inspect_npz(path)
    shown = capsys.readouterr().out
    for text in ("GLM", "numpyro", "StudentT(df=3.0", "_covariance: float64 of shape (1, 5, 5)"):
        assert text in shown


# Damage


def rewrite(content, change_header=None, change_members=None):
    """Return the file with another header or other members, whole as a zip file."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if change_header:
        header = json.loads(np.load(io.BytesIO(members["header.json.npy"])).tobytes())
        change_header(header)
        members["header.json.npy"] = npy(np.frombuffer(json.dumps(header).encode(), np.uint8))
    if change_members:
        change_members(members)
    return zipped(members)


def zipped(members, compression=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def npy(array, allow_pickle=False):
    out = io.BytesIO()
    np.lib.format.write_array(out, array, version=(1, 0), allow_pickle=allow_pickle)
    return out.getvalue()


def header_change(**changes):
    return lambda content: rewrite(content, lambda header: header.update(changes))


def without(*keys):
    def drop(header):
        for key in keys[:-1]:
            header = header[key]
        del header[keys[-1]]

    return lambda content: rewrite(content, drop)


def extra(*keys):
    def add(header):
        for key in keys:
            header = header[key]
        header["surprise"] = 1

    return lambda content: rewrite(content, add)


def member_change(**changes):
    changes = {f"{name}.npy": data for name, data in changes.items()}
    return lambda content: rewrite(content, None, lambda members: members.update(changes))


def flipped(content, where):
    changed = bytearray(content)
    changed[int(where * len(content))] ^= 0x10
    return bytes(changed)


def claims(shape):
    """A member whose header claims a shape, with few bytes after it."""
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        out, {"descr": "<f8", "fortran_order": False, "shape": shape}
    )
    return out.getvalue() + b"\0" * 32


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


def compressed(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    return zipped(members, zipfile.ZIP_DEFLATED)


def without_member(content):
    return rewrite(content, None, lambda members: members.pop("array0.npy"))


def strange_kind(content):
    def change(header):
        header["params"]["solver_name"] = {"kind": "exec", "code": "1"}

    return rewrite(content, change)


def strange_class(content):
    def change(header):
        spec = {"kind": "distribution", "class": "Popen", "params": {"args": "true"}}
        header["params"]["regularizer"] = spec

    return rewrite(content, change)


DAMAGE = {
    "empty": (lambda c: b"", "damaged or is no model file"),
    "text": (lambda c: b"coef,1.0\n" * 100, "damaged or is no model file"),
    "pickle": (lambda c: pickle.dumps({"coef": 1.0}), "damaged or is no model file"),
    "foreign npz": (lambda c: zipped({"coef.npy": npy(np.ones(3))}), "has no 'header.json'"),
    **{
        f"cut at {part}": (lambda c, part=part: c[: int(part * len(c))], "damaged")
        for part in (0.1, 0.5, 0.9, 0.999)
    },
    "other format": (header_change(format="nemos"), "its format is 'nemos'"),
    "future schema": (header_change(schema=2), "has schema 2, .* reads schema 1"),
    "odd schema": (header_change(schema="x"), "has schema 'x'"),
    "unknown class": (header_change(**{"class": "Popen"}), "holds a 'Popen'"),
    "header key missing": (without("versions"), r"missing: \['versions'\]"),
    "header key added": (extra(), r"not known: \['surprise'\]"),
    "parameter missing": (without("params", "regularizer"), r"missing: \['regularizer'\]"),
    "parameter added": (extra("params"), r"not known: \['surprise'\]"),
    "fitted key missing": (without("fitted", "_coef"), r"missing: \['_coef'\]"),
    "fitted key added": (extra("fitted"), r"not known: \['surprise'\]"),
    "array undescribed": (without("arrays", "array0"), r"not known: \['array0'\]"),
    "array missing": (without_member, r"missing: \['array0'\]"),
    "array added": (member_change(more=npy(np.ones(2))), r"not known: \['more'\]"),
    "array changed": (member_change(array0=npy(np.ones((4, 1)))), "is not the one"),
    "array of 8 TB": (member_change(array0=claims((10**12,))), "claims shape"),
    "array of negative size": (member_change(array0=claims((-2, -2))), "claims shape"),
    "array no npy": (member_change(array0=b"hello"), "damaged"),
    "compressed": (compressed, "compressed"),
    "header no JSON": (member_change(**{"header.json": npy(np.zeros(9, np.uint8))}), "damaged"),
    "header nested": (
        member_change(**{"header.json": npy(np.frombuffer(b"[" * 100_000, np.uint8))}),
        "damaged",
    ),
    "header no object": (
        member_change(**{"header.json": npy(np.frombuffer(b"[1]", np.uint8))}),
        "no JSON object",
    ),
    "header of 2 MB": (
        member_change(**{"header.json": npy(np.full(2**21, 32, np.uint8))}),
        "header is larger",
    ),
    "code": (strange_kind, "no model that this version can build"),
    "strange class": (strange_class, "no model that this version can build"),
}


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """Bytes of a good file."""
    path = tmp_path_factory.mktemp("io") / "model.npz"
    fitted("poisson").save(path)
    return path.read_bytes()


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_files_are_refused(kind, content, path):
    damage, message = DAMAGE[kind]
    path.write_bytes(damage(content))
    with pytest.raises(ModelFileError, match=f"(?s){message}") as caught:
        bayesglm.load(path)
    assert str(path) in str(caught.value)


def test_every_flipped_byte_is_noticed_or_without_effect(content, path):
    noticed, trials = 0, 200
    for where in np.linspace(0, 1, trials, endpoint=False):
        path.write_bytes(flipped(content, where))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                twin = bayesglm.load(path)
        except ModelFileError:
            noticed += 1
        else:  # a time stamp, or another thing in the directory that nobody reads
            assert_same(twin._coef, fitted("poisson")._coef)
            assert_same(twin._covariance, fitted("poisson")._covariance)
            assert twin.get_params() == fitted("poisson").get_params()
    assert noticed > 0.8 * trials


def test_pickles_are_refused_and_not_run(content, path, tmp_path):
    payload = np.array([Payload(tmp_path / "executed")], dtype=object)
    path.write_bytes(member_change(array0=npy(payload, allow_pickle=True))(content))
    with pytest.raises(ModelFileError, match="may be a pickle"):
        bayesglm.load(path)
    assert not (tmp_path / "executed").exists()


def test_folders_and_large_files_are_refused(content, path, tmp_path):
    with pytest.raises(ModelFileError, match="is a folder"):
        bayesglm.load(tmp_path)
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="more than `max_bytes=1000`"):
        bayesglm.load(path, max_bytes=1000)
    with pytest.raises(FileNotFoundError):
        bayesglm.load(tmp_path / "nothing.npz")


# Writing


def test_nothing_else_is_left_in_the_folder(path):
    GLM().save(path)
    GLM("Gamma").save(str(path))
    assert [entry.name for entry in path.parent.iterdir()] == ["model.npz"]
    assert bayesglm.load(path).get_params()["observation_model"] == "Gamma"


def test_a_failed_write_keeps_the_old_file(path):
    path.write_bytes(b"old")

    def write(file):
        file.write(b"half")
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"):
        _archive.replace_file(path, write)
    assert path.read_bytes() == b"old"
    assert len(list(path.parent.iterdir())) == 1


@pytest.mark.parametrize("failing", ["open", "replace"])
def test_a_folder_that_refuses_keeps_the_old_file(failing, path, monkeypatch):
    # Whoever is root may write to a read-only folder: the system's refusal is put in its place.
    GLM("Gamma").save(path)

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        if failing == "open":
            patch.setattr(_archive, "open", refuse, raising=False)
        else:
            patch.setattr(os, "replace", refuse)
        with pytest.raises(PermissionError):
            GLM("Poisson").save(path)
    assert [entry.name for entry in path.parent.iterdir()] == ["model.npz"]
    assert bayesglm.load(path).get_params()["observation_model"] == "Gamma"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_keeps_the_old_file(path):
    GLM("Gamma").save(path)
    path.parent.chmod(0o500)
    try:
        with pytest.raises(PermissionError):
            GLM("Poisson").save(path)
    finally:
        path.parent.chmod(0o700)
    assert bayesglm.load(path).get_params()["observation_model"] == "Gamma"


def test_saving_to_a_folder_is_refused(tmp_path):
    with pytest.raises(IsADirectoryError, match="give the name of a file"):
        GLM().save(tmp_path)


def test_old_leftovers_of_this_file_are_removed(path):
    old, fresh = path.with_name("model.npz.12.0123abcd.tmp"), path.with_name("model.npz.tmp")
    for leftover in (old, fresh):
        leftover.write_bytes(b"half")
        os.utime(leftover, (time.time() - 2 * _archive.STALE,) * 2)
    GLM().save(path)
    assert not old.exists()
    assert fresh.exists()


SAVE_FOR_EVER = """
import sys
import numpy as np
from bayesglm._archive import write_archive

for count in range(10**9):
    write_archive(sys.argv[1], {"count": count}, {"array": np.full(100_000, float(count))})
    if count == 0:
        print("saved", flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_nothing_is_lost_when_killed_in_mid_save(path):
    rng, interrupted = np.random.default_rng(3), 0
    for _ in range(30):
        saver = subprocess.Popen(
            [sys.executable, "-c", SAVE_FOR_EVER, str(path)],
            stdout=subprocess.PIPE,
            cwd=Path(bayesglm.__file__).parent.parent,
        )
        with saver:
            assert saver.stdout.readline() == b"saved\n"
            time.sleep(rng.uniform(0, 0.02))
            saver.kill()
        archive = Archive(path, 10**8)
        array = archive.arrays()["array"]
        assert (array == archive.header["count"]).all()
        leftovers = [entry for entry in path.parent.iterdir() if entry.suffix == ".tmp"]
        interrupted += len(leftovers)
        for entry in leftovers:
            entry.unlink()
    assert interrupted > 0  # or the kills have missed what they are to hit
