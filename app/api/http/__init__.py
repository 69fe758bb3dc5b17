"""What every request passes through: ids, limits, bodies, errors, audit."""
