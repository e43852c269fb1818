import { expect, it, onTestFinished } from 'vitest'

import { loadDriver } from '../../src/stores/pg/pg.ts'
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
