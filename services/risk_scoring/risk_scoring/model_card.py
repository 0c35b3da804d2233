"""The model's card for people, in English and in French, from the card's data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WAYS = ("published-protocol", "full", "without-tuple", "unseen-tuple")

CAUTION_FR = (
    "Le jeu de données publié a été produit par un CTGAN dont les colonnes corrélées ont été fusionnées : l'étiquette "
    "y suit donc le n-uplet (SH, provenance, origine, taux, type de droit) bien plus étroitement qu'une fraude réelle. "
    "Le résultat est présenté de trois manières : avec toutes les variables ; sans celles du n-uplet ; et sur les "
    "seules déclarations dont le n-uplet est absent de l'apprentissage. Aucune ne préjuge d'un taux sur des "
    "déclarations réelles."
)

TEXTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "title": "Model card: risk scoring of import declarations",
        "use": "Use",
        "use_text": "Ranks import declarations for inspection. It decides nothing by itself: an officer does.",
        "limits": "Limits",
        "data": "Data",
        "set": "set",
        "days": "days",
        "rows": "declarations",
        "fraud": "fraud",
        "figures": "Figures on the later declarations",
        "seeds": "Mean over seeds {seeds} (least to most); in brackets the 95 % bootstrap interval of the first seed.",
        "way": "way",
        "published-protocol": "published protocol's features, stock LightGBM",
        "full": "all features (the served model)",
        "without-tuple": "without the tuple's features",
        "unseen-tuple": "unseen tuples only",
        "p5": "precision, 5 % inspected",
        "p10": "precision, 10 % inspected",
        "calibration": "Calibration",
        "calibration_text": "Brier score {brier}; expected calibration error {ece}.",
        "stability": "Stability",
        "stability_text": "Two models that learnt from resampled declarations share {index} of what they inspect.",
        "fairness": "Fairness in the red lane",
        "group": "group",
        "inspected": "inspected",
        "without_cause": "inspected without cause",
        "found": "fraud found",
        "none": "not measured",
        "lanes": "Lanes",
        "lanes_text": "Red from {red}, yellow from {yellow}: the capacity is {r:.0%} and {y:.0%} of declarations.",
        "to": "to",
        "few": "Groups with too few declarations to be measured: {count}.",
        "drift": "Drift from training to the later declarations (PSI)",
    },
    "fr": {
        "title": "Fiche du modèle : évaluation du risque des déclarations d'importation",
        "use": "Usage",
        "use_text": "Classe les déclarations d'importation en vue du contrôle. Le modèle ne décide rien : l'agent "
        "décide.",
        "limits": "Limites",
        "data": "Données",
        "set": "jeu",
        "days": "période",
        "rows": "déclarations",
        "fraud": "fraude",
        "figures": "Résultats sur les déclarations postérieures",
        "seeds": "Moyenne sur les graines {seeds} (minimum à maximum) ; entre crochets, l'intervalle de confiance à "
        "95 % de la première graine, par rééchantillonnage.",
        "way": "présentation",
        "published-protocol": "variables du protocole publié, LightGBM par défaut",
        "full": "toutes les variables (modèle en service)",
        "without-tuple": "sans les variables du n-uplet",
        "unseen-tuple": "n-uplets inédits seulement",
        "p5": "précision, 5 % contrôlés",
        "p10": "précision, 10 % contrôlés",
        "calibration": "Calibration",
        "calibration_text": "Score de Brier : {brier} ; erreur de calibration attendue : {ece}.",
        "stability": "Stabilité",
        "stability_text": "Deux modèles appris sur des déclarations rééchantillonnées ont en commun {index} de leurs "
        "contrôles.",
        "fairness": "Équité dans le circuit rouge",
        "group": "groupe",
        "inspected": "contrôlées",
        "without_cause": "contrôlées à tort",
        "found": "fraude détectée",
        "none": "non mesuré",
        "lanes": "Circuits",
        "lanes_text": "Rouge à partir de {red}, jaune à partir de {yellow} : la capacité est de {r:.0%} et {y:.0%} des "
        "déclarations.",
        "to": "à",
        "few": "Groupes comptant trop peu de déclarations pour être mesurés : {count}.",
        "drift": "Dérive entre l'apprentissage et les déclarations postérieures (PSI)",
    },
}


def render(card: Mapping[str, Any], language: str) -> str:
    """Return the card as Markdown in `language` (`en` or `fr`). Raises KeyError for another language."""
    text = TEXTS[language]

    def number(value: Any) -> str:
        if value is None:
            return text["none"]
        return f"{value:.3f}".replace(".", ",") if language == "fr" else f"{value:.3f}"

    lines = [f"# {text['title']}", "", f"`{card['name']}` {card['version']}", ""]
    lines += [f"## {text['use']}", "", text["use_text"], "", f"## {text['limits']}", ""]
    lines += [card["caution"] if language == "en" else CAUTION_FR, "", f"## {text['data']}", ""]
    lines += [f"| {text['set']} | {text['days']} | {text['rows']} | {text['fraud']} |", "|---|---|---|---|"]
    for name in ("train", "valid"):
        one = card["data"][name]
        lines.append(
            f"| {one['file']} | {one['first_day']} / {one['last_day']} | {one['rows']} | {number(one['fraud_share'])} |"
        )
    seeds = ", ".join(map(str, card["training"]["seeds"]))
    lines += ["", f"## {text['figures']}", "", text["seeds"].format(seeds=seeds), ""]
    lines += [f"| {text['way']} | {text['p5']} | {text['p10']} | AUC |", "|---|---|---|---|"]
    for way in WAYS:
        found = card["results_on_valid"][way]
        cells = []
        for name in ("precision_at_5_percent", "precision_at_10_percent", "auc"):
            values = [one[name] for one in found["seeds"].values() if one[name] is not None]
            if not values:
                cells.append(text["none"])
                continue
            cell = f"{number(sum(values) / len(values))} ({number(min(values))} {text['to']} {number(max(values))})"
            if name in found.get("interval_95", {}):
                cell += " [" + f" {text['to']} ".join(map(number, found["interval_95"][name])) + "]"
            cells.append(cell)
        lines.append(f"| {text[way]} | {' | '.join(cells)} |")
    quality = card["evaluation"]
    figures = quality["calibration"]
    lines += ["", f"## {text['calibration']}", ""]
    brier, error = number(figures["brier"]), number(figures["expected_calibration_error"])
    lines += [text["calibration_text"].format(brier=brier, ece=error), "", f"## {text['stability']}", ""]
    lines += [text["stability_text"].format(index=number(quality["stability_index"])), "", f"## {text['fairness']}", ""]
    columns = ("inspected", "inspected_without_cause", "fraud_found")
    titles = (text["group"], text["rows"], text["inspected"], text["without_cause"], text["found"])
    lines += [f"| {' | '.join(titles)} |", "|---|---|---|---|---|"]
    few = 0
    for kind in quality["fairness"].values():
        for name, one in kind["groups"].items():
            if "inspected" not in one:
                few += 1
                continue
            cells = [number(one.get(column)) for column in columns]
            lines.append(f"| {name} | {one['declarations']} | {' | '.join(cells)} |")
    lines += ["", text["few"].format(count=few)]
    lanes, shares = card["lanes"]["thresholds"], card["lanes"]["shares"]
    told = text["lanes_text"].format(
        red=number(lanes["red"]), yellow=number(lanes["yellow"]), r=shares["red"], y=shares["yellow"]
    )
    lines += ["", f"## {text['lanes']}", "", told, "", f"## {text['drift']}", ""]
    lines += [f"- `{name}`: {number(one.get('psi'))}" for name, one in quality["drift_train_to_valid"].items()]
    return "\n".join(lines) + "\n"
