"""Random cases of other engines: made in those engines' own environments, then compared (``python -m bench cases``)."""
