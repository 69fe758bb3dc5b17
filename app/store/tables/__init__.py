"""Piccolo tables, one file per subject. Their rows never leave `app.store`.

Where several columns are `primary_key`, the key of the table consists of all of them.
"""
