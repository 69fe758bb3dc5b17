"""Storage: takes and returns structs. The only package that knows SQL."""
