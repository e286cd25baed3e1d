"""A checkpoint's config.json, read as it is: for questions that need no model."""

import json
from pathlib import Path
from typing import Any

from grpo.errors import UserError


def read_config(folder: Path) -> dict[str, Any]:
    """What config.json in `folder` says. Raises UserError where it is no JSON object."""
    file = folder / "config.json"
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{file} is broken: {error}") from error
    if not isinstance(config, dict):
        raise UserError(f"{file} holds no settings, it holds {str(config)[:40]!r}")
    return config
