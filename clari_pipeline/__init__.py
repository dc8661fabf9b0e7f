"""Clari's forecast calls, quotas and closed-won figures in a warehouse that never forgets."""
