import { plainPlans } from './settings.ts'

/**
 * Enqueues a job from SQL: from a trigger, psql, or a program in any language, as a part of whatever transaction it stands in. Answers with
 * the job's id; with that of the holder when the unique key is held. The payload is JSON, or \`bytes\`. \`unique_until\` is \`claimed\`,
 * \`settled\`, or for how long from now on, as an interval.
 *
 * It acts with its owner's rights, so that a role needs none to the tables: only to call this, which is granted (docs/operate/postgres.md).
 * What is wrong is refused as by \`enqueue\` of the library, with SQLSTATE 22023.
 */
export const enqueue: string = `
create or replace function @.new_id(now_at bigint) returns text language sql volatile set search_path = pg_catalog, pg_temp as $fn$
  -- As core/id.ts makes them: 9 digits of base 32 for the milliseconds, 12 by chance.
  select string_agg(substr('0123456789abcdefghjkmnpqrstvwxyz', 1 + ((now_at >> (5 * n)) & 31)::integer, 1), '' order by n desc)
    || (select string_agg(substr('0123456789abcdefghjkmnpqrstvwxyz', 1 + floor(random() * 32)::integer, 1), '') from generate_series(1, 12))
  from generate_series(0, 8) as d (n)
$fn$;

create or replace function @.refuse(what text, wanted text, got text) returns void language plpgsql set search_path = pg_catalog, pg_temp as $fn$
begin
  raise exception 'Expected % to be %, got %', what, wanted, coalesce(got, 'null') using errcode = '22023';
end
$fn$;

create or replace function @.check_name(what text, value text, shortest integer) returns void language plpgsql set search_path = pg_catalog, pg_temp as $fn$
declare
  -- As JavaScript counts them: those beyond U+FFFF are two.
  characters integer := length(value) + length(regexp_replace(value, '[' || chr(1) || '-' || chr(65535) || ']', '', 'g'));
begin
  if value is null or characters not between shortest and 255 or value ~ ('[' || chr(1) || '-' || chr(31) || chr(127) || '-' || chr(159) || ']') then
    perform @.refuse(what, format('text of %s to 255 characters without control characters', shortest), to_json(left(value, 80))::text);
  end if;
end
$fn$;

create or replace function @.enqueue(
  task text,
  payload json default null,
  queue text default 'default',
  run_at timestamptz default null,
  priority integer default 0,
  max_attempts integer default 5,
  unique_key text default null,
  unique_until text default 'claimed',
  concurrency_key text default null,
  bytes bytea default null
) returns text language plpgsql security definer ${plainPlans} as $fn$
#variable_conflict use_variable
declare
  now_at bigint := floor(extract(epoch from clock_timestamp()) * 1000)::bigint;
  new_id text;
  lane record;
  held_until bigint;
  holder json;
begin
  perform @.check_name('task', task, 1);
  perform @.check_name('queue', queue, 0);
  if priority is null or priority not between -32768 and 32767 then
    perform @.refuse('priority', 'a whole number from -32768 to 32767', priority::text);
  end if;
  if max_attempts is null or max_attempts not between 1 and 10000 then
    perform @.refuse('max_attempts', 'a whole number from 1 to 10000', max_attempts::text);
  end if;
  if run_at < 'epoch' or run_at > '275760-09-13 00:00:00+00' then
    perform @.refuse('run_at', 'a time from 1970 to 275760', run_at::text);
  end if;
  if payload is not null and bytes is not null then
    perform @.refuse('one of payload and bytes', 'null', 'both');
  end if;
  if octet_length(payload::text) > 1048576 or octet_length(bytes) > 1048576 then
    perform @.refuse('payload', 'at most 1048576 bytes', coalesce(octet_length(payload::text), octet_length(bytes)) || ' bytes');
  end if;
  if concurrency_key is not null then
    perform @.check_name('concurrency_key', concurrency_key, 1);
  end if;
  if unique_key is not null then
    perform @.check_name('unique_key', unique_key, 1);
    if unique_until in ('claimed', 'settled') then
      held_until := case unique_until when 'claimed' then 0 else -1 end;
    else
      begin
        held_until := floor(extract(epoch from clock_timestamp() + unique_until::interval) * 1000)::bigint;
      exception when data_exception or feature_not_supported then
        held_until := null;
      end;
      if held_until is null or held_until <= now_at then
        perform @.refuse('unique_until', '''claimed'', ''settled'' or an interval of time to come', quote_literal(left(unique_until, 80)));
      end if;
    end if;
  end if;
  select l.lane_id::integer as id, l.queue_id::integer as queue into strict lane
  from @.lanes_of(array[queue], array[task], array[priority], array[concurrency_key is not null]) l;
  new_id := @.new_id(now_at);
  select (@.insert_each(json_build_array(json_build_object(
    'id', new_id, 'run_at', coalesce(floor(extract(epoch from run_at) * 1000)::bigint, now_at), 'created_at', now_at,
    'lane', lane.id, 'queue', lane.queue, 'attempt', 0, 'max_attempts', max_attempts, 'rev', 0, 'state', 0,
    'unique_held', unique_key is not null, 'unique_key', unique_key, 'unique_until', held_until, 'concurrency_key', concurrency_key,
    'payload', case when bytes is null then coalesce(payload::text, '') end, 'payload_bytes', encode(bytes, 'hex')
  )), now_at))[1] into holder;
  if json_typeof(holder) = 'array' then
    return holder ->> 0;
  end if;
  perform pg_notify('@channel', 'jobs');
  return new_id;
end
$fn$;

revoke execute on function @.enqueue(text, json, text, timestamptz, integer, integer, text, text, text, bytea) from public;`
