"""A sandbox for untrusted Python programs: run against tests they cannot see, reach or forge.

`choose` finds the jail this machine can build; FunctionTests and ScriptTests run a program in it.
What it protects against, and what not, is told in docs/sandbox.md.
"""

from grpo_rewards.sandbox.choose import backend, choose
from grpo_rewards.sandbox.function_tests import FunctionTests
from grpo_rewards.sandbox.jail import Jail
from grpo_rewards.sandbox.limits import Limits
from grpo_rewards.sandbox.report import Report
from grpo_rewards.sandbox.script_tests import ScriptTests

__all__ = ["FunctionTests", "Jail", "Limits", "Report", "ScriptTests", "backend", "choose"]
