"""Where the cells of a benchmark are run: in processes of this machine, or by Ray."""

import importlib
import multiprocessing
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any, final

from eac.benchmark.grid import Cell, EntryPoint
from eac.benchmark.worker import run_cell
from eac.errors import ConfigError

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Executor(ABC):
    """Runs cells, each in a process of its own, so that none can bring down the others.

    Example:
        >>> class Here(Executor):
        ...     def run(self, cells, entry):
        ...         for cell in cells:
        ...             run_cell(cell, entry)
        ...             yield cell, ""
        >>> list(Here().run([], EntryPoint("eac.cli.commands.run")))
        []
    """

    @abstractmethod
    def run(self, cells: Sequence[Cell], entry: EntryPoint) -> Iterator[tuple[Cell, str]]:
        """Runs every cell and yields each as it ends.

        Args:
            cells: What to run.
            entry: Runs one stream.

        Yields:
            The cell, and what killed its process, or "" when it ended by itself.
        """


@final
class LocalExecutor(Executor):
    """Processes of this machine, one core each.

    Where the system can, they are forked from one that has imported everything once, so that a
    cell starts in milliseconds instead of the seconds that importing torch and Lightning takes.

    Args:
        workers: Cells at a time; None means as many as there are cores.
        threads: Threads of torch in each.

    Example:
        >>> list(LocalExecutor(workers=1).run([], EntryPoint("eac.cli.commands.run")))
        []
    """

    def __init__(self, workers: int | None = None, threads: int = 1):
        if workers is not None and workers < 1:
            raise ConfigError(f"workers={workers}: give at least 1.")
        self.workers = workers or _num_cores()
        self.threads = threads

    def run(self, cells: Sequence[Cell], entry: EntryPoint) -> Iterator[tuple[Cell, str]]:
        """Starts the next cell whenever a process ends."""
        context = process_context(entry)
        left, running = list(reversed(cells)), dict[int, tuple[BaseProcess, Cell]]()
        try:
            while left or running:
                while left and len(running) < self.workers:
                    cell = left.pop()
                    process = context.Process(target=run_cell, args=(cell, entry))
                    with limited_threads(self.threads):
                        process.start()
                    running[process.sentinel] = (process, cell)
                for sentinel in wait(list(running)):
                    process, cell = running.pop(int(sentinel))  # pyright: ignore[reportArgumentType]
                    process.join()
                    yield cell, _death(process.exitcode)
        finally:
            for process, _ in running.values():
                process.terminate()
                process.join()


@final
class RayExecutor(Executor):
    """Ray, on this machine or an existing cluster; every node must see the same files.

    Args:
        workers: Cores to use of this machine; None means all. A cluster uses what it has.
        address: Of a cluster, such as "auto"; None starts Ray on this machine.
        threads: Threads, and cores, of each cell.
    """

    def __init__(self, workers: int | None = None, address: str | None = None, threads: int = 1):
        self.workers = workers
        self.address = address
        self.threads = threads

    def run(self, cells: Sequence[Cell], entry: EntryPoint) -> Iterator[tuple[Cell, str]]:
        """Hands every cell to Ray; a process ends with its cell."""
        ray = _import_ray()
        count = str(self.threads)
        environment = {"env_vars": dict.fromkeys(THREAD_VARIABLES, count)}
        cores = {} if self.address else {"num_cpus": self.workers or _num_cores()}
        ray.init(address=self.address, runtime_env=environment, log_to_driver=False, **cores)
        task = ray.remote(num_cpus=self.threads, max_calls=1, max_retries=0)(run_cell)
        waiting = {task.remote(cell, entry): cell for cell in cells}
        try:
            while waiting:
                for reference in ray.wait(list(waiting), num_returns=1)[0]:
                    yield waiting.pop(reference), _ray_death(ray, reference)
        finally:
            ray.shutdown()


def _num_cores() -> int:
    """Cores this process may use."""
    available = getattr(os, "sched_getaffinity", None)
    return len(available(0)) if available else os.cpu_count() or 1


def process_context(entry: EntryPoint) -> Any:
    """How processes are started: forked from one that has imported what cells need, if possible.

    Example:
        >>> entry = EntryPoint("eac.cli.commands.one_period")
        >>> process_context(entry).get_start_method() in ("forkserver", "spawn")
        True
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([run_cell.__module__, entry.module])
    return context


@contextmanager
def limited_threads(count: int) -> Iterator[None]:
    """Lets processes started inside see this many threads, which libraries read when imported.

    Example:
        >>> with limited_threads(1):
        ...     print(os.environ["OMP_NUM_THREADS"])
        1
    """
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(count)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _death(exitcode: int | None) -> str:
    if exitcode == 0:
        return ""
    if exitcode is not None and exitcode < 0:
        return f"its process was killed by signal {-exitcode}"
    return f"its process ended with exit status {exitcode}"


def _import_ray() -> Any:
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise ConfigError(
            "the executor ray needs Ray. Install it with: pip install 'eac[ray]'"
        ) from error


def _ray_death(ray: Any, reference: Any) -> str:
    try:
        ray.get(reference)
    except ray.exceptions.RayError as error:
        return f"Ray: {error}"
    return ""
