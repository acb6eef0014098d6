"""The one exception for input that cannot be used."""


class InputError(ValueError):
    """What a user gave cannot be used. The message says what was expected and what was received.

    A `ValueError`, as Keras raises; the command line turns it into one line on stderr and exit status 2.

    >>> raise InputError("Unknown `loss`", expected="one of ['hinge']", received="loss='hing'")
    gan.errors.InputError: Unknown `loss`. Expected one of ['hinge']. Received: loss='hing'.
    """

    def __init__(self, problem: str, *, expected: str, received: str) -> None:
        super().__init__(f"{problem}. Expected {expected}. Received: {received}.")
