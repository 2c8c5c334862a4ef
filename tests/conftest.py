"""Hypothesis profiles, chosen by the environment variable HYPOTHESIS_PROFILE, and one thread for the kernels.

There is no deadline: a kernel compiles when it is first used. Results do not depend on the number of threads, but where
several test runs share the cores, threads that wait for each other take many times as long; the tests that are about
threads set their number themselves.

Where the user has no home, kernels are kept in a directory that all processes of the tests share, and that goes with
them.
"""

import atexit
import gc
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

import tinynet as tn


def _has_home():
    try:
        return os.access(Path.home(), os.W_OK)
    except RuntimeError:  # HOME is not set, and the user has no entry
        return False


def _remove(place, owner):
    if os.getpid() == owner:  # not a forked child's
        shutil.rmtree(place, ignore_errors=True)


if not (os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or _has_home()):
    os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="tinynet-tests-")
    atexit.register(_remove, os.environ["NUMBA_CACHE_DIR"], os.getpid())

settings.register_profile(
    "ci", deadline=None, max_examples=25, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("dev", parent=settings.get_profile("ci"), max_examples=5)
settings.register_profile("thorough", parent=settings.get_profile("ci"), max_examples=500)
settings.register_profile(  # of tests.mutation, which asks only whether a test fails, again and again
    "mutation",
    parent=settings.get_profile("dev"),
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Look for no garbage among the many objects of the tests that are collected, then or later: all of them stay."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _the_same_tinynet_in_other_processes():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(tn.__file__).parents[1]), prepend=os.pathsep)
        yield


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    before = tn.get_num_threads()
    tn.set_num_threads(1)
    yield
    tn.set_num_threads(before)
