"""Lines about trading, read: what a person wants of the engine, as the flat arguments of a command. Pure.

What is read here is only a wish: the engine checks every number of it, and its answer is what counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from tradetui.console.arguments import Argument, Known, Unclear, Value, close, instrument, listed, shown

Wish = dict[str, str | int | float | bool]
"""Arguments of a command by name."""

SIDES = ("buy", "sell")
TYPES = ("market", "limit", "stop", "stop_limit", "take_profit", "take_profit_limit")
TIFS = ("gtc", "ioc", "fok")
SIZES = ("fraction", "volatility", "kelly")

NAMES = {
    "price": "price", "stop": "stop_loss", "target": "take_profit", "trigger": "stop_price", "trailing": "trailing_bps",
    "time": "time_stop_s", "tif": "time_in_force", "type": "type", "size": "size", "reduce": "reduce_only",
    "post": "post_only", "quantity": "quantity",
}  # fmt: skip
"""Words of a line and the arguments that they are; an argument's own name is understood, too."""

CHOICES = {"type": TYPES, "time_in_force": TIFS, "size": SIZES}
FLAGS = ("reduce_only", "post_only")
NUMBERS = ("trailing_bps", "time_stop_s")
EXITS = ("stop", "target", "trailing", "time")
CHANGES = ("price", "trigger", "quantity")


def decimal(word: str) -> str:
    """Return a plain decimal as it was typed, without commas.

    Raises:
        Unclear: It is none.
    """
    text = word.replace(",", "").replace("_", "")
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise Unclear(f"expected a number, not {shown(word)}") from None
    if not value.is_finite() or value < 0 or len(text) > 30:
        raise Unclear(f"expected a number of 0 or more, not {shown(word)}")
    return text


def named(word: str, among: Sequence[str] = tuple(NAMES)) -> tuple[str, str | float | bool]:
    """Return the argument and the value of a `name=value`.

    Raises:
        Unclear: There is no such name, or the value does not fit it.
    """
    name, _, text = word.partition("=")
    own = {NAMES[each]: each for each in among}
    argument = NAMES.get(name.lower(), "") if name.lower() in among else name.lower() if name.lower() in own else ""
    if not argument:
        raise Unclear(f"expected {listed([f'{each}=' for each in among])}, not {shown(word)}", close(name, among))
    if argument in FLAGS:
        if text.lower() not in ("", "on", "off", "yes", "no"):
            raise Unclear(f"expected {name}=on or {name}=off, not {shown(word)}")
        return argument, text.lower() not in ("off", "no")
    if argument in CHOICES:
        for choice in CHOICES[argument]:
            if choice == text.lower().replace("-", "_"):
                return argument, choice
        raise Unclear(f"expected {name}= {listed(CHOICES[argument])}, not {shown(text)}", close(text, ()))
    if argument in NUMBERS:
        return argument, -1.0 if text.lower() == "off" else float(decimal(text.lower().removesuffix("s")))
    if text.lower() == "off" and argument in ("stop_loss", "take_profit"):
        return argument, "off"
    return argument, decimal(text)


def order(line: str, known: Known) -> Wish:
    """Return the arguments of an order: `buy 0.01`, `sell 0.5 btc price=62000 post`, `buy stop=2600 size=fraction`.

    Its type is market, or what its prices make of it.

    Raises:
        Unclear: It cannot be read.
    """
    words = line.split()
    side = words[0].lower() if words else ""
    if side not in SIDES:
        raise Unclear(f"expected buy or sell, not {shown(words[0] if words else '')}", close(side, SIDES))
    wish: Wish = {"side": side}
    flags = [each for each in NAMES if NAMES[each] in FLAGS]
    for word in words[1:]:
        if "=" in word or word.lower() in flags:
            name, value = named(word)
            wish[name] = value
        elif word.lower() in TYPES:
            wish["type"] = word.lower()
        elif word[0].isdigit() or word[0] == ".":
            wish["quantity" if "quantity" not in wish else "price"] = decimal(word)
        else:
            wish["symbol"] = instrument(word, known.symbols)
    if "type" not in wish:
        wish["type"] = typed(wish)
    return wish


def typed(wish: Wish) -> str:
    """Return the type that an order's prices make of it."""
    if "stop_price" in wish:
        return "stop_limit" if "price" in wish else "stop"
    return "limit" if "price" in wish else "market"


def exits(line: str, known: Known) -> Wish:
    """Return the arguments of `protect`: `eth stop=2600 target=2800 trailing=50 time=off`.

    Raises:
        Unclear: It cannot be read, or says nothing.
    """
    return _changes(line, known, EXITS)


def change(line: str, _known: Known) -> Wish:
    """Return the arguments of `amend`: an order's id, then what is to be another: `tu-12 price=2600`.

    Raises:
        Unclear: It cannot be read, or says nothing.
    """
    id_, _, rest = line.strip().partition(" ")
    wish: Wish = {"order": id_}
    for word in rest.split():
        name, value = named(word, CHANGES)
        wish[name] = value
    if len(wish) < 2:
        raise Unclear(f"expected what is to be another: {listed([f'{each}=' for each in CHANGES])}")
    return wish


def _changes(line: str, known: Known, among: Sequence[str]) -> Wish:
    wish: Wish = {}
    for word in line.split():
        if "=" in word:
            name, value = named(word, among)
            wish[name] = value
        else:
            wish["symbol"] = instrument(word, known.symbols)
    if not wish.keys() - {"symbol"}:
        raise Unclear(f"expected {listed([f'{each}=' for each in among])}")
    return wish


def _fields(wish: Wish) -> tuple[Value, ...]:
    """Return arguments as pairs, for an order of the command line."""
    return tuple(each for pair in wish.items() for each in pair)


def wished(pairs: Sequence[Value]) -> Wish:
    """Return what `_fields` made, as arguments again."""
    found: Wish = {}
    for name, value in zip(pairs[::2], pairs[1::2], strict=True):
        if value is not None:
            found[str(name)] = value
    return found


ORDER = Argument(
    "buy|sell QUANTITY [SYMBOL] [price= stop= target= trigger= ...]", lambda line, known: _fields(order(line, known)),
    lambda _: SIDES, rest=True,
)  # fmt: skip
EXITS_OF = Argument(
    "[SYMBOL] stop= target= trailing= time=", lambda line, known: _fields(exits(line, known)), rest=True
)
CHANGE = Argument("ORDER price= trigger= quantity=", lambda line, known: _fields(change(line, known)), rest=True)


def _which(word: str, known: Known) -> tuple[Value, ...]:
    """Read what is to be cancelled or flattened: all, an instrument, or an order by its id."""
    if word.lower() == "all":
        return "all", True
    if "-" in word and any(char.isdigit() for char in word) and "/" not in word:
        return "order", word.lower()
    return "symbol", instrument(word, known.symbols)


WHICH = Argument("SYMBOL|ORDER|all", _which, lambda _: ("all",), absent=(None, None))
WHOSE = Argument("SYMBOL|all", _which, lambda _: ("all",), absent=(None, None))


# Sentences. ---------------------------------------------------------------------------------------------------------


def sentence(wish: Wish) -> str:
    """Return an order as it is asked of a person: `Buy 0.01 ETH/USDT at the market`."""
    name = str(wish.get("symbol", "")).partition(":")[2] or str(wish.get("symbol", ""))
    quantity = str(wish.get("quantity") or "")
    much = quantity or f"as much as {wish.get('size') or 'the sizing of the settings'} makes it of"
    type_, price, trigger = str(wish.get("type", "market")), wish.get("price"), wish.get("stop_price")
    at = f"at {price}" if price else "at the market"
    if type_ not in ("market", "limit"):
        reached = "as a stop" if type_.startswith("stop") else "to take profit"
        at = f"{at} {reached}, once a trade reaches {trigger or '-'}"
    parts = [f"{str(wish.get('side', '')).capitalize()} {much} {name} {at}"]
    if wish.get("stop_loss"):
        parts.append(f"stop-loss {wish['stop_loss']}")
    if wish.get("take_profit"):
        parts.append(f"take profit {wish['take_profit']}")
    if wish.get("trailing_bps"):
        parts.append(f"trailing {wish['trailing_bps']:g} bps")
    if wish.get("time_stop_s"):
        parts.append(f"closed after {wish['time_stop_s']:g} s")
    parts += [
        told for name, told in (("reduce_only", "only reducing"), ("post_only", "only as maker")) if wish.get(name)
    ]
    if wish.get("time_in_force", "gtc") != "gtc":
        parts.append(str(wish["time_in_force"]).upper())
    return ", ".join(parts)


def changed(wish: Wish) -> str:
    """Return the changes of an order or of exits in words: `stop-loss 2600, trailing off`."""
    words = {
        "price": "price", "stop_price": "trigger", "quantity": "quantity", "stop_loss": "stop-loss",
        "take_profit": "take profit", "trailing_bps": "trailing", "time_stop_s": "time stop",
    }  # fmt: skip
    told = []
    for name, word in words.items():
        value = wish.get(name)
        if isinstance(value, float):
            unit = "bps" if name == "trailing_bps" else "s"
            told.append(f"{word} off" if value < 0 else f"{word} {value:g} {unit}")
        elif value:
            told.append(f"{word} {value}")
    return ", ".join(told)
