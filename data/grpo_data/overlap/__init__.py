"""Overlap between a training set and benchmarks: found, counted, and put into words."""

from grpo_data.overlap.document import document
from grpo_data.overlap.find import overlaps
from grpo_data.overlap.found import RULES, Match, Overlap
from grpo_data.overlap.texts import Benchmark, Text, read_benchmarks, read_texts

__all__ = [
    "RULES",
    "Benchmark",
    "Match",
    "Overlap",
    "Text",
    "document",
    "overlaps",
    "read_benchmarks",
    "read_texts",
]
