"""The exceptions that the command line turns into one line: bad input, and a run that failed."""


class InputError(ValueError):
    """What a user gave cannot be used. The message says what was expected and what was received.

    A `ValueError`, as Keras raises; the command line turns it into one line on stderr and exit status 2.

    >>> raise InputError("Unknown `loss`", expected="one of ['hinge']", received="loss='hing'")
    gan.errors.InputError: Unknown `loss`. Expected one of ['hinge']. Received: loss='hing'.
    """

    def __init__(self, problem: str, *, expected: str, received: str) -> None:
        super().__init__(f"{problem}. Expected {expected}. Received: {received}.")
        self.problem, self.expected, self.received = problem, expected, received


class TrainingError(RuntimeError):
    """A training run that cannot go on, such as one whose loss is no number any more. The message says when and why."""
