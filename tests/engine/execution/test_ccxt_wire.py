"""What a venue says is shown without our keys, however it is cut."""

from __future__ import annotations

import json

import pytest

from engine.execution.ccxt_binance import BinanceSpot
from engine.execution.ccxt_wire import LONGEST, Wire
from engine.execution.ccxt_words import Said
from engine.ingestion.budget import Budget
from engine.orders import Mode
from tradetui.credentials import Secret
from tradetui.redaction import Redactor

KEY = "marked-key-of-more-than-twenty-characters"


@pytest.mark.parametrize("status", [400, 429])
@pytest.mark.parametrize("field", ["code", "msg"])
@pytest.mark.parametrize("before", [0, 10, 19, LONGEST - 10])
def test_no_half_of_a_key_stays_where_an_answer_is_cut(status: int, field: str, before: int) -> None:
    wire = Wire(
        BinanceSpot(), lambda: KEY, lambda: "s" * 30, Budget("binance", 6000), mode=Mode.TESTNET,
        clean=Redactor([Secret(KEY)]),
    )  # fmt: skip
    answer = {"code": -1, "msg": "no", field: "x" * before + KEY}
    with pytest.raises(Said) as raised:
        wire._read("openOrders", status, json.dumps(answer).encode(), {})
    assert "mark" not in str(raised.value)
    assert "mark" not in repr(raised.value.__dict__)
