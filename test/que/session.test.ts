import type { EventEmitter } from 'node:events'

import { expect, it, onTestFinished } from 'vitest'

import { loadDriver, type PgListener, type PgQuery } from '../../src/stores/pg/pg.ts'
import { queSettings } from '../../src/stores/que/options.ts'
import { Session } from '../../src/stores/que/session.ts'
import { connect, newDatabase } from '../servers/kit.ts'

it('sees what others have committed, whatever the database’s default, and compiles nothing', async () => {
  const url = await newDatabase()
  const client = await connect(url)
  const name = new URL(url).pathname.slice(1)
  await client.query(`alter database ${name} set default_transaction_isolation = 'repeatable read'`)
  await client.query(`alter database ${name} set jit = on`)
  const driver = await loadDriver(url, queSettings({}))
  const session = new Session(() => driver.listener(), { lost: () => {}, notified: () => {} })
  onTestFinished(() => session.end())
  const settings = await session.turn(async (ask) => [
    ...(await ask('show default_transaction_isolation')),
    ...(await ask('show jit')),
  ])
  expect(settings).toEqual([['read committed'], ['off']])
})

it('gives no answer out of a session that was lost with it: what is made of it would be kept as if it still stood', async () => {
  const driver = await loadDriver(await newDatabase(), queSettings({}))
  let losses = 0
  // The answer and the end have come in one packet, of which all is heard before anybody goes on.
  const dying = (): PgListener => {
    const client = driver.listener() as PgListener & EventEmitter
    const query = client.query.bind(client)
    return Object.assign(client, {
      query: async (what: PgQuery) => {
        const answer = await query(what)
        if (what.text === 'select 7') client.emit('error', new Error('terminating connection'))
        return answer
      },
    })
  }
  const session = new Session(dying, { lost: () => losses++, notified: () => {} })
  onTestFinished(() => session.end())
  expect(await session.turn(async (ask) => await ask('select 6'))).toEqual([['6']])
  await expect(session.turn(async (ask) => await ask('select 7'))).rejects.toThrow('was lost')
  expect(losses).toBe(1)
  expect(await session.turn(async (ask) => await ask('select 8'))).toEqual([['8']])
})
