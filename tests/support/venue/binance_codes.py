"""What Binance answers where it refuses; USD-M has words of its own for some of it."""

from __future__ import annotations

CODES: dict[str, tuple[int, str]] = {
    "no key": (-2014, "API-key format invalid."),
    "key": (-2015, "Invalid API-key, IP, or permissions for action."),
    "signature": (-1022, "Signature for this request is not valid."),
    "ahead": (-1021, "Timestamp for this request was 1000ms ahead of the server's time."),
    "behind": (-1021, "Timestamp for this request is outside of the recvWindow."),
    "parameter": (-1102, "Mandatory parameter '{}' was not sent, was empty/null, or malformed."),
    "unread": (-1104, "Not all sent parameters were read; unread '{}'."),
    "symbol": (-1121, "Invalid symbol."),
    "size": (-1013, "Filter failure: LOT_SIZE"),
    "lot": (-1013, "Filter failure: LOT_SIZE"),
    "tick": (-1013, "Filter failure: PRICE_FILTER"),
    "notional": (-1013, "Filter failure: NOTIONAL"),
    "balance": (-2010, "Account has insufficient balance for requested action."),
    "duplicate": (-2010, "Duplicate order sent."),
    "would take": (-2010, "Order would immediately match and take."),
    "would trigger": (-2010, "Stop price would trigger immediately."),
    "unknown order": (-2011, "Unknown order sent."),
    "no such order": (-2013, "Order does not exist."),
    "filled": (-2038, "Failed to amend order."),
    "hours": (-1127, "More than 24 hours between startTime and endTime."),
    "path": (-1000, "No such path at this venue: {}"),
}

LINEAR_CODES: dict[str, tuple[int, str]] = {
    "size": (-4003, "Quantity less than or equal to zero."),
    "lot": (-1111, "Precision is over the maximum defined for this asset."),
    "tick": (-4014, "Price not increased by tick size."),
    "notional": (-4164, "Order's notional must be no smaller than {} (unless you choose reduce only)."),
    "balance": (-2019, "Margin is insufficient."),
    "duplicate": (-4116, "ClientOrderId is duplicated."),
    "would take": (-5022, "Due to the order could not be executed as maker, the Post Only order will be rejected."),
    "would trigger": (-2021, "Order would immediately trigger."),
    "reduce only": (-2022, "ReduceOnly Order is rejected."),
    "hours": (-4166, "Search window is restricted to recent 7 days."),
}
