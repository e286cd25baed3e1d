"""Progress where there is no terminal: plain lines, and not too many of them."""

import pytest

from grpo.progress import PLAIN_LINES, Progress


@pytest.mark.parametrize(("total", "lines"), [(3, 3), (25, 25), (26, 13), (48, 24), (1000, 25)])
def test_no_more_lines_than_can_be_read(
    total: int, lines: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress("eval", 0, total) as progress:
        for _ in range(total):
            progress.advance({"right": 0.5})
    said = capsys.readouterr().out.splitlines()
    assert len(said) == lines <= PLAIN_LINES
    assert said[-1].startswith(f"eval {total}/{total}  right 0.500")
