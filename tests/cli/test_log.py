"""What a run logs steers no terminal."""

import logging

from eac.cli.commands.run import _Plain


def test_a_name_in_a_log_line_is_written_out():
    record = logging.LogRecord("eac", 20, "", 0, "period %s done", ("a\x1b[2J\u202e",), None)
    assert _Plain("%(message)s").format(record) == "period a\\x1b[2J\\u202e done"
