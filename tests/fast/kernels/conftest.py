import pytest

from tinynet.fast.threads import kernel_gate


@pytest.fixture(scope="module", autouse=True)
def _in_the_gate():
    """Kernels are entered here as ops enter them: with BLAS held at one thread."""
    with kernel_gate():
        yield
