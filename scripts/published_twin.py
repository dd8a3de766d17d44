"""The published training loop written out plainly, period after period, to lay runs beside.

An independent twin of ``--protocol published``: dense products, one seed for everything, a new
model in each period that then loads the last one, windows cut from the end, and its own early
stop. On the streams of the reference figures it prints the Avg MAE that the research code printed::

    python scripts/published_twin.py LAYOUT --method online-all --seeds 42 43 44

One departure: the weights carried on are those of the lowest validation error, where the
research code sorts the errors as text (``--as-text`` does that too).
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from dense_reference import RANK, DenseModel, DenseSamples, errors_up_to
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

PATIENCE = 5
METHODS = ("eac", "online-all", "retrain")


@dataclass(frozen=True, eq=False)
class Period:
    """Windows of each part, newest first, and the row-normalised graph."""

    matrix: Tensor
    train: TensorDataset
    val: TensorDataset
    test: TensorDataset

    @staticmethod
    def read(folder: Path, number: int) -> "Period":
        """One period of a published layout."""
        with np.load(folder / "RawData" / f"{number}.npz") as file:
            series = file["x"]
        with np.load(folder / "graph" / f"{number}_adj.npz") as file:
            matrix = file["x"] / (file["x"].sum(1, keepdims=True) + 1e-6)
        cuts = [int(len(series) * 0.6), int(len(series) * 0.8)]
        return Period(torch.from_numpy(matrix).float(), *map(_windows, np.split(series, cuts)))

    @property
    def num_nodes(self) -> int:
        """Nodes of the period."""
        return len(self.matrix)


class Twin:
    """One run over the periods of ``folder``."""

    def __init__(self, folder: Path, method: str, epochs: int, batch_size: int, *, as_text: bool):
        self.folder, self.method, self.as_text = folder, method, as_text
        self.epochs, self.batch_size = epochs, batch_size
        self.sizes: list[int] = []
        self.carried: dict[str, Tensor] = {}

    def run(self, seed: int) -> Iterator[tuple[int, float]]:
        """Epochs and cumulative MAE, averaged over the twelve horizons, of each period."""
        torch.manual_seed(seed)
        self.sizes, self.carried = [], {}
        for number in range(len(list((self.folder / "RawData").glob("*.npz")))):
            yield self._period(Period.read(self.folder, number))

    def _period(self, period: Period) -> tuple[int, float]:
        model = self._model(period.num_nodes)
        trained, kept = self._fit(model, period)
        self.carried = kept[min(kept, key=str if self.as_text else None)]
        model.load_state_dict(kept[min(kept)])
        self.sizes.append(period.num_nodes)
        with torch.no_grad():
            found = [model(x, period.matrix) for x, _ in self._loader(period.test)]
        rows = errors_up_to(torch.cat(found).numpy(), period.test.tensors[1].numpy())
        return trained, float(np.mean([mae for mae, _, _ in rows]))

    def _model(self, num_nodes: int) -> DenseModel:
        """A new model; of a method that goes on, with the weights of the last period."""
        prompts = self.method == "eac"
        if not self.sizes or self.method == "retrain":
            return DenseModel(num_nodes if prompts else None)
        model = DenseModel(self.sizes[0] if prompts else None)
        if not prompts:
            model.load_state_dict(self.carried)
            return model
        for known, size in zip(self.sizes, self.sizes[1:], strict=False):
            _expand(model, size - known)
        model.load_state_dict(self.carried)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in "UV")
        _expand(model, num_nodes - self.sizes[-1])
        return model

    def _fit(self, model: DenseModel, period: Period) -> tuple[int, dict[float, dict[str, Tensor]]]:
        """Epochs trained, and the weights after each one that was the best so far."""
        trainable = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trainable, lr=0.03)
        kept: dict[float, dict[str, Tensor]] = {}
        lowest, worse, epoch = 1e7, 0, 0
        while epoch < self.epochs and worse <= PATIENCE:
            epoch += 1
            for x, y in self._loader(period.train, shuffle=True):
                optimizer.zero_grad()
                nn.functional.mse_loss(y, model(x, period.matrix)).backward()
                optimizer.step()
            error = self._validate(model, period)
            worse = 0 if error <= lowest else worse + 1
            if not worse:
                lowest = round(error, 4)
                kept[lowest] = {name: w.clone() for name, w in model.state_dict().items()}
        return epoch, kept

    @torch.no_grad()
    def _validate(self, model: DenseModel, period: Period) -> float:
        """The mean over batches of their masked errors."""
        found = []
        for x, y in self._loader(period.val):
            error = (model(x, period.matrix) - y).abs()[y != 0]
            found.append(float(error.mean()))
        return float(np.mean(found))

    def _loader(
        self, part: TensorDataset, *, shuffle: bool = False
    ) -> DataLoader[tuple[Tensor, ...]]:
        # torch's own loader, whatever it draws: that is the point of a twin
        return DataLoader(part, self.batch_size, shuffle=shuffle)


def _windows(series: np.ndarray) -> TensorDataset:
    """Inputs and targets of one part, newest first."""
    samples = DenseSamples(series)
    x, y = (torch.from_numpy(w[::-1].transpose(0, 2, 1).copy()) for w in (samples.x, samples.y))
    return TensorDataset(x.float(), y.float())


def _expand(model: DenseModel, count: int) -> None:
    if count:
        fresh = torch.empty(count, RANK).uniform_(-0.1, 0.1)
        model.U = nn.Parameter(torch.cat([model.get_parameter("U").detach(), fresh]))


def main() -> None:
    """Runs and prints one line per seed."""
    parser = argparse.ArgumentParser(
        description="The published training loop, written out plainly."
    )
    parser.add_argument("layout", type=Path, help="folder with RawData/ and graph/")
    parser.add_argument("--method", choices=METHODS, default="eac")
    parser.add_argument("--seeds", type=int, nargs="+", default=[42])
    parser.add_argument("--epochs", type=int, default=100, help="at most")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--as-text", action="store_true", help="choose weights as published")
    parser.add_argument("--json", action="store_true", help="one JSON object per seed")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    twin = Twin(given.layout, given.method, given.epochs, given.batch_size, as_text=given.as_text)
    means = []
    for seed in given.seeds:
        epochs, errors = zip(*twin.run(seed), strict=True)
        means.append(float(np.mean(errors)))
        if given.json:
            print(json.dumps({"seed": seed, "epochs": epochs, "MAE": errors}), flush=True)
            continue
        rows = "  ".join(f"{error:7.2f}" for error in errors)
        print(f"seed {seed}  {rows}  mean {means[-1]:7.2f}  epochs {epochs}", flush=True)
    if len(means) > 1 and not given.json:
        print(f"{given.method}: {np.mean(means):.2f} ± {np.std(means, ddof=1):.2f}")


if __name__ == "__main__":
    main()
