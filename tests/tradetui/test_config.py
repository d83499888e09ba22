"""Settings: defaults, file, profile, environment and flags; what is wrong is named, and nothing secret is."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from engine.errors import SettingsInvalid
from engine.ingestion.symbols import full_key, symbol_of
from engine.settings import MarketSettings
from tradetui.cli.options import before, profile_of
from tradetui.config import default_path, examine, load, resolve
from tradetui.config.schema import SETTINGS, Setting, nearest
from tradetui.config.sections import PROFILES, Settings
from tradetui.config.text import shown_toml
from tradetui.config.toml import dotted, redacted, toml

HOME = {"HOME": "/nowhere/at/all"}


def write(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(text: str, folder: Path, environment: dict[str, str] | None = None, **flags: object) -> list[str]:
    resolved, found = examine(write(folder, text), {**HOME, **(environment or {})}, flags=flags)
    assert (resolved is None) == bool(found)
    return found


# What holds. ----------------------------------------------------------------------------------------------------------


def test_defaults_speak_to_the_real_exchange(tmp_path: Path) -> None:
    settings = load(None, {"XDG_CONFIG_HOME": str(tmp_path), **HOME})
    assert settings == Settings()
    assert settings.venues.binance.rest[0] == "https://api.binance.com"
    assert settings.venues.binance.ws[0] == "wss://stream.binance.com:9443"
    assert settings.venues.binanceusdm.rest == ("https://fapi.binance.com",)
    assert settings.venues.binancecoinm.ws == ("wss://dstream.binance.com",)
    for market in (settings.venues.binance, settings.venues.binanceusdm, settings.venues.binancecoinm):
        assert all("binance" in url and url.startswith(("https://", "wss://")) for url in (*market.rest, *market.ws))
    for symbol in settings.data_provider.symbols:
        symbol_of(symbol)
    assert settings.for_market() == MarketSettings()


def test_dp20_keys_and_defaults() -> None:
    """The configuration block of DP-20, to the letter where no ruling speaks."""
    shown = {setting.key: setting.default for setting in SETTINGS.values()}
    assert {key.split(":")[1] for key in shown["data_provider.symbols"]} == {"ETH/USDT", "BTC/USDT"}
    assert list(shown["data_provider.timeframes"]) == ["1s", "1m", "5m", "15m", "1h", "4h", "1d"]
    assert shown["data_provider.cache.enabled"] is True
    assert shown["data_provider.cache.candles_per_timeframe"] == 1500
    assert shown["data_provider.cob.enabled"] is True
    sizes = shown["data_provider.cob.bucket_sizes"]
    assert {"ETH/USDT": 1.0, "BTC/USDT": 10.0}.items() <= {pair: float(size) for pair, size in sizes.items()}.items()
    # Five buckets of $1 and $10 are the $5 and $50 of DP-20.
    assert shown["data_provider.cob.price_ranges"] == {}
    assert shown["data_provider.websocket.update_speed"] == "100ms"
    assert shown["data_provider.websocket.max_depth"] == 1000
    assert shown["data_provider.websocket.reconnect_delay"] == 1.0
    assert shown["data_provider.websocket.max_reconnect_delay"] == 60.0


def test_the_file_is_looked_for_where_the_desktop_says() -> None:
    assert default_path({"XDG_CONFIG_HOME": "/x"}) == Path("/x/tradetui/config.toml")
    assert default_path({"HOME": "/somewhere"}) == Path("/somewhere/.config/tradetui/config.toml")


def test_the_default_file_is_read_when_it_is_there(tmp_path: Path) -> None:
    environment = {"XDG_CONFIG_HOME": str(tmp_path), **HOME}
    assert resolve(None, environment).file is None
    (tmp_path / "tradetui").mkdir()
    path = write(tmp_path / "tradetui", "[log]\nbackups = 77\n")
    resolved = resolve(None, environment)
    assert (resolved.settings.log.backups, resolved.file) == (77, path)


def test_what_comes_later_wins_and_is_named(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        [log]
        backups = 1
        max_mb = 1
        level = "ERROR"
        [market]
        large_trade = 1
        stale_after_s = 1
        [profiles.mine.log]
        max_mb = 2
        level = "WARNING"
        [profiles.mine.market]
        large_trade = 2
        [profiles.other.market]
        stale_after_s = 9
        """,
    )
    environment = {**HOME, "TRADETUI__LOG__LEVEL": "INFO", "TRADETUI__MARKET__LARGE_TRADE": "3", "OTHER__LOG__X": "1"}
    resolved = resolve(path, environment, "mine", {"market.large_trade": 4, "log.backups": None})
    settings = resolved.settings
    assert (settings.log.backups, settings.log.max_mb, settings.log.level) == (1, 2, "INFO")
    assert (settings.market.large_trade, settings.market.stale_after_s) == (4.0, 1.0)
    given = {key: source for key, source in resolved.sources.items() if source != "default"}
    assert given == {
        "log.backups": f"file {path}",
        "log.max_mb": "profile mine",
        "log.level": "environment TRADETUI__LOG__LEVEL",
        "market.large_trade": "flag",
        "market.stale_after_s": f"file {path}",
    }
    assert resolve(path, HOME).settings.log.max_mb == 1
    assert resolve(path, HOME, "unheard-of").settings == resolve(path, HOME).settings


def test_built_in_profiles(tmp_path: Path) -> None:
    every = {name: resolve(None, HOME, name).settings for name in PROFILES}
    assert list(every) == ["default", "safe", "full", "cob", "record"]
    parts = {name: (s.parts.inference, s.parts.training, s.parts.trading) for name, s in every.items()}
    none = (False, False, False)
    assert parts == {
        "default": (True, True, True),
        "safe": (True, False, False),
        "full": (True, True, True),
        "cob": none,
        "record": none,
    }
    assert every["default"] == Settings()
    assert every["cob"].data_provider.timeframes == ("1s", "1m")
    assert every["record"].engine.record == "/nowhere/at/all/.local/share/tradetui/record/recordings"
    path = write(tmp_path, "[parts]\ntraining = true\n[profiles.safe.parts]\ntrading = true\n")
    safe = resolve(path, HOME, "safe")
    assert (safe.settings.parts.training, safe.settings.parts.trading) == (False, True)
    assert safe.sources["parts.training"] == safe.sources["parts.trading"] == "profile safe"


def test_the_profile_is_the_option_or_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    assert profile_of(None) == "default"
    assert profile_of(None, "record") == "record"
    monkeypatch.setenv("TRADETUI_PROFILE", "a")
    assert profile_of(None, "record") == "a"
    monkeypatch.setitem(before, "profile", "c")
    assert profile_of(None) == "c"
    assert profile_of("b") == "b"
    with pytest.raises(SettingsInvalid, match=r"profile '\.\./x'"):
        resolve(None, HOME, "../x")


def test_values_of_the_environment_and_of_flags_are_toml_or_text() -> None:
    environment = {
        **HOME,
        "TRADETUI__DATA_PROVIDER__SYMBOLS": '["binance:BTC/USDT", "SOL/USDT"]',
        "TRADETUI__data_provider__cache__ENABLED": "false",
        "TRADETUI__DATA_PROVIDER__COB__BUCKET_SIZES__SOL/USDT": "0.05",
        "TRADETUI__DATA_PROVIDER__COB__PRICE_RANGES": '{"SOL/USDT" = 1, "ETH/USDT" = "7"}',
        "TRADETUI__ENGINE__RECORD": "/2024",
        "TRADETUI__CREDENTIALS__FILE": '"/a b"',
        "TRADETUI__PARTS": "{training = false, trading = false}",
        "TRADETUI": "ignored",
        "TRADETUI_LOG": "ignored",
    }
    settings = load(None, environment, flags={"log.level": "DEBUG", "log.max_mb": "3", "parts.trading": "true"})
    data = settings.data_provider
    assert data.symbols == ("binance:BTC/USDT", "SOL/USDT")
    assert data.cache.enabled is False
    assert data.cob.bucket_sizes == {**Settings().data_provider.cob.bucket_sizes, "SOL/USDT": 0.05}
    assert data.cob.price_ranges == {"SOL/USDT": 1, "ETH/USDT": "7"}
    assert (settings.engine.record, settings.credentials.file) == ("/2024", "/a b")
    assert (settings.parts.training, settings.parts.trading) == (False, True)
    assert (settings.log.level, settings.log.max_mb) == ("DEBUG", 3)


def test_paths_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    path = write(tmp_path, '[engine]\nrecord = "tape"\n[credentials]\nfile = "~/keys.toml"\n')
    settings = load(path, HOME)
    assert settings.engine.record == str(tmp_path / "tape")
    assert settings.credentials.file == "/nowhere/at/all/keys.toml"
    assert load(path, HOME, flags={"engine.record": Path("here")}).engine.record == "/here"
    assert load(path, {**HOME, "TRADETUI__ENGINE__RECORD": "~"}).engine.record == "/nowhere/at/all"
    data = load(path, {**HOME, "XDG_DATA_HOME": "/data"}, "x", {"engine.record": "{data}/y"}).engine.record
    assert data == "/data/tradetui/x/y"
    assert load(path, HOME, flags={"engine.record": ""}).engine.record == ""


def test_another_bucket_size_adds_to_the_ruled_ones(tmp_path: Path) -> None:
    """Another symbol's size must not take ETH's and BTC's away."""
    path = write(tmp_path, '[data_provider.cob.bucket_sizes]\n"SOL/USDT" = "0.05"\n')
    resolved = resolve(path, HOME)
    sizes = resolved.settings.data_provider.cob.bucket_sizes
    assert (sizes["SOL/USDT"], sizes["ETH/USDT"], sizes["BTC/USDT"]) == ("0.05", "1", "10")
    assert resolved.sources['data_provider.cob.bucket_sizes."SOL/USDT"'] == f"file {path}"
    assert resolved.sources['data_provider.cob.bucket_sizes."ETH/USDT"'] == "default"
    assert resolved.sources["data_provider.cob.bucket_sizes"] == f"file {path}"
    assert Settings().data_provider.cob.bucket_sizes.keys() < sizes.keys()


def test_one_list_of_addresses_leaves_the_other_as_it_was(tmp_path: Path) -> None:
    settings = load(write(tmp_path, '[venues.binance]\nrest = ["http://x"]\n'), HOME)
    assert settings.venues.binance.rest == ("http://x",)
    assert settings.venues.binance.ws == Settings().venues.binance.ws


def test_a_bare_pair_is_binance_spot() -> None:
    assert full_key("ETH/USDT") == "binance:ETH/USDT"
    assert full_key("binanceusdm:ETH/USDT:USDT") == "binanceusdm:ETH/USDT:USDT"
    for wrong in ("ETHUSDT", "kraken:ETH/USDT", ""):
        with pytest.raises(SettingsInvalid):
            full_key(wrong)


# What is wrong. -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[data_provider]\nsymbol = []", "did you mean data_provider.symbols?"),
        ("[data_provider.websocket]\nreconect_delay = 1", "did you mean data_provider.websocket.reconnect_delay?"),
        ("[market]\nlarge_trades = 1", "did you mean market.large_trade?"),
        ("[venues.binnance]\nrest = []", "did you mean venues.binance.rest?"),
        ("[venues.binance]\nrst = []", "did you mean venues.binance.rest?"),
        ("[marked]\n", "did you mean market?"),
        ("[data]\nsymbols = []", "it belongs in [data_provider]"),
        ("[data_provider]\nmax_depth = 5", "it belongs in [data_provider.websocket]"),
        ("[websocket]\nsilence_s = 3", "it belongs in [data_provider.websocket] or [market]"),
        ("[websockets]\nx = 1", "there is a section [data_provider.websocket]"),
        ("[log]\nx = 1", "known here are level, max_mb, backups"),
        (
            "zzz = 1",
            "known are data_provider, market, venues, parts, engine, storage, log, credentials, notices, trading, "
            "risk, profiles",
        ),
        ("[profiles.x.logs]\nlevel = 1", "did you mean log.level?"),
    ],
)
def test_unknown_keys_name_the_nearest(text: str, said: str, tmp_path: Path) -> None:
    (problem,) = problems(text, tmp_path)
    assert problem.startswith("unknown setting ")
    assert f"(file {tmp_path / 'config.toml'}): " in problem
    assert problem.endswith(said)


def test_every_key_is_the_nearest_to_itself_with_a_slip() -> None:
    for setting in SETTINGS.values():
        *section, name = setting.path
        assert setting.key in nearest((*section, name[:1] + name[2:])), setting.key
        assert f"[{dotted(section)}]" in nearest(("elsewhere", name)), setting.key


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[data_provider]\nsymbols = 5", "data_provider.symbols = 5"),
        ("[data_provider]\nsymbols = []", "expected a list of one or more texts"),
        ("[data_provider]\nsymbols = [5, {}]", "data_provider.symbols = [5, {}]"),
        ("[data_provider]\nsymbols = ['ETHUSDT']", "expected binance:BASE/QUOTE"),
        ("[data_provider]\nsymbols = ['kraken:ETH/USD']", "known are binance, binanceusdm, binancecoinm"),
        ("[data_provider]\ntimeframes = ['2m']", "a list of one or more of 1s, 1m, 5m, 15m, 1h, 4h, 1d"),
        ("[data_provider]\ntimeframes = []", "data_provider.timeframes = []"),
        ("[data_provider.cache]\nenabled = 'maybe'", "expected true or false"),
        ("[data_provider.cache]\ncandles_per_timeframe = 99", "a whole number from 100 to 20,000"),
        ("[data_provider.cache]\ncandles_per_timeframe = 20001", "a whole number from 100 to 20,000"),
        ("[data_provider.cob]\nbucket_sizes = 5", "a table of positive numbers by BASE/QUOTE"),
        ("[data_provider.cob]\nbucket_sizes = {'ETH/USDT' = -1}", 'bucket_sizes."ETH/USDT" = -1'),
        ("[data_provider.cob]\nbucket_sizes = {'ETH/USDT' = 'x'}", "expected a positive number"),
        ("[data_provider.cob]\nbucket_sizes = {'ETH/USDT' = true}", "expected a positive number"),
        ("[data_provider.cob]\nbucket_sizes = {'ETH/USDT' = nan}", "expected a positive number"),
        ("[data_provider.cob]\nprice_ranges = {ETHUSDT = 1}", "expected a key BASE/QUOTE"),
        ("[data_provider.cob]\nprice_ranges = {'eth/usdt' = 1}", "expected a key BASE/QUOTE in capitals"),
        ("[data_provider.websocket]\nupdate_speed = '1s'", "one of 100ms, 250ms, 500ms, 1000ms"),
        ("[data_provider.websocket]\nupdate_speed = '250ms'", "it allows 100ms, 1000ms"),
        ("[data_provider.websocket]\nmax_depth = 5001", "a whole number from 5 to 5,000"),
        ("[data_provider.websocket]\nmax_depth = 'many'", 'max_depth = "many"'),
        ("[data_provider.websocket]\nmax_depth = [1]", "max_depth = [1]"),
        ("[data_provider.websocket]\nreconnect_delay = -1.0", "a number above 0"),
        ("[data_provider.websocket]\nreconnect_delay = nan", "reconnect_delay = nan"),
        ("[data_provider.websocket]\nsilence_s = 0", "silence_s = 0"),
        ("[data_provider.websocket]\nsilence_s = '5'", 'silence_s = "5"'),
        ("[data_provider.websocket]\nsilence_s = inf", "silence_s = inf"),
        ("[data_provider.websocket]\nmax_errors = 0", "max_errors = 0"),
        ("[market]\nstale_after_s = 30", "a number above 0 and below 30"),
        ("[venues.binance]\nrest = []", "a list of at least one address"),
        ("[venues.binance]\nws = ['http://x']", 'as in ["wss://'),
        ("[log]\nlevel = 'debug'", "one of DEBUG, INFO, WARNING, ERROR"),
        ("[log]\nmax_mb = 1.5", "max_mb = 1.5"),
        ("data_provider = 5", "expected a table, as in [data_provider]"),
        ("[venues]\nbinance = 5", "expected a table, as in [venues.binance]"),
        ("profiles = 5", "expected a table for each profile"),
        ("[profiles]\nmine = 5", "profiles.mine = 5"),
        ("[profiles.'No Name']", "a profile's name is"),
        ("[profiles.other.log]\nbackups = -1", "profiles.other.log.backups = -1"),
        ("[profiles.default.log]\nbackups = -1", "profiles.default.log.backups = -1"),
    ],
)
def test_wrong_values_name_key_value_rule_and_file(text: str, said: str, tmp_path: Path) -> None:
    (problem,) = problems(text, tmp_path)
    assert said in problem
    assert f"(file {tmp_path / 'config.toml'})" in problem


def test_all_that_is_wrong_is_told_at_once_with_its_source(tmp_path: Path) -> None:
    path = write(tmp_path, "[log]\nbackups = -1\nleval = 1\n")
    environment = {
        **HOME,
        "TRADETUI__": "1",
        "TRADETUI__DATA_PROVIDER__MAXDEPTH": "1",
        "TRADETUI__DTA__X": "1",
        "TRADETUI__LOG": "1",
        "TRADETUI__LOG__LEVEL": "x",
        "TRADETUI__PROFILES__X": "1",
        "TRADETUI__ENGINE__RECORD": "/\udcff",
    }
    with pytest.raises(SettingsInvalid) as caught:
        resolve(path, environment, flags={"parts.inference": "x", "no": 1})
    head, *lines = str(caught.value).splitlines()
    assert head == "11 settings are wrong:"
    assert len(lines) == 11
    for source, key in [
        (f"file {path}", "log.backups"),
        (f"file {path}", "log.leval"),
        ("environment TRADETUI__", '""'),
        ("environment TRADETUI__DATA_PROVIDER__MAXDEPTH", "data_provider.maxdepth"),
        ("environment TRADETUI__DTA__X", "dta.x"),
        ("environment TRADETUI__LOG", "log = "),
        ("environment TRADETUI__LOG__LEVEL", "log.level"),
        ("environment TRADETUI__PROFILES__X", "profiles.x"),
        ("environment TRADETUI__ENGINE__RECORD", "engine.record"),
        ("flag", "parts.inference"),
        ("flag", "no = 1"),
    ]:
        assert [line for line in lines if f"({source})" in line and key in line], (source, lines)


def test_update_speeds_are_those_of_the_markets_followed() -> None:
    for symbols, allowed in [
        (["ETH/USDT"], {"100ms", "1000ms"}),
        (["binanceusdm:ETH/USDT:USDT"], {"100ms", "250ms", "500ms"}),
        (["ETH/USDT", "binancecoinm:BTC/USD:BTC"], {"100ms"}),
    ]:
        for speed in ("100ms", "250ms", "500ms", "1000ms"):
            flags = {"data_provider.symbols": symbols, "data_provider.websocket.update_speed": speed}
            assert (examine(None, HOME, flags=flags)[0] is not None) == (speed in allowed)


def test_a_file_that_cannot_be_read_is_named_with_the_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"missing\.toml: No such file"):
        load(tmp_path / "missing.toml", HOME)
    with pytest.raises(SettingsInvalid, match=r"config\.toml, line 3: "):
        load(write(tmp_path, "[log]\n\nbackups 3\n"), HOME)
    with pytest.raises(SettingsInvalid, match=r"config\.toml, line 2: "):
        load(write(tmp_path, "[log]\nbackups = ["), HOME)
    path = tmp_path / "config.toml"
    path.write_bytes(b"[log]\n\xff\xfe\x00")
    with pytest.raises(SettingsInvalid, match=r"config\.toml, line 2: not UTF-8"):
        load(path, HOME)
    with pytest.raises(SettingsInvalid, match="directory"):
        load(tmp_path, HOME)


# Secrets. -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "[credentials]\napi_key = 'hunter2'",
        "[credentials.binance]\nanything = 'hunter2'",
        "credentials = 'hunter2'",
        "[profiles.x.credentials]\nbinance = ['hunter2']",
        "[engine]\nPassPhrase = 'hunter2'",
        "[log]\npassword = {a = 'hunter2'}",
        "token = [{x = 'hunter2'}]",
        "x = [{apiKey = 'hunter2'}]",
        "[venues.binance]\nrest = ['ftp://me:hunter2@host/x']",
        "[venues.binance]\nproxy = 'http://hunter2@host/x'",
        "[venues.binance]\nrest = 'https://host/x?api_secret=hunter2&y=1'",
    ],
)
def test_no_secret_is_told(text: str, tmp_path: Path) -> None:
    said = "\n".join(problems(text, tmp_path))
    assert "***" in said
    assert "hunter2" not in said
    for name, value in (("TRADETUI__API_KEY", "hunter2"), ("TRADETUI__CREDENTIALS__X", "hunter2")):
        said = "\n".join(problems("", tmp_path, {name: value}))
        assert "hunter2" not in said


def test_what_is_no_secret_is_told() -> None:
    for key in ("credentials.file", "engine.record", "venues.binance.rest"):
        assert redacted(key.split("."), "https://a/b") == "https://a/b"
    assert redacted(("data_provider", "cob", "bucket_sizes", "KEY/USDT"), 1) == 1


def test_control_characters_are_not_passed_on(tmp_path: Path) -> None:
    said = problems('"a\\u001b[2Jb" = "c\\u001b[2J\\u0085"', tmp_path)[0]
    assert said.isprintable()
    assert '"a\\u001b[2Jb" = "c\\u001b[2J\\u0085"' in said


# There and back. ------------------------------------------------------------------------------------------------------


def values(setting: Setting) -> st.SearchStrategy[Any]:
    """What a setting may be, as TOML gives it."""
    form = inspect.type_info(setting.type)
    form = form.type if isinstance(form, inspect.Metadata) else form
    match form:
        case inspect.BoolType():
            return st.booleans()
        case inspect.IntType():
            return st.integers(form.ge, form.le)
        case inspect.FloatType():
            least, most = form.ge if form.gt is None else form.gt, form.le if form.lt is None else form.lt
            open_at = {"exclude_min": form.gt is not None, "exclude_max": form.lt is not None}
            return st.floats(least, most, **open_at, allow_nan=False)
        case inspect.LiteralType():
            return st.sampled_from(get_args(get_args(setting.type)[0]))
        case inspect.EnumType():
            return st.sampled_from([member.value for member in form.cls])
        case inspect.DictType() if not setting.pairs:
            texts = {"balances": ("USDT", "10000.5"), "priced_by": ("bybit:BTC/USDT", "binance:BTC/USDT")}
            return st.sampled_from([{}, dict([texts[setting.path[-1]]])])
        case inspect.DictType():
            amounts = st.one_of(st.integers(1, 10**9), st.decimals(1, 99, places=3).map(str), st.floats(0.1, 9))
            return st.dictionaries(st.sampled_from(["ETH/USDT", "SOL/USDT", "币/USDT"]), amounts)
        case inspect.VarTupleType() if setting.path[-1] == "ramp":
            return st.lists(st.floats(0.01, 1), min_size=1, max_size=3)
        case inspect.VarTupleType():
            if setting.path[0] == "venues":
                scheme = "http" if setting.path[-1] == "rest" else "ws"
                names = st.text(st.characters(exclude_characters="/@?#", exclude_categories=("Z", "C")), min_size=1)
                return st.lists(names.map(lambda name: f"{scheme}://{name}"), min_size=1, max_size=3)
            known = {
                "timeframes": ["1s", "1m", "1d"],
                "references": ["ETH/BTC", "SOL/ETH"],
                "stand_ins": ["mexc", "bybit"],
            }
            entries = st.sampled_from(known.get(setting.path[-1], ["ETH/USDT", "binance:BTC/USDT"]))
            return st.lists(entries, min_size=1, max_size=3)
        case inspect.StrType() if setting.path[0] == "trading":
            return st.sampled_from(
                {"rest": ["", "https://a.b"], "ws": ["", "wss://a.b"]}.get(setting.path[-1], ["BTC"])
            )
        case _:
            return st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")).map(lambda t: f"/{t}")


SPEED = ("data_provider", "websocket", "update_speed")
VALUES = st.fixed_dictionaries(
    {},
    optional={
        path: st.sampled_from(["100ms", "1000ms"]) if path == SPEED else values(setting)
        for path, setting in SETTINGS.items()
    },
)


@given(chosen=VALUES)
def test_file_environment_flags_and_show_say_the_same(
    chosen: dict[tuple[str, ...], object], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("round")
    path = write(folder, "\n".join(f"{dotted(key)} = {toml(value)}" for key, value in chosen.items()))
    from_file = resolve(path, HOME)
    variables = {f"TRADETUI__{'__'.join(key).upper()}": toml(value) for key, value in chosen.items()}
    from_environment = resolve(None, {**HOME, **variables})
    from_flags = resolve(None, HOME, flags={".".join(key): value for key, value in chosen.items()})
    assert from_file.settings == from_environment.settings == from_flags.settings
    # An empty table sets nothing.
    said = {SETTINGS[key].key for key, value in chosen.items() if value != {}}
    for resolved, kind in ((from_file, "file"), (from_environment, "environment"), (from_flags, "flag")):
        assert {s.key for s in SETTINGS.values() if resolved.sources[s.key].startswith(kind)} == said
    shown = write(folder, shown_toml(from_file))
    assert resolve(shown, HOME).settings == from_file.settings
    assert msgspec.convert(msgspec.to_builtins(from_file.settings), Settings) == from_file.settings


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_any_text_can_be_written_and_read(text: str) -> None:
    import tomllib

    assert tomllib.loads(f"{dotted([text])} = {toml(text)}") == {text: text}


@given(st.floats(allow_nan=False))
def test_any_number_can_be_written_and_read(number: float) -> None:
    import tomllib

    assert math.isclose(tomllib.loads(f"x = {toml(number)}")["x"], number, rel_tol=0)


def test_entries_of_a_table_of_texts_are_checked_one_by_one(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[trading.paper.balances]\nUSDT = 2500\nBTC = "0.5"\n')
    environment = {"HOME": str(tmp_path), "TRADETUI__TRADING__PAPER__BALANCES__ETH": "3.25"}
    resolved = resolve(file, environment)
    assert resolved.settings.trading.paper.balances == {"USDT": "2500", "BTC": "0.5", "ETH": "3.25"}
    for wrong in ("-1", '"1e3"', '"ten"', "true", "[1]"):
        file.write_text(f"[trading.paper.balances]\nUSDT = {wrong}\n")
        with pytest.raises(SettingsInvalid, match=r"trading\.paper\.balances\.USDT = .* expected a table of numbers"):
            resolve(file, {"HOME": str(tmp_path)})
