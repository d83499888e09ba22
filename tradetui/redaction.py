"""Taking secrets out of texts that are logged, shown or kept."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from tradetui.credentials import Credentials, Secret

MASK = "***"

SHORTEST = 4
"""Characters of the shortest value that is masked; a shorter one would mask ordinary text."""

CORE = 8
"""Characters of the shortest piece of base64 that is masked."""

_NAMES = (
    r"(?:api|secret|access|listen)[-_]?key|api[-_]?secret|access[-_]?token|pass(?:phrase|word)|authorization|"
    r"signature|(?<![a-z])(?:sign|secret)"
)

_QUOTE = r"(?:\\*[\"'])?"

_PATTERN = re.compile(
    # user:password@ of an address
    r"(://)[^\s/?#\"'<>]*(?=@)|"
    # name=value of an address, a header, JSON or a repr, escaped or not
    rf"((?:{_NAMES}){_QUOTE}(?:\s*[:=]\s*|%3[ad]|,\s*(?=b?[\"']))(?:b(?=[\"']))?{_QUOTE}(?:(?:bearer|basic)\s+)?)"
    r"[^\s&,;\"'\\(){}\[\]<>]+",
    re.IGNORECASE,
)


class Redactor:
    """Masks known secrets in every form they travel in, passwords in addresses, and what is named like a key.

    Call it with a text. Secrets may be added later; it may be called from several threads.
    """

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        self._forms: set[str] = set()
        self._known: re.Pattern[str] | None = None
        self.add(secrets)

    def add(self, secrets: Iterable[Secret]) -> None:
        """Mask these, too, from now on; those under `SHORTEST` characters are left out."""
        self._forms = self._forms.union(*(_forms(secret.reveal()) for secret in secrets))
        if self._forms:
            # The longest first, so that no form hides a longer one.
            longest_first = sorted(self._forms, key=lambda form: (-len(form), form))
            self._known = re.compile("|".join(map(re.escape, longest_first)))

    def __call__(self, text: str) -> str:
        """Return `text` without secrets."""
        # Known values go first: one with an & in it would end early as the value of a parameter.
        if self._known is not None:
            text = self._known.sub(MASK, text)
        return _PATTERN.sub(_masked, text)


def redactor(credentials: dict[str, Credentials]) -> Redactor:
    """Return the redactor that knows these credentials."""
    return Redactor(secret for each in credentials.values() for secret in each.secrets)


def _masked(match: re.Match[str]) -> str:
    return (match[1] or match[2]) + MASK


def _forms(value: str) -> set[str]:
    """Return the texts that give a value away: itself, quoted for addresses, JSON and Python, and in base64."""
    if len(value) < SHORTEST:
        return set()
    data = value.encode("utf-8", "surrogateescape")
    quoted = {quote(data), quote(data, safe=""), quote_plus(data)}
    quoted |= {re.sub(r"%[0-9A-F]{2}", lambda code: code[0].lower(), each) for each in quoted}
    escaped = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
    forms = {value, *quoted, *escaped}
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        forms.add(encode(data).decode("ascii").rstrip("="))
        # Inside something longer, as in `Basic base64(key:secret)`, only the middle characters are sure.
        for shift in (0, 1, 2):
            text = encode(b"\0" * shift + data).decode("ascii").rstrip("=")
            core = text[(shift * 8 + 5) // 6 : (shift + len(data)) * 8 // 6]
            if len(core) >= CORE:
                forms.add(core)
    return forms
