"""The form of values that were read from a file."""

from __future__ import annotations

from typing import Any

import numpy as np


def conforms(value: Any, form: Any) -> bool:
    """Return whether a value has a form: a type, a tuple of alternatives, or a list or a dictionary of forms.

    Parameters
    ----------
    value : object
        As read from a file.
    form : type, tuple, list or dict
        ``[form]`` is a list of any length, ``{str: form}`` a dictionary with any names, ``{"name": form}`` a dictionary
        with exactly these names, ``{"name": form, str: other}`` one with these names and any others.

    Returns
    -------
    bool
        Whether the value has the form.

    Examples
    --------
    >>> conforms({"epoch": 3, "loss": [0.5]}, {"epoch": int, "loss": [float]})
    True
    >>> conforms({"epoch": True}, {"epoch": int}), conforms({}, {"epoch": int}), conforms(None, (str, type(None)))
    (False, False, True)
    """
    if isinstance(form, type):
        return isinstance(value, form) and (form is bool or not isinstance(value, bool))
    if isinstance(form, tuple):
        return any(conforms(value, one) for one in form)
    if isinstance(form, list):
        return isinstance(value, list) and all(conforms(v, form[0]) for v in value)
    if not isinstance(value, dict):
        return False
    named = form.keys() - {str}
    if not named <= value.keys() or (str not in form and value.keys() != named):
        return False
    return all(conforms(v, form[k if k in named else str]) for k, v in value.items())


def are_by_step(value: dict[str, Any], loss: Any) -> bool:
    """Return whether a dictionary has the losses by step, each of a form: three lists of equal length, or nothing."""
    lists = {"epoch": [(int, float)], "step": [int], "loss": [loss]}
    return not value or (conforms(value, lists) and len({len(values) for values in value.values()}) == 1)


def resembles(value: Any, example: Any) -> bool:
    """Return whether a value has the form of another: its type, and the names of its dictionaries.

    An empty dictionary in the example allows any names. An integer may stand for a float.

    Parameters
    ----------
    value : object
        As read from a file.
    example : object
        A value of the right form.

    Returns
    -------
    bool
        Whether the value has this form.

    Examples
    --------
    >>> resembles({"batch": 7, "rate": 1}, {"batch": 0, "rate": 0.1}), resembles({"batch": 7.0}, {"batch": 0})
    (True, False)
    """
    if isinstance(example, dict):
        if not isinstance(value, dict) or (example and value.keys() != example.keys()):
            return False
        return all(resembles(value[name], part) for name, part in example.items())
    if isinstance(example, np.ndarray):
        return isinstance(value, np.ndarray) and (value.shape, value.dtype) == (example.shape, example.dtype)
    if isinstance(example, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is type(example)
