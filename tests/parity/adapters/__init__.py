"""Adapters: a case of another engine (``case.json`` and its tables) -> a call of this package."""
