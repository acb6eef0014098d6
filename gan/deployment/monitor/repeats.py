"""Which pictures were read before. A picture that is asked again is no fresh draw from the generator."""

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

MOST_KEPT = 2**17
"""Pictures that are remembered. Of more, those that were not read for the longest time are forgotten."""


class ReadPictures:
    """The last `most` different pictures of a version, and whether each was wrong when it was read first."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._wrong = OrderedDict[int, bool]()  # a plain dictionary finds its first entry ever more slowly

    def __len__(self) -> int:
        return len(self._wrong)

    def add(self, keys: Sequence[int], wrong: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Adds pictures in the order of time: what names them, and which are wrong, bool [N].

        Returns which are fresh, bool [N]; and of the others, in order, which were read right first and are wrong now,
        bool [M]. Such a picture has become another one. It is reported once.
        """
        fresh, changed = np.zeros(len(keys), bool), list[bool]()
        for place, key in enumerate(keys):
            first = self._wrong.pop(key, None)
            now = bool(wrong[place])
            if first is None:
                fresh[place], first = True, now
            else:
                changed.append(now and not first)
                first = first or now
            self._wrong[key] = first  # as the newest
            if len(self._wrong) > self._most:
                self._wrong.popitem(last=False)
        return fresh, np.array(changed, bool)
