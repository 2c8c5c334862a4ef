"""tinynet: a deep-learning framework small enough to read in an afternoon, and fast on a CPU."""

from tinynet import ops
from tinynet.autograd import Op, Tensor, grad, no_grad
from tinynet.threads import get_num_threads, set_num_threads

__version__ = "0.1.0"
