"""What runs inside of the cage: Apprise, in a process that opens no socket, starts nothing and writes no file.

It is started by `actors/senders/cages.py`, is given one message after the other, and hands every HTTP request out to
be made there, by the worker's own door. Only this package imports Apprise.
"""
