"""The pictures of a run or a result: a page to share and a table for the terminal.

Only reads. Nothing here is needed to train, and nothing here changes a run directory but its
`report.html` and those of its evaluations.
"""

from grpo.report.page import write_page_of, write_report
from grpo.report.terminal import print_summary

__all__ = ["print_summary", "write_page_of", "write_report"]
