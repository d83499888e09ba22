"""Keys: where they come from, that files of them are ours alone, and that they are shown nowhere."""

from __future__ import annotations

import base64
import copy
import json
import os
import pickle
import time
import traceback
from pathlib import Path
from urllib.parse import quote, quote_plus

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import SettingsInvalid
from tradetui.credentials import Credentials, Secret, load_credentials
from tradetui.redaction import Redactor, redactor

KEY, SECRET = "a key that opens nothing".replace(" ", "-"), "a secret that hides nothing".replace(" ", "-")


def write(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "keys.toml"
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("show", [str, repr, format, "{}".format, "{:>20}".format, lambda secret: f"{secret!r:s}"])
def test_a_secret_shows_itself_as_stars(show) -> None:
    assert show(Secret(KEY)).strip() == "***"


def test_a_secret_leaves_by_no_back_door() -> None:
    secret = Secret(KEY)
    held = Credentials(api_key=secret, api_secret=Secret(SECRET), source="environment")
    for encode in (json.dumps, msgspec.json.encode, msgspec.msgpack.encode, msgspec.to_builtins, pickle.dumps, vars):
        for value in (secret, held):
            with pytest.raises(TypeError) as caught:
                encode(value)
            assert KEY not in str(caught.value)
    assert KEY not in json.dumps({"key": secret}, default=str)
    assert KEY not in repr(held)
    assert KEY not in repr(msgspec.structs.asdict(held))
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret
    assert secret.reveal() == KEY


def test_secrets_compare_and_are_no_keys_of_tables() -> None:
    assert Secret(KEY) == Secret(KEY)
    assert Secret(KEY) != Secret(SECRET)
    assert Secret(KEY) != KEY
    assert Secret("\udc80") == Secret("\udc80")
    assert not Secret("")
    with pytest.raises(TypeError):
        hash(Secret(KEY))


def test_nothing_set_is_no_keys() -> None:
    assert load_credentials(None, {"TRADETUI__LOG__LEVEL": "INFO", "TRADETUI_BINANCE_API_KEY": " "}) == {}


def test_keys_come_from_the_environment() -> None:
    found = load_credentials(
        None,
        {
            "TRADETUI_BINANCE_API_KEY": KEY,
            "TRADETUI_BINANCE_API_SECRET": f"{SECRET}\n",
            "TRADETUI_BYBIT_API_KEY": "a",
            "TRADETUI_BYBIT_API_SECRET": "b",
            "TRADETUI_BYBIT_API_PASSPHRASE": "c",
        },
    )
    assert list(found) == ["binance", "bybit"]
    assert found["binance"].api_key.reveal() == KEY
    assert found["binance"].api_secret.reveal() == SECRET
    assert found["binance"].api_passphrase is None
    assert found["binance"].source == "environment"
    assert [secret.reveal() for secret in found["bybit"].secrets] == ["a", "b", "c"]


def test_keys_come_from_a_file_of_ours(tmp_path: Path) -> None:
    path = write(tmp_path, f'[binance]\napi_key = "{KEY}"\napi_secret = "{SECRET}"\n[mexc]\n' + (
        'api_key = "x"\napi_secret = "y"\n'))  # fmt: skip
    found = load_credentials(path, {"TRADETUI_MEXC_API_KEY": "p", "TRADETUI_MEXC_API_SECRET": "q"})
    assert found["binance"].api_secret == Secret(SECRET)
    assert found["binance"].source == str(path)
    assert found["mexc"].api_key == Secret("p")
    assert found["mexc"].source == "environment"


def test_the_environment_takes_a_whole_venue(tmp_path: Path) -> None:
    """A key from one place and a secret from another would be of two pairs."""
    path = write(tmp_path, '[binance]\napi_key = "x"\napi_secret = "y"\n')
    with pytest.raises(SettingsInvalid, match=r"binance \(environment\): api_secret is missing"):
        load_credentials(path, {"TRADETUI_BINANCE_API_KEY": "p"})


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o666, 0o777])
def test_a_file_that_others_may_touch_is_refused(mode: int, tmp_path: Path) -> None:
    path = write(tmp_path, f'[binance]\napi_key = "{KEY}"\n', mode)
    with pytest.raises(SettingsInvalid, match=f"{mode:o}.*chmod 600 {path}") as caught:
        load_credentials(path, {})
    assert KEY not in str(caught.value)


def test_a_file_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "")
    owner = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    with pytest.raises(SettingsInvalid, match=f"belongs to user {owner}, not to you"):
        load_credentials(path, {})


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir(mode=0o700)
    for name in ("pipe", "folder"):
        with pytest.raises(SettingsInvalid, match=f"{name} is not a file"):
            load_credentials(tmp_path / name, {})
    with pytest.raises(SettingsInvalid, match=r"missing\.toml: No such file"):
        load_credentials(tmp_path / "missing.toml", {})
    with pytest.raises(SettingsInvalid, match="larger than"):
        load_credentials(write(tmp_path, "# " + "x" * 70_000), {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'api_key = "{KEY}"', "expected a table per venue"),
        (f'[binance]\napi_key = "{KEY}"', "api_secret is missing"),
        (f'[binance]\napi_keys = "{KEY}"', "only api_key, api_secret, api_passphrase can"),
        (f'[binance]\n{KEY} = ""', "only api_key"),
        (f'[{KEY}]\napi_key = ""', "expected a table per venue"),
        (f'[binance]\napi_key = ["{KEY}"]', "api_key is no text"),
        (f'[binance]\napi_key = "{KEY} {KEY}"', "api_key is no text"),
        (f'[binance]\napi_key = "{KEY}\\r\\nX: y"', "api_key is no text"),
        ('[binance]\napi_key = ""', "api_key is no text"),
        (f"[binance]\napi_key = {KEY}", "line 2: expected TOML"),
        (f'[binance]\napi_key = "{KEY}', "expected TOML"),
        (f'[binance]\n"{KEY}" = 1\n"{KEY}" = 1', "expected TOML"),
    ],
)
def test_a_mistake_is_named_without_the_key(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=said) as caught:
        load_credentials(write(tmp_path, text), {})
    assert "binance" in str(caught.value) or "keys.toml" in str(caught.value)
    assert KEY not in "".join(traceback.format_exception(caught.value))


def forms(value: str) -> list[str]:
    data = value.encode()
    return [
        value,
        quote(value),
        quote(value, safe=""),
        quote_plus(value),
        json.dumps({"key": value}),
        json.dumps({"key": value}, ensure_ascii=False),
        repr({"key": value}),
        f"key={value}&next=1",
        base64.b64encode(data).decode(),
        base64.urlsafe_b64encode(data).decode(),
    ]


@given(value=st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=4, max_size=40))
def test_a_known_secret_is_masked_in_every_form(value: str) -> None:
    redact = Redactor([Secret(value)])
    for form in forms(value):
        said = redact(f" . {form} . ")
        assert value not in said.replace("***", "\0")
        assert form not in said.replace("***", "\0")


@given(before=st.binary(max_size=7), after=st.binary(max_size=7))
def test_base64_of_something_longer_gives_nothing_away(before: bytes, after: bytes) -> None:
    redact = Redactor([Secret(SECRET)])
    said = redact(base64.b64encode(before + SECRET.encode() + after).decode())
    assert base64.b64encode(SECRET.encode()).decode()[4:12] not in said
    assert len(said) <= 3 + 4 * ((len(before) + len(after) + 6) // 3 + 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("https://me:pa@ss:w@host:8/x?y@z", "https://***@host:8/x?y@z"),
        ("proxy http://me:pw@host, next", "proxy http://***@host, next"),
        ("socks5://token@host", "socks5://***@host"),
        ("/order?symbol=X&signature=ab12&x=1", "/order?symbol=X&signature=***&x=1"),
        ("signature%3Dab12", "signature%3D***"),
        ("apiKey=ab12", "apiKey=***"),
        ("{'X-MBX-APIKEY': 'ab12', 'y': 1}", "{'X-MBX-APIKEY': '***', 'y': 1}"),
        ("(b'X-MBX-APIKEY', b'ab12')", "(b'X-MBX-APIKEY', b'***')"),
        ("X-MBX-APIKEY: ab12", "X-MBX-APIKEY: ***"),
        ('{"apiKey":"ab12","z":1}', '{"apiKey":"***","z":1}'),
        ('"{\\"apiKey\\":\\"ab12\\"}"', '"{\\"apiKey\\":\\"***\\"}"'),
        ("X-BAPI-SIGN: ab12", "X-BAPI-SIGN: ***"),
        ("Authorization: Bearer ab12", "Authorization: Bearer ***"),
        ("TRADETUI_BINANCE_API_SECRET=ab12", "TRADETUI_BINANCE_API_SECRET=***"),
        ("listenKey=ab12", "listenKey=***"),
        ("wss://stream.binance.com:9443/ws lost; next try in 2 s", None),
        ("ETH/USDT@depth@100ms: design, assign: 5; no signature", None),
        ("", None),
        ("\udc80\x00\n", None),
    ],
)
def test_what_is_named_like_a_key_is_masked(text: str, said: str | None) -> None:
    assert Redactor()(text) == (text if said is None else said)


def test_a_secret_that_would_end_a_parameter_early_is_masked_whole() -> None:
    assert Redactor([Secret("ab&cd;ef")])("apiKey=ab&cd;ef&x=1") == "apiKey=***&x=1"


def test_the_longer_of_two_secrets_is_masked_whole() -> None:
    assert Redactor([Secret("abcd"), Secret("abcdefgh")])("x abcdefgh y") == "x *** y"


def test_very_short_values_would_mask_ordinary_text() -> None:
    assert Redactor([Secret("abc")])("abc abcd") == "abc abcd"


def test_secrets_can_be_added_and_all_of_a_venue_are_known() -> None:
    redact = redactor(load_credentials(None, {"TRADETUI_X_API_KEY": KEY, "TRADETUI_X_API_SECRET": SECRET}))
    assert redact(f"{KEY} {SECRET} later") == "*** *** later"
    redact.add([Secret("later")])
    assert redact(f"{KEY} later") == "*** ***"


@pytest.mark.alone
@pytest.mark.parametrize("unit", ["x", "://", "://a@", "apikey", "apikey=", "apikey  ", "\\", "sign\\\\", "a.b c, "])
def test_redaction_takes_time_in_proportion(unit: str) -> None:
    redact = Redactor([Secret(KEY), Secret(SECRET)])
    text = unit * (200_000 // len(unit))
    began = time.perf_counter()
    redact(text)
    assert time.perf_counter() - began < 1
