"""A venue on loopback, for tests only: Binance spot, Binance USD-M or Bybit v5 as ccxt 4.5.90 speaks to them.

It checks keys (HMAC), clocks and filters, matches orders at prices that tests set, keeps orders, trades, balances and
positions in its own process, tells them on private streams, and does wrong what a script wants. It shares no code with
the engine. Market data come from `tests.support.exchange`, under another address.

    python -m tests.support.venue --kind binance --port 0      prints {"address", "kind", "key", "secret"}
    with venue_process("bybit") as venue: venue.rest, venue.ws, venue.control("price", symbol="BTCUSDT", price="60000")
    async with serve(Venue("binanceusdm")) as address: ...     in this process; venue.control(name, {...})

Paths are the venues' own (`/api/v3`, `/sapi/v1`, `/fapi/v1..3`, `/v5`; `/ws-api/v3`, `/private/ws`, `/v5/private`), and
anything may stand before them. The account begins with 100,000 USDT; prices at 60000, 3000 and 150 (BTC, ETH, SOL).

Controls, as POST /control/NAME with JSON, or `control(name, ...)`; numbers may be text; orders are client order ids:

    state                             balances, positions, orders, trades, `heard` (submits by client id), faults done
    price    symbol price             moves the market (`linear:BTCUSDT` where a venue has both), triggers, fills
    fill     order [quantity price]   fills a resting order      expire | cancel   order [reason]   ends one
    deposit  asset amount             fund  symbol amount        (amount below 0 is paid)
    set      skew_ms, weight_limit, withdraw, parts (trades a fill), depth (for one taker; null: endless),
             still (nothing is filled but by `fill`), pid (whom the faults `kill`, `killed`, `kill_after` kill)
    fault    kind [on times skip seconds status code text]       `tests.support.venue.faults`
    stream   mute duplicate reorder drop_after kill_after refuse delay cut  counted in messages from now on
    clear                             no faults or limit any more; the clock stays
"""

from tests.support.venue.faults import ACTIONS, Fault
from tests.support.venue.process import VenueProcess, venue_process
from tests.support.venue.service import Venue, serve
from tests.support.venue.signing import KEY, SECRET

__all__ = ["ACTIONS", "KEY", "SECRET", "Fault", "Venue", "VenueProcess", "serve", "venue_process"]
