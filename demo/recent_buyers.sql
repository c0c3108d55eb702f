-- The query recent_buyers: those who ordered in the last 90 days, with a few attributes that are of use only for them.
--
-- Rolling sums change as days pass and so cost data points; here they are kept to the people who were active lately, whose
-- campaigns need them, and are sent more often than the whole table (see the schedules in meltano.yml). The column
-- updated_at is the replication key: a run asks only for customers who ordered since the run before.

CREATE OR REPLACE VIEW marketing.recent_buyers AS
WITH settings AS (
    SELECT DATE '1998-06-30' AS today  -- in a warehouse that goes on: (now() AT TIME ZONE 'UTC')::date
)

SELECT
    purchases.customer_id::varchar(20) AS external_id,
    count(DISTINCT purchases.purchased_on)::integer AS orders_last_90_days,
    sum(purchases.amount)::numeric(12, 2) AS revenue_last_90_days,
    max(purchases.purchased_on)::timestamp AS updated_at
FROM shop.purchases
CROSS JOIN settings
WHERE settings.today - purchases.purchased_on <= 90
GROUP BY purchases.customer_id;
