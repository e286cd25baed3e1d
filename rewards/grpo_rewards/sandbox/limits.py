"""What one untrusted program may use; the kernel holds it to it, not the program's good will.

No limit here is a share of the machine: how many programs run at once is the workers' number.
"""

from dataclasses import dataclass

from grpo_rewards.errors import RewardError


@dataclass(frozen=True)
class Limits:
    """The bounds of one process in a jail.

    `cpu_s` is CPU seconds of a process, `wall_s` the seconds all tests of a program may take,
    `memory_mb` MiB of address space, `files_mb` MiB of all it writes to its throw-away directory,
    `threads` how many it may start (processes: none), `output_bytes` what it may print.

    >>> Limits(cpu_s=4, wall_s=12.0, memory_mb=512)
    """

    cpu_s: int = 6
    wall_s: float = 15.0
    memory_mb: int = 512
    files_mb: int = 16
    threads: int = 64
    output_bytes: int = 2**20

    def __post_init__(self) -> None:
        if min(self.cpu_s, self.wall_s, self.files_mb, self.threads, self.output_bytes) <= 0:
            raise RewardError("every limit of the code sandbox must be above zero")
        if self.memory_mb < 64:
            raise RewardError(
                f"memory_mb must be at least 64, which Python needs to start, got {self.memory_mb}"
            )

    def arguments(self) -> list[str]:
        """What `inside.boot` is told: CPU seconds, bytes of memory, bytes of files, threads."""
        numbers = (self.cpu_s, self.memory_mb * 2**20, self.files_mb * 2**20, self.threads)
        return [str(number) for number in numbers]
