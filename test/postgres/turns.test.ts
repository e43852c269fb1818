import { expect, it } from 'vitest'

import { newSchema } from '../servers/kit.ts'
import { openStore, rejection } from './kit.ts'

it('lets a transaction wait for its turn for longer than a connection may take', async () => {
  const { url, schema } = await newSchema()
  const store = await openStore(url, { schema, transactions: 1, connectTimeout: '1s' })
  const first = await store.begin()
  const second = store.begin()
  await first.tx.query({ text: 'select pg_sleep(1.5)', rowMode: 'array', types: { getTypeParser: () => String } })
  await first.commit()
  await (await second).commit()
})

it('refuses those that wait for their turn when it closes, and rolls back the one that is open', async () => {
  const { url, schema } = await newSchema()
  const store = await openStore(url, { schema, transactions: 1, connectTimeout: '1s' })
  const first = await store.begin()
  const second = rejection(store.begin())
  await store.close()
  expect(await second).toMatchObject({ name: 'UsageError' })
  expect(await rejection(Promise.resolve(first.commit()))).toMatchObject({ name: 'StoreError' })
})
