"""The books of points as an accountant reads them: what is owed on a day, how a month moved it, what partners pay.

Everything is computed from postings and lots, for any day, by their business dates. Nothing is written here.
"""
