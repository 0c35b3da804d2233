"""Invoices that a program writes, with what they say: to test the reader, and to tell what its figures are worth."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

GOODS = (
    ("Cotton T-shirts", "T-shirts en coton", "610910"),
    ("Roasted coffee", "Café torréfié", "0901.21"),
    ("Ball bearings 6204", "Roulements à billes 6204", "8482.10.10"),
    ("LED lamps, 9 W", "Lampes à LED, 9 W", "853952"),
    ("Ceramic tiles", "Carreaux en céramique", "6907 21"),
    ("Diesel generator", "Groupe électrogène diesel", "850211"),
    ("Frozen shrimps", "Crevettes congelées", "0306.17"),
    ("Office chairs", "Chaises de bureau", "940130"),
    ("Rice, long grain", "Riz à grains longs", "1006.30"),
    ("Bicycle frames", "Cadres de bicyclettes", "8714.91"),
)
SELLERS = ("Harbour Textiles Ltd", "Aurora Trading GmbH", "Société Delmas SA", "Kitano Works Co.", "Lumen & Fils SARL")
BUYERS = ("Verdania Imports plc", "Comptoir du Fleuve SA", "Nordlys Retail AS", "Maison Okoro", "River Union Stores")
_MONTHS = {
    "en": "January February March April May June July August September October November December",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
}
MONTHS = {language: names.split() for language, names in _MONTHS.items()}
WORDS = {
    "en": {
        "title": ("COMMERCIAL INVOICE", "INVOICE"),
        "number": ("Invoice No:", "Invoice number", "Commercial invoice no."),
        "date": ("Date:", "Invoice date", "Date of issue:"),
        "seller": ("Seller:", "Exporter:", "Supplier:"),
        "buyer": ("Buyer:", "Consignee:", "Importer:"),
        "currency": ("Currency:", "Currency"),
        "incoterm": ("Incoterms:", "Terms of delivery:"),
        "subtotal": ("Subtotal", "Goods value"),
        "freight": ("Freight", "Transport"),
        "insurance": ("Insurance",),
        "total": ("Total", "Grand total", "Amount due"),
        "head": ("Description  HS code  Quantity  Unit price  Amount",),
    },
    "fr": {
        "title": ("FACTURE COMMERCIALE", "FACTURE"),
        "number": ("Facture n° :", "Numéro de facture", "Facture no"),
        "date": ("Date :", "Date de facture", "Date d'émission :"),
        "seller": ("Vendeur :", "Exportateur :", "Fournisseur :"),
        "buyer": ("Acheteur :", "Destinataire :", "Importateur :"),
        "currency": ("Devise :", "Monnaie"),
        "incoterm": ("Incoterms :", "Conditions de livraison :"),
        "subtotal": ("Sous-total", "Valeur des marchandises"),
        "freight": ("Fret", "Transport"),
        "insurance": ("Assurance",),
        "total": ("Total", "Total général", "Net à payer"),
        "head": ("Désignation  Code SH  Quantité  Prix unitaire  Montant",),
    },
}

DAMAGED_LINES, DAMAGED_LETTERS = 0.03, 0.02  # shares; chosen to be worse than a clean scan
CONFUSED = {
    "0": "O",
    "1": "l",
    "5": "S",
    "8": "B",
    "o": "0",
    "l": "1",
    "e": "c",
    "i": "1",
    "m": "rn",
    ".": ",",
    ":": ";",
}


@dataclass(frozen=True)
class Written:
    """An invoice's text and what it says."""

    text: str
    fields: dict[str, str]
    items: tuple[tuple[str, str, Decimal, Decimal, Decimal], ...]  # description, code, quantity, price, amount


def write(seed: int, wrong_total: bool = False) -> Written:
    """Return the invoice of a seed; equal seeds give equal invoices."""
    draw = random.Random(seed)
    language = draw.choice(("en", "fr"))
    words = {name: draw.choice(some) for name, some in WORDS[language].items()}
    style = draw.choice(("1,234.50", "1234.50") if language == "en" else ("1 234,50", "1.234,50", "1234,50"))
    currency = draw.choice(("EUR", "USD", "CHF", "GBP"))
    day = date(2025, 1, 1) + timedelta(days=draw.randrange(600))
    number = draw.choice(
        (f"INV-2026-{draw.randrange(9999):04d}", f"{draw.randrange(10**6):06d}/26", f"F{draw.randrange(10**7)}")
    )
    items = []
    for english, french, code in draw.sample(GOODS, draw.randint(1, 5)):
        quantity, price = Decimal(draw.randint(1, 900)), Decimal(draw.randint(50, 250000)) / 100
        items.append((english if language == "en" else french, code, quantity, price, quantity * price))
    goods = sum((one[4] for one in items), Decimal(0))
    freight, insurance = Decimal(draw.randint(0, 90000)) / 100, Decimal(draw.randint(100, 9000)) / 100
    total = goods + freight + insurance + (Decimal("100.00") if wrong_total else 0)
    fields = {
        "number": number,
        "date": day.isoformat(),
        "currency": currency,
        "seller": draw.choice(SELLERS),
        "buyer": draw.choice(BUYERS),
        "incoterm": draw.choice(("FOB", "CIF", "EXW", "DAP")),
        "subtotal": str(goods),
        "freight": str(freight),
        "insurance": str(insurance),
        "total": str(total),
    }
    told = {**fields, "date": _date(day, language, draw), "incoterm": f"{fields['incoterm']} Port Verdan"}
    told |= {name: _amount(Decimal(fields[name]), style) for name in ("subtotal", "freight", "insurance", "total")}
    lines = [words["title"], ""]
    for name in ("number", "date"):
        gap = draw.choice((" ", "    ")) if words[name][-1] in ":." else "    "
        lines.append(f"{words[name]}{gap}{told[name]}")
    if draw.random() < 0.5:
        lines += ["", f"{words['seller']:<40}{words['buyer']}", f"{told['seller']:<40}{told['buyer']}"]
        lines += [f"{'12 Quay Street':<40}{'7 Market Square'}"]
    else:
        lines += ["", f"{words['seller']} {told['seller']}", f"{words['buyer']} {told['buyer']}"]
    if draw.random() < 0.8:
        lines += [f"{words['currency']}   {told['currency']}"]
    lines += [f"{words['incoterm']} {told['incoterm']}", "", words["head"]]
    for place, (description, code, quantity, price, amount) in enumerate(items, 1):
        first = f"{place}  " if style in ("1,234.50", "1.234,50") else ""
        lines.append(
            f"{first}{description:<28}  {code:<12}  {_amount(quantity, style, 0)}  {_amount(price, style)}  "
            f"{_amount(amount, style)}"
        )
    lines += [""]
    lines += [f"{words[name]:<40}  {told[name]} {currency}" for name in ("subtotal", "freight", "insurance", "total")]
    return Written("\n".join(lines) + "\n", fields, tuple(items))


def damage(text: str, seed: int) -> str:
    """Return a text as a poor recognition of its characters gives it: letters confused, columns run together."""
    draw = random.Random(seed)
    lines = []
    for line in text.splitlines():
        if draw.random() < DAMAGED_LINES:
            line = re.sub(r" {2,}", " ", line)
        lines.append("".join(CONFUSED.get(one, one) if draw.random() < DAMAGED_LETTERS else one for one in line))
    return "\n".join(lines) + "\n"


def _amount(value: Decimal, style: str, digits: int = 2) -> str:
    text = f"{value:,.{digits}f}"
    marks = {"1,234.50": ",.", "1234.50": "\0.", "1 234,50": " ,", "1.234,50": ".,", "1234,50": "\0,"}[style]
    return text.replace(",", "\1").replace(".", marks[1]).replace("\1", marks[0]).replace("\0", "")


def _date(day: date, language: str, draw: random.Random) -> str:
    named = f"{day.day} {MONTHS[language][day.month - 1]} {day.year}"
    return draw.choice((day.isoformat(), named, day.strftime("%d/%m/%Y")))
