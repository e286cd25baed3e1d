"""The one exception of this package that a user is meant to read."""


class RewardError(ValueError):
    """A reward that cannot be found, loaded or used at all; the message says what to do."""
