"""The bar of a run: how far it is over all periods, and how long the rest takes."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from eac.plain import one_line


class RunBar:
    """One bar over all periods of a run; nothing where ``progress`` is None.

    A period counts by its share of the epochs that it may take, and counts as whole when it is
    done, be it earlier.

    Args:
        progress: Shows the bar.
        total: Periods asked for.

    Example:
        >>> shown = Progress(disable=True)
        >>> bar = RunBar(shown, 4)
        >>> bar.done("2024-01")
        >>> bar.reach("2024-02", 0.5)
        >>> shown.tasks[0].completed, shown.tasks[0].description
        (1.5, 'period 2024-02')
    """

    def __init__(self, progress: Progress | None, total: int):
        self._progress = progress
        self._done = 0
        self._task = None if progress is None else progress.add_task("", total=total)

    def reach(self, period: str, share: float) -> None:
        """Shows that this share of a period's epochs is over."""
        if self._progress is not None and self._task is not None:
            self._progress.update(
                self._task,
                completed=self._done + share,
                description=f"period {escape(one_line(period))}",
            )

    def done(self, period: str) -> None:
        """Shows that a period is done."""
        self.reach(period, 1.0)
        self._done += 1

    def callbacks(self, period: str) -> Sequence[Callback]:
        """What moves the bar while a period trains: fresh ones for each Trainer."""
        return () if self._progress is None else (_MoveBar(self, period),)


@contextmanager
def run_bar(total: int, *, shown: bool | None) -> Iterator[RunBar]:
    """A bar on standard error while the block runs.

    Args:
        total: Periods asked for.
        shown: None shows it where standard error is a terminal, or in a notebook.

    Example:
        >>> with run_bar(2, shown=False) as bar:
        ...     bar.done("2024-01")
    """
    console = Console(stderr=True)
    if not (in_sight(console) if shown is None else shown):
        yield RunBar(None, total)
        return
    columns = (
        *(TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %")),
        *(TimeElapsedColumn(), TextColumn("left at most"), TimeRemainingColumn()),
    )
    with Progress(*columns, console=console) as progress:
        yield RunBar(progress, total)


def in_sight(console: Console) -> bool:
    """True where somebody sees a bar move: a terminal, or a notebook.

    Example:
        >>> import io
        >>> in_sight(Console(file=io.StringIO()))
        False
    """
    return console.is_jupyter or (sys.stderr.isatty() and console.is_terminal)


class _MoveBar(Callback):
    def __init__(self, bar: RunBar, period: str):
        self._bar = bar
        self._period = period

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        del pl_module
        most = trainer.max_epochs or 1
        self._bar.reach(self._period, min(1.0, (trainer.current_epoch + 1) / max(1, most)))
