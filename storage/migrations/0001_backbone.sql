-- The data backbone. Prices and sizes are in quote units and base asset unless a column says ticks or lots.
-- Stamps: *_ms UTC milliseconds, second UTC seconds, everything else UTC nanoseconds.
-- known_at: when the row was known; what is computed for t may use rows with known_at <= t only.

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE instruments (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,           -- venue:BASE/QUOTE[:SETTLE]
    venue TEXT NOT NULL,
    symbol TEXT NOT NULL,               -- the venue's own name, '' where an import does not tell
    base TEXT NOT NULL,
    quote TEXT NOT NULL,
    price_decimals INTEGER,             -- scales are NULL until the instrument was seen live
    size_decimals INTEGER,
    tick INTEGER,
    contract_size INTEGER
);

CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    instrument_id INTEGER NOT NULL REFERENCES instruments (id),
    timeframe TEXT NOT NULL,
    source TEXT NOT NULL,               -- venue, trades, mixed, mexc, bybit; imports: 'import:' and a name
    rank INTEGER NOT NULL,              -- the lower goes first where sources overlap
    duplicates INTEGER NOT NULL DEFAULT 0,
    conflicts INTEGER NOT NULL DEFAULT 0,
    UNIQUE (instrument_id, timeframe, source)
);

CREATE TABLE bars (
    series_id INTEGER NOT NULL,
    open_ms INTEGER NOT NULL,
    open REAL NOT NULL,
    high REAL NOT NULL,
    low REAL NOT NULL,
    close REAL NOT NULL,
    volume REAL,                        -- NULL where a file tells it in quote currency only
    quote_volume REAL,
    taker_buy REAL,
    trades INTEGER,
    complete INTEGER NOT NULL,
    known_at INTEGER NOT NULL,
    sequence INTEGER NOT NULL DEFAULT -1,   -- the venue's id of the last trade in it, -1 unknown
    PRIMARY KEY (series_id, open_ms)
) WITHOUT ROWID;

CREATE TABLE bar_revisions (
    series_id INTEGER NOT NULL,
    open_ms INTEGER NOT NULL,
    open REAL NOT NULL,
    high REAL NOT NULL,
    low REAL NOT NULL,
    close REAL NOT NULL,
    volume REAL,
    quote_volume REAL,
    taker_buy REAL,
    trades INTEGER,
    complete INTEGER NOT NULL,
    known_at INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    until INTEGER NOT NULL,             -- it was believed from known_at until then
    PRIMARY KEY (series_id, open_ms, known_at)
) WITHOUT ROWID;

CREATE TRIGGER bars_revised AFTER UPDATE ON bars WHEN old.known_at < new.known_at
BEGIN
    INSERT OR REPLACE INTO bar_revisions
    VALUES (old.series_id, old.open_ms, old.open, old.high, old.low, old.close, old.volume, old.quote_volume,
            old.taker_buy, old.trades, old.complete, old.known_at, old.sequence, new.known_at);
END;

CREATE TABLE trades (
    instrument_id INTEGER NOT NULL,
    aggregate INTEGER NOT NULL,         -- 1: one taker order at one price, of `count` trades; it has ids of its own
    trade_id NOT NULL,                  -- INTEGER, or TEXT on venues that use names
    ts INTEGER NOT NULL,
    price REAL NOT NULL,
    size REAL NOT NULL,
    sell INTEGER NOT NULL,              -- 1: the taker sold
    count INTEGER NOT NULL DEFAULT 1,
    regular INTEGER NOT NULL DEFAULT 1, -- 0: insurance fund and auto-deleveraging; such trades stay out of bars
    ts_sent INTEGER NOT NULL DEFAULT 0,
    source TEXT NOT NULL,               -- 'venue' (live) or 'import:' and a name
    known_at INTEGER NOT NULL,
    PRIMARY KEY (instrument_id, aggregate, trade_id)
) WITHOUT ROWID;

CREATE INDEX trades_by_time ON trades (instrument_id, ts);

CREATE TABLE cob_1s (
    instrument_id INTEGER NOT NULL,
    second INTEGER NOT NULL,
    bucket INTEGER NOT NULL,            -- ticks
    base INTEGER NOT NULL,              -- index of the lowest bucket
    best_bid INTEGER NOT NULL,          -- ticks
    best_ask INTEGER NOT NULL,
    bids TEXT NOT NULL,                 -- JSON array by bucket, lots
    asks TEXT NOT NULL,
    bid_notional TEXT NOT NULL,         -- ticks x lots
    ask_notional TEXT NOT NULL,
    partial TEXT NOT NULL,              -- 1: a lower bound
    known_at INTEGER NOT NULL,
    PRIMARY KEY (instrument_id, second)
) WITHOUT ROWID;

CREATE TABLE cob_1m (
    instrument_id INTEGER NOT NULL,
    second INTEGER NOT NULL,            -- end of the minute
    bucket INTEGER NOT NULL,
    base INTEGER NOT NULL,
    best_bid INTEGER NOT NULL,
    best_ask INTEGER NOT NULL,
    bids TEXT NOT NULL,                 -- means over the seconds that were known
    asks TEXT NOT NULL,
    bid_notional TEXT NOT NULL,
    ask_notional TEXT NOT NULL,
    partial TEXT NOT NULL,
    seconds INTEGER NOT NULL,           -- how many
    known_at INTEGER NOT NULL,
    PRIMARY KEY (instrument_id, second)
) WITHOUT ROWID;

CREATE TABLE imbalances (
    instrument_id INTEGER NOT NULL,
    second INTEGER NOT NULL,
    band INTEGER NOT NULL,              -- half-width, ticks
    imbalance_1s REAL, imbalance_5s REAL, imbalance_15s REAL, imbalance_60s REAL,
    volume_imbalance_1s REAL, volume_imbalance_5s REAL, volume_imbalance_15s REAL, volume_imbalance_60s REAL,
    samples_1s INTEGER NOT NULL, samples_5s INTEGER NOT NULL,
    samples_15s INTEGER NOT NULL, samples_60s INTEGER NOT NULL,
    known_at INTEGER NOT NULL,
    PRIMARY KEY (instrument_id, second)
) WITHOUT ROWID;

CREATE TABLE book_snapshots (
    instrument_id INTEGER NOT NULL,
    ts INTEGER NOT NULL,
    bids TEXT NOT NULL,                 -- JSON [[ticks, lots], ...], best first, 50 at most
    asks TEXT NOT NULL,
    mid_price REAL NOT NULL,
    spread REAL NOT NULL,
    bid_volume REAL NOT NULL,
    ask_volume REAL NOT NULL,
    sequence INTEGER NOT NULL,
    known_at INTEGER NOT NULL,
    PRIMARY KEY (instrument_id, ts)
) WITHOUT ROWID;

CREATE TABLE pivots (
    instrument_id INTEGER NOT NULL,
    timeframe TEXT NOT NULL,
    level INTEGER NOT NULL,
    confirmed_ms INTEGER NOT NULL,
    ts_ms INTEGER NOT NULL,
    high INTEGER NOT NULL,
    price REAL NOT NULL,
    known_at INTEGER NOT NULL,
    PRIMARY KEY (instrument_id, timeframe, level, confirmed_ms, ts_ms, high),
    UNIQUE (instrument_id, timeframe, level, high, ts_ms)
) WITHOUT ROWID;

CREATE TABLE pivot_states (
    instrument_id INTEGER NOT NULL,
    timeframe TEXT NOT NULL,
    until_ms INTEGER NOT NULL,
    state BLOB NOT NULL,
    known_at INTEGER NOT NULL,
    PRIMARY KEY (instrument_id, timeframe)
) WITHOUT ROWID;

CREATE TABLE gaps (
    instrument_id INTEGER NOT NULL,
    timeframe TEXT NOT NULL,
    first_ms INTEGER NOT NULL,          -- opening time of the first missing bar
    last_ms INTEGER NOT NULL,
    missing INTEGER NOT NULL,
    reason TEXT NOT NULL,
    noted_at INTEGER NOT NULL,
    healed_at INTEGER,
    PRIMARY KEY (instrument_id, timeframe, first_ms)
) WITHOUT ROWID;

CREATE TABLE rejects (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,                 -- table it was meant for
    instrument TEXT NOT NULL,
    reason TEXT NOT NULL,
    body TEXT NOT NULL                  -- JSON
);

CREATE TABLE imports (
    sha256 TEXT NOT NULL,
    said TEXT NOT NULL,                 -- JSON, what flags and manifest said of the file: told otherwise, it is another import
    path TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    format TEXT NOT NULL,
    report TEXT NOT NULL,               -- JSON
    at INTEGER NOT NULL,
    PRIMARY KEY (sha256, said)
) WITHOUT ROWID;

CREATE TABLE events (
    cursor INTEGER PRIMARY KEY,
    ts INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,                 -- alert, start, stop
    change TEXT NOT NULL,
    text TEXT NOT NULL,
    alert_id INTEGER,
    alert TEXT                          -- JSON
);

CREATE INDEX events_by_alert ON events (alert_id, cursor) WHERE alert_id IS NOT NULL;

CREATE TABLE records (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    mode TEXT NOT NULL,                 -- paper, testnet, live
    client_key TEXT NOT NULL UNIQUE,
    ts INTEGER NOT NULL,
    body TEXT NOT NULL                  -- JSON
);

CREATE INDEX records_by_kind ON records (kind, ts);

CREATE TABLE cold_files (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,                 -- table the rows came from
    instrument_id INTEGER NOT NULL,
    series_id INTEGER,                  -- of bars
    first INTEGER NOT NULL,             -- of open_ms, ts or second
    last INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    path TEXT NOT NULL UNIQUE,          -- below the cold folder
    bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    known_at INTEGER NOT NULL,          -- of the newest row
    at INTEGER NOT NULL
);

CREATE INDEX cold_files_by_kind ON cold_files (kind, instrument_id, first);

-- The specification's own names (appendix B), one row per bucket, candle and trade.

CREATE VIEW ohlcv_data AS
SELECT b.open_ms * 1000000 AS timestamp, i.key AS symbol, s.timeframe, b.open AS open_price, b.high AS high_price,
       b.low AS low_price, b.close AS close_price, b.volume, b.trades AS trade_count, s.source, b.sequence, b.known_at
FROM bars b JOIN series s ON s.id = b.series_id JOIN instruments i ON i.id = s.instrument_id;

CREATE VIEW trade_events AS
SELECT t.ts AS timestamp, i.key AS symbol, i.venue AS exchange, t.price, t.size,
       CASE t.sell WHEN 1 THEN 'sell' ELSE 'buy' END AS side, t.trade_id, t.source, t.known_at
FROM trades t JOIN instruments i ON i.id = t.instrument_id;

CREATE VIEW order_book_snapshots AS
SELECT b.ts AS timestamp, i.key AS symbol, i.venue AS exchange, b.bids, b.asks, b.mid_price, b.spread, b.bid_volume,
       b.ask_volume, b.sequence AS sequence_id, b.known_at
FROM book_snapshots b JOIN instruments i ON i.id = b.instrument_id;

CREATE VIEW order_book_1s_agg AS
SELECT c.second * 1000000000 AS timestamp, i.key AS symbol,
       (c.base + b.key) * c.bucket / CAST('1e' || i.price_decimals AS REAL) AS price_bucket,
       b.value / CAST('1e' || i.size_decimals AS REAL) AS bid_volume,
       a.value / CAST('1e' || i.size_decimals AS REAL) AS ask_volume,
       CAST(b.value - a.value AS REAL) / nullif(b.value + a.value, 0) AS imbalance,
       p.value AS partial, c.known_at
FROM cob_1s c JOIN instruments i ON i.id = c.instrument_id
JOIN json_each(c.bids) b JOIN json_each(c.asks) a ON a.key = b.key JOIN json_each(c.partial) p ON p.key = b.key;

CREATE VIEW order_book_1m_agg AS
SELECT c.second * 1000000000 AS timestamp, i.key AS symbol,
       (c.base + b.key) * c.bucket / CAST('1e' || i.price_decimals AS REAL) AS price_bucket,
       b.value / CAST('1e' || i.size_decimals AS REAL) AS bid_volume,
       a.value / CAST('1e' || i.size_decimals AS REAL) AS ask_volume,
       CAST(b.value - a.value AS REAL) / nullif(b.value + a.value, 0) AS imbalance,
       p.value AS partial, c.known_at
FROM cob_1m c JOIN instruments i ON i.id = c.instrument_id
JOIN json_each(c.bids) b JOIN json_each(c.asks) a ON a.key = b.key JOIN json_each(c.partial) p ON p.key = b.key;

CREATE VIEW order_book_imbalances AS
SELECT m.second * 1000000000 AS timestamp, i.key AS symbol, m.imbalance_1s, m.imbalance_5s, m.imbalance_15s,
       m.imbalance_60s, m.volume_imbalance_1s, m.volume_imbalance_5s, m.volume_imbalance_15s, m.volume_imbalance_60s,
       m.band / CAST('1e' || i.price_decimals AS REAL) AS price_range, m.known_at
FROM imbalances m JOIN instruments i ON i.id = m.instrument_id;
