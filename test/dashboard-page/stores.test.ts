import { expect, inject, it } from 'vitest'

import { newPrefix, newSchema } from '../servers/kit.ts'
import { fail, later, newJobs, runAll, serve, useBrowser, visit } from './kit.ts'

useBrowser()

const stores = {
  postgres: async () => {
    const { url, schema } = await newSchema()
    return newJobs(url, { schema })
  },
  redis: () => newJobs(inject('redis').url, { namespace: newPrefix() }),
}

it.each(['postgres', 'redis'] as const)('the page does its main things on %s', async (name) => {
  const jobs = await stores[name]()
  const failed = await jobs.enqueueMany([fail.with({ n: 1 }), fail.with({ n: 2 })])
  await runAll(
    jobs,
    failed.map(({ id }) => id),
  )
  const page = await visit(await serve(jobs))
  await page.locator('[data-count=failed]', { hasText: /^2$/ }).waitFor()
  await page.getByTitle('The store').getByText(name).waitFor()

  await jobs.enqueue(later, { n: 3 }, { delay: '1h' })
  await page.locator('[data-count=pending]', { hasText: /^1$/ }).waitFor()

  await page.locator('.tile.failed').click()
  await page.getByLabel('Choose all on this page').click()
  await page.getByRole('button', { name: 'Retry' }).click()
  await page.getByText('2 jobs retried').waitFor()

  await page.getByRole('navigation', { name: 'States' }).getByRole('link', { name: 'Pending' }).click()
  await page.getByRole('searchbox').fill('"n":3')
  await page.locator('tbody tr:only-child').click()
  await page.getByRole('button', { name: 'Run now' }).click()
  await page.getByText('Due, waits for a worker').waitFor()
  await page.getByRole('button', { name: 'Cancel' }).click()
  await page.getByRole('button', { name: 'Cancel it' }).click()
  await page.getByRole('heading', { name: 'Cancelled' }).waitFor()

  await page.getByRole('link', { name: 'Queues', exact: true }).click()
  await page.locator('tr[data-queue=slow]').getByRole('button', { name: 'Pause' }).click()
  await page.getByText('slow is paused').waitFor()
  expect(await jobs.stats()).toMatchObject([
    { queue: 'slow', paused: true, counts: { cancelled: 1 } },
    { queue: 'trouble' },
  ])

  await page.getByRole('link', { name: 'Enqueue', exact: true }).click()
  await page.getByLabel('Task').fill('by-hand')
  await page.getByRole('textbox', { name: 'Payload' }).fill('{"a": 1}')
  await page.getByRole('button', { name: 'Enqueue', exact: true }).click()
  await page.getByRole('heading', { name: 'by-hand' }).waitFor()
  await page.getByRole('button', { name: 'Delete' }).click()
  await page.getByRole('button', { name: 'Delete for good' }).click()
  await page.getByText('by-hand was deleted').waitFor()
  expect(await jobs.list({ task: 'by-hand' })).toEqual([])
})
