"""Streams of any size, step and recipe run to the end, or are refused in one sentence."""

import random

import pytest

from eac.cli.main import main

RECIPES = (
    "practical",
    "compressed",
    "everything",
    "eac",
    "refresh",
    "online-all",
    "stbp",
    "st-ttc",
)
REFUSED = ("one window needs", "give a rank between")


def drawn(seed: int) -> list[str]:
    """The settings of a short run, drawn."""
    draw = random.Random(seed)
    stream = {
        "num_nodes": draw.choice([1, 2, 5, 30, 60, 100, 130, 220]),
        "num_periods": draw.choice([1, 2, 3]),
        "steps_per_period": draw.choice([150, 200, 333, 500, 720]),
        "steps_per_day": draw.choice([1, 4, 24, 24, 48, 96, 288]),
        "missing": draw.choice([0, 0.02, 0.3]),
        "growth": draw.choice([0, 0.05, 0.5]),
        "shrink": draw.choice([0, 0.05, 0.4]),
        "seed": seed,
    }
    data = {
        "window": draw.choice([12, 12, 6, 24]),
        "horizon": draw.choice([12, 12, 1, 6, 24]),
        "steps_per_epoch": 4,
    }
    settings = {f"--stream.{key}": value for key, value in stream.items()}
    settings |= {f"--data.{key}": value for key, value in data.items()}
    if draw.random() < 0.3:
        settings["--run.test_past"] = "true"
    if draw.random() < 0.3:
        settings["--protocol"] = draw.choice(["published", "strict"])
    recipe = ["-c", draw.choice(RECIPES), "--stream", "SyntheticStream"]
    return recipe + [str(part) for pair in settings.items() for part in pair]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(24))
def test_a_run_ends_with_a_report_or_one_sentence(seed, tmp_path, capsys):
    status = main(
        ["run", *drawn(seed), "--trainer.max_epochs", "1", "--run.dir", str(tmp_path / "run")]
    )
    said = capsys.readouterr().err
    if status:
        assert "Traceback" not in said
        assert any(part in said for part in REFUSED), said
    else:
        assert (tmp_path / "run" / "report.html").is_file()
