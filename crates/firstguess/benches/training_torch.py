"""PyTorch's side of training.rs: the same networks, batch and update, in the layouts that suit it best.

Call it as `python3 crates/firstguess/benches/training_torch.py`, right before or after
`cargo bench -p firstguess --bench training`, on the same machine.
"""

import argparse
import multiprocessing
import time

import torch
from torch import nn


def mlp():
    return nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))


def cnn():
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 8 * 8, 10),
    )


def rate(make, shape, examples, steps, threads, budget, channels_last=False):
    """Best steps per second of one training."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    x, y = torch.randn(examples, *shape), torch.arange(examples) % 10
    model = make()
    if channels_last:
        x, model = x.to(memory_format=torch.channels_last), model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    loss = nn.CrossEntropyLoss()
    best, start, repetitions = float("inf"), time.perf_counter(), 0
    while repetitions < 3 or time.perf_counter() - start < budget:
        begin = time.perf_counter()
        done = 0
        while done < steps:
            order = torch.randperm(examples)
            for part in order.split(64):
                optimizer.zero_grad(set_to_none=True)
                loss(model(x[part]), y[part]).backward()
                optimizer.step()
                done += 1
                if done == steps:
                    break
        best = min(best, time.perf_counter() - begin)
        repetitions += 1
    return steps / best


def in_process(arguments):
    return rate(*arguments)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--budget", type=float, default=8.0, help="seconds for each line")
    budget = parser.parse_args().budget
    net, image = (mlp, (784,), 2048), (cnn, (3, 32, 32), 512)
    print(f"torch {torch.__version__}")
    print(f"mlp, one training, one thread: {rate(*net, 200, 1, budget):.1f} steps/s")
    print(f"mlp, one training, two threads: {rate(*net, 200, 2, budget):.1f} steps/s")
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        both = pool.map(in_process, [(*net, 200, 1, budget)] * 2)
        print(f"mlp, two processes of one thread: {sum(both):.1f} steps/s")
        for last in (False, True):
            layout = "channels last" if last else "channels first"
            both = pool.map(in_process, [(*image, 15, 1, budget, last)] * 2)
            print(f"cnn, two processes of one thread, {layout}: {sum(both):.1f} steps/s")
    for last in (False, True):
        layout = "channels last" if last else "channels first"
        for threads in (1, 2):
            found = rate(*image, 15, threads, budget, last)
            print(f"cnn, one training, {threads} thread(s), {layout}: {found:.1f} steps/s")


if __name__ == "__main__":
    main()
