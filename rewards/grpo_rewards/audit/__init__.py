"""Puts a reward to the test: right answers, wrong ones, and a visible table of cheats."""

from grpo_rewards.audit.cases import Question, Row, questions
from grpo_rewards.audit.judge import audit
from grpo_rewards.audit.report import Report
from grpo_rewards.audit.suites import CLAIMS, SUITES, Suite

__all__ = ["CLAIMS", "SUITES", "Question", "Report", "Row", "Suite", "audit", "questions"]
