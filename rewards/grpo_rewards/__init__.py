"""Rule-based rewards for reinforcement learning of reasoning: right, safe, and yours in one file.

No torch here, and no sympy until an answer needs it. `Scorer` judges batches in killable workers;
`load_reward` gives one reward as a function with TRL's signature; `completion_text` reads both of
TRL's shapes of completion.
"""

from grpo_rewards.errors import RewardError
from grpo_rewards.load import load_reward
from grpo_rewards.messages import completion_text
from grpo_rewards.verdict import Verdict
from grpo_rewards.workers import Scorer

__all__ = ["RewardError", "Scorer", "Verdict", "completion_text", "load_reward"]
