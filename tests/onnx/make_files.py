"""Write the ONNX files of other programs that the tests read, each with samples and what the program makes of them.

Run as ``python tests/onnx/make_files.py torch sklearn keras``, each where the program is installed (torch with
onnxscript; scikit-learn with skl2onnx; TensorFlow with Keras and tf2onnx). The files are kept in the repository.
"""

import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent / "files"


def keep(name, x, y):
    np.savez_compressed(HERE / f"{name}.npz", x=x, y=y)


def without_notes():
    """Take out of the files what exporters note of the machine, such as where the code of each node is."""
    import onnx

    for path in HERE.glob("*.onnx"):
        model = onnx.load(path)
        for part in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
            part.ClearField("doc_string")
            del part.metadata_props[:]
        path.write_bytes(model.SerializeToString())


def from_torch():
    """Residual blocks with batch normalisation, and a small transformer, by both exporters."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, inputs, outputs, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(outputs)
            self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(outputs)
            self.shortcut = nn.Conv2d(inputs, outputs, 1, stride) if stride > 1 else nn.Identity()

        def forward(self, x):
            y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
            return torch.relu(y + self.shortcut(x))

    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 4, 5, 2, 2)
            self.norm = nn.BatchNorm2d(4)
            self.pool = nn.MaxPool2d(3, 2, 1)
            self.layer1, self.layer2 = Block(4, 4, 1), Block(4, 6, 2)
            self.gap, self.drop, self.fc = nn.AdaptiveAvgPool2d(1), nn.Dropout(0.2), nn.Linear(6, 3)

        def forward(self, x):
            x = self.pool(torch.relu(self.norm(self.stem(x))))
            return self.fc(self.drop(torch.flatten(self.gap(self.layer2(self.layer1(x))), 1)))

    class Separable(nn.Module):
        """Depthwise and dilated convolutions, a transposed one, and the usual activations."""

        def __init__(self):
            super().__init__()
            self.depthwise = nn.Conv2d(2, 4, 3, padding=1, groups=2)
            self.dilated = nn.Conv2d(4, 4, 3, padding=2, dilation=2)
            self.up = nn.ConvTranspose2d(4, 3, 3, 2, 1, 1)
            self.slope = nn.PReLU(3)
            self.dense = nn.Linear(3 * 10 * 14, 4)

        def forward(self, x):
            x = nn.functional.hardswish(self.depthwise(x))
            x = nn.functional.gelu(self.dilated(x))
            x = nn.functional.avg_pool2d(self.up(x), 3, 1, 1)
            return torch.log_softmax(self.dense(torch.flatten(self.slope(x), 1)), 1)

    class Transformer(nn.Module):
        """Two heads of attention over embedded numbers."""

        def __init__(self):
            super().__init__()
            self.embed, self.norm = nn.Embedding(11, 8), nn.LayerNorm(8)
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
            self.out = nn.Linear(8, 3)

        def forward(self, tokens):
            x = self.norm(self.embed(tokens))
            y, _ = self.attention(x, x, x, need_weights=False)
            return torch.sigmoid(self.out((x + y).mean(1)))

    torch.manual_seed(0)
    models = {
        "residual": (Residual(), torch.randn(3, 3, 20, 28)),
        "separable": (Separable(), torch.randn(3, 2, 5, 7)),
        "transformer": (Transformer(), torch.randint(0, 11, (3, 6))),
    }
    for name, (model, x) in models.items():
        model.train()
        if x.dtype.is_floating_point:
            for _ in range(5):
                model(torch.randn_like(x) * 2 + 1)  # so that the running means are none of the first ones
        model.eval()
        with torch.no_grad():
            y = model(x).numpy()
        torch.onnx.export(
            model, (x,), HERE / f"torch_{name}.onnx", dynamo=True, dynamic_shapes=({0: "n"},), external_data=False
        )
        torch.onnx.export(
            model,
            (x,),
            HERE / f"torch_{name}_script.onnx",
            dynamo=False,
            dynamic_axes={"x": {0: "n"}},
            input_names=["x"],
        )
        for way in ("", "_script"):
            keep(f"torch_{name}{way}", x.numpy(), y)
    model, x = models["residual"]
    torch.onnx.export(model, (x,), HERE / "torch_fixed.onnx", dynamo=True, external_data=False)  # for batches of 3
    with torch.no_grad():
        keep("torch_fixed", x.numpy(), model(x).numpy())
    torch.onnx.export(
        model, (x,), HERE / "torch_training.onnx", dynamo=False, dynamic_axes={"x": {0: "n"}}, input_names=["x"],
        training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,
    )  # fmt: skip
    with torch.no_grad():
        keep("torch_training", x.numpy(), model(x).numpy())


def from_sklearn():
    """Pipelines of scaling and networks, and linear models."""
    from skl2onnx import to_onnx
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4)).astype(np.float32)
    classes, numbers = (x[:, 0] + x[:, 1] > 0).astype(int) + (x[:, 2] > 1), x @ rng.normal(size=4)
    models = {
        "mlp": (make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=50, random_state=0)), classes),
        "binary": (MLPClassifier((5,), "tanh", max_iter=50, random_state=0), classes > 0),
        "logistic": (make_pipeline(StandardScaler(), LogisticRegression()), classes),
        "regressor": (MLPRegressor(hidden_layer_sizes=(8,), max_iter=50, random_state=0), numbers),
        "linear": (make_pipeline(StandardScaler(), LinearRegression()), numbers),
    }
    for name, (model, y) in models.items():
        model.fit(x, y)
        classifies = hasattr(model, "predict_proba")
        options = {"zipmap": False} if classifies else None
        (HERE / f"sklearn_{name}.onnx").write_bytes(to_onnx(model, x[:1], options=options).SerializeToString())
        found = model.predict_proba(x[:5]) if classifies else model.predict(x[:5])[:, None]
        keep(f"sklearn_{name}", x[:5], found.astype(np.float32))


def from_keras():
    """A convolutional network in N H W C, by tf2onnx."""
    import keras
    import tensorflow as tf
    import tf2onnx

    keras.utils.set_random_seed(0)
    layers = keras.layers
    entry = keras.Input((11, 14, 2))
    x = layers.Rescaling(1 / 4, offset=-0.5)(entry)
    x = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="first")(x)
    y = layers.Conv2D(4, (3, 2), padding="same", use_bias=False, name="second")(x)
    y = layers.BatchNormalization(name="norm")(y)
    x = layers.add([x, layers.LeakyReLU(0.1)(y)])
    x = layers.concatenate([layers.MaxPooling2D(2, padding="same")(x), layers.AveragePooling2D(2, padding="same")(x)])
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.Dropout(0.3)(layers.Flatten()(x))
    model = keras.Model(entry, layers.Dense(3, activation="softmax", name="last")(x))
    rng = np.random.default_rng(0)
    data = rng.normal(size=(40, 11, 14, 2)).astype(np.float32)
    model.compile(loss="sparse_categorical_crossentropy")
    model.fit(data, rng.integers(0, 3, 40), epochs=2, verbose=0)
    function = tf.function(lambda x: model(x, training=False))
    signature = [tf.TensorSpec((None, 11, 14, 2), tf.float32, name="x")]
    tf2onnx.convert.from_function(function, signature, opset=17, output_path=str(HERE / "keras_network.onnx"))
    keep("keras_network", data[:3], np.asarray(model(data[:3], training=False)))


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    for program in sys.argv[1:]:
        {"torch": from_torch, "sklearn": from_sklearn, "keras": from_keras}[program]()
    without_notes()
