"""A period that was trained and tested: its record, and what is written of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from eac.data.batches.datamodule import PeriodData
from eac.data.batches.reservoir import Reservoir
from eac.data.core.blocks import drop_pages, hand_back
from eac.data.core.period import NodeChange
from eac.data.manage.suspicious import before_training
from eac.metrics.horizon import HorizonErrors
from eac.records.details import write_details
from eac.records.folders import period_folder
from eac.records.record import PeriodRecord
from eac.training.callbacks import CountEpochs
from eac.training.forecaster import Forecaster
from eac.training.results.intervals import IntervalRun
from eac.training.results.newcomers import Joining
from eac.training.results.recording import period_record, save_period
from eac.training.results.report_data import collect_details


@dataclass(frozen=True, eq=False)
class Finished:
    """A period after its test, with all its sensors.

    Attributes:
        directory: Of the period.
        model: As tested.
        data: The period.
        change: Its nodes, by how they relate to the periods before.
        naive: Errors of the naive forecasts and of peers.
    """

    directory: Path
    model: Forecaster
    data: PeriodData
    change: NodeChange
    naive: Mapping[str, HorizonErrors]

    def record(
        self,
        counts: tuple[int, int],
        watch: CountEpochs,
        told: Sequence[str],
        intervals: IntervalRun,
        joined: Joining | None,
    ) -> PeriodRecord:
        """The record of the period.

        Args:
            counts: Trainable and total parameters.
            watch: What the training was seen to do.
            told: What is odd in the period; of one that processes divide it is looked at anew.
            intervals: That went through its test.
            joined: Its new sensors, if they were measured.
        """
        if not self.data.ready.made:
            told = before_training(self.data.period, self.data.split)
        change, naive = self.change, dict(self.naive)
        record = period_record(self.model, self.data, change, counts, watch, naive)
        return replace(
            record,
            intervals=intervals.summary(change, self.data.period),
            newcomers=None if joined is None else joined.record(self.model, naive),
            notes=(*record.notes, *told),
        )

    def write(
        self,
        record: PeriodRecord,
        intervals: IntervalRun,
        *,
        previous: PeriodData | None,
        past: Reservoir | None,
    ) -> None:
        """Writes what the period leaves, and at last that it is done.

        Args:
            record: Of the period.
            intervals: That went through its test.
            previous: The period before it, if any.
            past: What is kept to rehearse it.
        """
        before = None if previous is None else previous.period
        run_dir, index = self.directory.parent, self.data.index
        parent = before and period_folder(run_dir, index - 1, before.name)
        given = (self.model, self.data, record, self.change)
        hand_back()
        write_details(self.directory, collect_details(*given, before, self.naive))
        drop_pages(self.data.period.series, self.data.period.by_node)
        intervals.end(self.data, self.directory)
        hand_back()
        save_period(self.directory, self.model, self.data, record, parent=parent, past=past)
