"""What a request to ``/observe`` holds, read into columns."""

import re
from typing import Annotated, Any

import msgspec
import numpy as np

from eac.errors import EACError
from eac.server.board import Board
from eac.server.http.problems import ProblemError
from eac.server.readings import Readings, too_large

_PLACE = re.compile(r" - at `\$\.?(.*)`$")


class OneReading(msgspec.Struct, forbid_unknown_fields=True):
    """One reading of one sensor; ``y`` is null where it is known to be missing.

    Example:
        >>> OneReading("a", "2024-01-31T13:00:00", 41.5).y
        41.5
    """

    unique_id: Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\0]*$")]
    ds: Annotated[str, msgspec.Meta(max_length=40)]
    y: float | None


class Observation(msgspec.Struct, forbid_unknown_fields=True):
    """Readings in any order.

    Example:
        >>> body = b'{"readings": [{"unique_id": "a", "ds": "2024-01-31T13:00:00", "y": null}]}'
        >>> msgspec.json.decode(body, type=Observation).readings[0].y is None
        True
    """

    readings: list[OneReading]


_DECODER = msgspec.json.Decoder(Observation)


def read_observation(body: bytes, board: Board, max_rows: int) -> Readings:
    """The readings of a request; the first that is wrong is named with its row.

    Args:
        body: JSON, ``{"readings": [{"unique_id", "ds", "y"}, ...]}``.
        board: Where they are to be put; gives steps.
        max_rows: Readings at most.

    Raises:
        ProblemError: If they are not valid or too many.

    Example:
        >>> from datetime import timedelta
        >>> body = b'{"readings": [{"unique_id": "a", "ds": "2024-01-31T13:00:00", "y": 41.5}]}'
        >>> read_observation(body, Board(timedelta(hours=1), 24), max_rows=10).y
        array([41.5])
    """
    try:
        rows = _DECODER.decode(body).readings
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _invalid(str(error)) from error
    if len(rows) > max_rows:
        raise ProblemError(413, f"{len(rows)} readings, more than {max_rows}. Send fewer.")
    steps: dict[str, int] = {}
    for number, row in enumerate(rows):
        if row.ds not in steps:
            steps[row.ds] = _step(board, row, number)
    y = np.array([np.nan if row.y is None else row.y for row in rows], dtype=np.float64)
    if len(wrong := too_large(y)):
        number = int(wrong[0])
        said = f"y {y[number]:g} is beyond 3.4e38. Give the reading in its usual unit, or null."
        raise ProblemError(422, said, row=number, unique_id=rows[number].unique_id)
    known = np.array([steps[row.ds] for row in rows], dtype=np.int64)
    return Readings([row.unique_id for row in rows], known, y)


def observation_schema() -> dict[str, Any]:
    """The JSON schema of a request, without references.

    Example:
        >>> sorted(observation_schema()["properties"]["readings"]["items"]["properties"])
        ['ds', 'unique_id', 'y']
    """
    kinds = msgspec.json.schema(Observation)["$defs"]
    kinds["Observation"]["properties"]["readings"]["items"] = kinds["OneReading"]
    return kinds["Observation"]


def _step(board: Board, row: OneReading, number: int) -> int:
    try:
        step = board.step_of(row.ds)
        board.check(step)
    except EACError as error:
        raise ProblemError(422, str(error), row=number, unique_id=row.unique_id) from error
    return step


def _invalid(said: str) -> ProblemError:
    """What is wrong with the JSON, with the row where it is one of many."""
    found = _PLACE.search(said)
    where = "" if found is None else found[1].replace("[", ".").replace("]", "")
    more: dict[str, Any] = {"where": where}
    place = where.split(".")
    if len(place) > 1 and place[0] == "readings":
        more["row"] = int(place[1])
    return ProblemError(422, f"{where or 'the body'}: {_PLACE.sub('', said)}", **more)
