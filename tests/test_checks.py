"""Numbers of settings are refused by name."""

import pytest

from eac.checks import check_least
from eac.errors import ConfigError


def test_a_count_below_one_is_named_and_no_count_passes():
    check_least(1, val_windows=None)
    with pytest.raises(ConfigError, match="eval_batch_size=0"):
        check_least(1, batch_size=1, eval_batch_size=0)
