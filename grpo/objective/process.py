"""Process advantages: every token is told how good the steps are that end at it or after it.

Leaves out where steps come from and how their scores are made; a step is a token's place and a
number here.
"""

# Shapes: P prompts, G group size, K steps of the completion that has most, T tokens of the longest.

from torch import Tensor

from grpo.objective.advantages import group_advantages


def process_advantages(
    scores_PGK: Tensor, last_PGK: Tensor, length: int, *, scale: str, eps: float = 1e-4
) -> Tensor:
    """advantages_PGT: `A_t = sum over steps that end at or after t of (r - mean(R)) / std(R)`.

    DeepSeekMath 4.1.3. R are the scores of all steps of all completions of the group; `scale` says
    what divides, as in `group_advantages`. `last_PGK` is the place of each step's last token, below
    T = `length`. A score of NaN is no step: completions have different numbers of them, and one
    without any has advantage 0, as have all of a group whose steps score the same.
    """
    steps_PGK = group_advantages(scores_PGK.flatten(1), scale=scale, eps=eps).view_as(scores_PGK)
    ends_PGT = steps_PGK.new_zeros(*scores_PGK.shape[:2], length)
    ends_PGT.scatter_add_(2, last_PGK, steps_PGK)
    return ends_PGT.flip(2).cumsum(2).flip(2)
