"""What can be wrong with the venue's answers to requests for candles."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from tests.support.exchange.answers import Answer


class CandleFault(StrEnum):
    """One way to answer wrongly, for as long as it is set."""

    ERROR = "error"  # HTTP 503
    REFUSED = "refused"  # HTTP 400 with the venue's own words
    CUT = "cut"  # JSON that ends in the middle
    SHORT = "short"  # the older half of the rows only
    HOLES = "holes"  # always the same two of every five candles are missing
    OBJECT = "object"  # an object instead of a list
    COLUMNS = "columns"  # fewer columns
    NUMBERS = "numbers"  # numbers where texts are due
    ELSEWHEN = "elsewhen"  # rows of another time

    def spoil(self, answer: Answer) -> Answer:
        """A good answer as this fault makes it."""
        if self is CandleFault.ERROR:
            return Answer(status=503, headers=answer.headers, body=b"<html>service unavailable</html>")
        if self is CandleFault.REFUSED:
            return Answer(status=400, headers=answer.headers, body=b'{"code":-1100,"msg":"Illegal characters"}')
        return Answer(status=answer.status, headers=answer.headers, body=self._body(answer.body))

    def _body(self, body: bytes) -> bytes:
        rows = msgspec.json.decode(body)
        match self:
            case CandleFault.CUT:
                return body[: len(body) // 2]
            case CandleFault.SHORT:
                rows = rows[: len(rows) // 2]
            case CandleFault.HOLES:
                rows = [row for row in rows if row[0] // (row[6] + 1 - row[0]) % 5 not in (2, 3)]
            case CandleFault.OBJECT:
                return msgspec.json.encode({"data": rows, "code": 0})
            case CandleFault.COLUMNS:
                rows = [row[:6] for row in rows]
            case CandleFault.NUMBERS:
                rows = [[row[0], *map(float, row[1:6]), *row[6:]] for row in rows]
            case CandleFault.ELSEWHEN:
                rows = [[row[0] + 86_400_000_000, *row[1:]] for row in rows]
        return msgspec.json.encode(rows)
