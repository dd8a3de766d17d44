"""Streams unlike traffic and dust, made up, as the tables of docs/practical-trials.md take them.

Hourly readings in four periods of four weeks, as a Parquet table of one row per sensor and hour
(``daily``: three years of days, a period each):

    wind         power of turbines: no day, weather that passes from one to the next, 0 to capacity
    river        gauges: a flood after rain, then a recession of weeks
    temperature  weather of days, sun by day, no week
    replaced     counts and waves; half of the sensors are new in each period
    daily        use of water: a week and a year

python scripts/other_streams.py FOLDER [--kinds wind river] [--seed 0]
eac run -c practical --stream FOLDER/wind --run.dir runs/wind
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy import ndarray
from numpy.random import Generator

PERIODS, MONTH = 4, 24 * 28
STEPS = PERIODS * MONTH


def noise(
    generator: Generator, steps: int, sensors: int, keep: float, shared: float = 0.0
) -> ndarray:
    """Autoregressive noise of deviation 1; ``shared`` is what all sensors have of its variance."""
    own, common = (generator.normal(size=(steps, n)) for n in (sensors, 1))
    push = np.sqrt(1 - shared) * own + np.sqrt(shared) * common
    out = push.copy()
    for step in range(1, steps):
        out[step] = keep * out[step - 1] + np.sqrt(1 - keep**2) * push[step]
    return out


def wind(generator: Generator) -> pd.DataFrame:
    """Twenty turbines along a line that the weather takes five hours to pass."""
    late = np.arange(20) % 6
    region = noise(generator, STEPS + 5, 1, 0.985)[:, 0]
    passing = np.stack([region[5 - hours : 5 - hours + STEPS] for hours in late], axis=1)
    speed = np.clip(7.5 + 3.2 * (passing + 0.45 * noise(generator, STEPS, 20, 0.93)), 0, 30)
    share = np.where(speed > 25, 0.0, np.clip((speed**3 - 27) / (12**3 - 27), 0, 1))
    return frame(generator.choice([2, 3, 8, 20], 20) * share)


def river(generator: Generator) -> pd.DataFrame:
    """Fifteen gauges that rise with the same rain and fall each at its own rate."""
    rain = (generator.random(STEPS) < 0.012) * generator.gamma(1.5, 1, STEPS)
    fall, level, rise = generator.uniform(0.985, 0.998, 15), np.zeros(15), np.zeros(15)
    levels = np.empty((STEPS, 15))
    for step in range(STEPS):
        rise = 0.8 * rise + 0.2 * rain[step] * generator.uniform(0.7, 1.3, 15)
        level = levels[step] = fall * level + 0.3 * rise
    read = generator.uniform(0.3, 3, 15) * (1 + levels) + generator.normal(0, 0.004, levels.shape)
    return frame(np.round(read, 2))


def temperature(generator: Generator) -> pd.DataFrame:
    """Twenty stations from frost to spring."""
    hours = np.arange(STEPS)[:, None]
    sun = 5 / (1 + np.exp(1.5 * noise(generator, STEPS, 1, 0.97)))
    fronts = 4 * noise(generator, STEPS, 1, 0.99) + noise(generator, STEPS, 20, 0.97)
    level = -6 + 0.12 * hours / 24 + generator.normal(0, 3, 20)
    return frame(np.round(level + fronts + sun * np.sin(2 * np.pi * (hours - 9) / 24), 1))


def replaced(generator: Generator) -> pd.DataFrame:
    """Sixteen sensors, eight of which make room for eight others after each period."""
    weather, count = noise(generator, STEPS, 1, 0.9)[:, 0], 16 + 8 * (PERIODS - 1)
    own = np.exp(0.15 * weather[:, None] + 0.15 * noise(generator, STEPS, count, 0.85))
    waves = 0.5 + 0.4 * np.sin(2 * np.pi * (hour()[:, None] - generator.uniform(0, 24, count)) / 24)
    shape = np.where(generator.random(count) < 0.6, traffic()[:, None], waves)
    series = generator.uniform(20, 600, count) * shape * own
    first = np.maximum(0, np.arange(count) // 8 - 1) * MONTH
    last = np.where(np.arange(count) < 8, 1, np.arange(count) // 8 + 1) * MONTH
    steps = np.arange(STEPS)[:, None]
    return frame(np.where((steps >= first) & (steps < last), series, np.nan))


def daily(generator: Generator) -> pd.DataFrame:
    """Twenty districts, less on weekends, more in summer."""
    days = pd.date_range("2019-01-01", "2021-12-31", freq="D")
    year = 1 + 0.25 * np.cos(2 * np.pi * (days.day_of_year.to_numpy() - 200) / 365)
    week = np.where(days.day_of_week >= 5, 0.85, 1.0)
    own = np.exp(0.08 * noise(generator, len(days), 20, 0.8, shared=0.6))
    return frame(generator.uniform(100, 900, 20) * (year * week)[:, None] * own, days)


KINDS: dict[str, Callable[[Generator], pd.DataFrame]] = {
    made.__name__: made for made in (wind, river, temperature, replaced, daily)
}


def hour() -> ndarray:
    """Hour of the day of each step."""
    return np.arange(STEPS) % 24


def traffic() -> ndarray:
    """Two peaks on working days, a broad one on weekends."""
    weekend = np.arange(STEPS) // 24 % 7 >= 5
    morning, evening = np.exp(-(((hour() - 8) / 2) ** 2)), np.exp(-(((hour() - 16.5) / 2.5) ** 2))
    return 0.06 + np.where(weekend, 0.7 * np.exp(-(((hour() - 14) / 5.5) ** 2)), morning + evening)


def frame(series: ndarray, at: pd.DatetimeIndex | None = None) -> pd.DataFrame:
    """One row per sensor and time stamp; missing readings are left out."""
    at = pd.date_range("2024-03-04", periods=len(series), freq="h") if at is None else at
    wide = pd.DataFrame(series, at, [f"s{i:02}" for i in range(series.shape[1])])
    wide = wide.rename_axis("ds").reset_index()
    return wide.melt("ds", var_name="unique_id", value_name="y").dropna(ignore_index=True)


def main() -> None:
    """Writes the streams asked for."""
    parser = argparse.ArgumentParser(description="Made-up streams unlike traffic and dust.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for number, (name, made) in enumerate(KINDS.items()):
        if name in given.kinds:
            folder = given.folder / name
            folder.mkdir(parents=True)
            series = made(np.random.default_rng([given.seed, number]))
            series.to_parquet(folder / "series.parquet")
            period = "YS" if name == "daily" else "28D"
            (folder / "stream.yaml").write_text(f"period: {period}\n")
            print(f"{folder}: {len(series):,} readings")


if __name__ == "__main__":
    main()
