"""tinynet: a deep-learning framework small enough to read in an afternoon, and fast on a CPU."""

from tinynet import data as datasets
from tinynet import ops
from tinynet.autograd import Op, Tensor, grad, no_grad
from tinynet.data.labels import one_hot
from tinynet.layers import Conv2D, Dense, Flatten, Input, Layer, MaxPool, ReLU, Sigmoid, Softmax
from tinynet.model import Model, Sequential, load
from tinynet.optim import SGD, Optimizer
from tinynet.threads import get_num_threads, set_num_threads
from tinynet.training import History

__version__ = "0.1.0"
