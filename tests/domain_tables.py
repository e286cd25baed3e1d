"""A table of domains, and rewards of one's own in a file."""

REWARDS = """
def letters(completions, times=1, **columns):
    return [times * sum(c.isalpha() for c in one[0]["content"]) / 10 for one in completions]

def spaces(completions, **columns):
    return [-one[0]["content"].count(" ") for one in completions]
"""
TABLE = {
    "reasoning": {"rewards": {"accuracy": 1.0, "format": 0.5}},
    "general": {"rewards": {"format": 2.0}, "share": 0.5, "after": 0.5},
}
PAID = {"rewards": {"accuracy": 1}}
