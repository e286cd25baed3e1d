"""Search at test time: drawing anew, step by step, guided by a process reward."""
