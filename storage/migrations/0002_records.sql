-- What became of an order, and what was filled of it, is asked for by the order's id.

CREATE INDEX records_by_order ON records (json_extract(body, '$.order')) WHERE kind IN ('order_event', 'fill');
