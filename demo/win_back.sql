-- The segment win_back: customers worth winning back, who have not ordered for more than 270 days.
--
-- The audience of that name in meltano.yml is who is in here. It divides them into two treatments and a control, for a
-- campaign in Braze to go by, and whoever orders again is not in the next table, and so leaves. There is no date in it to
-- count days from today, so that nobody costs anything who only stays.

CREATE OR REPLACE VIEW marketing.win_back AS
SELECT external_id
FROM marketing."Braze Customer Attributes"
WHERE lifecycle_stage = 'lapsed' AND value_tier IN ('silver', 'gold', 'platinum');
