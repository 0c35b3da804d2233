"""A model's card for people, in English and in French, from the card's data.

A text is a mapping `{"en": ..., "fr": ...}`; a card without one of the languages is refused by `check`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from model_server.errors import ServiceError

LANGUAGES = ("en", "fr")
TEXTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "use": "Use",
        "limits": "Limits and what the figures are worth",
        "data": "Data",
        "set": "set",
        "origin": "origin",
        "rows": "records",
        "figures": "Figures",
        "figure": "figure",
        "value": "value",
        "interval": "95 % interval",
        "of": "records",
        "none": "not measured",
        "to": "to",
        "calibration": "Calibration",
        "calibration_text": "Brier score {brier}; expected calibration error {ece}.",
        "confidence": "mean confidence",
        "right": "share right",
    },
    "fr": {
        "use": "Usage",
        "limits": "Limites et portée des résultats",
        "data": "Données",
        "set": "jeu",
        "origin": "origine",
        "rows": "enregistrements",
        "figures": "Résultats",
        "figure": "mesure",
        "value": "valeur",
        "interval": "intervalle à 95 %",
        "of": "enregistrements",
        "none": "non mesuré",
        "to": "à",
        "calibration": "Calibration",
        "calibration_text": "Score de Brier : {brier} ; erreur de calibration attendue : {ece}.",
        "confidence": "confiance moyenne",
        "right": "part de réponses justes",
    },
}


def check(card: Mapping[str, Any]) -> None:
    """Raise ServiceError where a text of the card lacks one of the languages."""
    texts = [(key, card[key]) for key in ("title", "use", "limits")]
    texts += [(f"data.{one['name']}", one["origin"]) for one in card["data"]]
    texts += [(f"figures.{one['name']}", one["label"]) for one in card["figures"]]
    for where, text in texts:
        missing = [language for language in LANGUAGES if not str(text.get(language, "")).strip()]
        if missing:
            raise ServiceError(f"card.{where}", f"no text in {', '.join(missing)}", "write it in both languages")


def number(value: float | None, language: str) -> str:
    """Return a number as the language writes it.

    >>> number(0.5, "fr")
    '0,500'
    """
    if value is None:
        return TEXTS[language]["none"]
    text = f"{value:.3f}"
    return text.replace(".", ",") if language == "fr" else text


def pages(card: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the card as Markdown, a page a language."""
    return {f"card.{language}.md": render(card, language).encode() for language in LANGUAGES}


def render(card: Mapping[str, Any], language: str) -> str:
    """Return the card as Markdown in `language` (`en` or `fr`). Raises KeyError for another language."""
    text = TEXTS[language]
    lines = [f"# {card['title'][language]}", "", f"`{card['name']}` {card['version']}", ""]
    lines += [f"## {text['use']}", "", card["use"][language], ""]
    lines += [f"## {text['limits']}", "", card["limits"][language], ""]
    rows = [(one["name"], one["origin"][language], str(one["rows"])) for one in card["data"]]
    lines += [f"## {text['data']}", "", *_table((text["set"], text["origin"], text["rows"]), rows), ""]
    found = [
        (
            one["label"][language],
            number(one["value"], language),
            f" {text['to']} ".join(number(end, language) for end in one["interval_95"] or ()) or text["none"],
            str(one["rows"]),
        )
        for one in card["figures"]
    ]
    titles = (text["figure"], text["value"], text["interval"], text["of"])
    lines += [f"## {text['figures']}", "", *_table(titles, found), ""]
    if "calibration" in card:
        one = card["calibration"]
        told = text["calibration_text"].format(
            brier=number(one["brier"], language), ece=number(one["expected_calibration_error"], language)
        )
        bins = [
            (number(b["mean_confidence"], language), number(b["share_right"], language), str(b["records"]))
            for b in one["bins"]
        ]
        lines += [f"## {text['calibration']}", "", told, ""]
        lines += [*_table((text["confidence"], text["right"], text["of"]), bins), ""]
    return "\n".join(lines)


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles)]
    return lines + [f"| {' | '.join(row)} |" for row in rows]
