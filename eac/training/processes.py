"""What a run does differently when several processes share it, as `torchrun` starts them.

Lightning makes the processes work together inside a period; around it, the first one alone writes
files and the others wait for it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from lightning.pytorch import Trainer
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.utilities import rank_zero_only
from torch import distributed

from eac.errors import RunError

_LOST = ("timed out", "timeout", "connection closed by peer", "connection reset by peer")
"""What a process is told when another one no longer answers."""


def is_first() -> bool:
    """True in the process that writes files; known before the processes are connected.

    Example:
        >>> is_first()
        True
    """
    return getattr(rank_zero_only, "rank", 0) == 0


def wait_for_all() -> None:
    """Returns once every process has come here; at once where there is only one.

    Example:
        >>> wait_for_all()  # one process: returns at once
    """
    if distributed.is_available() and distributed.is_initialized():
        distributed.barrier()


def disconnect() -> None:
    """Ends the connection between the processes; without this one aborts when it exits.

    Example:
        >>> disconnect()  # one process: nothing to end
    """
    if distributed.is_available() and distributed.is_initialized():
        wait_for_all()
        distributed.destroy_process_group()


def end_after(trainer: Trainer, seconds: float) -> None:
    """Lets a process give up when another one does not answer for so long.

    The first Trainer of a run connects its processes, and so decides for all.

    Args:
        trainer: A new one.
        seconds: Longer than the first process takes to write a period.

    Example:
        >>> end_after(Trainer(accelerator="cpu", logger=False), 60.0)  # there is one process
    """
    if isinstance(trainer.strategy, DDPStrategy):
        # an argument of the strategy, which Lightning itself makes of "ddp" and "auto"
        trainer.strategy._timeout = timedelta(seconds=seconds)


@contextmanager
def lost_processes_said() -> Iterator[None]:
    """Says in a sentence that another process stopped or ended.

    Raises:
        RunError: In place of what the connection says.

    Example:
        >>> with lost_processes_said():
        ...     print("done")
        done
    """
    try:
        yield
    except RuntimeError as error:
        connected = distributed.is_available() and distributed.is_initialized()
        if not connected or not any(word in str(error).lower() for word in _LOST):
            raise
        raise RunError(
            "another process of this run stopped or ended, and did not answer within "
            "--run.process_timeout. Periods that are done are kept; start all processes again."
        ) from error
