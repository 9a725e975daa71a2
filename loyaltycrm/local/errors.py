"""What can go wrong on somebody's own machine, as one sentence that says what to do."""


class LocalProblem(Exception):
    """Shown to the person as it is, without a traceback; the program then ends with 1."""
