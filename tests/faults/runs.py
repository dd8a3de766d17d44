"""The small runs that faults are tried on, and what must be the same after them."""

import json
from pathlib import Path
from typing import Any

from eac.artifacts.doctor import diagnose
from eac.data.manage.convert import convert
from tests.streams import CHURN, tiny_stream

SMALL = ["--data.window", "6", "--data.horizon", "3", "--trainer.max_epochs", "2"]
RECIPES = {
    "eac": [*SMALL, "--model.backbone.init_args.hidden", "4"],
    "practical": [
        *SMALL,
        *["--data.steps_per_epoch", "2", "--data.batch_size", "32"],
        *["--model.backbone.init_args.hidden", "8", "--model.backbone.init_args.num_blocks", "1"],
        *["--model.backbone.init_args.lags", "[1d]"],
    ],
}
"""The recipe as published and the one for use, on a window that suits the stream."""
PASSING = ("report.html", ".lock")
"""Files that no forecast and no number is read from."""


def write_stream(folder: Path) -> Path:
    """Three periods in which nodes join, leave and change their order."""
    return convert(tiny_stream(CHURN[:3]), folder / "stream", "npz")


def arguments(recipe: str, stream: Path, run: Path) -> list[str]:
    """Of ``eac run``."""
    given = ["run", "-c", recipe, "--stream", str(stream), "--run.dir", str(run)]
    return [*given, *RECIPES[recipe]]


def kept(run: Path) -> dict[str, Any]:
    """Every file that a run keeps: its bytes; of a record all but the seconds it took.

    A manifest holds digests of records, and is compared with the files beside it.
    """
    found: dict[str, Any] = {}
    for path in sorted(run.rglob("*")):
        name = path.relative_to(run).as_posix()
        if path.is_dir() or "/log/" in name or name in PASSING or path.name == "manifest.json":
            continue
        found[name] = _without_seconds(path) if path.name == "metrics.json" else path.read_bytes()
    return found


def differences(run: Path, told: dict[str, Any]) -> list[str]:
    """Names of the files that differ from those of a run without faults, and what is damaged."""
    now = kept(run)
    names = sorted(name for name in now.keys() | told.keys() if now.get(name) != told.get(name))
    return names + [finding.what for finding in diagnose(run).findings]


def _without_seconds(path: Path) -> dict[str, Any]:
    record = json.loads(path.read_text(encoding="utf-8"))
    return {key: value for key, value in record.items() if key != "fit_seconds"}
