"""What is monitored: rows, series, state, tags, groups, dependencies, proxies."""
