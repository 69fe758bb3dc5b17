"""Where a database is and who asks it, from a connection string as its own clients write them. Pure.

One module for each way of writing, and in `options` one list for each database: which options count, and which say
nothing about a check.
"""
