"""How the Trainer of one period is made; never shared between periods."""

import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import CSVLogger

from eac.artifacts.resume_points import AtomicCheckpointIO

TrainerFactory: TypeAlias = Callable[[Path, Sequence[Callback]], Trainer]
"""Makes a fresh Trainer for a period's directory, with these callbacks besides its own."""


@dataclass(frozen=True)
class DefaultTrainer:
    """A Trainer for scripts: CPU or one GPU, early stopping, a CSV log, no sanity check.

    Attributes:
        max_epochs: At most (published: 100).
        patience: Epochs without a better validation MAE before stopping (published: 6).
        progress_bar: Show a progress bar.

    Example:
        >>> DefaultTrainer(max_epochs=3).patience
        6
    """

    max_epochs: int = 100
    patience: int = 6
    progress_bar: bool = False

    def __call__(self, directory: Path, callbacks: Sequence[Callback]) -> Trainer:
        """A fresh Trainer that writes into ``directory``."""
        return Trainer(
            accelerator="auto",
            devices=1,
            max_epochs=self.max_epochs,
            callbacks=[EarlyStopping("val/MAE", patience=self.patience), *callbacks],
            logger=CSVLogger(directory, name="log"),
            plugins=[AtomicCheckpointIO()],
            use_distributed_sampler=False,  # PeriodData shares out each batch itself
            num_sanity_val_steps=0,
            log_every_n_steps=10**9,
            enable_progress_bar=self.progress_bar,
            enable_model_summary=False,
            default_root_dir=directory,
        )


def quiet_lightning() -> None:
    """Hides Lightning's notices, and its hints that do not apply without loader workers.

    Example:
        >>> quiet_lightning()
        >>> logging.getLogger("lightning.pytorch").level == logging.WARNING
        True
    """
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for text in (
        ".*does not have many workers.*",
        ".*The number of training batches.*is smaller than the logging interval.*",
        ".*Checkpoint directory.*exists and is not empty.*",
        ".*treespec, LeafSpec.*",
        ".*It is recommended to use `self.log.*",
        ".*The dirpath has changed from.*",
        ".*LightningCLI's args parameter is intended to run from within Python.*",
    ):
        warnings.filterwarnings("ignore", text)
