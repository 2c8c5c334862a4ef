import numpy as np
import torch

import tinynet as tn

(x_train, y_train), (x_test, y_test) = tn.datasets.mnist(source="sample")
x_train, x_test = (x[:, None] / np.float32(255) for x in (x_train, x_test))  # N, C, H, W, as PyTorch has them

# Trained there: one epoch.
torch.manual_seed(0)
theirs = torch.nn.Sequential()
theirs.add_module("first", torch.nn.Conv2d(1, 8, 3, padding=1))
theirs.add_module("norm", torch.nn.BatchNorm2d(8))
theirs.add_module("relu", torch.nn.ReLU())
theirs.add_module("pool", torch.nn.MaxPool2d(2))
theirs.add_module("flatten", torch.nn.Flatten())
theirs.add_module("last", torch.nn.Linear(8 * 14 * 14, 10))
optimizer = torch.optim.SGD(theirs.parameters(), lr=0.1)
x, y = torch.tensor(x_train), torch.tensor(y_train, dtype=torch.long)
for batch in torch.randperm(len(x)).split(32):
    loss = torch.nn.functional.cross_entropy(theirs(x[batch]), y[batch])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# Exported, for batches of any size. PRESERVE keeps batch normalisation; otherwise it is folded into the filters.
theirs.eval()
anyhow = {"input_names": ["x"], "dynamic_axes": {"x": {0: "n"}}, "dynamo": False}
keep = {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False}
torch.onnx.export(theirs, (x[:2],), "digits.onnx", **anyhow, **keep)

# Here it predicts the same, and goes on.
ours = tn.onnx.load("digits.onnx", name="digits")
ours.summary()
with torch.no_grad():
    there = theirs(torch.tensor(x_test)).numpy()
here = ours.predict(x_test)
print("largest difference below 1e-4:", bool(np.abs(here - there).max() < 1e-4))
print("accuracy there:", round(float((there.argmax(1) == y_test).mean()), 3))

ours.layers["first"].trainable = False  # its filters are kept
ours.layers["norm"].trainable = False
ours.fit(x_train, y_train, epochs=2, optimizer=tn.SGD(0.05), seed=0, verbose=0)
print("accuracy after two more epochs here:", round(ours.evaluate(x_test, y_test)["accuracy"], 3))

# And back: as an ONNX file for other programs, or parameter by parameter. Matrices and filters lie the other way round.
tn.onnx.save(ours, "digits_again.onnx")
back = {name: torch.tensor(leaf.data.T.copy()) for name, leaf in ours.leaves.items() if leaf.ndim == 2}
theirs.load_state_dict(back, strict=False)
theirs.load_state_dict({"last.bias": torch.tensor(ours.parameters["last.bias"].data)}, strict=False)
with torch.no_grad():
    again = theirs(torch.tensor(x_test)).numpy()
print("largest difference below 1e-4:", bool(np.abs(ours.predict(x_test) - again).max() < 1e-4))
