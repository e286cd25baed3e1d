"""The versions of what a run stands on."""

from importlib.metadata import version

PACKAGES = ("grpo-reasoning", "torch", "transformers", "vllm", "accelerate", "trl", "math-verify")


def versions() -> dict[str, str]:
    """The installed version of each package, for manifests and results."""
    return {name: _version(name) for name in PACKAGES}


def _version(package: str) -> str:
    for name in (package, f"{package}-cpu"):
        try:
            return version(name)
        except ImportError:
            continue
    return "not installed"
