"""What was learned of nodes that are gone, kept apart until they return."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from jaxtyping import Shaped
from torch import Tensor

NodeRows = Mapping[str, Shaped[Tensor, " row *shape"]]
"""Arrays by name, whose first axis is the node."""


class Archive:
    """Rows of nodes that are not there at the moment, by id; what is put in is never changed.

    It is no part of a saved state: the state of the last period of a node holds the same rows.

    Example:
        >>> archive = Archive()
        >>> archive.put(["a", "b"], {"level": torch.tensor([1.0, 2.0])})
        >>> archive.take(["b"])["level"].tolist(), list(archive)
        ([2.0], ['a'])
    """

    def __init__(self):
        self._blocks: dict[int, NodeRows] = {}
        self._left: dict[int, int] = {}
        self._place: dict[str, tuple[int, int]] = {}
        self._number = 0

    def __contains__(self, node: str) -> bool:
        return node in self._place

    def __iter__(self):
        return iter(self._place)

    def __len__(self) -> int:
        return len(self._place)

    def __deepcopy__(self, memo: object) -> "Archive":
        """A copy that shares the rows."""
        del memo
        other = Archive()
        other._blocks, other._left = dict(self._blocks), dict(self._left)
        other._place, other._number = dict(self._place), self._number
        return other

    def put(self, node_ids: Sequence[str], rows: NodeRows) -> None:
        """Keeps the rows of these nodes, in place of what was kept of them."""
        if not len(node_ids):
            return
        self._forget(node for node in node_ids if node in self._place)
        self._number += 1
        self._blocks[self._number] = {name: values.clone() for name, values in rows.items()}
        self._left[self._number] = len(node_ids)
        self._place |= {node: (self._number, row) for row, node in enumerate(node_ids)}

    def rows(self, node_ids: Sequence[str]) -> NodeRows:
        """The rows of these nodes, which must be here; they stay."""
        places = [self._place[node] for node in node_ids]
        names = self._blocks[places[0][0]] if places else ()
        return {
            name: torch.stack([self._blocks[block][name][row] for block, row in places])
            for name in names
        }

    def take(self, node_ids: Sequence[str]) -> NodeRows:
        """The rows of these nodes, which must be here, and are here no more."""
        found = self.rows(node_ids)
        self._forget(node_ids)
        return found

    def clear(self) -> None:
        """Forgets everything."""
        self.__init__()

    def _forget(self, node_ids: Iterable[str]) -> None:
        for block, _ in [self._place.pop(node) for node in node_ids]:
            self._left[block] -= 1
            if not self._left[block]:
                del self._blocks[block], self._left[block]
