"""
Several processes
=================

One network, trained by several processes, on one machine or on many. You learn to divide the batches of a run among
processes that ``mpiexec`` starts, and to see that the result has the bits of one process.

Several processes need two more packages, ``pip install 'tinynet-cpu[mpi]' mpich``. Start them as

``mpiexec -n 4 python examples/several_processes.py``

Without ``mpiexec``, the same script runs in one process, as on this page, and needs neither.
"""

import hashlib

import tinynet as tn

world = tn.distributed.world()
if world.rank == 0:
    print(f"{world.size} process{'es' * (world.size > 1)}, each with {tn.get_num_threads()} thread(s)")

# %%
# Every process runs the whole script. So each has the same data, and makes the same network from the same seed.

(x_train, y_train), test = tn.datasets.mnist(source="sample")
layers = [
    tn.Input((28, 28, 1), scale=1 / 255),
    tn.Flatten(),
    tn.Dense(64, "relu"),
    tn.BatchNorm(),
    tn.Dropout(0.2),
    tn.Dense(10, "softmax"),
]
model = tn.Sequential(layers, seed=0)

# %%
# Each batch of 256 samples is cut into 8 micro-batches. Of 2 processes, one computes the first four, the other the last
# four; of 4 processes, each computes two. Their gradients are added along a binary tree, so that the sum has the same
# bits whoever computes what, and all make the same update. Dropout draws the numbers of a micro-batch by its number;
# batch normalisation takes its means within it.

history = model.fit(
    x_train,
    y_train,
    epochs=5,
    batch_size=256,
    optimizer=tn.Adam(0.003),
    validation_data=test,
    seed=0,
    verbose=0,
    micro_batches=8,
    world=world,
)

# %%
# What a script prints or writes by itself, it prints in each process. One of them is enough. Start the script with
# 1, 2, 4 or 8 processes, and compare the last line.

accuracy = history.history["val_accuracy"][-1]
digest = hashlib.sha256(model.theta.tobytes()).hexdigest()[:16]
if world.rank == 0:
    print(f"test accuracy {accuracy:.3f}; process 0 has sent {world.sent / 80 / 1000:.0f} kB a step")
    print(f"digest of the parameters: {digest}")

# %%
# A checkpoint is written by one process, and a run may go on with another number of processes. An error in any of them
# ends all. How that works stands in the chapter on several processes. On the command line,
# ``mpiexec -n 4 tinynet train cnn --micro-batches 8`` does the same.
