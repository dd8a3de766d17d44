"""Streams made and spoilt at random: read, or refused in a sentence; never anything else.

What is made depends on the seed alone. ``FOUND`` holds the seeds that once found something.
"""

import math
import resource
import string
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
import torch

from eac.data.core.period import NodeChange, Period
from eac.data.manage.describe import summarize
from eac.data.parsing.form import Form
from eac.data.readers.open import open_stream
from eac.errors import EACError
from eac.metrics.baselines import naive_errors, naive_names

FOUND: tuple[int, ...] = (7042,)
FEW, MANY, SHARES = 100, 10_000, 10
SECONDS = 20.0
BYTES = 2 << 30
STEPS = ("h", "15min", "5min", "D", "7h", "1500ms", "500ms", "7D", "MS", "2D", "10D", "37min", "ms")
STARTS = ("2024-01-01", "2024-03-30 05:00", "2023-12-31 23:59:59", "1999-02-28", "2024-10-26")
ZONES = (None, None, None, "UTC", "Europe/Oslo", "America/New_York", "+05:30")
SETTINGS = (
    *("name: x", "hours: all", "hours: 05:00-22:00", "hours: [1]", "steps_per_day: 18"),
    *("steps_per_day: 0", "frequency: 1h", "frequency: MS", "frequency: 0s", "frequency: banana"),
    *("missing_values: [-999]", "missing_values: many", "period: YS", "period: 7", "period: 1ms"),
    *("covariates: 5", "covariates: [y]", "max_empty: 0", "max_empty: 1.0", "memory_gib: 0.0001"),
    *("time_zone: Mars/Olympus", "time_zone: Europe/Oslo", "dayfirst: maybe", "dayfirst: true"),
    *(
        "- a",
        "a: [",
        "unknown: 1",
        "note: free",
        "date_format: '%d'",
        "max_nodes: 1",
        "days_per_week: 5",
    ),
)


def make(seed: int, folder: Path) -> Path:
    """A stream of some form, with some of everything that goes wrong."""
    random = np.random.default_rng(seed)
    frame = spoilt(long_frame(random), random)
    if random.random() < 0.12:
        text = "\n".join(str(random.choice(SETTINGS)) for _ in range(random.integers(1, 3)))
        (folder / "made.yaml").write_text(text)
    if random.random() < 0.08:
        (folder / "edges.csv").write_text(edges(random))
    path = written(frame, folder, random)
    return damaged(path, random) if random.random() < 0.15 else path


def long_frame(random: np.random.Generator) -> pd.DataFrame:
    step, zone = str(random.choice(STEPS)), ZONES[random.integers(len(ZONES))]
    count, sensors = int(random.integers(1, 400)), int(random.integers(1, 5))
    stamps = pd.date_range(str(random.choice(STARTS)), periods=count, freq=step, tz=zone)
    if random.random() < 0.2:
        stamps = stamps[(stamps.hour >= 5) & (stamps.hour < 22)]
    if random.random() < 0.2 and len(stamps):
        stamps = stamps + pd.to_timedelta(random.integers(0, 60, len(stamps)), unit="s")
    parts = [
        pd.DataFrame({"unique_id": name(random), "ds": stamps, "y": values(random, len(stamps))})
        for _ in range(sensors)
    ]
    return pd.concat(parts, ignore_index=True)


def name(random: np.random.Generator) -> str:
    letters = string.ascii_letters + "007 -é,\"'\n;"
    return "".join(random.choice(list(letters), random.integers(1, 6)))


def values(random: np.random.Generator, count: int) -> np.ndarray:
    scale = float(random.choice([1.0, 1.0, 100.0, 1e-6, 1e18, 1e37, 0.0]))
    made = random.normal(5, 2, count) * scale
    made[random.random(count) < random.choice([0.0, 0.3, 1.0], p=[0.6, 0.35, 0.05])] = np.nan
    return made


def spoilt(frame: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """One or two faults that people's tables have."""
    frame = frame.astype({"y": object, "ds": object})
    ways = ["row", "text", "inf", "stamp", "far", "fill", "drop", "format", "columns", "shuffle"]
    for way in random.choice(ways, random.choice([0, 1, 2], p=[0.5, 0.3, 0.2]), replace=False):
        at = int(random.integers(max(len(frame), 1)))
        if way == "format" and all(isinstance(s, pd.Timestamp) for s in frame["ds"]):
            pattern = str(random.choice(["%d/%m/%Y %H:%M", "%m-%d-%y", "%Y%m%d", "%s", "%d %b %Y"]))
            frame["ds"] = [pd.Timestamp(s).strftime(pattern) for s in frame["ds"]]
            break
        if way == "row" and len(frame):
            frame = pd.concat([frame, frame.iloc[[at]]], ignore_index=True)
        elif way == "shuffle":
            frame = frame.sample(frac=1, random_state=1).reset_index(drop=True)
        elif way == "drop":
            frame = frame[random.random(len(frame)) < 0.7].reset_index(drop=True)
        elif way == "columns":
            frame = frame.rename(columns={"y": "value"})
            break
        elif len(frame):
            put = {"text": "many", "inf": math.inf, "fill": -999.0}
            odd = ["2204-01-01", "", "noon", "0001-01-01", "2024-13-01", "9999-12-31 23:00+01:00"]
            column = "y" if way in put else "ds"
            frame.loc[at, column] = put.get(way, str(random.choice(odd)))
    return frame


def edges(random: np.random.Generator) -> str:
    rows = [
        f"{name(random)},{name(random)},{random.choice(['1', '-1', 'nan', 'x', '', '1e400'])}"
        for _ in range(random.integers(0, 4))
    ]
    return "\n".join([str(random.choice(["source,target,weight", "a,b,c", ""])), *rows])


def written(frame: pd.DataFrame, folder: Path, random: np.random.Generator) -> Path:
    kind = str(random.choice(["csv", "csv", "csv", "gz", "parquet", "semicolon", "wide", "tsv"]))
    path = folder / {"gz": "made.csv.gz", "parquet": "made.parquet", "tsv": "made.tsv"}.get(
        kind, "made.csv"
    )
    if kind == "parquet":
        frame.astype(str).to_parquet(path)
    elif kind == "wide" and "y" in frame:
        wide = frame.drop_duplicates(["ds", "unique_id"]).astype({"ds": str})
        wide.pivot(index="ds", columns="unique_id", values="y").to_csv(path)
    else:
        frame.to_csv(path, index=False, sep={"semicolon": ";", "tsv": "\t"}.get(kind, ","))
    return path


def damaged(path: Path, random: np.random.Generator) -> Path:
    """The file cut, with bytes changed, or in another coding."""
    content = bytearray(path.read_bytes())
    way = int(random.integers(4))
    if way == 0:
        content = content[: random.integers(len(content) + 1)]
    elif way == 1 and content:
        for at in random.integers(0, len(content), 3):
            content[at] = int(random.integers(256))
    elif way == 2:
        content = bytearray(content.decode("utf-8", "ignore").encode("utf-16"))
    else:
        at = random.integers(len(content) + 1)
        content[at:at] = random.bytes(5)
    path.write_bytes(bytes(content))
    return path


def read(seed: int, folder: Path) -> list[Period]:
    """The periods of a made stream, none where it is refused; anything else is raised."""
    path = make(seed, folder)
    try:
        periods = list(open_stream(path, Form(max_empty=0.95)))
        for period in periods[:2]:
            summarize(period, NodeChange((), (), (), ()), None)
    except EACError as error:
        text = str(error)
        assert text.strip(), seed
        assert "np.int64" not in text, (seed, text)
        assert "Timedelta" not in text, (seed, text)
        assert len(text) < 4000, (seed, text[:300])
        return []
    return periods


def run(seeds) -> int:
    """How many of the seeds make streams that are read; each within its time and memory."""
    understood, before = 0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for seed in seeds:
        with TemporaryDirectory() as folder:
            begin = time.monotonic()
            try:
                periods = read(seed, Path(folder))
            except Exception as error:
                raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
            assert time.monotonic() - begin < SECONDS, seed
        understood += bool(periods)
        for period in periods[:1]:
            check_baselines(period, seed)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert (after - before) * 1024 < BYTES
    return understood


def check_baselines(period: Period, seed: int) -> None:
    """Naive errors of one window are those of a plain loop over numbers."""
    series, clock = period.series.double().numpy(), period.calendar
    if len(series) < 8 or np.nanmax(np.abs(series), initial=0) > 1e15:
        return
    start, window, horizon = len(series) - 5, 3, 2
    found = naive_errors(period.series, torch.tensor([start]), window, horizon, clock)
    cycles = {"day": clock.steps_per_day, "week": clock.steps_per_week}
    cycles["year"] = cycles["week"]
    assert set(found) == {n for n in naive_names(clock) if n}, seed
    for what, errors in found.items():
        cycle = cycles.get(what, clock.steps_per_week)
        mae = plain_mae(series, start, window, horizon, cycle, what)
        got = errors.summary().point["MAE"]["mean"]
        assert (got is None) == (mae is None), (seed, what)
        if mae is not None:
            scale = np.nanmax(np.abs(series))
            assert abs(got - mae) <= 1e-5 * max(scale, mae), (seed, what, got, mae)


def plain_mae(series, start, window, horizon, cycle, what) -> float | None:
    history = series[:start]
    overall = history[~np.isnan(history)].mean() if (~np.isnan(history)).any() else 0.0
    by_step = []
    for ahead in range(horizon):
        errors, target = [], start + window + ahead
        for node in range(series.shape[1]):
            seen = history[:, node][~np.isnan(history[:, node])]
            own = seen.mean() if len(seen) else overall
            last = [v for v in series[start : start + window, node] if not np.isnan(v)]
            guess = last[-1] if last else own
            if what == "average":
                same = [series[i, node] for i in range(start) if (i - target) % cycle == 0]
                same = [v for v in same if not np.isnan(v)]
                guess = float(np.mean(same)) if same else guess
            elif what != "last":
                back = target - cycle * (ahead // cycle + 1)
                if back >= 0 and not np.isnan(series[back, node]):
                    guess = series[back, node]
            if not np.isnan(series[target, node]):
                errors.append(abs(series[target, node] - guess))
        by_step.append(float(np.mean(errors)) if errors else None)
    measured = [error for error in by_step if error is not None]
    return float(np.mean(measured)) if measured else None


def test_generated_streams_are_read_or_refused_in_a_sentence():
    assert run([*FOUND, *range(FEW)]) > FEW / 5


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize("share", range(SHARES))
def test_very_many_generated_streams_are_read_or_refused_in_a_sentence(share, figure):
    seeds = range(share, MANY, SHARES)
    understood = run(seeds)
    assert understood > len(seeds) / 5
    figure("generated streams", len(seeds))
    figure("generated streams that were read, the others were refused", understood)
