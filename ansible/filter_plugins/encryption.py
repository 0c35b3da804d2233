"""Decide in which order the keys of secrets are laid: the first encrypts, all of them decrypt."""

from __future__ import annotations


def key_order(text: str) -> list[int]:
    """Return the generations of the keys from the text that the site's state keeps; a new site has its first alone.

    >>> key_order("3 2"), key_order("")
    ([3, 2], [1])
    """
    words = text.split() or ["1"]
    if len(words) > 2 or len(set(words)) < len(words) or not all(word.isdigit() and int(word) > 0 for word in words):
        raise ValueError(f"'{text.strip()}' is no order of one or two keys, for example '2' or '2 1'")
    return [int(word) for word in words]


def with_new_key(order: list[int]) -> list[int]:
    """Return the order with a new key as the second; one whose rotation is under way gets no third.

    >>> with_new_key([1]), with_new_key([2, 1])
    ([1, 2], [2, 1])
    """
    return [*order, order[0] + 1] if len(order) == 1 else order


def newest_first(order: list[int]) -> list[int]:
    """Return the order in which the newest key encrypts.

    >>> newest_first([1, 2])
    [2, 1]
    """
    return sorted(order, reverse=True)


def key_file(generation: int) -> str:
    """Return the name of a key's file in the site's secrets.

    >>> key_file(1), key_file(2)
    ('etcd-encryption-key', 'etcd-encryption-key-2')
    """
    return "etcd-encryption-key" + (f"-{generation}" if generation > 1 else "")


class FilterModule:
    """Make the filters known to Ansible."""

    def filters(self) -> dict:
        return {
            "key_order": key_order,
            "with_new_key": with_new_key,
            "newest_first": newest_first,
            "key_file": key_file,
        }
