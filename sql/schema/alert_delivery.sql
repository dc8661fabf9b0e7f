-- version: 2, words: 2-1193504f
-- Grain: one row per alert and channel that has taken it.
create table if not exists clari.alert_delivery (
    alert_key varchar not null,
    channel_id varchar not null,
    delivered_at timestamptz not null
);

comment on table clari.alert_delivery is 'One row per alert and channel that has accepted it: a channel that was down is sent the rest later, the others nothing twice';
comment on column clari.alert_delivery.alert_key is 'The alert';
comment on column clari.alert_delivery.channel_id is 'A hash of the address, which is a secret';
comment on column clari.alert_delivery.delivered_at is 'When it was taken';
