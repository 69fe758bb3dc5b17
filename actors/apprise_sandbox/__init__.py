"""What runs inside of the cage: Apprise, in a process that opens no socket, starts nothing and writes no file.

`actors/senders/kit/sandbox_pool.py` starts it and gives it one message after the other; it hands every HTTP request out
to be made there, through the worker's egress door. Only this package imports Apprise.
"""
