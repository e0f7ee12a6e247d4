"""Fast, trustworthy backtesting."""

__version__ = "0.1.0"
