"""How a check result becomes a state; values, groups, dependencies, push reports. Pure."""
