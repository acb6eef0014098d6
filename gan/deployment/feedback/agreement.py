"""How far two judges of the same picture agree."""

from dataclasses import dataclass

from gan.deployment.feedback.pictures import Mode
from gan.deployment.feedback.store import FeedbackStore


@dataclass(frozen=True, kw_only=True)
class AgreementSummary:
    """Agreement of the first judge of a picture with another one, over all pictures that two have judged."""

    n: int
    """Number of pairs of judgements."""
    same: float
    """Share of the pairs that are equal."""
    kappa: float | None
    """Cohen's kappa of right, wrong and unsure. None: both always said the same one thing, so it is not defined."""
    positive: float | None
    """Positive agreement: the share of `wrong` that the other judge shares. None: nobody said wrong."""


def read_agreement(store: FeedbackStore, mode: Mode) -> AgreementSummary | None:
    """Returns the agreement in a mode, or None if no picture has two judgements.

    Cohen's kappa is (p_o - p_e) / (1 - p_e), with the share p_o of equal pairs and the share p_e that is expected of
    judges that answer independently (Cohen 1960, doi:10.1177/001316446002000104). With rare errors, kappa is low even
    if the judges agree on most of them. Positive agreement is 2 a / (2 a + b), with a pairs in which both said wrong
    and b in which one did (Cicchetti and Feinstein 1990, doi:10.1016/0895-4356(90)90159-M).
    """
    with store.snapshot() as connection:
        pairs = connection.execute("SELECT first, second, n FROM pair WHERE mode = ? AND n > 0", (mode,)).fetchall()
    if not pairs:
        return None
    n = sum(number for *_, number in pairs)
    both = sum(number for first, second, number in pairs if first == second == "wrong")
    one = sum(number for first, second, number in pairs if (first == "wrong") != (second == "wrong"))
    return AgreementSummary(
        n=n,
        same=sum(number for first, second, number in pairs if first == second) / n,
        kappa=_kappa(pairs),
        positive=2 * both / (2 * both + one) if both + one else None,
    )


def _kappa(pairs: list[tuple[str, str, int]]) -> float | None:
    if len({said for first, second, _ in pairs for said in (first, second)}) == 1:
        return None
    from sklearn.metrics import cohen_kappa_score

    first, second, numbers = zip(*pairs, strict=True)
    return float(cohen_kappa_score(first, second, sample_weight=numbers))
