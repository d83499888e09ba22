"""Depth frames to a checked book: ours, and ccxt.pro's own path on the same frames in the same run.

    python -m tests.bench.depth [--runs 5] [--symbols btcusdt ethusdt]

Ours: raw frame to typed event in integer ticks and lots, sequence check, book, best prices. ccxt.pro: json.loads and
its `handle_message`, which is where its socket delivers, and beside that its `handle_order_book` alone; offline, with
a snapshot in place, nothing is awaited. Prints JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import time
from typing import Any

from engine.collector import calm_collector
from engine.ingestion.binance import Codec
from engine.ingestion.markets import SPOT
from engine.ingestion.symbols import guess
from engine.ingestion.tape import TapeFile, files_of
from engine.market.sync import BookSync
from tests.support.exchange import recordings_root


def frames_of(symbol: str) -> tuple[bytes, list[bytes]]:
    """The recorded snapshot of a symbol, and its depth frames from the first that the snapshot does not contain."""
    root = recordings_root()
    if root is None:
        raise SystemExit("no recordings: set TRADETUI_RECORDINGS")
    snapshot, depth = b"", []
    for index, path in enumerate(files_of(root / "hftbacktest-binance-ws" / "spot")):
        if path.name.startswith(symbol):
            for lines in TapeFile(path, index).lines():
                for _, _, frame in lines:
                    if frame.startswith(b'{"lastUpdateId"'):
                        snapshot = frame
                    elif b"@depth" in frame[:40]:
                        depth.append(frame)
    last = json.loads(snapshot)["lastUpdateId"]
    return snapshot, [frame for frame in depth if json.loads(frame)["data"]["u"] > last]


def ours(symbol: str, snapshot: bytes, frames: list[bytes]) -> tuple[float, tuple[int, int, int]]:
    """Seconds for all frames, and what the book ended with."""
    codec = Codec(SPOT, [guess(SPOT, symbol.upper(), 2, 8)])
    sync = BookSync()
    sync.snapshot(codec.snapshot(symbol.upper(), snapshot))
    decode, apply, book = codec.decode, sync.delta, sync.book
    best = (0, 0)
    gc.collect()
    gc.freeze()
    began = time.perf_counter()
    for frame in frames:
        apply(decode(frame)[0])  # type: ignore[arg-type]
        best = (book.best_bid, book.best_ask)
    seconds = time.perf_counter() - began
    assert sync.live
    return seconds, (book.update_id, *best)


class _Client:
    """The part of ccxt's socket client that its handlers touch."""

    url = "wss://stream.binance.com:9443/stream"

    def __init__(self) -> None:
        self.subscriptions: dict[str, Any] = {}

    def resolve(self, *_: object) -> None:
        """Nobody waits."""

    def reject(self, error: Exception, *_: object) -> None:
        """Nothing may go wrong."""
        raise error


async def peer(
    symbol: str, snapshot: bytes, frames: list[bytes], entry: str
) -> tuple[float, tuple[int, float, float], str]:
    """The same through ccxt.pro, entered by its method `entry`."""
    import ccxt.pro

    base = symbol.upper().removesuffix("USDT")
    exchange = ccxt.pro.binance()
    market = {
        "id": symbol.upper(), "symbol": f"{base}/USDT", "base": base, "quote": "USDT", "baseId": base,
        "quoteId": "USDT",
        "settle": None, "settleId": None, "type": "spot", "spot": True, "margin": False, "swap": False, "future": False,
        "option": False, "contract": False, "linear": None, "inverse": None, "active": True, "info": {}, "limits": {},
        "precision": {"amount": 1e-5, "price": 0.01}, "taker": 0.001, "maker": 0.001,
    }  # fmt: skip
    try:
        exchange.set_markets([market])
        answer = json.loads(snapshot)
        book = exchange.order_book(
            {side: [[float(p), float(q)] for p, q in answer[side]] for side in ("bids", "asks")}, 5000
        )
        book["nonce"], book["symbol"] = answer["lastUpdateId"], f"{base}/USDT"
        exchange.orderbooks[f"{base}/USDT"] = book
        client = _Client()
        take = getattr(exchange, entry)
        best = (0.0, 0.0)
        gc.collect()
        gc.freeze()
        began = time.perf_counter()
        for frame in frames:
            take(client, json.loads(frame)["data"])
            best = (book["bids"][0][0], book["asks"][0][0])
        seconds = time.perf_counter() - began
        return seconds, (book["nonce"], *best), ccxt.__version__
    finally:
        await exchange.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.depth", description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--symbols", nargs="+", default=["btcusdt", "ethusdt"])
    given = parser.parse_args()
    calm_collector()  # as the product does; the peer gets the same
    recorded = {symbol: frames_of(symbol) for symbol in given.symbols}
    frames = sum(len(depth) for _, depth in recorded.values())
    levels = sum(
        len(data["b"]) + len(data["a"])
        for _, depth in recorded.values()
        for data in (json.loads(f)["data"] for f in depth)
    )
    mine: list[float] = []
    theirs: dict[str, list[float]] = {"handle_message": [], "handle_order_book": []}
    version = ""
    for _ in range(given.runs):
        seconds = 0.0
        ends = {}
        for symbol, (snapshot, depth) in recorded.items():
            took, ends[symbol] = ours(symbol, snapshot, depth)
            seconds += took
        mine.append(frames / seconds)
        for entry, rates in theirs.items():
            seconds = 0.0
            for symbol, (snapshot, depth) in recorded.items():
                took, end, version = asyncio.run(peer(symbol, snapshot, depth, entry))
                seconds += took
                update_id, bid, ask = ends[symbol]
                assert (update_id, bid / 100, ask / 100) == end, "the two books disagree"
            rates.append(frames / seconds)
    result = {
        "frames": frames,
        "levels_per_frame": round(levels / frames, 1),
        "ours_msg_per_s": {"median": round(statistics.median(mine)), "min": round(min(mine)), "max": round(max(mine))},
        "ours_levels_per_s": round(statistics.median(mine) * levels / frames),
        "ccxt_pro_version": version,
        "ccxt_pro_msg_per_s": {entry: round(statistics.median(rates)) for entry, rates in theirs.items()},
        "ratio": {
            entry: round(statistics.median(mine) / statistics.median(rates), 2) for entry, rates in theirs.items()
        },
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
