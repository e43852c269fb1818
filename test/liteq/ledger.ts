import type { DatabaseSync } from 'node:sqlite'

/** Where both sides write down what they run, in a file of its own: who runs what at this moment, what was done how often, where two met at one job. */
export const ledgerSchema = `
  pragma journal_mode = wal;
  create table running (n integer primary key, who text not null);
  create table done (n integer not null, who text not null);
  create table killed (who text primary key);
  create table met (n integer not null, who text not null, other text not null);`

/** Writes down a run of a job from its beginning to its end. Whoever finds it running already has met another, unless that has been killed. */
export async function witnessed(
  ledger: DatabaseSync,
  n: number,
  who: string,
  work: () => void | Promise<void>,
): Promise<void> {
  ledger.exec('begin immediate')
  const other = ledger.prepare('select who from running where n = ?').get(n)?.['who'] ?? who
  ledger
    .prepare('insert into met select ?1, ?2, ?3 where ?2 != ?3 and not exists (select 1 from killed where who = ?3)')
    .run(n, who, other)
  ledger.prepare('insert or replace into running values (?, ?)').run(n, who)
  ledger.exec('commit')
  await work()
  ledger.exec('begin immediate')
  ledger.prepare('insert into done values (?, ?)').run(n, who)
  ledger.prepare('delete from running where n = ?').run(n)
  ledger.exec('commit')
}
