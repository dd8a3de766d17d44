"""The loop over the periods of a stream: plan, train, test, remember, record, go on."""

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Literal

from lightning.pytorch import Trainer, seed_everything

from eac.artifacts.checkpoint import SavedState
from eac.artifacts.gone import restore
from eac.artifacts.past import load_past, past_is_damaged, remove_past, save_past
from eac.artifacts.resume_points import remove_checkpoints
from eac.artifacts.saved_data import load_draws
from eac.data.batches.datamodule import PeriodData
from eac.data.batches.preparation import check_needs
from eac.data.batches.reservoir import Reservoir
from eac.data.core.period import NodeChange
from eac.plain import logger
from eac.protocols.draws import period_seed
from eac.records.folders import PERIOD_FILE, period_folder
from eac.records.record import RunRecord, read_period, read_run, write_run
from eac.rundir.changes import check_unchanged
from eac.rundir.lock import only_writer
from eac.rundir.opening import note_asked, open_run, without_ongoing
from eac.rundir.progress import Clock
from eac.rundir.redo import forget_after, position_of, state_digest
from eac.rundir.settings import has_settings
from eac.strategies.base import PeriodContext, PeriodPlan
from eac.training.bar import RunBar, run_bar
from eac.training.callbacks import CountEpochs, SeedEveryEpoch
from eac.training.divergence import check_trained, check_validation, stops
from eac.training.forecaster import Forecaster
from eac.training.holding.network import Holding, WholeNetwork
from eac.training.memory import Memory, all_ids, let_go
from eac.training.peers import Peer, boosters_of
from eac.training.processes import is_first, wait_for_all
from eac.training.refit import refit
from eac.training.results.finishing import Finished
from eac.training.results.intervals import IntervalRun
from eac.training.results.newcomers import joining
from eac.training.results.recording import begin_notes, log_start
from eac.training.results.run_header import describe, header
from eac.training.results.testing import CrossTester
from eac.training.trainers import DefaultTrainer, TrainerFactory, quiet_lightning
from eac.typing import StrPath

log = logger()


class StreamRunner:
    """Runs a forecaster over a stream, one ordinary Lightning run per period.

    A period is done when its ``metrics.json`` exists, which is written last; done periods are
    restored, an interrupted one is continued, and periods that appeared since are trained.

    Args:
        forecaster: The model, as built; its first weights are those of period 0, unless the
            protocol draws them.
        data: Settings of windows and protocol, on the stream to run; its seed is the run's.
        run_dir: Where everything is written, by one process at a time.
        make_trainer: Makes the Trainer of each period.
        config: Settings kept as ``config.yaml``; None describes what was given in Python.
        test_past: Also test on all earlier periods after each one, and on each one before training
            on it: what transfer and forgetting are computed from.
        peers: What is fitted in each period beside the naive forecasts, such as ``lightgbm``.
        partial: ``train`` also trains a last period whose calendar period is not over yet.
        accept_changes: Go on where data of done periods changed, from what was learned before.
        redo: Name or position of the period to train again, with all that follow.
        after_period: Called with the run directory after each period that was trained.
        progress: Show a bar over all periods; None shows it in a terminal and in a notebook.
        holding: What this process holds of the network; None: all of it.

    Raises:
        RunError: If ``run_dir`` holds another run, or a period in it no longer fits the stream.

    Example:
        >>> from eac import EAC, STGNN, SyntheticStream
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> StreamRunner(Forecaster(STGNN(), EAC()), data, run_dir="runs/x").position
        0
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
        partial: Literal["skip", "train"] = "skip",
        accept_changes: bool = False,
        redo: str | None = None,
        after_period: Callable[[Path], None] | None = None,
        progress: bool | None = None,
        holding: Holding | None = None,
    ):
        self.forecaster, self.data = forecaster, data
        check_needs(forecaster.backbone.needs, data.nodes_per_window)
        self._holding = holding or WholeNetwork()
        self._holding.begin_run(forecaster, data)
        self.run_dir = Path(run_dir)
        self._make_trainer = make_trainer or DefaultTrainer()
        self._config = describe(forecaster, data, self._make_trainer) if config is None else config
        self._first_state = SavedState.of(forecaster)
        self._tester = CrossTester(forecaster, self._make_trainer) if test_past else None
        self._boosters = boosters_of(peers, data.null_value)
        self._memory, self._intervals = Memory(), IntervalRun(every=self._holding.every)
        self._past: Reservoir | None = None
        self._draws = data.protocol.draws(data.seed)
        self._next, self._names = 0, list[str]()
        self._partial, self._accept_changes, self._redo = partial, accept_changes, redo
        self._after_period, self._bar = after_period, RunBar(None, 0)
        self._progress = progress if is_first() else False

    @property
    def position(self) -> int:
        """Position in the stream of the next period to run."""
        return self._next

    def run(self) -> RunRecord:
        """Trains and tests every period that is not done, and returns the whole record.

        May be called again when the stream has grown.

        Raises:
            RunError: If another process writes in ``run_dir``, or it does not fit the stream.
        """
        quiet_lightning()
        with only_writer(self.run_dir) if is_first() else nullcontext():
            self._run_all(len(self._open()))
            if is_first():
                write_run(self.run_dir, read_run(self.run_dir))
            wait_for_all()
        return read_run(self.run_dir)

    def _run_all(self, count: int) -> None:
        """Advances over the first ``count`` periods."""
        clock = Clock(count)
        with run_bar(count, shown=self._progress) as self._bar:
            while self._next < count:
                self._advance(self.data.for_period(self._next), clock)
                self._bar.done(self._names[self._next])
                self._next += 1

    def _open(self) -> list[str]:
        """Readies the run directory, and returns the names of the periods that are asked for."""
        self._names = names = list(self.data.stream.period_names)
        redo, self._redo = self._redo, None
        if redo is not None or not has_settings(self.run_dir, self._config):  # nothing written yet
            self._check(range(len(names) if redo is None else position_of(redo, names)))
        if is_first():
            open_run(
                self.run_dir,
                config=self._config,
                header=header(self.data),
                names=names,
                owners={"data": PeriodData, "model": Forecaster, "trainer": Trainer},
                redo=redo,
            )
        last = len(names) - 1
        ongoing = None if self._partial == "train" else self.data.stream.unfinished(last)
        asked = names if self._is_done(last) else without_ongoing(names, ongoing)
        if is_first():
            note_asked(self.run_dir, asked)
        if self._next:  # periods of before are checked as they are restored; the last one here
            self._check(range(self._next - 1, self._next))
        return asked

    def _advance(self, data: PeriodData, clock: Clock) -> None:
        """Restores a period that is done, and trains any other."""
        directory = self._directory(data.index)
        if (directory / PERIOD_FILE).is_file():
            trained = self._restore(data, directory)
            data = self._holding.held(data)
            if is_first():
                remove_checkpoints(directory)  # where a kill left them
                if self._is_done(data.index + 1):
                    remove_past(directory)
            clock.skip()
        else:
            clock.begin()
            before = state_digest(directory)
            data = self._holding.held(data)
            self._run_period(data, directory)
            let_go(self.forecaster)
            trained = all_ids(data)
            if is_first() and before != state_digest(directory):
                forget_after(self.run_dir, data.index)
            wait_for_all()
            done = [self._directory(index) for index in range(data.index + 1)]
            self._past = self._holding.end(self.forecaster, self._past, done)
            log.info("period %s done%s", data.period.name, clock.end())
            if self._after_period is not None and is_first():
                self._after_period(self.run_dir)
        if self._tester is not None:
            self._tester.remember(self._memory.change(data))
        self._memory = self._memory.after(data, trained)

    def _restore(self, data: PeriodData, directory: Path) -> Sequence[str]:
        """Checks a period that is done, takes up its state, and returns the nodes it learned on."""
        record = read_period(directory)
        if record.fingerprint != data.period.fingerprint():
            self._check(range(data.index, len(self._names)))
        if not self._is_done(data.index + 1):
            done = [self._directory(index) for index in range(data.index + 1)]
            restore(self.forecaster, done)
            self._draws = self._draws.resumed(load_draws(directory), directory)
            self.forecaster.select_nodes(data.period.node_ids)
            self._intervals.restore(data, done, read=self._holding.records)
            self._past = load_past(directory)
            if past_is_damaged(directory):
                self._past = data.prepared(self.forecaster.backbone.needs).past_after()
                if is_first():
                    save_past(directory, self._past)
        return data.period.node_ids if record.sensors is None else record.sensors.node_ids

    def _check(self, positions: range) -> None:
        """Compares done periods with the stream as it is now."""
        done = (self.data.for_period(index) for index in positions if self._is_done(index))
        pairs = ((self._directory(data.index), data.period) for data in done)
        check_unchanged(pairs, self.run_dir, accept=self._accept_changes, write=is_first())

    def _is_done(self, index: int) -> bool:
        return index < len(self._names) and (self._directory(index) / PERIOD_FILE).is_file()

    def _run_period(self, data: PeriodData, directory: Path) -> None:
        model, holding, tester = self.forecaster, self._holding, self._tester
        holding.begin(directory)
        change, previous = self._memory.change(data), self._memory.previous
        before = {} if tester is None else tester.before(data, change, directory)
        data = data.prepared(model.backbone.needs).remembering(self._past)
        joined = joining(model, previous, data, change, self._boosters)
        context, clock = self._context(data, change), time.perf_counter()
        plan = self._begin(context)
        probing = time.perf_counter() - clock
        data = data.planned(plan.graph_nodes, plan.loss_nodes, self._draws)
        counts = holding.counts(model, train=plan.train)
        told, watch = log_start(data, change, counts), CountEpochs()
        roll = self._intervals.begin(holding.outline(data), holding.network(data))
        bar = self._bar.callbacks(data.period.name)
        callbacks = (SeedEveryEpoch(context.seed), *stops(), watch, roll, *bar)
        trainer = self._make_trainer(directory, (*callbacks, *holding.keeping(directory)))
        if plan.train:
            check_validation(data, plan, model.together)
            holding.fit(model, trainer, data, directory)
            check_trained(trainer, data, watch.best_value, directory)
            watch.seconds += probing + self._after_training(data, directory, context)
        self._draws.end_period(watch.epochs)
        trainer.test(model, datamodule=data, verbose=False)
        self._past = holding.past_after(data)
        naive = holding.naive(data, model.errors.null_value, self._boosters)
        finished = Finished(directory, model, holding.whole(model, data), change, naive)
        seen = counts, watch, told, self._intervals, joined
        record = finished.record(*seen) if holding.records else None
        if tester is not None and record is not None:
            record = replace(record, before=before, past=tester.past(data, directory))
        model.strategy.end_period(context, model.backbone)
        if is_first() and record is not None:
            finished.write(record, self._intervals, previous=previous, past=self._past)
        self._intervals.end(data, None)
        wait_for_all()

    def _context(self, data: PeriodData, change: NodeChange) -> PeriodContext:
        """What the strategy is shown, with every random choice seeded."""
        change = self._holding.change(data, change)
        seed, model = period_seed(data.seed, data.index), self.forecaster
        seed_everything(seed, workers=True, verbose=False)
        view, how = self._memory.view(model.backbone.needs), model.training_settings(data)
        asked = begin_notes(model.strategy, self._directory(data.index), data.period.name)
        return PeriodContext(data.index, seed, data.view, view, change, how, self._draws, asked)

    def _begin(self, context: PeriodContext) -> PeriodPlan:
        """Plans the period, and readies the model for it."""
        model = self.forecaster
        plan = model.plan_period(context)
        if plan.start == "scratch":
            self._first_state.restore(model)
        model.begin_period(context, plan)
        self._holding.same(model)
        return plan

    def _after_training(self, data: PeriodData, directory: Path, context: PeriodContext) -> float:
        """What follows training and precedes the test; returns seconds of further training."""
        model = self.forecaster
        model.strategy.end_training(context, model.backbone)
        self._intervals.learn_from_validation(model, data)
        if not data.refit_epochs:
            return 0.0
        where, seed = directory / "refit", context.seed
        return refit(model, data, where, self._make_trainer, seed, self._holding.keeping(where))

    def _directory(self, index: int) -> Path:
        return period_folder(self.run_dir, index, self._names[index])
