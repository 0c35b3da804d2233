"""Amounts, dates and currencies as invoices write them."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal

from language_assistant.words import plain

# ISO 4217 codes that are commonest in trade; others are taken where a label says that they are the currency.
_CODES = """
AED ARS AUD BDT BRL CAD CHF CLP CNY COP CZK DKK DZD EGP EUR GBP GHS HKD HUF IDR ILS INR JPY KES KRW KWD MAD
MXN MYR NGN NOK NZD PEN PHP PKR PLN QAR RON RUB SAR SEK SGD THB TND TRY TWD TZS UAH UGX USD UYU VND XAF XOF
ZAR
"""
CURRENCIES = frozenset(_CODES.split())
SYMBOLS = {"€": "EUR", "£": "GBP", "US$": "USD", "¥": "JPY", "₩": "KRW", "₹": "INR"}
MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january janvier jan janv",
            "february fevrier feb fevr",
            "march mars mar",
            "april avril apr avr",
            "may mai",
            "june juin jun",
            "july juillet jul juil",
            "august aout aug",
            "september septembre sep sept",
            "october octobre oct",
            "november novembre nov",
            "december decembre dec",
        ),
        1,
    )
    for name in names.split()
}
AMOUNT = r"-?\d{1,3}(?:[ '\u00a0\u202f.,]\d{3})*(?:[.,]\d{1,4})?|-?\d+(?:[.,]\d{1,4})?"
_AMOUNT = re.compile(AMOUNT)
_ISO = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_NUMBERS = re.compile(r"\b(\d{1,2})[./-](\d{1,2})[./-](\d{4})\b")
_DAY_FIRST = re.compile(r"\b(\d{1,2})(?:er|st|nd|rd|th)?\s+([a-z]+)\.?,?\s+(\d{4})\b")
_MONTH_FIRST = re.compile(r"\b([a-z]+)\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})\b")


def amount_of(text: str) -> Decimal | None:
    """Return the amount that a text is, with or without a currency; None where it is none.

    >>> amount_of("1 234,50 EUR"), amount_of("1,234.50"), amount_of("1.234"), amount_of("12,5")
    (Decimal('1234.50'), Decimal('1234.50'), Decimal('1234'), Decimal('12.5'))
    """
    bare = text.strip()
    for symbol in SYMBOLS:
        bare = bare.replace(symbol, "")
    bare = re.sub(r"^[A-Z]{3}\s+|\s+[A-Z]{3}$", "", bare.strip()).strip()
    if not _AMOUNT.fullmatch(bare):
        return None
    digits = re.sub(r"[ '\u00a0\u202f]", "", bare)
    last = max(digits.rfind("."), digits.rfind(","))
    if last >= 0:
        mark, other = digits[last], "," if digits[last] == "." else "."
        whole, part = digits[:last], digits[last + 1 :]
        # one mark before three digits parts thousands: "1.234" is no price of three decimals
        if len(part) == 3 and other not in whole and whole not in ("0", "-0"):
            return Decimal((whole + part).replace(mark, ""))
        if mark in whole:
            return None if other in whole else Decimal((whole + part).replace(mark, ""))
        digits = whole.replace(other, "") + "." + part
    return Decimal(digits)


def date_of(text: str) -> tuple[date, bool] | None:
    """Return the first date in a text, and whether day and month might be the other way round, or None.

    >>> date_of("le 3 mars 2026"), date_of("05/04/2026")
    ((datetime.date(2026, 3, 3), False), (datetime.date(2026, 4, 5), True))
    """
    easy = plain(text)
    try:
        if (found := _ISO.search(easy)) is not None:
            return date(int(found[1]), int(found[2]), int(found[3])), False
        if (found := _DAY_FIRST.search(easy)) is not None and found[2] in MONTHS:
            return date(int(found[3]), MONTHS[found[2]], int(found[1])), False
        if (found := _MONTH_FIRST.search(easy)) is not None and found[1] in MONTHS:
            return date(int(found[3]), MONTHS[found[1]], int(found[2])), False
        if (found := _NUMBERS.search(easy)) is not None:
            first, second, year = int(found[1]), int(found[2]), int(found[3])
            if second > 12:
                return date(year, first, second), False
            return date(year, second, first), first <= 12 and first != second
    except ValueError:
        return None
    return None


def currency_of(text: str) -> str | None:
    """Return the first currency that a text names, by its code or its sign."""
    for word in re.findall(r"\b[A-Z]{3}\b", text):
        if word in CURRENCIES:
            return str(word)
    return next((code for symbol, code in SYMBOLS.items() if symbol in text), None)
