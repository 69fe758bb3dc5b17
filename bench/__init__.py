"""Measures the product from outside: real processes, real sockets, a real database, one table of figures."""
