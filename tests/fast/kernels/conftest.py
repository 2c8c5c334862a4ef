import numba
import numpy as np
import pytest

from tinynet.fast.threads import kernel_gate


@pytest.fixture(scope="module", autouse=True)
def _in_the_gate():
    """Kernels are entered here as ops enter them; as plain Python they would warn of what is not finite."""
    with kernel_gate(), np.errstate(all="ignore" if numba.config.DISABLE_JIT else None):
        yield
