"""Writes the program of a run, after it was compared with the forecaster."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor
from torch.export import Dim

from eac.artifacts.artifact import read_artifact
from eac.artifacts.kept import current_folder, find_kept
from eac.errors import RunError
from eac.export.compare import Arguments, Call, Checked, arguments_of, compare
from eac.export.program import Program
from eac.files import write_json, write_tensors, writing, writing_folder
from eac.records.jsonfile import format_header
from eac.serving.predictor import Predictor, load_run
from eac.serving.recent import Recent

Format = Literal["torch", "onnx"]
FILES: dict[Format, str] = {"torch": "program.pt2", "onnx": "program.onnx"}
MOST = 1e-4
"""Difference from the forecaster, as a share of the largest forecast, that rounding explains."""
TRACED = (5, 7)
"""Sensors and edges while the program is traced; any other number will do later."""


def export_run(
    run_dir: Path, output: Path, kind: Format, *, period: str | None = None, trust: list[str]
) -> list[Checked]:
    """Writes the model of a run as a program, with the tensors of its sensors.

    Args:
        run_dir: The run.
        output: A folder that does not exist yet.
        kind: ``torch``: a ``torch.export`` program; ``onnx``: an ONNX model.
        period: Of the artifact, as in ``load_run``.
        trust: Modules with classes of your own that the run may name.

    Returns:
        How it compares with the forecaster, at several numbers of sensors and edges.

    Raises:
        RunError: If the model cannot be traced, or the program forecasts something else.
    """
    predictor = load_run(run_dir, period=period, trust=trust)
    folder = current_folder(run_dir) if period is None else find_kept(run_dir, period)
    program = Program(predictor.forecaster, predictor.data).eval()
    with writing_folder(output) as target, torch.no_grad():
        with writing(target / FILES[kind]) as path:
            call = _traced(program, path, kind, run_dir)
        checked = list(compare(predictor, program, call))
        worst = max(checked, key=lambda one: one.difference)
        if not worst.difference <= MOST:
            raise RunError(
                f"the program of {run_dir} does not forecast what the run does: with {worst.nodes} "
                f"sensors and {worst.edges} edges it is {worst.difference:.2g} of the largest "
                "forecast off. Its strategy or backbone does more than a program can hold; "
                "forecast with: eac predict"
            )
        said = arguments_of(predictor, _silent(predictor, program), predictor.data.graph)
        names = [name for name, value in vars(said).items() if value is not None]
        tensors = {name: getattr(said, name) for name in names if name not in ("readings", "slot")}
        write_tensors(target / "nodes.safetensors", tensors)
        header: dict[str, Any] = {
            "artifact": read_artifact(folder).id,
            "file": FILES[kind],
            "inputs": names,
            **asdict(program.shape),
            "step_seconds": predictor.data.step.total_seconds(),
            "node_ids": list(predictor.data.current_ids),
            "checked": [asdict(one) for one in checked],
        }
        write_json(target / "program.json", format_header("eac.program") | header)
    return checked


def _traced(program: Program, path: Path, kind: Format, run_dir: Path) -> Call:
    """Traces a program, writes it to a file, and returns it as it is read back."""
    example = _example(program)
    node, edge = Dim("node", min=1), Dim("edge", min=0)
    free = ({1: node}, None, {1: node}, {1: edge}, {0: edge}, {0: node})[: len(example.given())]
    try:
        with _quiet():
            if kind == "torch":
                made = torch.export.export(program, example.given(), dynamic_shapes=free)
                torch.export.save(made, path)
                return cast(Call, torch.export.load(path).module())
            found = torch.onnx.export(
                program, example.given(), dynamic_shapes=free, dynamo=True, verbose=False
            )
            cast(Any, found).save(path)
            return _session(path)
    except (RuntimeError, ValueError, TypeError, KeyError, NotImplementedError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise RunError(
            f"the model of {run_dir} cannot be made a program: {reason}. Forecast with: eac predict"
        ) from error


def _session(path: Path) -> Call:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]

    def call(*given: Tensor) -> Tensor:
        by_name = dict(zip(Arguments.__annotations__, given, strict=False))
        return torch.from_numpy(session.run(None, {n: by_name[n].numpy() for n in names})[0])

    return call


def _example(program: Program) -> Arguments:
    nodes, edges = TRACED
    shape = program.shape
    return Arguments(
        torch.rand(shape.steps, nodes),
        torch.tensor([1]),
        torch.ones(4, nodes),
        torch.zeros(2, edges, dtype=torch.long),
        torch.ones(edges),
        None if shape.prompt_width is None else torch.rand(nodes, shape.prompt_width),
    )


def _silent(predictor: Predictor, program: Program) -> Recent:
    """The sensors of the run without any reading."""
    from eac.data.core.calendar import Calendar

    ids = predictor.data.current_ids
    series = torch.full((program.shape.steps, len(ids)), torch.nan)
    clock = Calendar(program.shape.steps_per_day, program.shape.days_per_week)
    return Recent(series, ids, ids, (), {}, clock, "")


@contextmanager
def _quiet() -> Iterator[None]:
    """Leaves out what the tracing of torch says of itself."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
