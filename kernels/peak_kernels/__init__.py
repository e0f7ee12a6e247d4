"""Compiled kernels of peak_fast: numba and numpy, nothing else."""
