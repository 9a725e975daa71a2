"""Measurements: each figure beside its bare counterpart in the same run. `python -m bench --list` names the rows."""
