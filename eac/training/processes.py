"""What a run does differently when several processes share it, as `torchrun` starts them.

Lightning makes the processes work together inside a period; around it, the first one alone writes
files and the others wait for it.
"""

from lightning.pytorch.utilities import rank_zero_only
from torch import distributed


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
