"""Layers: named parameters and a forward made of ops."""

from tinynet.nn import adapt as _adapt  # noqa: F401 - which adds to inputs a shift and scale from data
from tinynet.nn import calls as _calls  # noqa: F401 - which checks how layers are called
from tinynet.nn import copies as _copies  # noqa: F401 - which lets layers be copied with their values
from tinynet.nn import entries as _entries  # noqa: F401 - which finds the inputs of models that have several
from tinynet.nn import gradient as _gradient  # noqa: F401 - which adds to models the gradients of backward
from tinynet.nn import initializers  # noqa: F401 - which adds initial values by name
from tinynet.nn import integers as _integers  # noqa: F401 - which adds to inputs samples of whole numbers
from tinynet.nn import near_misses as _near_misses  # noqa: F401 - which warns of misspelt attributes
from tinynet.nn import weights as _weights  # noqa: F401 - which lets models take and return arrays by name
from tinynet.nn.activation import Activation
from tinynet.nn.activations import ReLU, Softmax
from tinynet.nn.attention import MultiHeadAttention
from tinynet.nn.average import AvgPool
from tinynet.nn.batch_norm import BatchNorm
from tinynet.nn.conv import Conv2D
from tinynet.nn.conv_transposed import Conv2DTranspose
from tinynet.nn.dense import Dense
from tinynet.nn.dropout import Dropout
from tinynet.nn.embedding import Embedding
from tinynet.nn.flatten import Flatten
from tinynet.nn.global_pooling import GlobalAvgPool, GlobalMaxPool
from tinynet.nn.input import Input
from tinynet.nn.layer import Layer
from tinynet.nn.layer_norm import LayerNorm
from tinynet.nn.noise import GaussianNoise
from tinynet.nn.pooling import MaxPool
from tinynet.nn.random_flip import RandomFlip
from tinynet.nn.random_rotation import RandomRotation
from tinynet.nn.random_shift import RandomShift
from tinynet.nn.recurrent import GRU, LSTM
from tinynet.nn.reshape import Reshape
from tinynet.nn.residual import Residual
from tinynet.nn.sigmoid import Sigmoid
from tinynet.nn.upsampling import UpSampling

# fmt: off
__all__ = [
    "GRU", "LSTM", "Activation", "AvgPool", "BatchNorm", "Conv2D", "Conv2DTranspose", "Dense", "Dropout", "Embedding",
    "Flatten", "GaussianNoise", "GlobalAvgPool", "GlobalMaxPool", "Input", "Layer", "LayerNorm", "MaxPool",
    "MultiHeadAttention",
    "RandomFlip", "RandomRotation", "RandomShift", "ReLU", "Reshape", "Residual", "Sigmoid", "Softmax", "UpSampling",
]
# fmt: on
