"""Indicators over contiguous arrays."""
