import { plainPlans } from './settings.ts'

/**
 * The doors for a caller's own transaction: what fails is undone and told as an answer, so that the transaction goes on as it was before.
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
  select * into done from @.insert_batches(batches, now_at);
  perform pg_notify(channel, bell);
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
  select * into done from @.write_each(writes);
  if done.freed or wakes then
    perform pg_notify(channel, bell);
  end if;
  return json_build_object('refused', to_json(done.refused));
exception when others then
  return json_build_object('code', sqlstate, 'message', sqlerrm);
end
$fn$;`
