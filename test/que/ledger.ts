import type { Client } from 'pg'

/** Where both sides write down what they run: who runs what at this moment, what was done how often, and where two met at one job. */
export const ledgerSchema = `
  create table running (n integer primary key, pid integer not null);
  create table done (n integer not null, who text not null);
  create table killed (pid integer primary key);
  create table met (n integer not null, pid integer not null, other integer not null);`

/**
 * Writes down a run of a job from its beginning to its end. Whoever finds it running already has met another, unless that has been killed.
 * @param pid tells the runner apart from all others
 * @returns how many runs of it had ended before
 */
export async function witnessed(
  client: Client,
  n: number,
  pid: number,
  who: string,
  work: () => Promise<void>,
): Promise<number> {
  const { rows } = await client.query<{ pid: number }>(
    `insert into running values ($1, $2) on conflict (n) do update set n = excluded.n returning pid`,
    [n, pid],
  )
  const other = rows[0]?.pid
  if (other !== pid) {
    await client.query(
      `insert into met select $1::integer, $2::integer, $3::integer where not exists (select from killed where pid = $3::integer)`,
      [n, pid, other],
    )
    await client.query('update running set pid = $2 where n = $1', [n, pid])
  }
  await work()
  const done = await client.query<{ before: number }>(
    'insert into done values ($1, $2) returning (select count(*)::integer from done where n = $1) as before',
    [n, who],
  )
  await client.query('delete from running where n = $1', [n])
  return done.rows[0]?.before ?? 0
}
