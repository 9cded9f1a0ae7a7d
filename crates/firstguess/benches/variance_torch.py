#!/usr/bin/env python3
"""One pilot of `variance.rs` with PyTorch on one core: 784-256-256-10 without biases, 3 000 steps of 100 by plain SGD."""
import time

import torch

torch.set_num_threads(1)
torch.manual_seed(0)
x, y = torch.rand(10_000, 784), torch.arange(10_000) % 10
layers = [torch.nn.Linear(a, b, bias=False) for a, b in ((784, 256), (256, 256), (256, 10))]
model = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU(), layers[2])
for layer in layers:
    torch.nn.init.kaiming_normal_(layer.weight)
optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
loss = torch.nn.CrossEntropyLoss()
start, done = time.perf_counter(), 0
while done < 3000:
    order = torch.randperm(len(x))
    for first in range(0, len(x), 100):
        rows = order[first:first + 100]
        optimizer.zero_grad()
        loss(model(x[rows]), y[rows]).backward()
        optimizer.step()
        done += 1
        if done == 3000:
            break
seconds = time.perf_counter() - start
print(f"one pilot on one core: {seconds:.2f} s, {3000 / seconds:.0f} steps/s")
