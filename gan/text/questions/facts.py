"""Facts that can be checked: currencies and official languages of territories, from the Unicode CLDR in Babel."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

from gan.text.data.corpus import split_by_hash
from gan.utils.extras import import_extra

Language = Literal["en", "zh"]
Relation = Literal["currency", "language"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
"""Languages of the questions: English, and Chinese in simplified characters."""
RELATIONS: tuple[Relation, ...] = get_args(Relation)
"""What is known of a territory: its current currencies, and its official languages."""


@dataclass(frozen=True, kw_only=True)
class Fact:
    """What is known of one thing."""

    language: str
    """Language in which it is told."""
    relation: str
    entity: str
    """Name of the thing."""
    answers: tuple[str, ...]
    source: str
    key: str
    """Identifies the thing, whatever the language: the code of a territory."""
    names: tuple[str, ...]
    """All names by which it is found, `entity` included."""
    is_complete: bool = True
    """Whether the answers are all that there are."""


@dataclass(frozen=True)
class Known:
    """A thing that is known by name, without any fact."""

    language: str
    key: str
    name: str


ALIASES: dict[tuple[str, str], tuple[str, ...]] = {
    ("en", "US"): ("United States of America", "USA", "US", "America"),
    ("en", "GB"): ("Great Britain", "Britain", "UK"),
    ("en", "AE"): ("Emirates", "UAE"),
    ("en", "MM"): ("Burma", "Myanmar"),
    ("en", "CZ"): ("Czech Republic",),
    ("en", "TR"): ("Turkey",),
    ("en", "SZ"): ("Swaziland",),
    ("en", "CI"): ("Ivory Coast",),
    ("en", "CD"): ("Democratic Republic of the Congo", "Congo"),
    ("en", "CG"): ("Republic of the Congo", "Congo"),
    ("en", "KP"): ("Korea",),
    ("en", "KR"): ("Korea",),
    ("en", "HK"): ("Hong Kong",),
    ("en", "MO"): ("Macao", "Macau"),
    ("en", "TL"): ("East Timor",),
    ("en", "VA"): ("Vatican",),
    ("en", "PS"): ("Palestine",),
    ("en", "MK"): ("Macedonia",),
    ("en", "EU"): ("EU",),
    ("en", "CV"): ("Cabo Verde",),
    ("en", "EZ"): ("euro area",),
    ("zh", "AE"): ("阿联酋",),
    ("zh", "HK"): ("香港",),
    ("zh", "MO"): ("澳门",),
    ("zh", "SA"): ("沙特",),
    ("zh", "PS"): ("巴勒斯坦",),
    ("zh", "BA"): ("波黑",),
    ("zh", "CF"): ("中非",),
    ("zh", "ID"): ("印尼",),
    ("zh", "KP"): ("北朝鲜",),
    ("zh", "GB"): ("大不列颠",),
    ("zh", "US"): ("美利坚合众国",),
}
"""(Language, territory) -> common names that the CLDR does not give. A name of two territories finds neither."""

ARTICLE = (
    *("Bahamas", "Comoros", "Gambia", "Maldives", "Netherlands", "Philippines", "Seychelles", "Isle of Man"),
    *(
        "Islands",
        "Republic",
        "Territories",
        "Territory",
        "Emirates",
        "States",
        "Kingdom",
        "Union",
        "Nations",
        "Eurozone",
    ),
)
"""Ends of English names that take the article."""


@cache
def load_facts() -> tuple[Fact, ...]:
    """Returns all facts: about 496 in English, and 495 in Chinese.

    The answers are the currencies that are legal tender today, and the official languages of the whole territory.
    A fact is not complete if the CLDR has further languages that are official in a part or in effect, or one without
    a name. Raises `InputError` without Babel.
    """
    babel = import_extra("babel", extra="text")
    currencies_of = import_extra("babel.numbers", extra="text").get_territory_currencies
    languages_of = import_extra("babel.languages", extra="text").get_official_languages
    found = []
    for language in LANGUAGES:
        locale = babel.Locale.parse(language)
        for code in sorted(code for code in locale.territories if len(code) == 2):
            answers = {
                "currency": [locale.currencies.get(one) for one in currencies_of(code)],
                "language": [
                    locale.languages.get(one) or locale.languages.get(one.partition("_")[0])
                    for one in _without_groups(languages_of(code))
                ],
            }
            more = set(languages_of(code, regional=True, de_facto=True)) - set(languages_of(code))
            for relation, names in answers.items():
                known = tuple(dict.fromkeys(name for name in names if name))
                if known:
                    entity = locale.territories[code]
                    found.append(
                        Fact(
                            language=language,
                            relation=relation,
                            entity=entity,
                            answers=known,
                            source=f"CLDR (Babel {babel.__version__}): territory {code}",
                            key=code,
                            names=_names(language, code, entity),
                            is_complete=all(names) and not (relation == "language" and more),
                        )
                    )
    return tuple(found)


def load_territories(language: Language) -> dict[str, str]:
    """Returns {code: name} of all territories in a language, those without facts included."""
    babel = import_extra("babel", extra="text")
    names = babel.Locale.parse(language).territories
    return {code: names[code] for code in sorted(names) if len(code) == 2}


def load_others() -> list[Known]:
    """Returns the territories without facts, such as islands without people."""
    known = {(fact.language, fact.key) for fact in load_facts()}
    return [
        Known(language, code, name)
        for language in LANGUAGES
        for code, name in load_territories(language).items()
        if (language, code) not in known
    ]


def split_of(territory: str) -> str:
    """Returns the split of a territory, in all languages: train, validation or test. 60 %, 20 % and 20 %."""
    return split_by_hash(f"country {territory}")


def with_article(name: str) -> str:
    """Returns an English name of a territory as it stands in a sentence: `the Bahamas`, `Finland`."""
    return f"the {name}" if name.endswith(ARTICLE) else name


def tell(fact: Fact) -> str:
    """Returns a fact as a sentence in its language; only the answers, if there is no such sentence."""
    if (fact.language, fact.relation) not in _SENTENCES:
        return "; ".join(fact.answers)
    one, several, article = _SENTENCES[fact.language, fact.relation]
    if not fact.is_complete:
        one, several = _INCOMPLETE[fact.language, fact.relation]
    answers = [f"{article}{answer}" for answer in fact.answers]
    entity = with_article(fact.entity) if fact.language == "en" else fact.entity
    return (one if len(answers) == 1 else several).format(entity, join_answers(answers, fact.language))


def join_answers(answers: Sequence[str], language: str) -> str:
    """Returns a list in words: `Finnish and Swedish`."""
    comma, final = (", ", " and ") if language != "zh" else ("、", "和")
    *first, last = answers
    return comma.join(first) + final + last if first else last


_SENTENCES: dict[tuple[str, str], tuple[str, str, str]] = {
    ("en", "currency"): ("The currency of {} is {}.", "The currencies of {} are {}.", "the "),
    ("en", "language"): ("The official language of {} is {}.", "The official languages of {} are {}.", ""),
    ("zh", "currency"): ("{}的货币是{}。", "{}的货币是{}。", ""),
    ("zh", "language"): ("{}的官方语言是{}。", "{}的官方语言是{}。", ""),
}
"""(Language, relation) -> sentence of one answer, of several ones, and article of an answer."""
_INCOMPLETE: dict[tuple[str, str], tuple[str, str]] = {
    ("en", "currency"): ("One of the currencies of {} is {}.", "Among the currencies of {} are {}."),
    ("en", "language"): ("One of the official languages of {} is {}.", "Among the official languages of {} are {}."),
    ("zh", "currency"): ("{}的货币包括{}。", "{}的货币包括{}。"),
    ("zh", "language"): ("{}的官方语言包括{}。", "{}的官方语言包括{}。"),
}
"""(Language, relation) -> sentence of one answer and of several ones, if there are more than these."""
_GROUPS = {"no": {"nb", "nn"}}
"""Language -> its written forms. Beside them it is no further language."""


def _without_groups(codes: Sequence[str]) -> list[str]:
    return [code for code in codes if not _GROUPS.get(code, {code}) <= set(codes) - {code}]


def _names(language: str, code: str, entity: str) -> tuple[str, ...]:
    """Returns the names of a territory, without brackets and abbreviations too."""
    names = [entity, entity.replace("&", "and"), entity.replace("St.", "Saint")]
    names += [name.replace("&", "and") for name in names]
    outside, bracket, inside = entity.translate({0xFF08: "(", 0xFF09: ")"}).partition("(")
    if bracket:
        space = " " if language == "en" else ""
        names.append(f"{outside.strip()}{space}{inside.partition(')')[2].strip()}".strip())
    if language == "en":
        names += [with_article(name) for name in names]
    return tuple(dict.fromkeys((*names, *ALIASES.get((language, code), ()))))
