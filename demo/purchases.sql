-- The query purchases: one line for each purchase, which becomes one purchase in Braze.
--
-- A purchase is not an attribute: it does not change, and each is sent once, however often it is read. For that it needs
-- something to be known by: purchase_id, which meltano.yml names as the key of this view, since a view has no primary key.
-- Without that, it would be known by all that it says, and one that was corrected would be sent again.
-- The column time is the replication key: a run asks only for what was bought since the latest purchase that the run
-- before has read, including that moment. Where purchases come in late, order by when they came in instead.
--
-- Braze bills a data point for each piece of a purchase, none for its properties unless a segment is to filter by them.
-- Columns named product_id, price, currency, quantity and time fill those fields; every other column is a property.

CREATE OR REPLACE VIEW marketing.purchases AS
SELECT
    purchases.purchase_id::bigint AS purchase_id,
    purchases.customer_id::varchar(20) AS external_id,
    'album'::text AS product_id,                                         -- the history does not say which
    -- of one piece, since Braze multiplies it by the quantity; with four digits the product is right to the cent
    round(purchases.amount / purchases.quantity, 4)::numeric(12, 4) AS price,
    'USD'::varchar(3) AS currency,                                       -- ISO 4217
    purchases.quantity::integer AS quantity,
    (purchases.purchased_on::timestamp AT TIME ZONE 'UTC')::timestamptz AS time,

    -- properties: which purchase of the customer it is
    row_number() OVER (PARTITION BY purchases.customer_id ORDER BY purchases.purchase_id)::integer AS purchase_number
FROM shop.purchases;
