"""MNIST from start to finish in PyTorch."""

import torch
from torch import nn

from benchmarks.scripts.mnist import arguments, read, report

folder, epochs, output = arguments()
x, y, test_x, test_y = (torch.from_numpy(array) for array in read(folder))
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))
loss_function = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
for _ in range(epochs):
    for rows in torch.randperm(len(x)).split(128):
        optimizer.zero_grad(set_to_none=True)
        loss_function(model(x[rows]), y[rows]).backward()
        optimizer.step()
with torch.no_grad():
    accuracy = (model(test_x).argmax(dim=1) == test_y).float().mean().item()
torch.save(model.state_dict(), output / "weights.pt")
report(accuracy)
