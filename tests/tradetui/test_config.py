"""Settings: file, then environment; wrong keys and values are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import SettingsInvalid
from engine.ingestion.symbols import symbol_of
from tradetui.bootstrap import full_key
from tradetui.config import Settings, default_path, load


def write(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_speak_to_the_real_exchange(tmp_path: Path) -> None:
    settings = load(None, {"XDG_CONFIG_HOME": str(tmp_path)})
    assert settings == Settings()
    assert settings.venues.binance.rest[0] == "https://api.binance.com"
    assert settings.venues.binance.ws[0] == "wss://stream.binance.com:9443"
    assert settings.venues.binanceusdm.rest == ("https://fapi.binance.com",)
    assert settings.venues.binancecoinm.ws == ("wss://dstream.binance.com",)
    for market in (settings.venues.binance, settings.venues.binanceusdm, settings.venues.binancecoinm):
        assert all("binance" in url and url.startswith(("https://", "wss://")) for url in (*market.rest, *market.ws))
    assert settings.data.symbols == ("binance:ETH/USDT", "binance:BTC/USDT")
    for symbol in settings.data.symbols:
        symbol_of(symbol)
    assert settings.websocket.reconnect_delay == 1.0
    assert settings.websocket.max_reconnect_delay == 60.0
    assert settings.market.bucket_sizes["ETH/USDT"] == "1"
    assert settings.market.bucket_sizes["BTC/USDT"] == "10"


def test_the_file_is_looked_for_where_the_desktop_says() -> None:
    assert default_path({"XDG_CONFIG_HOME": "/x"}) == Path("/x/tradetui/config.toml")
    assert default_path({"HOME": "/somewhere"}) == Path("/somewhere/.config/tradetui/config.toml")


def test_file_and_environment(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        [data]
        symbols = ["binance:SOL/USDT"]
        max_depth = 1000
        [websocket]
        silence_s = 20
        [venues.binance]
        rest = ["http://127.0.0.1:9"]
        ws = ["ws://127.0.0.1:9"]
        """,
    )
    settings = load(path, {})
    assert settings.data.symbols == ("binance:SOL/USDT",)
    assert (settings.data.max_depth, settings.websocket.silence_s) == (1000, 20.0)
    assert settings.venues.binance.rest == ("http://127.0.0.1:9",)
    assert settings.venues.binanceusdm.rest == ("https://fapi.binance.com",)
    over = load(
        path,
        {
            "TRADETUI__DATA__MAX_DEPTH": "500",
            "TRADETUI__DATA__SYMBOLS": '["binance:BTC/USDT", "binance:ETH/USDT"]',
            "TRADETUI__WEBSOCKET__PING_AFTER_S": "0.5",
            "TRADETUI__VENUES__BINANCEUSDM__REST": '["http://127.0.0.1:8"]',
            "TRADETUI__VENUES__BINANCEUSDM__WS": '["ws://127.0.0.1:8"]',
            "TRADETUI": "ignored",
            "OTHER__DATA__MAX_DEPTH": "1",
        },
    )
    assert over.data.max_depth == 500
    assert over.data.symbols == ("binance:BTC/USDT", "binance:ETH/USDT")
    assert (over.websocket.ping_after_s, over.websocket.silence_s) == (0.5, 20.0)
    assert over.venues.binance.rest == ("http://127.0.0.1:9",)
    assert over.venues.binanceusdm.rest == ("http://127.0.0.1:8",)


def test_the_default_file_is_read_when_it_is_there(tmp_path: Path) -> None:
    (tmp_path / "tradetui").mkdir()
    write(tmp_path / "tradetui", "[data]\nmax_depth = 77\n")
    assert load(None, {"XDG_CONFIG_HOME": str(tmp_path)}).data.max_depth == 77


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("[data]\nsymbol = []", "data.symbols"),
        ("[websocket]\nreconect_delay = 1", "websocket.reconnect_delay"),
        ("[websockets]\nx = 1", "websocket"),
        ("[market]\nlarge_trades = 1", "market.large_trade"),
        ("[venues.binnance]\nrest = []", "venues.binance"),
        ("[venues.binance]\nrst = []", "venues.binance.rest"),
    ],
)
def test_unknown_keys_name_the_nearest(text: str, nearest: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        load(write(tmp_path, text), {})
    assert f"did you mean {nearest}?" in str(caught.value)
    with pytest.raises(SettingsInvalid, match=r"unknown setting zzz.*known: data"):
        load(write(tmp_path, "zzz = 1"), {})


def test_unknown_environment_keys_are_refused_too(tmp_path: Path) -> None:
    for name in ("TRADETUI__DATA__MAXDEPTH", "TRADETUI__DTA__X", "TRADETUI__"):
        with pytest.raises(SettingsInvalid, match="unknown setting"):
            load(write(tmp_path, ""), {name: "1"})
    with pytest.raises(SettingsInvalid, match="not a section"):
        load(write(tmp_path, "data = 5"), {"TRADETUI__DATA__MAX_DEPTH": "1"})


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[data]\nmax_depth = 'many'", "max_depth"),
        ("[data]\nmax_depth = [1]", "max_depth"),
        ("[data]\nsymbols = 5", "symbols"),
        ("[data]\nsymbols = [5, {}]", "symbols"),
        ("data = 5", "data"),
        ("[websocket]\nsilence_s = 'x'", "silence_s"),
        ("[market]\nbucket_sizes = 5", "bucket_sizes"),
        ("[venues]\nbinance = 5", "binance"),
    ],
)
def test_wrong_types_name_the_key(text: str, key: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=key):
        load(write(tmp_path, text), {})


@pytest.mark.parametrize(
    "line",
    [
        "reconnect_delay = -1.0",
        "reconnect_delay = nan",
        "silence_s = 0",
        "silence_s = nan",
        "rotate_after_s = -5",
        "max_errors = 0",
        "connect_timeout_s = 0",
    ],
)
def test_values_that_cannot_work_are_refused(line: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=line.partition(" ")[0]):
        load(write(tmp_path, f"[websocket]\n{line}"), {})


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"missing\.toml"):
        load(tmp_path / "missing.toml", {})
    with pytest.raises(SettingsInvalid, match=r"config\.toml"):
        load(write(tmp_path, "data = ["), {})
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsInvalid, match=r"config\.toml"):
        load(path, {})


def test_another_bucket_size_adds_to_the_ruled_ones(tmp_path: Path) -> None:
    """Another symbol's size must not take ETH's and BTC's away."""
    settings = load(write(tmp_path, '[market.bucket_sizes]\n"SOL/USDT" = "0.05"\n'), {})
    assert settings.market.bucket_sizes["SOL/USDT"] == "0.05"
    assert settings.market.bucket_sizes["ETH/USDT"] == "1"
    assert settings.market.bucket_sizes["BTC/USDT"] == "10"


@pytest.mark.parametrize("number", ["10", "10.0", "0.05"])
def test_bucket_sizes_may_be_written_as_numbers(number: str, tmp_path: Path) -> None:
    """As DP-20 writes them."""
    settings = load(write(tmp_path, f'[market.bucket_sizes]\n"SOL/USDT" = {number}\n'), {})
    assert float(settings.market.bucket_sizes["SOL/USDT"]) == float(number)


def test_a_bare_pair_is_binance_spot() -> None:
    assert full_key("ETH/USDT") == "binance:ETH/USDT"
    assert full_key("binanceusdm:ETH/USDT:USDT") == "binanceusdm:ETH/USDT:USDT"
    for wrong in ("ETHUSDT", "kraken:ETH/USDT", ""):
        with pytest.raises(SettingsInvalid):
            full_key(wrong)


def test_one_list_of_addresses_leaves_the_other_as_it_was(tmp_path: Path) -> None:
    settings = load(write(tmp_path, '[venues.binance]\nrest = ["http://x"]\n'), {})
    assert settings.venues.binance.rest == ("http://x",)
    assert settings.venues.binance.ws == Settings().venues.binance.ws
