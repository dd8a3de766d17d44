"""What a server shows of its sensors, readings and artifacts."""

import math
from typing import Any

from eac.server.engine import Engine
from eac.server.generation import artifact_ids


def sensors(engine: Engine) -> list[dict[str, Any]]:
    """Every sensor of the board: whether it is forecast, its last reading, what is noted of it."""
    current, board, positions = engine.current, engine.board, engine.positions
    notes = {} if current is None else dict(zip(current.node_ids, current.notes, strict=True))
    masked = {} if engine.watcher is None else engine.watcher.masked
    marked = {} if engine.watcher is None else engine.watcher.marked
    with engine.lock:
        last, now, ids = board.last_steps(), board.now or 0, list(board.node_ids)
    return [
        {
            "unique_id": node,
            "forecast": node in notes,
            "note": notes.get(node, ""),
            "event": marked.get(node),
            "masked": node in masked,
            "last": None if step is None else board.time_of(step).isoformat(),
            "silent_steps": None if step is None else now - step,
            "position": positions.get(node),
        }
        for node, step in zip(ids, last, strict=True)
    ]


def readings_of(engine: Engine, unique_id: str, last: int) -> dict[str, Any] | None:
    """The last readings of a sensor; None for one that was never seen."""
    board = engine.board
    with engine.lock:
        now = board.now
        if unique_id not in board.node_ids or now is None:
            return None
        count = min(last, board.length)
        values = board.laid_out(board.series(count), [unique_id])[:, 0].tolist()
    return {
        "unique_id": unique_id,
        "ds": [board.time_of(now - count + 1 + i).isoformat() for i in range(count)],
        "y": [None if math.isnan(y) else y for y in values],
    }


def artifacts(engine: Engine) -> list[dict[str, str]]:
    """Ids and folders of what the run has left, oldest first."""
    found = artifact_ids(engine.run_dir)
    return [{"id": key, "folder": folder.name} for key, folder in found.items()]
