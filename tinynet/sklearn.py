"""Networks as estimators of scikit-learn, for its pipelines, searches and cross-validation; the extra ``sklearn``."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from safetensors import numpy as safetensors

from tinynet.errors import ArgumentError, MissingPackageError

try:
    import sklearn  # noqa: F401 - to say what is missing, and not where
except ImportError as error:
    raise MissingPackageError(
        "tinynet.sklearn makes estimators of scikit-learn, not installed: run `pip install 'tinynet-cpu[sklearn]'`"
    ) from error
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from tinynet.core.spec import Array, Shape
from tinynet.model import Model, Sequential
from tinynet.nn.activations import Activation
from tinynet.nn.dense import Dense
from tinynet.nn.input import Input
from tinynet.ops.logistic import sigmoid
from tinynet.ops.loss import Loss, _softmax
from tinynet.optim.adam import Adam
from tinynet.optim.optimizer import Optimizer
from tinynet.train.callbacks import EarlyStopping
from tinynet.train.history import History

MakeModel = Callable[[Shape, int], Model]

_MOST_AUTO = 200  # samples a batch

__all__ = ["NetClassifier", "NetRegressor"]


def _weights(given: Any, x: Array) -> Array | None:
    """Check the weights of samples, if there are any."""
    found: Array | None = None if given is None else _check_sample_weight(given, x, ensure_non_negative=True)
    return found


class _Net(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What the two estimators share: how a network is made, fitted, and put into bytes."""

    network_: Model
    optimizer_: Optimizer
    history_: History
    n_features_in_: int

    def __init__(
        self,
        hidden_layers: Sequence[int] = (100,),
        model: MakeModel | None = None,
        *,
        activation: Activation = "relu",
        optimizer: Optimizer | None = None,
        epochs: int = 200,
        batch_size: int | str | None = "auto",
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        dtype: npt.DTypeLike = "float64",
        random_state: Any = None,
        verbose: int = 0,
        warm_start: bool = False,
    ) -> None:
        self.hidden_layers = hidden_layers
        self.model = model
        self.activation = activation
        self.optimizer = optimizer
        self.epochs = epochs
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose
        self.warm_start = warm_start

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.three_d_array = self.model is not None
        return tags

    # --- what the subclasses say

    _last: Activation = None  # of the network by default
    _loss: str | Loss

    def _outputs(self) -> int:
        raise NotImplementedError

    # --- samples

    def _samples(self, x: Any, *y: Any, reset: bool = False, **options: Any) -> Any:
        """Check samples as scikit-learn does, and labels with them; sparse ones become dense."""
        options |= {"accept_sparse": ["csr", "csc", "coo"], "dtype": (np.float64, np.float32), "reset": reset}
        checked = validate_data(self, x, *y, allow_nd=self.model is not None, **options)
        samples, labels = checked if y else (checked, None)
        samples = samples.toarray() if hasattr(samples, "toarray") else samples
        return (samples, labels) if y else samples

    # --- the network

    def _make(self, shape: Shape) -> Model:
        """Make the network for samples of a shape; with a `random_state`, that decides its initial values."""
        outputs = self._outputs()
        if self.model is None:
            hidden = [Dense(units, self.activation) for units in self.hidden_layers]
            made: Model = Sequential([Input(shape), *hidden, Dense(outputs, self._last)], dtype=self.dtype)
        else:
            made = self.model(shape, outputs) if callable(self.model) else self.model
        if not isinstance(made, Model):
            raise ArgumentError(
                f"model must be a function of (input_shape, outputs) that returns a Model, not {made!r}"
            )
        if self.random_state is not None:
            made.rng = np.random.default_rng(self._seed)
        made.build_model()
        if made.output_shape != (outputs,):
            raise ArgumentError(f"the model must have {outputs} outputs a sample here, but has {made.output_shape}")
        return made

    def _begin(self, shape: Shape) -> None:
        """Make a network and an optimizer; they are not those of a fit before."""
        self._seed = int(check_random_state(self.random_state).randint(2**31))
        self._shape = shape
        self.network_ = self._make(shape)
        self.optimizer_ = Adam() if self.optimizer is None else copy.deepcopy(self.optimizer)
        self.n_iter_ = 0

    def _train(self, x: Array, y: Array, weights: Array | None, epochs: int, stopping: bool = True) -> None:
        """Train the network; samples without weight are left out."""
        if weights is not None:
            x, y, weights = (a[weights > 0] for a in (x, y, weights))
        validation = None
        if stopping and self.early_stopping:
            x, y, weights, validation = self._split(x, y, weights)
        size = min(_MOST_AUTO, len(x)) if self.batch_size == "auto" else self.batch_size
        callbacks = []
        if stopping:
            monitor, aside = ("val_loss", True) if validation else ("loss", False)
            callbacks = [EarlyStopping(monitor, self.n_iter_no_change, self.tol, restore_best=aside)]
        self.history_ = self.network_.fit(
            x,
            y,
            epochs,
            size,  # type: ignore[arg-type]  # fit says what is wrong with it
            self.optimizer_,
            self._loss,
            validation,
            seed=(self._seed + self.n_iter_) % 2**31,
            verbose=self.verbose,
            metrics=[],  # score measures what is asked for
            callbacks=callbacks,
            sample_weight=weights,
        )
        self.n_iter_ += self.history_.epochs

    def _split(self, x: Array, y: Array, weights: Array | None) -> tuple[Array, Array, Array | None, Any]:
        """Put a part of the samples aside, to watch the loss on."""
        several = [x, y] if weights is None else [x, y, weights]
        options = {"test_size": self.validation_fraction, "random_state": self._seed, "stratify": self._strata(y)}
        parts = train_test_split(*several, **options)
        x, y, *rest = parts[::2]
        return x, y, rest[0] if rest else None, tuple(parts[1::2])

    def _strata(self, y: Array) -> Array | None:
        return None

    # --- bytes

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: the network as the bytes of a safetensors file."""
        state = dict(super().__getstate__())
        network = state.pop("network_", None)
        if network is not None:
            leaves = {name: np.array(leaf.memory) for name, leaf in network.leaves.items()}
            carried = {f"optimizer/{name}": v.copy() for name, v in self.optimizer_.state_of(network).items()}
            state["_bytes"] = safetensors.save(leaves | carried)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take it back: the network is made as it was, and its values are put in."""
        state = dict(state)
        content = state.pop("_bytes", None)
        super().__setstate__(state)
        if content is None:
            return
        arrays = safetensors.load(content)
        self.network_ = self._make(self._shape)
        carried = {f"optimizer/{name}": v for name, v in self.optimizer_.state_of(self.network_).items()}
        places = {name: leaf.memory for name, leaf in self.network_.leaves.items()} | carried
        for name, memory in places.items():
            memory[...] = arrays[name]


class NetClassifier(ClassifierMixin, _Net):  # type: ignore[misc]
    """A network that classifies, as an estimator of scikit-learn: binary, multi-class and multi-label.

    Parameters
    ----------
    hidden_layers : sequence of int
        The units of each hidden layer of a dense network.
    model : callable, optional
        Makes any other network: a function of ``(input_shape, outputs)`` that returns a `Model` with so many outputs a
        sample, logits or probabilities. Samples may then have more than one axis, such as images (n, H, W, C).
    activation : str or callable
        Of the hidden layers.
    optimizer : Optimizer, optional
        A copy of it trains the network; ``Adam()`` by default.
    epochs : int
        The most passes over the samples.
    batch_size : int, "auto" or None
        Samples a step; "auto" is min(200, n), None all of them.
    early_stopping : bool
        Put ``validation_fraction`` of the samples aside, stop once the loss on these no longer improves, and keep the
        network as it was when that loss was least. Otherwise training stops once the loss on all samples no longer
        improves.
    validation_fraction : float
        From 0 to 1.
    n_iter_no_change : int
        For how many epochs in a row the loss may fail to improve by ``tol``.
    tol : float
        What counts as better.
    class_weight : dict, "balanced" or None
        The weight of each class; see scikit-learn's ``compute_sample_weight``.
    dtype : {"float64", "float32"}
        Of the dense network. A network of ``model`` has a dtype of its own.
    random_state : int, RandomState or None
        Decides the initial values, the order of the samples, and what else is random.
    verbose : {0, 1, 2}
        As for `Model.fit`.
    warm_start : bool
        Let ``fit`` go on with the network of the last fit.

    Attributes
    ----------
    classes_ : ndarray
        The classes, in the order of the outputs.
    network_ : Model
        The network.
    optimizer_ : Optimizer
        What trains it.
    history_ : History
        Of the last fit.
    n_iter_ : int
        How many epochs the network was trained for.
    n_features_in_ : int
        The number of features; ``feature_names_in_`` has their names, where the samples came with some.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from tinynet.sklearn import NetClassifier
    >>> import tinynet as tn
    >>> x, y = load_iris(return_X_y=True)
    >>> network = NetClassifier((16,), optimizer=tn.Adam(0.01), random_state=0)
    >>> make_pipeline(StandardScaler(), network).fit(x, y).score(x, y) > 0.95
    True
    """

    classes_: Array

    def __init__(
        self,
        hidden_layers: Sequence[int] = (100,),
        model: MakeModel | None = None,
        *,
        activation: Activation = "relu",
        optimizer: Optimizer | None = None,
        epochs: int = 200,
        batch_size: int | str | None = "auto",
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        class_weight: Any = None,
        dtype: npt.DTypeLike = "float64",
        random_state: Any = None,
        verbose: int = 0,
        warm_start: bool = False,
    ) -> None:
        super().__init__(
            hidden_layers,
            model,
            activation=activation,
            optimizer=optimizer,
            epochs=epochs,
            batch_size=batch_size,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            dtype=dtype,
            random_state=random_state,
            verbose=verbose,
            warm_start=warm_start,
        )
        self.class_weight = class_weight

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    @property
    def _last(self) -> Activation:  # type: ignore[override]
        return "sigmoid" if self._several else "softmax"

    @property
    def _loss(self) -> str:  # type: ignore[override]
        return "binary_cross_entropy" if self._several else "cross_entropy"

    def _outputs(self) -> int:
        return len(self.classes_)

    def _strata(self, y: Array) -> Array | None:
        return None if self._several else y

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803 - scikit-learn's name
        """Train the network.

        Parameters
        ----------
        X : array_like or sparse matrix
            Samples (n, features); sparse ones become dense. With ``model`` also of more axes.
        y : array_like
            Classes (n,), or for several labels a sample 0 and 1 (n, K).
        sample_weight : array_like, optional
            (n,), 0 or more.

        Returns
        -------
        self
            The estimator.

        Raises
        ------
        ValueError
            If the samples, labels or parameters are not of that form.
        """
        samples, labels = self._labelled(X, y)
        before = self.classes_ if self.warm_start and hasattr(self, "network_") else None
        if before is not None and not np.isin(self._classes_of(labels), before).all():
            raise ArgumentError(f"warm_start: the classes {self._classes_of(labels)} are not those of before, {before}")
        if before is None:
            self._several = type_of_target(labels).startswith("multilabel")
            self.classes_ = self._classes_of(labels)
            self._begin(samples.shape[1:])
        return self._go_on(samples, labels, sample_weight, self.epochs)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:  # noqa: N803
        """Train the network for one epoch on some of the samples.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        classes : array_like, optional
            All classes that will ever come; must be given at the first call.

        Returns
        -------
        self
            The estimator.

        Raises
        ------
        ValueError
            If the first call has no classes, or a sample is of another one.
        """
        first = not hasattr(self, "network_")
        samples, labels = self._labelled(X, y, first)
        if first:
            if classes is None:
                raise ArgumentError(
                    "partial_fit: classes must be given at the first call, since not all may come at once"
                )
            self._several = type_of_target(labels).startswith("multilabel")
            self.classes_ = np.unique(classes)
            self._begin(samples.shape[1:])
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ArgumentError(f"partial_fit: classes={classes!r} are not those of the first call, {self.classes_}")
        return self._go_on(samples, labels, sample_weight, 1, stopping=False)

    def _labelled(self, x: Any, y: Any, reset: bool = True) -> tuple[Array, Array]:
        samples, labels = self._samples(x, y, reset=reset, multi_output=True)
        check_classification_targets(labels)
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = column_or_1d(labels, warn=True)
        if type_of_target(labels) == "multiclass-multioutput":
            raise ArgumentError(
                "y has several columns with more than two classes; train one classifier for each column"
            )
        return samples, labels.toarray() if hasattr(labels, "toarray") else labels

    def _classes_of(self, labels: Array) -> Array:
        return np.arange(labels.shape[1]) if labels.ndim == 2 else np.unique(labels)

    def _go_on(self, x: Array, y: Array, sample_weight: Any, epochs: int, stopping: bool = True) -> Self:
        weights = _weights(sample_weight, x)
        if self.class_weight is not None:
            by_class = compute_sample_weight(self.class_weight, y)
            weights = by_class if weights is None else weights * by_class
        if not self._several:
            numbers = np.searchsorted(self.classes_, y)
            known = self.classes_[np.minimum(numbers, len(self.classes_) - 1)] == y
            if not known.all():
                raise ArgumentError(f"y has {y[~known][0]}, which is not one of the classes {self.classes_}")
            y = numbers
        self._train(x, y, weights, epochs, stopping)
        return self

    def predict_proba(self, X: Any) -> Array:  # noqa: N803
        """Return the probability of each class, (n, K).

        Parameters
        ----------
        X : array_like or sparse matrix
            Samples, as in `fit`.

        Returns
        -------
        ndarray
            The probabilities, in the order of ``classes_``.
        """
        check_is_fitted(self, "network_")
        outputs = self.network_.predict(self._samples(X))
        made, own = self.network_.made, sigmoid if self._several else _softmax
        last = made.node.op if made is not None and made.node is not None else None
        found: Array = outputs if last is own else own(outputs).data
        return found

    def predict(self, X: Any) -> Array:  # noqa: N803
        """Return the most probable class of each sample, (n,), or 0 and 1 for each label, (n, K).

        Parameters
        ----------
        X : array_like or sparse matrix
            Samples, as in `fit`.

        Returns
        -------
        ndarray
            The classes.
        """
        probabilities = self.predict_proba(X)
        if self._several:
            return (probabilities > 0.5).astype(int)
        found: Array = self.classes_[probabilities.argmax(axis=1)]
        return found


class NetRegressor(RegressorMixin, _Net):  # type: ignore[misc]
    """A network that predicts numbers, as an estimator of scikit-learn: one for each sample, or several.

    Parameters
    ----------
    hidden_layers, model, activation, optimizer, epochs, batch_size, early_stopping, validation_fraction
        As for `NetClassifier`.
    n_iter_no_change, tol, dtype, random_state, verbose, warm_start
        As for `NetClassifier`.

    Attributes
    ----------
    network_, optimizer_, history_, n_iter_, n_features_in_
        As those of `NetClassifier`.

    Notes
    -----
    The loss is the mean squared error.

    Examples
    --------
    >>> import numpy as np
    >>> from tinynet.sklearn import NetRegressor
    >>> x = np.linspace(-1, 1, 200)[:, None]
    >>> network = NetRegressor((32, 32), random_state=0, epochs=500).fit(x, np.sin(3 * x[:, 0]))
    >>> network.score(x, np.sin(3 * x[:, 0])) > 0.99
    True
    """

    _loss = "mse"

    def _outputs(self) -> int:
        return self._targets or 1

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803
        """Train the network.

        Parameters
        ----------
        X : array_like or sparse matrix
            Samples, as in `NetClassifier.fit`.
        y : array_like
            Numbers (n,) or (n, K).
        sample_weight : array_like, optional
            (n,), 0 or more.

        Returns
        -------
        self
            The estimator.

        Raises
        ------
        ValueError
            If the samples, numbers or parameters are not of that form.
        """
        samples, targets = self._samples(X, y, reset=True, multi_output=True, y_numeric=True)
        return self._go_on(samples, targets, sample_weight, not self.warm_start, self.epochs)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803
        """Train the network for one epoch on some of the samples.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.

        Returns
        -------
        self
            The estimator.
        """
        first = not hasattr(self, "network_")
        samples, targets = self._samples(X, y, reset=first, multi_output=True, y_numeric=True)
        return self._go_on(samples, targets, sample_weight, first, 1, stopping=False)

    def _go_on(self, x: Array, y: Array, sample_weight: Any, afresh: bool, epochs: int, stopping: bool = True) -> Self:
        weights = _weights(sample_weight, x)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        targets = 0 if y.ndim == 1 else y.shape[1]  # 0: one number a sample, without an axis of its own
        if afresh or not hasattr(self, "network_"):
            self._targets = targets
            self._begin(x.shape[1:])
        elif targets != self._targets:
            raise ArgumentError(
                f"y has {targets or 1} numbers a sample, but the network was trained for {self._targets or 1}"
            )
        self._train(x, y.reshape(len(y), -1), weights, epochs, stopping)
        return self

    def predict(self, X: Any) -> Array:  # noqa: N803
        """Return the numbers of each sample, (n,) or (n, K) as in `fit`.

        Parameters
        ----------
        X : array_like or sparse matrix
            Samples, as in `fit`.

        Returns
        -------
        ndarray
            The numbers.
        """
        check_is_fitted(self, "network_")
        outputs = self.network_.predict(self._samples(X))
        return outputs if self._targets else outputs[:, 0]
