"""The package's own pieces, driven step by step as the dense reference is."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from eac.backbones.stgnn import STGNN
from eac.data.batches.batch import Batch
from eac.data.batches.preparation import Layout, fit_scales, prepare
from eac.data.batches.sampler import StartBatches
from eac.data.core.windows import Split, window_starts
from eac.data.readers.npz import NpzStream
from eac.metrics.horizon import HorizonErrors
from eac.metrics.losses import MSE
from eac.nn.prompt_pool import PromptPool
from eac.protocols.draws import epoch_seed
from eac.protocols.protocol import PUBLISHED
from eac.typing import Part

WINDOW = HORIZON = 12

PARTS: tuple[Part, Part] = ("train", "test")


class FastPath:
    """Training and evaluation with the package, on the layout folder ``data``."""

    def __init__(self, data: Path, batch_size: int):
        self.stream = NpzStream(data)
        period = self.stream[0]
        split = Split.by_fraction(period.num_steps, (0.6, 0.2))
        self.model = STGNN(WINDOW, HORIZON)
        layout = Layout(WINDOW, HORIZON, PUBLISHED)
        scales = fit_scales(period, split, layout)
        self.tensors = prepare(period, None, scales, layout, self.model.needs)
        self.train, self.test = (
            window_starts(split.part(part), WINDOW, HORIZON, period=period.name, part=part)[:-1]
            for part in PARTS
        )
        self.sampler = StartBatches(len(self.train), batch_size, seed_of=partial(epoch_seed, 0))
        self.pool = PromptPool(WINDOW, rank=6)
        self.pool.grow(period.node_ids)
        self.rows = self.pool.rows(period.node_ids)
        self.loss = MSE()
        self.batch_size = batch_size
        self._batches: Iterator[Tensor] = iter(())

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Takes over the weights of the dense reference."""
        with torch.no_grad():
            self.pool.node_factor.copy_(weights["U"])
            self.pool.basis = torch.nn.Parameter(weights["V"].clone())
        self.model.load_state_dict({k: v for k, v in weights.items() if k not in ("U", "V")})

    def start(self, *, frozen: bool) -> None:
        """Freezes or frees the backbone and makes a new optimizer."""
        self.model.requires_grad_(not frozen)
        parameters = (*self.model.parameters(), *self.pool.parameters())
        self.optimizer = torch.optim.AdamW([p for p in parameters if p.requires_grad], lr=0.01)

    def train_step(self) -> None:
        """Gathers one shuffled batch and learns from it."""
        starts = next(self._batches, None)
        if starts is None:
            self._batches = iter(self.sampler)
            starts = next(self._batches)
        batch = self.tensors.batch(self.train[starts])
        mask = None if batch.complete else batch.mask
        loss = self.loss(self._forecast(batch), batch.y, mask)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def lightning_step_seconds(self, num_steps: int, tick: Callable[[], float]) -> list[float]:
        """Seconds of steps taken by Lightning's Trainer, with the callbacks of a run."""
        from lightning_steps import step_seconds

        return step_seconds(self, num_steps, tick)

    @torch.no_grad()
    def evaluate(self) -> int:
        """Forecasts of the test part and their errors; returns its batches."""
        errors = HorizonErrors(self.tensors.graph.num_nodes, HORIZON, null_value=0.0)
        batches = self.test.split(self.batch_size)
        for starts in batches:
            batch = self.tensors.batch(starts)
            errors.update(self._forecast(batch), batch.y, None if batch.complete else batch.mask)
        errors.summary()
        return len(batches)

    def first_forecast(self) -> Float[Tensor, "batch node horizon"]:
        """Forecasts of the first test batch."""
        with torch.no_grad():
            return self._forecast(self.tensors.batch(self.test[: self.batch_size]))

    def _forecast(self, batch: Batch) -> Float[Tensor, "batch node horizon"]:
        inputs = batch.inputs.with_prompt(self.pool(self.rows))
        return batch.scaler.inverse(self.model(inputs, batch.graph))
