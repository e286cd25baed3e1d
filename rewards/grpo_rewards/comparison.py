"""What a comparison of an answer with its reference can come to."""

from enum import Enum


class Comparison(Enum):
    """The last two say which side was not an answer at all."""

    EQUAL = "equal"
    DIFFERENT = "different"
    BAD_ANSWER = "bad answer"
    BAD_GOLD = "bad gold"
