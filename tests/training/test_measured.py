"""A validation of a large network: on some nodes of each window, the same in every epoch."""

import pytest
import torch
from lightning.pytorch import Callback, Trainer

from eac.backbones.seasonal import SeasonalMLP
from eac.data.batches import spread as spreads
from eac.data.batches.datamodule import PeriodData
from eac.strategies.eac import EAC
from eac.training.forecaster import Forecaster
from tests.streams import tiny_stream


class Seen(Callback):
    """Notes what each validation is measured on, and what it says."""

    def __init__(self):
        self.nodes: list[list[list[int]]] = []
        self.logged: list[dict[str, float]] = []

    def on_validation_epoch_start(self, trainer, pl_module):
        self.nodes.append([])

    def on_validation_batch_start(self, trainer, pl_module, batch, batch_idx, dataloader_idx=0):
        rows = batch.inputs.nodes
        self.nodes[-1].extend([[]] if rows is None else rows.tolist())

    def on_validation_end(self, trainer, pl_module):
        self.logged.append({name: float(x) for name, x in trainer.callback_metrics.items()})


def fitted(tmp_path, *, epochs=2):
    data = PeriodData(
        tiny_stream(missing=True), nodes_per_window=1, batch_size=16, steps_per_epoch=2
    )
    model, seen = Forecaster(SeasonalMLP(12, 12, hidden=8, num_blocks=1), EAC(rank=2)), Seen()
    trainer = Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        callbacks=[seen],
        logger=False,
        num_sanity_val_steps=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(model, datamodule=data)
    return trainer, model, data, seen


def test_a_validation_takes_the_same_nodes_in_every_epoch_and_counts_them_alone(
    tmp_path, monkeypatch
):
    windows = len(PeriodData(tiny_stream()).starts("val"))
    monkeypatch.setattr(spreads, "NODE_WINDOWS", 2 * windows)
    trainer, model, data, seen = fitted(tmp_path)

    assert seen.nodes[0] == seen.nodes[1]
    assert [len(row) for row in seen.nodes[0]] == [2] * windows
    assert {node for row in seen.nodes[0] for node in row} == {0, 1, 2, 3}

    starts = data.starts("val")
    batch = data.prepared(model.backbone.needs).full.batch(starts)
    with torch.no_grad():
        difference = (model.eval()(batch) - batch.y).abs()
    chosen = torch.tensor(seen.nodes[0])[..., None].expand(-1, -1, 12)
    observed = batch.mask.gather(1, chosen)
    expected = float(difference.gather(1, chosen)[observed].mean())
    assert seen.logged[-1]["val/MAE"] == pytest.approx(expected, rel=1e-4)
    assert 0 < seen.logged[-1]["val/standard_error"] < expected

    trainer.test(model, datamodule=data, verbose=False)  # of all nodes
    assert torch.isfinite(model.errors.node_mae()).all()
    tested = data.starts("test").numel() * 4 * 12
    assert int(model.errors.state()[-1].sum()) > 0.85 * tested


def test_a_small_network_is_validated_on_all_of_its_nodes(tmp_path):
    _, _, _, seen = fitted(tmp_path, epochs=1)
    assert seen.nodes == [[[]]]  # one batch of all nodes
    assert "val/standard_error" not in seen.logged[-1]
