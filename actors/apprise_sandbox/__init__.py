"""The sandbox process: runs Apprise without sockets, child processes or file writes.

`actors/senders/kit/sandbox_pool.py` starts it and sends it messages one by one; every HTTP request is passed back and
made there, under the worker's egress policy. Only this package imports Apprise.
"""
