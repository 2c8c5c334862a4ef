"""The history of a run as a table of pandas."""

from __future__ import annotations

from typing import Any

from tinynet.errors import MissingPackageError
from tinynet.train.history import History


def to_frame(history: History) -> Any:
    """Make a table of pandas: a row for each epoch, counted from 1, a column for each measure.

    Returns
    -------
    pandas.DataFrame
        It also has the columns "learning_rate" and "seconds"; an unknown rate is NaN.

    Raises
    ------
    MissingPackageError
        If pandas is not installed; nothing else in tinynet needs it.

    Examples
    --------
    >>> history = History({"loss": [0.5, 0.2]}, [1.0, 1.0], [0.1, 0.1])
    >>> history.to_frame()["loss"].min()  # doctest: +SKIP
    0.2
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingPackageError(
            "History.to_frame makes a table of pandas, which is not installed: run `pip install pandas`, or take the "
            "lists of history.history"
        ) from error
    index = pd.RangeIndex(1, history.epochs + 1, name="epoch")
    rates = history.learning_rates or [float("nan")] * history.epochs
    return pd.DataFrame({**history.history, "learning_rate": rates, "seconds": history.seconds}, index=index)


History.to_frame = to_frame
