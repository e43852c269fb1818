import { plainPlans } from './settings.ts'

/**
 * The doors for a caller's own transaction: what fails is undone and told as an answer, so that the transaction goes on as it was before.
 * \`bell\` is what to tell listeners, null for silence.
 *
 * \`installation\` is the number of the tables that the store works on: a transaction on another database has none, or another.
 */
export const inTx: string = `
create or replace function @.check_installation(wanted text) returns void language plpgsql ${plainPlans} as $fn$
begin
  if not exists (select from @.meta m where m.key = 'installation' and m.value = wanted) then
    raise exception using errcode = 'JF002', message = 'these are the tables of another installation';
  end if;
end
$fn$;

create or replace function @.insert_in_tx(installation text, batches json, now_at bigint, channel text, bell text)
returns json language plpgsql ${plainPlans} as $fn$
declare
  done record;
begin
  perform @.check_installation(installation);
  -- The caller's transaction may stay open for long, and with it the rows of waiting jobs that are replaced are locked: while it does, no
  -- claim is alone with their lanes (\`take_from_lane\`).
  perform pg_advisory_xact_lock_shared('@.job'::regclass::oid::integer, -l.lane)
  from (
    select distinct j.lane
    from json_array_elements(batches) b cross join json_array_elements(b.value -> 'writes') w join @.job j on j.id = w.value ->> 'id'
    where j.state = 0
    order by j.lane
  ) l;
  select * into done from @.insert_batches(batches, now_at);
  if bell is not null then
    perform pg_notify(channel, bell);
  end if;
  return json_build_object('answers', to_json(done.answers));
exception when others then
  return json_build_object('code', sqlstate, 'message', sqlerrm);
end
$fn$;

create or replace function @.apply_in_tx(installation text, writes json, channel text, bell text, wakes boolean)
returns json language plpgsql ${plainPlans} as $fn$
declare
  done record;
begin
  perform @.check_installation(installation);
  select * into done from @.write_each(writes, true);
  if bell is not null and (done.freed or wakes) then
    perform pg_notify(channel, bell);
  end if;
  return json_build_object('refused', to_json(done.refused));
exception when others then
  return json_build_object('code', sqlstate, 'message', sqlerrm);
end
$fn$;`
