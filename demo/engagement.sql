-- The query engagement: what the events of Braze Currents say of each customer, in three attributes for Braze.
--
-- The tables in the schema braze are made by the job engagement-events, one for each event type. Only opens, clicks and
-- visits count, since they are what a person does; an open that the mail program made by itself (machine_open) does not.
--
-- As in braze_customer_attributes.sql, a column costs as often as its value changes: a date of the last engagement changes
-- for those who did something, "days since" would change for everybody every day; a wide band changes less than a count.

DROP VIEW IF EXISTS marketing.engagement;

CREATE VIEW marketing.engagement AS
WITH settings AS (
    SELECT (now() AT TIME ZONE 'UTC')::date AS today
),

answers AS (
    SELECT external_user_id, time, 'email' AS channel, true AS is_open
    FROM braze.users_messages_email_open
    WHERE machine_open IS DISTINCT FROM 'true'
    UNION ALL
    SELECT external_user_id, time, 'email', false
    FROM braze.users_messages_email_click
    WHERE is_suspected_bot_click IS DISTINCT FROM true
    UNION ALL
    SELECT external_user_id, time, 'push', false FROM braze.users_messages_pushnotification_open
    UNION ALL
    SELECT external_user_id, time, 'sms', false FROM braze.users_messages_sms_shortlinkclick
    UNION ALL
    -- a visit is engagement, by no channel
    SELECT external_user_id, time, null, false FROM braze.users_behaviors_app_sessionstart
),

days AS (
    -- Braze's times are seconds since 1970.
    SELECT external_user_id, channel, is_open, time, (to_timestamp(time) AT TIME ZONE 'UTC')::date AS day
    FROM answers
),

by_channel AS (
    SELECT external_user_id, channel, count(*) AS answers, max(time) AS latest
    FROM days
    WHERE channel IS NOT NULL
    GROUP BY external_user_id, channel
),

preferred AS (
    SELECT DISTINCT ON (external_user_id) external_user_id, channel
    FROM by_channel
    ORDER BY external_user_id, answers DESC, latest DESC, channel
),

totals AS (
    SELECT
        external_user_id,
        max(day) AS last_engagement_date,
        count(*) FILTER (WHERE is_open AND settings.today - day <= 90) AS emails_opened
    FROM days
    CROSS JOIN settings
    GROUP BY external_user_id
)

SELECT
    customers.customer_id::varchar(20) AS external_id,
    totals.last_engagement_date::date AS last_engagement_date,
    preferred.channel::text AS preferred_channel,                         -- email, push or sms
    CASE
        WHEN totals.emails_opened = 0 THEN 'none'
        WHEN totals.emails_opened = 1 THEN '1'
        WHEN totals.emails_opened <= 4 THEN '2 to 4'
        ELSE '5 or more'
    END::text AS emails_opened_90_days
FROM totals
-- people who are not customers here, and anonymous ones, are left to Braze
INNER JOIN shop.customers ON totals.external_user_id = customers.customer_id
LEFT JOIN preferred ON totals.external_user_id = preferred.external_user_id;
