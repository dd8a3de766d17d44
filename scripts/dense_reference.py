"""The published computation written out plainly, to measure the package against.

All windows of every part are materialised, a Dataset hands out one sample at a time, a DataLoader
collates them, and every batch is multiplied by the dense adjacency twice. Nothing here is meant to
be used for forecasting.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

WINDOW = HORIZON = 12
RANK = 6


class DenseGraphLayer(nn.Module):
    """``W_n (A x) + b + W_s x`` with a dense ``A``; its first weights are drawn twice."""

    def __init__(self, width: int, out: int):
        super().__init__()
        self.weight_neigh = nn.Linear(width, out)
        self.weight_self = nn.Linear(width, out, bias=False)
        self.weight_neigh.reset_parameters()
        self.weight_self.reset_parameters()

    def forward(
        self, x: Float[Tensor, "batch node width"], matrix: Float[Tensor, "node node"]
    ) -> Float[Tensor, "batch node out"]:
        """Both shares added."""
        return self.weight_neigh(torch.matmul(matrix, x)) + self.weight_self(x)


class DenseModel(nn.Module):
    """The published backbone, with prompts for so many nodes or with none."""

    def __init__(self, num_nodes: int | None):
        super().__init__()
        self.gcn1 = DenseGraphLayer(WINDOW, 64)
        self.gcn2 = DenseGraphLayer(64, WINDOW)
        self.tcn1 = nn.Conv1d(1, 1, 3, padding=1)
        self.fc = nn.Linear(WINDOW, HORIZON)
        self.activation = nn.GELU()
        self.prompted = num_nodes is not None
        if num_nodes is None:
            return
        self.U = nn.Parameter(torch.empty(num_nodes, RANK).uniform_(-0.1, 0.1))
        self.V = nn.Parameter(torch.empty(RANK, WINDOW).uniform_(-0.1, 0.1))

    def forward(
        self, x: Float[Tensor, "batch node window"], matrix: Float[Tensor, "node node"]
    ) -> Float[Tensor, "batch node horizon"]:
        """Forecasts in raw units."""
        hidden = torch.relu(self.gcn1(x + self.U @ self.V if self.prompted else x, matrix))
        rows = self.tcn1(hidden.reshape(-1, 1, hidden.shape[-1]))
        hidden = self.gcn2(rows.reshape(hidden.shape), matrix)
        return self.fc(self.activation(hidden + x))


class DenseSamples(Dataset[tuple[Tensor, Tensor]]):
    """Every window of one part, inputs and targets, as arrays in memory."""

    def __init__(self, series: Float[ndarray, "time node"]):
        starts = range(len(series) - WINDOW - HORIZON)
        x = np.stack([series[start : start + WINDOW] for start in starts])
        after = [start + WINDOW for start in starts]
        self.y = np.stack([series[start : start + HORIZON] for start in after])
        self.x = (x - x.mean()) / x.std()

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        x, y = torch.Tensor(self.x[index].T), torch.Tensor(self.y[index].T)
        return x, y


class DensePath:
    """Training and evaluation as published, on the layout folder ``data``."""

    def __init__(self, data: Path, batch_size: int):
        with np.load(data / "RawData" / "0.npz") as file:
            series = file["x"]
        with np.load(data / "graph" / "0_adj.npz") as file:
            matrix = torch.from_numpy(file["x"]).float()
        cuts = [int(len(series) * share) for share in (0.6, 0.8)]
        self.train, self.val, self.test = map(DenseSamples, np.split(series, cuts))
        self.matrix = matrix / (matrix.sum(1, keepdim=True) + 1e-6)
        torch.manual_seed(0)
        self.model = DenseModel(series.shape[1])
        self.batch_size = batch_size
        self._batches: Iterator[list[Tensor]] = iter(())

    def weights(self) -> dict[str, Tensor]:
        """The first weights, for the other path to start from."""
        return self.model.state_dict()

    def start(self, *, frozen: bool) -> None:
        """Freezes or frees the backbone and makes a new optimizer."""
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(name in "UV" or not frozen)
        trainable = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(trainable, lr=0.01)

    def train_step(self) -> None:
        """Fetches one shuffled batch and learns from it."""
        x, y = self._next_batch()
        loss = nn.functional.mse_loss(self.model(x, self.matrix), y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    @torch.no_grad()
    def evaluate(self) -> int:
        """Forecasts of the test part, kept as published, and their errors; returns its batches."""
        forecasts, targets = [], []
        for x, y in DataLoader(self.test, self.batch_size):
            forecasts.append(self.model(x, self.matrix).numpy())
            targets.append(y.numpy())
        errors_up_to(np.concatenate(forecasts), np.concatenate(targets))
        return len(forecasts)

    def first_forecast(self) -> Float[Tensor, "batch node horizon"]:
        """Forecasts of the first test batch."""
        x, _ = next(iter(DataLoader(self.test, self.batch_size)))
        with torch.no_grad():
            return self.model(x, self.matrix)

    def _next_batch(self) -> list[Tensor]:
        batch = next(self._batches, None)
        if batch is None:
            self._batches = iter(DataLoader(self.train, self.batch_size, shuffle=True))
            batch = next(self._batches)
        return batch


def errors_up_to(y_hat: Float[ndarray, "..."], y: Float[ndarray, "..."]) -> list[tuple[float, ...]]:
    """MAE, RMSE and MAPE over the steps 1 to h, for each h; targets of 0 left out."""
    rows = []
    for steps in range(1, y.shape[-1] + 1):
        observed = y[..., :steps] != 0
        truth = y[..., :steps][observed]
        error = np.abs(y_hat[..., :steps][observed] - truth)
        rmse = float(np.sqrt(np.square(error).mean()))
        rows.append((float(error.mean()), rmse, float((error / np.abs(truth)).mean())))
    return rows
