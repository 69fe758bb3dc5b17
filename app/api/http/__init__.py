"""What every request passes: ids, limits, bodies, errors, audit."""
