"""`python -m grpo`, for where the command is not on the path."""

from grpo.cli import main

if __name__ == "__main__":
    main()
