import { expect, inject, it } from 'vitest'

import { task } from '../../src/index.ts'
import { newQue } from '../que/kit.ts'
import { newPrefix, newSchema } from '../servers/kit.ts'
import { counts, fail, faultsOf, later, newJobs, runAll, serve, useBrowser, visit } from './kit.ts'

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

it('at a guest there is no button for what its format cannot do, and a queue without a name can be chosen', async () => {
  const que = await newQue(3)
  const jobs = await newJobs(`que:${que.url}`)
  const mail = task<[string]>({ name: 'SendMail', queue: '' })
  const { id } = await jobs.enqueue(mail, ['ada'], { delay: '1h' })
  await jobs.enqueue(mail, ['bob'], { queue: 'other' })
  const page = await visit(await serve(jobs), 'queues')
  await page.locator('tr', { hasText: '(no name)' }).waitFor()
  expect(await page.getByRole('button', { name: /pause|limits/i }).count()).toBe(0)
  expect(await page.getByRole('navigation', { name: 'Pages' }).innerText()).not.toContain('Workers')
  expect(await faultsOf(page)).toEqual([])

  await page.getByRole('link', { name: 'Jobs', exact: true }).click()
  await counts(page.locator('tbody tr'), 2)
  await page.getByLabel('Queue', { exact: true }).selectOption('(no name)')
  await counts(page.locator('tbody tr'), 1)
  expect(new URL(page.url()).search).toBe('?queue=')
  await page.getByRole('searchbox').fill(id)
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'SendMail' }).waitFor()
  expect(await page.getByRole('heading', { name: 'Log' }).count()).toBe(0)
  await page.getByRole('button', { name: 'Edit' }).click()
  expect(await page.getByLabel('Attempts at most').count()).toBe(0)
  await page.getByLabel('Priority').fill('7')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('It is saved').waitFor()
  expect(await que.rows()).toMatchObject([{ priority: '7' }, {}])
})
