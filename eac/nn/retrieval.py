"""A library of patterns, looked up by the cosine of their keys."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class PatternLibrary(nn.Module):
    """Keys with values; a query is answered by the values of the nearest keys.

    Near is a high cosine. The values of the ``matches`` nearest keys are averaged with the softmax
    of their cosines as weights.

    Args:
        key_width: Values in a key.
        value_width: Values in an answer.
        matches: Keys that answer a query, at most as many as there are.

    Example:
        >>> library = PatternLibrary(2, 1, matches=1)
        >>> library.add(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[5.0], [7.0]]))
        >>> library(torch.tensor([[0.2, 3.0]])).tolist()
        [[7.0]]
    """

    keys: Float[Tensor, "pattern key"]
    values: Float[Tensor, "pattern value"]

    def __init__(self, key_width: int, value_width: int, *, matches: int = 5):
        super().__init__()
        self.matches = matches
        self.register_buffer("keys", torch.empty(0, key_width))
        self.register_buffer("values", torch.empty(0, value_width))

    def __len__(self) -> int:
        return len(self.keys)

    @torch.no_grad()
    def add(
        self, keys: Float[Tensor, "pattern key"], values: Float[Tensor, "pattern value"]
    ) -> None:
        """Stores patterns; their keys are kept at unit length."""
        self.keys = torch.cat([self.keys, F.normalize(keys.to(self.keys), dim=-1)])
        self.values = torch.cat([self.values, values.to(self.values)])

    def forward(self, query: Float[Tensor, "*any key"]) -> Float[Tensor, "*any value"]:
        """The weighted mean of the nearest values; at least one pattern must be stored."""
        cosine = F.normalize(query, dim=-1) @ self.keys.T.to(query)
        best, index = cosine.topk(min(self.matches, len(self)), dim=-1)
        weight = best.softmax(-1)
        flat = self.values.to(query)
        answers = F.embedding_bag(
            index.reshape(-1, index.shape[-1]),
            flat,
            per_sample_weights=weight.reshape(-1, index.shape[-1]),
            mode="sum",
        )
        return answers.view(*query.shape[:-1], flat.shape[1])

    def _load_from_state_dict(self, state_dict, prefix, *args, **kwargs):
        """Takes the saved sizes first: a library is as large as what it loads."""
        for name in ("keys", "values"):
            saved = state_dict.get(prefix + name)
            if saved is not None:
                setattr(self, name, getattr(self, name).new_empty(saved.shape))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
