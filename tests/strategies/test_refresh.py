"""Refresh: what is chosen, what is kept, and that a kill changes nothing."""

import pytest
import torch
from lightning.pytorch import Callback

from eac.backbones.stgnn import STGNN
from eac.continual.cold_start import MeasuredStart
from eac.continual.null_space import Protection
from eac.continual.probe import state_of, validation_error
from eac.data.batches.datamodule import PeriodData
from eac.nn.low_rank_update import updates
from eac.strategies.eac import EAC
from eac.strategies.forecast import Pair
from eac.strategies.refresh import Refresh
from eac.training.callbacks import PeriodCheckpoint
from eac.training.forecaster import Forecaster
from eac.training.runner import StreamRunner
from eac.training.trainers import DefaultTrainer
from tests.strategies.contexts import begin, contexts, shake
from tests.streams import tiny_stream


def refreshed(**settings) -> Forecaster:
    torch.manual_seed(4)
    inner = EAC(rank=2, seed=1, cold_start=MeasuredStart(), protect=Protection(radius=0.5))
    return Forecaster(STGNN(hidden=8), Refresh(inner, steps=3, **settings))


def trained_names(model) -> set[str]:
    return {name.split(".")[1] for name, p in model.backbone.named_parameters() if p.requires_grad}


def test_the_first_period_is_the_other_strategys():
    model = refreshed()
    first = next(contexts(tiny_stream()))
    plan = model.plan_period(first)
    assert (plan.train, plan.freeze_backbone, plan.train_head) == (True, False, False)
    begin(model, first)
    assert model.strategy.take_notes() == ()


@pytest.mark.parametrize(
    ("margin", "everything", "level"),
    [
        (0.1, 91.0, "prompts alone"),  # 9 % better, asked for 10 %
        (0.1, 89.0, "everything"),
        (-0.1, 109.0, "everything"),  # 9 % worse, allowed 10 %
        (-0.1, 111.0, "prompts alone"),
    ],
)
def test_the_margin_decides_between_probes(margin, everything, level, monkeypatch):
    model = refreshed(margin=margin, upheaval=2.0, head=False)
    first, second, *_ = contexts(tiny_stream())
    begin(model, first)
    errors = iter([100.0, everything])
    monkeypatch.setattr("eac.strategies.refresh.probe", lambda *a, **k: next(errors))
    begin(model, second)
    assert model.strategy.take_notes()[0].startswith(level)
    trains = any(p.requires_grad for p in model.backbone.parameters())
    assert trains == (level == "everything")


def test_the_head_is_chosen_where_it_does_as_well_as_everything(monkeypatch):
    model = refreshed(upheaval=2.0)
    first, second, *_ = contexts(tiny_stream())
    begin(model, first)
    errors = iter([3.0, 2.0, 1.9])  # prompts, everything, head
    monkeypatch.setattr("eac.strategies.refresh.probe", lambda *a, **k: next(errors))
    begin(model, second)
    trained = {n for n, p in model.backbone.named_parameters() if p.requires_grad}
    assert trained == {"fc.weight", "fc.bias"}
    assert "prompts and head: validation MAE of the probes 3 prompts alone" in str(
        model.strategy.take_notes()
    )


def test_clear_signs_spare_the_probe(monkeypatch):
    def forbidden(*args, **kwargs):
        raise AssertionError("a probe ran")

    monkeypatch.setattr("eac.strategies.refresh.probe", forbidden)
    model = refreshed(upheaval=0.2, calm=1.0)
    first, second, _, last = contexts(tiny_stream())
    begin(model, first)
    begin(model, second)  # one of five nodes is new
    assert "everything: 20% of the nodes are new" in model.strategy.take_notes()
    begin(model, last)  # nobody is new
    assert model.strategy.take_notes()[0].startswith("prompts alone: no new node, drift 0.")


def test_a_training_that_does_harm_is_taken_back():
    model = refreshed(upheaval=0.0)
    first, second, *_ = contexts(tiny_stream())
    begin(model, first)
    begin(model, second)
    pair = Pair(model.strategy.strategy, model.backbone)
    before = state_of(pair)
    shake(model)
    shake(model, seed=1)
    with torch.no_grad():
        model.backbone.fc.bias += 50
    model.strategy.end_training(second, model.backbone)
    assert all(torch.equal(value, before[name]) for name, value in state_of(pair).items())
    assert "kept the state before training" in str(model.strategy.take_notes())


@pytest.mark.parametrize(
    ("probe", "kept"), [(3.98, "after training"), (3.95, "of the probe of prompts alone")]
)
def test_a_probe_is_kept_only_where_it_is_clearly_better_than_the_training(
    probe, kept, monkeypatch
):
    model = refreshed(upheaval=2.0, margin=1.0)
    first, second, *_ = contexts(tiny_stream())
    begin(model, first)
    begin(model, second)
    errors = iter([4.0, 5.0, 4.5, 4.5, 4.5, probe])  # after training, before, between
    monkeypatch.setattr("eac.strategies.refresh.validation_error", lambda *a: next(errors))
    model.strategy.take_notes()
    model.strategy.end_training(second, model.backbone)
    assert model.strategy.take_notes()[-1].startswith(f"kept the state {kept}:")


def test_what_is_kept_validates_no_worse_than_before_and_after():
    model = refreshed(upheaval=2.0)
    first, second, *_ = contexts(tiny_stream())
    begin(model, first)
    begin(model, second)
    pair = Pair(model.strategy.strategy, model.backbone)
    errors = [validation_error(pair, second.current, second.training, 1024)]
    shake(model)
    errors.append(validation_error(pair, second.current, second.training, 1024))
    model.strategy.end_training(second, model.backbone)
    kept = validation_error(pair, second.current, second.training, 1024)
    assert kept <= min(errors) + 1e-6


def test_planning_changes_nothing_that_is_saved():
    model = refreshed(upheaval=2.0)
    first, second, *_ = contexts(tiny_stream())
    begin(model, first)
    before, ids = state_of(model), model.strategy.strategy.pool.node_ids
    generator = torch.random.get_rng_state()
    model.plan_period(second)
    assert all(torch.equal(value, before[name]) for name, value in state_of(model).items())
    assert model.strategy.strategy.pool.node_ids == ids
    assert torch.equal(torch.random.get_rng_state(), generator)


class KilledError(RuntimeError):
    """Stands for a kill -9."""


class KillAt(Callback):
    """Kills a run at the end of an epoch of its second period."""

    def __init__(self, name: str):
        self.name = name

    def on_train_epoch_end(self, trainer, pl_module):
        if self.name in str(trainer.default_root_dir) and trainer.current_epoch == 1:
            raise KilledError


def run(directory, *extra):
    data = PeriodData(tiny_stream(missing=True), batch_size=16, seed=2)
    base = DefaultTrainer(max_epochs=3)

    def make(where, callbacks):
        late = [c for c in callbacks if isinstance(c, PeriodCheckpoint)]
        early = [c for c in callbacks if c not in late]
        return base(where, (*early, *late, *extra))

    return StreamRunner(refreshed(upheaval=2.0), data, run_dir=directory, make_trainer=make).run()


def test_interrupted_and_resumed_equals_uninterrupted(tmp_path):
    whole = run(tmp_path / "whole")
    with pytest.raises(KilledError):
        run(tmp_path / "cut", KillAt("p1"))
    resumed = run(tmp_path / "cut")
    assert [(p.errors, p.notes) for p in resumed.periods] == [
        (p.errors, p.notes) for p in whole.periods
    ]
    assert all(len(p.notes) >= 3 for p in whole.periods[1:3])  # choice, cold start or fence, kept


LADDER = {"margin": 0.01, "upheaval": 2.0, "head": False, "ranks": (2, 4, 8)}


@pytest.mark.parametrize(
    ("errors", "chosen"),
    [
        ((100.5, 100.0), "prompts alone"),  # within 1 %: no further probe
        ((110.0, 100.0, 100.9, 100.9), "prompts and an update of rank 2"),
        ((110.0, 100.0, 100.9, 102.0), "prompts and an update of rank 4"),
        ((110.0, 100.0, 102.0, 100.9), "prompts and an update of rank 8"),
        ((110.0, 100.0, 102.0, 102.0), "everything"),
    ],
)
def test_the_ladder_takes_the_cheapest_rung_within_the_margin(errors, chosen, monkeypatch):
    model = refreshed(**LADDER)
    first, second, *_ = contexts(tiny_stream())
    begin(model, first)
    probes = iter(errors)
    monkeypatch.setattr("eac.strategies.refresh.probe", lambda *a, **k: next(probes))
    begin(model, second)
    assert next(probes, None) is None
    assert model.strategy.take_notes()[0].startswith(chosen)
    recorded = model.strategy.take_update()
    assert recorded is not None
    assert recorded.rung == chosen
    trains = {name for name, p in model.backbone.named_parameters() if p.requires_grad}
    assert any(name.endswith(".0.up") for name in trains) == (chosen != "prompts alone")
    wide = {name for name in trains if "gcn2.weight_neigh" in name and "original" in name}
    assert bool(wide) == (chosen in {"everything", "prompts and an update of rank 8"})


@pytest.mark.parametrize("ranks", [(), (1, 2)])
def test_planning_changes_nothing(ranks):
    model = refreshed(upheaval=2.0, ranks=ranks)
    first, second, *_ = contexts(tiny_stream())
    begin(model, first)
    shake(model)
    state, drawn = state_of(model), torch.random.get_rng_state()
    open_before = trained_names(model)
    choices = [model.plan_period(second) for _ in range(2)]
    assert all(torch.equal(value, state[name]) for name, value in state_of(model).items())
    assert torch.equal(torch.random.get_rng_state(), drawn)
    assert trained_names(model) == open_before
    assert choices[0].train_update == choices[1].train_update
    assert model.strategy.take_notes() == ()
    assert model.strategy.take_update() is None


def test_everything_is_a_new_base_and_the_way_back_leads_to_the_same_forecasts():
    model = refreshed(upheaval=0.0, ranks=(1,))
    first, second, *_ = contexts(tiny_stream())
    begin(model, first)
    shake(model)
    begin(model, second)
    assert all(
        update.rank + update.kept_rank == 0 for update, _ in updates(model.backbone).values()
    )


def test_a_probe_that_diverges_is_not_chosen(monkeypatch):
    model = refreshed(upheaval=2.0, head=False)
    first, second, *_ = contexts(tiny_stream())
    begin(model, first)
    errors = iter([100.0, float("nan")])
    monkeypatch.setattr("eac.strategies.refresh.probe", lambda *a, **k: next(errors))
    begin(model, second)
    assert model.strategy.take_notes()[0].startswith("prompts alone")
    assert not any(p.requires_grad for p in model.backbone.parameters())


def test_a_training_that_diverges_is_taken_back(monkeypatch):
    model = refreshed(upheaval=2.0, head=False)
    first, second, *_ = contexts(tiny_stream())
    begin(model, first)
    begin(model, second)
    shake(model)
    errors = iter([float("nan"), 3.0, *[4.0] * 10])  # after training, before, and between
    monkeypatch.setattr("eac.strategies.refresh.validation_error", lambda *a: next(errors))
    model.strategy.take_notes()
    model.strategy.end_training(second, model.backbone)
    assert "kept the state before training" in model.strategy.take_notes()[-1]
