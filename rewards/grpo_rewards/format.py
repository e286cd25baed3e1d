"""The reward `format`: 1.0 for exactly R1's layout with a thought and an answer in it, else 0.0.

It never looks at what the answer is; a completion whose prompt ends with `<think>` is judged
together with that tag.
"""

from grpo_rewards import tags
from grpo_rewards.rule import RuleReward
from grpo_rewards.verdict import Judged, Sample


def _quick(sample: Sample) -> Judged:
    tagged = tags.parse(sample.text, tags.opened_by(sample.prompt))
    return Judged(1.0, "correct") if tagged else Judged(0.0, "wrong")


format = RuleReward("format", _quick)
