"""The loop over the periods of a stream: plan, train, test, remember, record, go on."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lightning.pytorch import Trainer, seed_everything

from eac.artifacts.checkpoint import SavedState, load_state
from eac.artifacts.resume_points import load_checkpoint, remove_checkpoints, resume_point
from eac.artifacts.saved_data import load_draws
from eac.artifacts.saving import save_artifact
from eac.calibration.store import CALIBRATION_FILE
from eac.data.batches.datamodule import PeriodData
from eac.data.batches.preparation import check_needs
from eac.data.core.period import NodeChange
from eac.data.manage.suspicious import before_training
from eac.errors import RunError
from eac.files import make_folder
from eac.metrics.horizon import HorizonErrors
from eac.protocols.draws import period_seed
from eac.records.details import write_details
from eac.records.manifest import write_noted
from eac.records.record import (
    PERIOD_FILE,
    RUN_FILE,
    NodeCounts,
    PeriodRecord,
    RunRecord,
    SensorErrors,
    read_period,
    read_run,
    write_period,
    write_run,
)
from eac.strategies.base import PeriodContext, PeriodPlan
from eac.training.callbacks import CountEpochs, PeriodCheckpoint, SeedEveryEpoch
from eac.training.divergence import stops
from eac.training.forecaster import Forecaster
from eac.training.intervals import IntervalRun
from eac.training.peers import Peer, baseline_errors, check_peers
from eac.training.processes import is_first, wait_for_all
from eac.training.refit import refit
from eac.training.report_data import collect_details
from eac.training.run_header import describe, header, made_or_nothing
from eac.training.testing import CrossTester, by_group
from eac.training.trainers import DefaultTrainer, TrainerFactory, quiet_lightning
from eac.typing import StrPath

log = logging.getLogger("eac")


@dataclass(frozen=True, eq=False)
class _Memory:
    """What the loop carries from one period to the next."""

    previous: PeriodData | None = None
    seen: frozenset[str] = frozenset()

    def change(self, data: PeriodData) -> NodeChange:
        before = () if self.previous is None else self.previous.period.node_ids
        return NodeChange.between(data.period.node_ids, before, set(self.seen))

    def after(self, data: PeriodData) -> "_Memory":
        return _Memory(data, self.seen.union(data.period.node_ids))


class StreamRunner:
    """Runs a forecaster over a stream, one ordinary Lightning run per period.

    A period is done when its ``metrics.json`` exists, which is written last; done periods are
    restored, an interrupted one is continued, and periods that appeared since are trained.

    Args:
        forecaster: The model, as built; its first weights are those of period 0, unless the
            protocol draws them.
        data: Settings of windows and protocol, on the stream to run; its seed is the run's.
        run_dir: Where everything is written.
        make_trainer: Makes the Trainer of each period.
        config: Text of the resolved configuration, kept as ``config.yaml``.
        test_past: Also test on all earlier periods after each one, and on each one before training
            on it: what transfer and forgetting are computed from.
        peers: What is fitted in each period beside the naive forecasts, such as ``lightgbm``.

    Raises:
        RunError: If ``run_dir`` holds another run, or a period in it no longer fits the stream.

    Example:
        ``StreamRunner(Forecaster(STGNN(), EAC()), PeriodData(path), run_dir="runs/x").run()``
    """

    def __init__(
        self,
        forecaster: Forecaster,
        data: PeriodData,
        *,
        run_dir: StrPath,
        make_trainer: TrainerFactory | None = None,
        config: str | None = None,
        test_past: bool = False,
        peers: Sequence[Peer] = (),
    ):
        self.forecaster = forecaster
        self.data = data
        check_needs(forecaster.backbone.needs, data.nodes_per_window)
        self.run_dir = Path(run_dir)
        self._make_trainer = make_trainer or DefaultTrainer()
        self._config = describe(forecaster, data) if config is None else config
        self._first_state = SavedState.of(forecaster)
        self._tester = CrossTester(forecaster, self._make_trainer) if test_past else None
        check_peers(peers)
        self._peers = peers
        self._memory = _Memory()
        self._intervals = IntervalRun()
        self._draws = data.protocol.draws(data.seed)
        self._next = 0

    @property
    def position(self) -> int:
        """Position in the stream of the next period to run."""
        return self._next

    def run(self) -> RunRecord:
        """Trains and tests every period that is not done, and returns the whole record."""
        quiet_lightning()
        if self._next == 0 and is_first():
            self._open()
        while self._next < len(self.data.stream):
            data = self.data.for_period(self._next)
            directory = self._directory(data)
            if (directory / PERIOD_FILE).is_file():
                self._check_done(data, directory)
            else:
                self._run_period(data, directory)
            if self._tester is not None:
                self._tester.remember(self._memory.change(data))
            self._memory = self._memory.after(data)
            self._next += 1
        if is_first():
            write_run(self.run_dir, read_run(self.run_dir))
        wait_for_all()
        return read_run(self.run_dir)

    def _open(self) -> None:
        """Creates the run directory, or checks that it holds this very run."""
        path = self.run_dir / "config.yaml"
        if path.is_file() and path.read_text(encoding="utf-8") != self._config:
            raise RunError(
                f"{self.run_dir} holds a run with other settings (see its config.yaml). Give "
                "another run directory, or continue that run with: eac run --resume "
                f"{self.run_dir}"
            )
        write_noted(path, self._config.encode())
        if not (self.run_dir / RUN_FILE).is_file():
            write_run(self.run_dir, header(self.forecaster, self.data))
        done = read_run(self.run_dir).periods
        names = list(self.data.stream.period_names)
        if [period.name for period in done] != names[: len(done)]:
            raise RunError(
                f"{self.run_dir} was trained on the periods {[p.name for p in done]}, but the "
                f"stream now begins with {names[: len(done)]}. Restore the stream, or start a new "
                "run directory."
            )

    def _check_done(self, data: PeriodData, directory: Path) -> None:
        record = read_period(directory)
        if record.fingerprint != data.period.fingerprint():
            raise RunError(
                f"period {data.period.name!r} changed since {directory} was trained on it. "
                "Restore its data, or start a new run directory."
            )
        after = self._next + 1
        following = self.data.for_period(after) if after < len(self.data.stream) else None
        if following is None or not (self._directory(following) / PERIOD_FILE).is_file():
            load_state(directory).restore(self.forecaster)
            self._draws = self._draws.resumed(load_draws(directory), directory)
            self.forecaster.select_nodes(data.period.node_ids)
            self._intervals.restore(data, directory)

    def _run_period(self, data: PeriodData, directory: Path) -> None:
        make_folder(directory)
        model, change, tester = self.forecaster, self._memory.change(data), self._tester
        before = {} if tester is None else tester.before(data, change, directory)
        data = data.prepared(model.backbone.needs)
        context = self._context(data, change)
        clock = time.perf_counter()
        plan = self._begin(context)
        probing = time.perf_counter() - clock
        data = data.planned(plan.graph_nodes, plan.loss_nodes, self._draws)
        counts = model.parameter_counts() if plan.train else (0, model.parameter_counts()[1])
        _log_start(data, change, counts)
        watch = CountEpochs()
        roll = self._intervals.begin(data, data.null_value)
        callbacks = (SeedEveryEpoch(context.seed), *stops(), watch, roll)
        trainer = self._make_trainer(directory, (*callbacks, PeriodCheckpoint(str(directory))))
        if plan.train:
            self._fit(trainer, data, directory)
            watch.seconds += probing + self._after_training(data, directory, context, plan)
        self._draws.end_period(watch.epochs)
        trainer.test(model, datamodule=data, verbose=False)
        naive = baseline_errors(data, model.errors.null_value, self._peers)
        record = self._record(data, change, counts, watch, naive)
        record = replace(record, intervals=self._intervals.summary(change))
        if tester is not None:
            record = replace(record, before=before, past=tester.past(data, directory))
        model.strategy.end_period(context, model.backbone)
        previous = self._memory.previous
        before_it = None if previous is None else previous.period
        if is_first():
            details = collect_details(model, data, record, change, before_it, naive)
            write_details(directory, details)
            self._save(data, directory, record)
        wait_for_all()

    def _context(self, data: PeriodData, change: NodeChange) -> PeriodContext:
        """What the strategy is shown, with every random choice seeded."""
        seed, previous = period_seed(data.seed, data.index), self._memory.previous
        seed_everything(seed, workers=True, verbose=False)
        view = None if previous is None else previous.prepared(self.forecaster.backbone.needs).view
        training = self.forecaster.training_settings(data)
        return PeriodContext(data.index, seed, data.view, view, change, training, self._draws)

    def _begin(self, context: PeriodContext) -> PeriodPlan:
        """Plans the period, and readies the model for it."""
        model = self.forecaster
        model.strategy.take_notes()
        model.strategy.take_update()
        plan = model.plan_period(context)
        if plan.start == "scratch":
            self._first_state.restore(model)
        model.begin_period(context, plan)
        return plan

    def _after_training(
        self, data: PeriodData, directory: Path, context: PeriodContext, plan: PeriodPlan
    ) -> float:
        """What follows training and precedes the test; returns seconds of further training."""
        model = self.forecaster
        model.strategy.end_training(context, model.backbone)
        if plan.train_update or not plan.freeze_backbone:
            model.choose_by_validation(context)
        self._intervals.learn_from_validation(model, data)
        if not data.refit_epochs:
            return 0.0
        return refit(model, data, directory / "refit", self._make_trainer, context.seed)

    def _fit(self, trainer: Trainer, data: PeriodData, directory: Path) -> None:
        """Trains, from an interruption on if there was one, and keeps the best weights."""
        last = resume_point(directory)
        trainer.fit(self.forecaster, datamodule=data, ckpt_path=last)
        best = load_checkpoint(directory / "best.ckpt")
        self.forecaster.load_state_dict(best["state_dict"])

    def _record(
        self,
        data: PeriodData,
        change: NodeChange,
        counts: tuple[int, int],
        watch: CountEpochs,
        naive: Mapping[str, HorizonErrors],
    ) -> PeriodRecord:
        errors, period = self.forecaster.errors, data.period
        return PeriodRecord(
            name=period.name,
            num_nodes=period.num_nodes,
            nodes=NodeCounts(**{name: len(ids) for name, ids in vars(change).items()}),
            trainable_parameters=counts[0],
            total_parameters=counts[1],
            fit_seconds=round(watch.seconds, 3),
            epochs=watch.epochs,
            best_epoch=watch.best_epoch,
            val_metric=watch.best_value,
            groups=by_group(errors, period.node_ids, change),
            baselines={name: sums.summary() for name, sums in naive.items()},
            fingerprint=period.fingerprint(),
            strategy=type(self.forecaster.strategy).__name__,
            backbone=type(self.forecaster.backbone).__name__,
            sensors=SensorErrors(period.node_ids, tuple(errors.node_mae().tolist())),
            notes=self.forecaster.strategy.take_notes(),
            update=self.forecaster.strategy.take_update(),
        )

    def _save(self, data: PeriodData, directory: Path, record: PeriodRecord) -> None:
        """Writes state and card, then the record that says the period is done."""
        self._intervals.end(data, directory)
        before = self._memory.previous
        save_artifact(
            directory,
            SavedState.of(self.forecaster),
            data,
            base=self._directory(self.data.for_period(0)) if data.index > 0 else None,
            parent=None if before is None else self._directory(before),
            made=made_or_nothing(self.forecaster),
            calibration=CALIBRATION_FILE,
            facts=record.errors.to_json(),
        )
        write_period(directory, record)
        remove_checkpoints(directory)

    def _directory(self, data: PeriodData) -> Path:
        name = self.data.stream.period_names[data.index]
        return self.run_dir / f"period-{data.index:02d}-{name}"


def _log_start(data: PeriodData, change: NodeChange, counts: tuple[int, int]) -> None:
    log.info(
        "period %s: %d nodes (%d kept, %d new, %d returned, %d gone), %d of %d parameters train",
        data.period.name,
        data.period.num_nodes,
        *(len(ids) for ids in vars(change).values()),
        *counts,
    )
    for said in before_training(data.period, data.split):
        log.warning("period %s: %s", data.period.name, said)
