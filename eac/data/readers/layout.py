"""From a table as people have it to the long frame ``unique_id, ds, y``."""

from collections.abc import Callable, Sequence
from pathlib import Path
from shlex import quote
from typing import Any

import pandas as pd

from eac.data.parsing import files, tabular
from eac.data.parsing.cells import as_numbers
from eac.data.parsing.form import Form
from eac.data.parsing.tabular import MISSING
from eac.data.readers.wide import (
    JOIN,
    LIKELY,
    LONG,
    clock_columns,
    looks_turned,
    looks_wide,
    melted,
    turned,
    with_joined_clock,
)
from eac.errors import StreamError

_TWO = ("date", "time")
FLAGS = ("--id-col", "--time-col", "--target-col")


def read_long(path: Path, what: str, form: Form | None = None) -> pd.DataFrame:
    r"""The long frame in a file, or in a folder of parts; ids stay text.

    A wide table, whose first column holds time stamps and every other one the readings of a sensor,
    is laid out as a long frame; so is one with a row per sensor and a column per time stamp.

    Raises:
        StreamError: If the columns cannot be told; the message names the likely ones.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "wide.csv"
        ...     _ = path.write_text("time,a,b\n2024-01-01 00:00,1,2\n2024-01-01 01:00,3,4\n")
        ...     print(read_long(path, "counts")["y"].tolist())
        [1, 3, 2, 4]
    """
    form = form or Form()
    parts = parts_of(path)
    names = tabular.column_names(parts[0], form)
    if not is_long(names, form):
        laid = _other_layout(parts, names, form)
        if laid is None:
            raise StreamError(f"{what}: {path} {_which_columns(names, form)}")
        return laid(parts[0], what, form)
    columns = long_columns(form)
    _check_different(columns, what)
    renamed = dict(zip(columns, LONG, strict=True))
    frames = []
    for part in parts:
        frame = _read_part(part, what, columns, form)
        unasked = [name for name in frame.columns if name in LONG and name not in columns]
        frame = frame.drop(columns=unasked).rename(columns=renamed)
        others = [name for name in tabular.column_names(part, form) if name != columns[2]]
        sign = tabular.sign_of(part, what, form, others)
        frames.append(frame.assign(**{LONG[2]: as_numbers(frame[LONG[2]], sign, what)}))
    return frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)


def parts_of(path: Path) -> list[Path]:
    """The tables of a folder of parts in order of their names, or the one file.

    Example:
        >>> parts_of(Path("counts.csv"))
        [PosixPath('counts.csv')]
    """
    if not path.is_dir() or files.table_suffix(path) == ".parquet":
        return [path]
    found = [p for p in path.iterdir() if p.is_file() and files.table_suffix(p) and _is_part(p)]
    if not found:
        raise StreamError(f"{path} holds no table. Give a file, or a folder of .csv or .parquet.")
    return sorted(found, key=lambda part: files.natural_key(part.name))


def is_long(names: Sequence[str], form: Form) -> bool:
    """True when the columns of a long frame are there, under the names that ``form`` says.

    Example:
        >>> names = ["sensor", "ds", "y"]
        >>> is_long(names, Form()), is_long(names, Form(id_col="sensor"))
        (False, True)
    """
    sensor, _, reading = long_columns(form)
    return {sensor, *clock_columns(form, names), reading} <= set(names)


def long_columns(form: Form) -> tuple[str, str, str]:
    """Names of the columns of sensor, time and reading.

    Example:
        >>> long_columns(Form(target_col="count"))
        ('unique_id', 'ds', 'count')
    """
    return form.id_col or LONG[0], form.time_col or LONG[1], form.target_col or LONG[2]


def _check_different(columns: Sequence[str], what: str) -> None:
    """Refuses one column for two things."""
    for one, other in ((0, 1), (0, 2), (1, 2)):
        if columns[one] == columns[other]:
            raise StreamError(
                f"{what}: the column {columns[one]!r} cannot hold both what {FLAGS[one]} and what "
                f"{FLAGS[other]} names. Say which do: {FLAGS[one]} NAME {FLAGS[other]} NAME."
            )


def _other_layout(
    parts: Sequence[Path], names: Sequence[str], form: Form
) -> Callable[[Path, str, Form], pd.DataFrame] | None:
    """What lays out a table that is not long; None for a table that is in no known layout."""
    if len(parts) > 1:
        return None
    if looks_wide(parts[0], names, form):
        return melted
    return turned if looks_turned(names, form) else None


def settings_beside(path: Path) -> Path:
    """The settings of a stream: in its folder, or beside a file, under its name first.

    Example:
        >>> settings_beside(Path("counts.csv")).name
        'stream.yaml'
    """
    if path.is_dir() and files.table_suffix(path) != ".parquet":
        return path / files.STREAM_FILE
    own = path.with_name(f"{files.stem_of(path)}.yaml")
    return own if own.exists() else path.with_name(files.STREAM_FILE)


def _is_part(path: Path) -> bool:
    stem = files.stem_of(path)
    beside = ("nodes", "edges", "covariates", "forecasts")
    return stem not in beside and not stem.endswith("_edges") and not stem.startswith((".", "_"))


def _read_part(part: Path, what: str, columns: tuple[str, ...], form: Form) -> pd.DataFrame:
    clock, target = clock_columns(form, ()), columns[2]
    texts = [columns[0], "period", *(clock if len(clock) > 1 else ())]
    as_written = form.decimal and files.table_suffix(part) != ".xlsx"
    options: dict[str, Any] = {
        "dtype": dict.fromkeys([*texts, *([target] if as_written else ())], str),
        "decimal": ".",  # what the readings prove is taken up later, whatever other columns prove
        "keep_default_na": False,
        "na_values": {target: MISSING},
        "low_memory": False,
    }
    frame = tabular.read_table(part, what, form=form, **options)
    if columns[1] not in frame.columns and frame.index.name == columns[1]:
        frame = frame.reset_index()
    frame = with_joined_clock(frame, form)
    tabular.require_columns(frame, columns, what, part)
    return frame


def _which_columns(names: Sequence[str], form: Form) -> str:
    """What to say where the three columns cannot be told."""
    sensor, _, reading = long_columns(form)
    wanted = (sensor, *clock_columns(form, names), reading)
    absent = next(column for column in wanted if column not in names)
    found = [next((name for name in names if name.lower() in group), None) for group in LIKELY]
    both = [next((name for name in names if name.lower() == part), None) for part in _TWO]
    if all(both):
        found[1] = JOIN.join(map(str, both))
    said = (form.id_col, form.time_col, form.target_col)
    flags = [
        f"{flag} {quote(name) if name else 'NAME'}"
        for flag, name, given in zip(FLAGS, found, said, strict=True)
        if given is None or given not in names
    ]
    keys = ", ".join(flag[2:].replace("-", "_") for flag in FLAGS)
    shown = ", ".join(f"{name[:40]}{'...' * (len(name) > 40)}" for name in map(str, names[:20]))
    return (
        f"has no column {absent!r}. It has: {shown}. Say which column is "
        f"which: {' '.join(flags)} (or {keys} in stream.yaml). The first line must name the "
        "columns. A wide table has time stamps in its first column and one column of numbers per "
        "sensor."
    )
