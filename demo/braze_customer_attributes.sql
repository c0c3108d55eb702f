-- The table "Braze Customer Attributes": one line for each customer, one column for each attribute in Braze.
--
-- To use it for your own warehouse, replace shop.customers and shop.purchases by your tables and keep the names on the
-- right: columns named as Braze's standard fields fill those fields, every other column becomes a custom attribute of
-- that name. Columns of consent (email_subscribe, push_subscribe) are better left out: Braze learns it first.
--
-- Braze bills a data point for each attribute written. A run writes what changed since the last one, and no more; so a
-- column costs as often as its value changes:
--
--   * Say when something happened, not how long ago it was. "days_since_last_order" changes for everybody every day,
--     last_order_date for those who ordered; a segment in Braze ("last_order_date more than 90 days ago") counts the days.
--   * Where a band is wanted all the same, make it wide: lifecycle_stage changes three times in a customer's life at most.
--   * Round what is compared by eye: cents in an average change with every order and are of no use in a message.
--   * Tiers by fixed thresholds stay; tiers by rank ("top 10 %") move people whenever others buy.

DROP TABLE IF EXISTS marketing."Braze Customer Attributes" CASCADE;

CREATE TABLE marketing."Braze Customer Attributes" AS
WITH settings AS (
    -- The history ends here. In a warehouse that goes on: SELECT (now() AT TIME ZONE 'UTC')::date AS today
    SELECT DATE '1998-06-30' AS today
),

orders AS (
    -- What one customer bought on one day is one order.
    SELECT
        customer_id,
        purchased_on,
        sum(quantity) AS quantity,
        sum(amount) AS amount
    FROM shop.purchases
    GROUP BY customer_id, purchased_on
),

history AS (
    SELECT
        customer_id,
        min(purchased_on) AS first_order_date,
        max(purchased_on) AS last_order_date,
        count(*) AS order_count,
        sum(quantity) AS items_bought,
        sum(amount) AS lifetime_revenue,
        avg(amount) AS average_order_value,
        max(amount) AS largest_order_value
    FROM orders
    GROUP BY customer_id
)

SELECT
    -- who it is
    customers.customer_id::varchar(20) AS external_id,

    -- Braze's standard fields
    customers.first_name::varchar(50) AS first_name,
    customers.last_name::varchar(50) AS last_name,
    customers.email::varchar(255) AS email,
    customers.phone::varchar(16) AS phone,                               -- E.164: + and digits
    customers.birth_date::date AS dob,                                   -- not birthdate or birthday
    customers.gender::varchar(1) AS gender,                              -- F, M, O, N, P
    customers.city::text AS home_city,
    customers.country::varchar(2) AS country,                            -- ISO 3166-1 alpha-2
    customers.language::varchar(2) AS language,                          -- ISO 639-1
    customers.time_zone::text AS time_zone,                              -- IANA, such as Europe/Berlin

    -- recency
    history.first_order_date::date AS first_order_date,
    history.last_order_date::date AS last_order_date,
    CASE
        WHEN settings.today - history.last_order_date <= 90 THEN 'active'
        WHEN settings.today - history.last_order_date <= 270 THEN 'cooling'
        ELSE 'lapsed'
    END::varchar(10) AS lifecycle_stage,

    -- frequency
    history.order_count::integer AS order_count,
    history.items_bought::integer AS items_bought,
    (history.order_count = 1)::boolean AS one_and_done,
    -- null for those who ordered once: there is nothing between orders
    round((history.last_order_date - history.first_order_date) / nullif(history.order_count - 1, 0)::numeric, 1)
        ::double precision AS days_between_orders,

    -- monetary value
    history.lifetime_revenue::numeric(12, 2) AS lifetime_revenue,
    round(history.average_order_value)::numeric(10, 0) AS average_order_value,
    history.largest_order_value::numeric(10, 2) AS largest_order_value,
    CASE
        WHEN history.lifetime_revenue >= 500 THEN 'platinum'
        WHEN history.lifetime_revenue >= 200 THEN 'gold'
        WHEN history.lifetime_revenue >= 75 THEN 'silver'
        ELSE 'bronze'
    END::text AS value_tier,

    -- taste and tenure
    customers.favorite_genre::text AS favorite_genre,
    customers.signed_up_at::timestamptz AS customer_since                 -- a timestamp without zone is taken as UTC
FROM history
INNER JOIN shop.customers ON history.customer_id = customers.customer_id
CROSS JOIN settings
ORDER BY external_id;

-- A tap takes the primary key for the stream's key properties.
ALTER TABLE marketing."Braze Customer Attributes" ADD PRIMARY KEY (external_id);
