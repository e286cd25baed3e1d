"""The floors of the house: a file imports from lower floors only, and the ground knows no torch.

FLOORS is the picture of docs/ARCHITECTURE.md as a table: each part may import what stands above it
in the list, and itself. A part that is not listed fails the test, so that nobody builds a room
without saying on which floor.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = {"grpo": ROOT, "grpo_data": ROOT / "data", "grpo_rewards": ROOT / "rewards"}
OURS = set(SOURCES)

# From the cellar up; parts on one line do not know each other.
FLOORS = (
    {"grpo.errors"},
    # the ground: nouns and laws
    {
        "grpo_data",
        "grpo.recipe",
        "grpo.objective",
        "grpo.timing",
        "grpo.versions",
        "grpo.threads",
        "grpo.memory",
    },
    {"grpo_rewards", "grpo.checkpoint", "grpo.types"},
    {"grpo.model", "grpo.metrics", "grpo.progress", "grpo.track"},
    # the two engines, which do not know each other
    {"grpo.sampler", "grpo.train"},
    # what a checkpoint runs on
    {"grpo.machine"},
    # problems to scored groups, then to estimates
    {"grpo.rollout"},
    {"grpo.eval"},
    # a run's folder, what its stages share, and what they learn and gather
    {"grpo.run"},
    {"grpo.workbench"},
    {"grpo.learning", "grpo.gathering"},
    # the story, one noun a line, and pictures of it
    {"grpo.stages", "grpo.report", "grpo.inputs", "grpo.boundary"},
    # what the verbs do
    {
        "grpo.pipeline",
        "grpo.evaluate",
        "grpo.rescore",
        "grpo.compare",
        "grpo.scale",
        "grpo.benchmarks",
        "grpo.sample",
        "grpo.serve",
        "grpo.decontaminate",
        "grpo.export",
        "grpo.status",
        "grpo.audit",
    },
    {"grpo.evaluate_endpoint"},
    {"grpo.cli"},
    {"grpo.__main__"},
)

# What a floor may not reach although it lies lower: ground that must stay light or apart.
FORBIDDEN = {
    "grpo_rewards": {"grpo_data", "grpo.recipe", "grpo.objective"},
    "grpo.checkpoint": {"grpo_data", "grpo.recipe", "grpo.objective"},
    "grpo.sampler": {"grpo.objective", "grpo_data", "grpo_rewards"},
    "grpo.train": {"grpo_data", "grpo_rewards", "grpo.types"},
    "grpo.report": {"grpo.model", "grpo.train", "grpo.sampler", "grpo.workbench", "grpo.learning"},
}

# Parts that load without torch: `grpo check` is built of them.
WITHOUT_TORCH = (
    "grpo_data", "grpo_rewards", "grpo.recipe", "grpo.errors", "grpo.metrics", "grpo.timing",
    "grpo.progress", "grpo.inputs", "grpo.boundary", "grpo.cli",
    "grpo.decontaminate", "grpo.audit",
)  # fmt: skip
HEAVY = {"torch", "transformers", "vllm", "accelerate", "datasets", "trl"}


def modules() -> Iterator[tuple[str, Path]]:
    for package, source in SOURCES.items():
        for file in sorted((source / package).rglob("*.py")):
            parts = file.relative_to(source).with_suffix("").parts
            yield ".".join(parts).removesuffix(".__init__"), file


MODULES = dict(modules())


def part_of(module: str) -> str:
    """grpo.stages.rl is of grpo.stages; all of grpo_data is one part."""
    first, *rest = module.split(".")
    return ".".join([first, *rest[:1]]) if first == "grpo" else first


def imported(tree: ast.AST) -> Iterator[str]:
    """Modules that a node's own import statements name."""
    if isinstance(tree, ast.Import):
        yield from (alias.name for alias in tree.names)
    elif isinstance(tree, ast.ImportFrom):
        assert tree.level == 0, "relative import"
        assert tree.module is not None
        # `from grpo import cli` names grpo.cli.
        inside = [f"{tree.module}.{alias.name}" for alias in tree.names]
        yield from ([name for name in inside if name in MODULES] or [tree.module])


def all_imports(file: Path) -> set[str]:
    """Everything a file imports, wherever in it."""
    return {name for node in ast.walk(ast.parse(file.read_text())) for name in imported(node)}


def at_the_top(file: Path) -> set[str]:
    """What importing the file imports: not inside functions, not for type checkers alone."""
    found: set[str] = set()
    waiting: list[ast.AST] = list(ast.parse(file.read_text()).body)
    while waiting:
        node = waiting.pop()
        found |= set(imported(node))
        is_for_types = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if not is_for_types and not isinstance(node, ast.FunctionDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))
    return found


def floor_of(part: str) -> int:
    found = [number for number, floor in enumerate(FLOORS) if part in floor]
    assert len(found) == 1, f"{part} stands on {len(found)} floors of the table, not on one"
    return found[0]


def test_the_table_lists_what_is_there_and_no_more() -> None:
    there = {part_of(module) for module in MODULES} - {"grpo"}
    assert there == set().union(*FLOORS)


@pytest.mark.parametrize("module", MODULES)
def test_a_file_imports_from_lower_floors_only(module: str) -> None:
    part = part_of(module)
    others = {part_of(name) for name in all_imports(MODULES[module]) if _is_ours(name)} - {part}
    if module == "grpo":
        assert not others
        return
    higher = {other for other in others if floor_of(other) >= floor_of(part)}
    assert not higher, f"{module} imports {higher}, which do not lie lower"
    assert not others & FORBIDDEN.get(part, set())


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] in OURS


@pytest.mark.parametrize("module", MODULES)
def test_source_roots_are_never_imported(module: str) -> None:
    roots = {name.partition(".")[0] for name in all_imports(MODULES[module])}
    assert not roots & {"rewards", "data", "tests"}


@pytest.mark.parametrize(
    "module", [m for m in MODULES if m.startswith(("grpo.recipe", "grpo_data", "grpo_rewards"))]
)
def test_no_file_of_the_light_floors_names_a_heavy_library_at_its_top(module: str) -> None:
    roots = {name.partition(".")[0] for name in at_the_top(MODULES[module])}
    assert not roots & HEAVY


def test_the_light_parts_load_no_torch_whatever_they_lead_to() -> None:
    names = [m for m in MODULES if part_of(m) in WITHOUT_TORCH and not m.endswith("__main__")]
    code = f"import {', '.join(names)}, sys; print(sorted({HEAVY!r} & set(sys.modules)))"
    path = os.pathsep.join(map(str, SOURCES.values()))
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_this_test_sees_what_it_looks_for() -> None:
    tree = ast.parse("def f():\n    import torch\nimport data.x\nfrom grpo import cli\n")
    assert {name for node in ast.walk(tree) for name in imported(node)} == {
        "torch", "data.x", "grpo.cli",
    }  # fmt: skip
    assert "torch" in {n.partition(".")[0] for n in at_the_top(MODULES["grpo.objective.kl"])}
    assert "transformers" not in at_the_top(MODULES["grpo_data.template"])
    assert "transformers" in all_imports(MODULES["grpo_data.template"])
    assert floor_of("grpo.sampler") > floor_of("grpo.types")
