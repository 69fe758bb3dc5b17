"""Watchkeeper as it is installed: the one package of the wheel. The folders beside it here are inside of it there."""
