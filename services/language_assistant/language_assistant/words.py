"""Languages, words, stems and sentences of English and French."""

from __future__ import annotations

import re
import threading
import unicodedata
from functools import lru_cache

import snowballstemmer

LANGUAGES = ("en", "fr")
STEMMERS = {"en": "english", "fr": "french"}
_WORD = re.compile(r"[a-z0-9]+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-ZÀ-ÖØ-Þ0-9«\"(])")

# The commonest words of each language say which of the two a text is in, and nothing about what it is about.
_EN = """
a about after all an and any are as at be been before but by can could did do does for from had has have he
her his how i if in into is it its many may me much must my no not of on only or our out shall she should so
some such than that the their them then there these they this to under up was we were what when where which
while who whom whose why will with would you your
"""
_FR = """
a ai ait alors apres au aucun aucune aussi aux avant avec c ce cela celle celui ces cette ceux ci combien
comment d dans de des dont du elle elles en entre est et etait etre eux fait faut il ils j je jusqu l la le
les leur leurs lui m mais me mes meme mon n ne ni nos notre nous on ont ou par pas peut peux plus pour
pourquoi qu quand que quel quelle quelles quels qui quoi s sa sans se ses si son sont sous sur t ta te tes toi
ton tous tout toute tres tu un une vos votre vous y
"""
COMMON = {"en": frozenset(_EN.split()), "fr": frozenset(_FR.split())}
_lock = threading.Lock()  # a stemmer holds the word that it works on


def plain(text: str) -> str:
    """Return the text in small letters without accents.

    >>> plain("Évaluation d'œuvres")
    "evaluation d'oeuvres"
    """
    opened = unicodedata.normalize("NFKD", text.replace("œ", "oe").replace("Œ", "oe").lower())
    return "".join(letter for letter in opened if not unicodedata.combining(letter))


def words(text: str) -> list[str]:
    """Return the words of a text in order, plain; a number keeps the digits that spaces and commas part."""
    joined = re.sub(r"(?<=\d)[\s\u00a0\u202f,](?=\d{3}\b)", "", plain(text))
    return _WORD.findall(joined)


def language_of(text: str, otherwise: str = "en") -> str:
    """Return the language whose common words a text has more of.

    >>> language_of("Quelle est la valeur ?"), language_of("What is the value?")
    ('fr', 'en')
    """
    found = words(text)
    english, french = (sum(word in COMMON[language] for word in found) for language in LANGUAGES)
    if english == french:
        accents = sum(letter in "éèêàçùôîœ" for letter in text.lower())
        return "fr" if accents else otherwise
    return "en" if english > french else "fr"


@lru_cache(maxsize=1 << 16)
def stem(word: str, language: str) -> str:
    """Return what a word has in common with its other forms."""
    with _lock:
        return str(_stemmer(language).stemWord(word))


@lru_cache(maxsize=len(LANGUAGES))
def _stemmer(language: str) -> snowballstemmer.stemmer:
    return snowballstemmer.stemmer(STEMMERS[language])


def stems(text: str, language: str) -> list[str]:
    """Return the stems of the words that are not among the commonest."""
    return [stem(word, language) for word in words(text) if word not in COMMON[language]]


def sentences(text: str) -> list[str]:
    """Return the sentences of a paragraph.

    >>> sentences("It costs 2.50 crowns. No more.")
    ['It costs 2.50 crowns.', 'No more.']
    """
    return [one.strip() for one in _SENTENCE_END.split(" ".join(text.split())) if one.strip()]
