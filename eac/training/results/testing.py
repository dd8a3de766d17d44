"""Tests beyond the current period: by group of nodes, and on periods before and after."""

import copy
from pathlib import Path

import torch
from lightning.pytorch import seed_everything

from eac.artifacts.checkpoint import SavedState
from eac.data.batches.datamodule import PeriodData
from eac.data.core.period import NodeChange
from eac.metrics.horizon import HorizonErrors
from eac.protocols.draws import period_seed
from eac.records.horizon_table import Groups
from eac.training.forecaster import Forecaster
from eac.training.trainers import TrainerFactory


def by_group(errors: HorizonErrors, node_ids: tuple[str, ...], change: NodeChange) -> Groups:
    """Errors of all nodes and of those kept, new and returned, where there are any.

    Example:
        >>> change = NodeChange.between(("a", "b"), ("a",), set())
        >>> list(by_group(HorizonErrors(2, horizon=6, null_value=None), ("a", "b"), change))
        ['all', 'kept', 'new']
    """
    groups = {"all": errors.summary()}
    for name in ("kept", "new", "returned"):
        members = set(getattr(change, name))
        if members:
            groups[name] = errors.summary(torch.tensor([node in members for node in node_ids]))
    return groups


class CrossTester:
    """Tests a model on periods other than the current one, and leaves it as it was.

    What it measures are rows of the matrix from which transfer and forgetting are computed.

    Args:
        forecaster: The model, as built.
        make_trainer: Makes the Trainer of each test.

    Example:
        >>> from eac import EAC, STGNN
        >>> from eac.training.trainers import DefaultTrainer
        >>> change = NodeChange.between(("a", "b"), ("a",), set())
        >>> CrossTester(Forecaster(STGNN(), EAC()), DefaultTrainer()).remember(change)
    """

    def __init__(self, forecaster: Forecaster, make_trainer: TrainerFactory):
        self._model = forecaster
        self._first = copy.deepcopy(forecaster)
        self._make_trainer = make_trainer
        self._changes: list[NodeChange] = []

    def before(self, data: PeriodData, change: NodeChange, directory: Path) -> dict[str, Groups]:
        """Errors on this period before training on it.

        Args:
            data: The period that comes next.
            change: Its nodes, by how they relate to the periods before.
            directory: Of the period.

        Returns:
            Errors of the model as the "previous" period left it (not in the first period), in
            which a node it does not know has no state of its own; and of an "untrained" one.
        """
        seed_everything(period_seed(data.seed, data.index), workers=True, verbose=False)
        tables = {"untrained": self._test(copy.deepcopy(self._first), data, change, directory)}
        if self._changes:
            tables["previous"] = self._test_as_is(data, change, directory)
        return tables

    def past(self, data: PeriodData, directory: Path) -> dict[str, Groups]:
        """Errors on every earlier period, by its name, after training on the one of ``data``."""
        tables = {}
        for index in range(data.index):
            earlier = data.for_period(index)
            change = self._changes[index]
            tables[earlier.period.name] = self._test_as_is(earlier, change, directory)
        self._model.select_nodes(data.period.node_ids)
        return tables

    def remember(self, change: NodeChange) -> None:
        """Notes how the nodes of the period just done relate to the periods before it."""
        self._changes.append(change)

    def _test_as_is(self, data: PeriodData, change: NodeChange, directory: Path) -> Groups:
        """Tests the model itself, and undoes what a test may have changed in it."""
        state = SavedState.of(self._model)
        self._model.select_nodes(data.period.node_ids)
        groups = self._test(self._model, data, change, directory)
        state.restore(self._model)
        return groups

    def _test(
        self, model: Forecaster, data: PeriodData, change: NodeChange, directory: Path
    ) -> Groups:
        trainer = self._make_trainer(directory, ())
        trainer.loggers = []
        trainer.test(model, datamodule=data, verbose=False)
        return by_group(model.errors, data.period.node_ids, change)
