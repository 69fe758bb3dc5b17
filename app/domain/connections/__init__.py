"""Parses connection strings of databases as their own clients do: address, credentials, encryption. Pure.

One module per format; `options` has one list per database of the options that checks support or ignore.
"""
