"""The one exception a user is meant to read: a sentence, no traceback, exit code 2."""


class UserError(Exception):
    """Something the user can mend: says what was wrong, what was got, and the way out."""


class Stopped(Exception):
    """The user asked the run to stop, and it has: says where, and how to go on."""
