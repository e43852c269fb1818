import { Pool } from 'pg'
import { expect, it, onTestFinished } from 'vitest'

import { open } from '../../src/index.ts'
import { newSchema } from '../servers/kit.ts'

it('a store that is closed has left nothing on the connections of its caller’s pool', async () => {
  const { url, schema } = await newSchema()
  const pool = new Pool({ connectionString: url, max: 1 })
  onTestFinished(() => pool.end())
  const listeners = async (): Promise<readonly number[]> => {
    const jobs = await open('postgres:', { pool, schema, logger: false })
    await jobs.ping()
    await jobs.close()
    const client = await pool.connect()
    const counts = [client.listenerCount('error'), client.listenerCount('end')]
    client.release()
    return counts
  }
  const first = await listeners()
  expect([await listeners(), await listeners()]).toEqual([first, first])
})
