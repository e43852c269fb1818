import { globSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

import { describe, expect, it } from 'vitest'

import type { Overview } from '../../src/dashboard/index.ts'
import { snooze, task } from '../../src/index.ts'
import { counts, fail, later, mail, newJobs, pageFolder, runAll, serve, useBrowser, visit } from './kit.ts'

useBrowser()

describe('what is shipped', () => {
  it('weighs less than 150 kB, asks no other host, and names its licences', () => {
    const files = globSync('**/*', { cwd: pageFolder }).filter((file) => statSync(join(pageFolder, file)).isFile())
    const texts = files.map((file) => readFileSync(join(pageFolder, file)))
    expect(texts.reduce((sum, text) => sum + gzipSync(text).length, 0)).toBeLessThan(150_000)
    const html = readFileSync(join(pageFolder, 'index.html'), 'utf8')
    expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=/)
    expect(html).not.toMatch(/(?:src|href)="(?!\.\/)/)
    const notices = readFileSync(join(pageFolder, 'licenses.txt'), 'utf8')
    for (const name of ['preact', 'uplot', 'Jason Miller', 'Leon Sorokin']) expect(notices).toContain(name)
  })
})

describe('the overview', () => {
  it('counts on as jobs come and go, without being loaded again', async () => {
    const jobs = await newJobs()
    await jobs.enqueue(later, { n: 1 })
    const page = await visit(await serve(jobs))
    await page.evaluate(() => Object.assign(globalThis, { loadedOnce: true }))
    await page.locator('[data-count=pending]', { hasText: /^1$/ }).waitFor()
    await page.getByText('oldest due since').waitFor()

    const { id } = await jobs.enqueue(fail, { n: 7 })
    await runAll(jobs, [id])
    await page.locator('[data-count=failed]', { hasText: /^1$/ }).waitFor()
    await page.getByRole('region', { name: 'Latest failures' }).getByText('nothing comes of 7').waitFor()
    await page.getByRole('region', { name: 'Failures by task' }).getByRole('link', { name: 'fail' }).click()
    await page.getByRole('link', { name: 'fail', exact: true }).waitFor()
    expect(new URL(page.url()).search).toBe('?task=fail&state=failed')
    expect(await page.evaluate(() => 'loadedOnce' in globalThis)).toBe(true)
  })

  it('draws throughput and latency, light and dark, with the points there are', async () => {
    const jobs = await newJobs()
    const stage = await serve(jobs)
    const overview = (await (await fetch(`${stage.url}api/overview`)).json()) as Overview
    const points = [1, 2, 3].map((n) => ({
      at: overview.at - 15_000 + n * 5_000,
      pending: n,
      running: 1,
      completed: n * 100,
      failed: null,
      waitMs: n,
      waitP95Ms: 9,
      runMs: 1_500,
      runP95Ms: 2_000,
    }))
    const page = await visit(stage, 'queues')
    const body = `event: overview\ndata: ${JSON.stringify({ ...overview, series: { stepMs: 5_000, points } })}\n\n`
    await page.route('**/api/events', (route) => route.fulfill({ contentType: 'text/event-stream', body }))
    await page.route('**/api/overview', (route) =>
      route.fulfill({ json: { ...overview, series: { stepMs: 5_000, points } } }),
    )
    await page.goto(stage.url)
    await page.getByRole('img', { name: 'Throughput: Completed 300/s, Failed –' }).locator('canvas').waitFor()
    await page
      .getByRole('img', { name: 'Latency: Waited 3 ms, p95 9 ms, Ran 1.5 s, p95 2 s' })
      .locator('canvas')
      .waitFor()
    await page.getByRole('button', { name: 'Colours: auto' }).click()
    await page.getByRole('button', { name: 'Colours: light' }).click()
    const plot = page.getByRole('region', { name: 'Throughput' })
    await plot.locator('.u-over').hover({ position: { x: 2, y: 20 } })
    await plot.getByText('100/s').waitFor()
  })
})

describe('the list of jobs', () => {
  it('narrows by state, task, queue and text, keeps all of it in the address, and goes back', async () => {
    const jobs = await newJobs()
    await jobs.enqueueMany([
      mail.with({ to: 'ada@example.com' }),
      mail.with({ to: 'grace@example.com' }, { queue: 'other' }),
      later.with({ n: 1 }),
    ])
    const page = await visit(await serve(jobs), 'jobs')
    const rows = page.locator('tbody tr')
    await counts(rows, 3)

    await page.getByRole('navigation', { name: 'States' }).getByRole('link', { name: 'Pending' }).click()
    await page.getByLabel('Task').selectOption('mail')
    await counts(rows, 2)
    await page.getByLabel('Queue', { exact: true }).selectOption('other')
    await counts(rows, 1)
    expect(new URL(page.url()).search).toBe('?state=pending&queue=other&task=mail')

    await page.goBack()
    await counts(rows, 2)
    await page.getByRole('searchbox').fill('GRACE')
    await counts(rows, 1)
    await page.getByText('looked through').waitFor()

    const shared = await visit({ ...(await serve(jobs)) }, `jobs${new URL(page.url()).search}`)
    await counts(shared.locator('tbody tr'), 1)
    expect(await shared.getByRole('searchbox').inputValue()).toBe('GRACE')

    await page.getByRole('searchbox').fill('nobody')
    await page.getByText('No job matches').waitFor()
    await page.getByRole('link', { name: 'Take the filters off' }).click()
    await counts(rows, 3)
  })

  it('turns pages to older jobs and back to newer ones', async () => {
    const jobs = await newJobs()
    await jobs.enqueueMany(Array.from({ length: 120 }, (_, n) => later.with({ n })))
    const page = await visit(await serve(jobs), 'jobs')
    const top = async (text: string): Promise<void> => page.locator('tbody tr:first-child', { hasText: text }).waitFor()
    const step = (name: string) =>
      page.getByRole('navigation', { name: 'Pages of the list' }).getByRole('link', { name })

    await top('{"n":119}')
    await step('Older').click()
    await top('{"n":69}')
    await step('Older').click()
    await top('{"n":19}')
    await step('Newer').click()
    await top('{"n":69}')
    await step('Newer').click()
    await top('{"n":119}')
    await counts(step('Newer'), 0)
    await page.getByRole('link', { name: /Newest first/ }).click()
    await top('{"n":0}')
  })

  it('lets no row move while some are chosen, and says what has come meanwhile', async () => {
    const jobs = await newJobs()
    await jobs.enqueue(later, { n: 1 })
    const page = await visit(await serve(jobs), 'jobs')
    const rows = page.locator('tbody tr')
    await rows.getByRole('checkbox').check()
    await jobs.enqueue(later, { n: 2 })
    await page.getByRole('button', { name: '1 new' }).waitFor()
    expect(await rows.count()).toBe(1)
    await page.getByRole('button', { name: '1 new' }).click()
    await counts(rows, 2)
    await page.getByText('1 job chosen').waitFor()
  })

  it('retries, runs, edits, cancels and deletes the chosen ones, and counts what was done', async () => {
    const jobs = await newJobs()
    const failed = await jobs.enqueueMany([fail.with({ n: 1 }), fail.with({ n: 2 }), fail.with({ n: 3 })])
    await runAll(
      jobs,
      failed.map(({ id }) => id),
    )
    const page = await visit(await serve(jobs), 'jobs?state=failed')
    const bar = page.getByRole('region', { name: 'Chosen jobs' })

    await page.locator('tbody tr').nth(0).getByRole('checkbox').click()
    await page
      .locator('tbody tr')
      .nth(1)
      .getByRole('checkbox')
      .click({ modifiers: ['Shift'] })
    await bar.getByRole('button', { name: 'Retry' }).click()
    await page.getByText('2 jobs retried').waitFor()

    await page.getByRole('navigation', { name: 'States' }).getByRole('link', { name: 'Pending' }).click()
    await page.getByLabel('Choose all on this page').click()
    await bar.getByRole('button', { name: 'Edit' }).click()
    await page.getByLabel('Priority').fill('-3')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('2 jobs edited').waitFor()

    await page.getByLabel('Choose all on this page').click()
    await bar.getByRole('button', { name: 'Cancel' }).click()
    await page.getByLabel('Reason').fill('a mistake')
    await page.getByRole('button', { name: 'Cancel them' }).click()
    await page.getByText('2 jobs cancelled').waitFor()
    expect(await jobs.list({ state: 'cancelled' })).toMatchObject([
      { priority: -3, cancel: 'a mistake' },
      { priority: -3, cancel: 'a mistake' },
    ])

    await page.getByRole('navigation', { name: 'States' }).getByRole('link', { name: 'All' }).click()
    await page.getByLabel('Choose all on this page').click()
    await bar.getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('button', { name: 'Leave as it is' }).click()
    expect(await jobs.list()).toHaveLength(3)
    await bar.getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('button', { name: 'Delete for good' }).click()
    await page.getByText('3 jobs deleted').waitFor()
    await page.getByText('No job yet').waitFor()
  })

  it('leads back to the list as it was, from a job that was deleted', async () => {
    const jobs = await newJobs()
    await jobs.enqueueMany([later.with({ n: 1 }), later.with({ n: 2 })])
    const page = await visit(await serve(jobs), 'jobs')
    await page.getByLabel('Task').selectOption('later')
    await page.locator('tbody tr', { hasText: '{"n":2}' }).click()
    await page.getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('button', { name: 'Delete for good' }).click()
    await page.getByText('later was deleted').waitFor()
    await counts(page.locator('tbody tr'), 1)
    expect(new URL(page.url()).search).toBe('?task=later')
  })

  it('does it to all that match, more than a page shows', async () => {
    const jobs = await newJobs()
    await jobs.enqueueMany(Array.from({ length: 130 }, (_, n) => later.with({ n }, { delay: '1h' })))
    await jobs.enqueue(mail, { to: 'ada@example.com' })
    const page = await visit(await serve(jobs), 'jobs?state=pending&task=later')
    await page.locator('tbody tr').nth(49).waitFor()
    await page.getByLabel('Choose all on this page').click()
    await page.getByRole('button', { name: 'Choose all 130 that match' }).click()
    await page.getByText('all 130 jobs chosen').waitFor()
    await page.getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('button', { name: 'Delete for good' }).click()
    await page.getByText('130 jobs deleted').waitFor()
    expect(await jobs.list()).toMatchObject([{ task: 'mail' }])
  })
})

describe('a job’s page', () => {
  it('shows payload and result as trees, attempts with errors, the log, and the children', async () => {
    const parent = task<object>({
      name: 'parent',
      maxAttempts: 2,
      backoff: 0,
      retention: { completed: '1d' },
      handler: async (_payload, job) => {
        job.log.warn(`run ${job.attempt}`, { half: 0.5 })
        if (job.attempt === 1) throw new RangeError('too far')
        await job.enqueue(later, { n: 1 })
        return { list: [1, 2, { deep: 'found' }], nothing: null }
      },
    })
    const jobs = await newJobs()
    const { id } = await jobs.enqueue(parent, { key: 'value', big: 12 })
    const worker = jobs.work([parent])
    await jobs.wait(id)
    await worker.stop()
    const page = await visit(await serve(jobs), `jobs/${id}`)

    const errors = page.getByRole('region', { name: 'Errors' })
    await errors.getByText('too far').waitFor()
    await errors.getByText('page.test.ts').first().waitFor()
    await errors.getByRole('button', { name: 'Fold the stack' }).click()
    expect(await errors.getByText('page.test.ts').count()).toBe(0)

    const result = page.getByRole('region', { name: 'Result' })
    expect(await result.getByText('found').count()).toBe(0)
    await result.getByRole('button', { name: '2: { 1 }' }).click()
    await result.getByText('found').waitFor()
    await result.getByRole('button', { name: 'As text' }).click()
    await result.getByText('"nothing": null').waitFor()

    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
    await page.getByRole('button', { name: 'Copy id' }).click()
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(id)

    const log = page.getByRole('log')
    expect(await log.innerText()).toMatch(/Attempt 1[^]*run 1[^]*"half": 0.5[^]*Attempt 2[^]*run 2/)
    const timeline = page.getByRole('region', { name: 'Timeline' })
    expect(await timeline.innerText()).toMatch(
      /Enqueued[^]*Attempt 1 failed[^]*Attempt 2 started[^]*Completed[^]*forgotten/,
    )
    await page.getByRole('region', { name: 'Children' }).getByRole('link', { name: 'later' }).click()
    await page.getByRole('link', { name: id }).waitFor()
  })

  it('retries, runs now, edits, cancels and deletes', async () => {
    const jobs = await newJobs()
    const { id } = await jobs.enqueue(fail, { n: 1 })
    await runAll(jobs, [id])
    const page = await visit(await serve(jobs), `jobs/${id}`, { expected: /404/ })
    await page.getByRole('button', { name: 'Retry' }).click()
    await page.getByText('Due, waits for a worker').waitFor()

    await page.getByRole('button', { name: 'Edit' }).click()
    await page.getByRole('textbox', { name: 'Payload' }).fill('{"n": ')
    await page.getByText('This is not JSON yet').waitFor()
    await page.getByRole('textbox', { name: 'Payload' }).fill('{"n": 12345678901234567890}')
    await page.getByText('12345678901234567890 has more digits').waitFor()
    await page.getByRole('textbox', { name: 'Payload' }).fill('{"n": 2}')
    await page.getByLabel('Priority').fill('9')
    await page.getByLabel('Run at').fill('2040-01-01T12:00')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('It is saved').waitFor()
    expect(await jobs.get(id)).toMatchObject({ payload: { n: 2 }, priority: 9, state: 'pending' })

    await page.getByRole('button', { name: 'Run now' }).click()
    await page.getByText('Due, waits for a worker').waitFor()
    await page.getByRole('button', { name: 'Cancel' }).click()
    await page.getByLabel('Reason').fill('enough')
    await page.getByRole('button', { name: 'Cancel it' }).click()
    await page.getByText('Cancelled because').waitFor()

    await page.getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('dialog').waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    expect(await jobs.get(id)).toBeDefined()
    await page.getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('button', { name: 'Delete for good' }).click()
    await page.getByText('fail was deleted').waitFor()
    await page.goto(page.url().replace(/jobs$/, `jobs/${id}`)) // where it was opened alone, to the list
    await page.getByText('There is no such job').waitFor()
  })

  it('shows lines as they come, and stops what runs', async () => {
    const said = Promise.withResolvers<void>()
    const slow = task<null>({
      name: 'slow',
      handler: async (_payload, job) => {
        job.log.info('the first line')
        await said.promise
        job.log.info('the second line')
        await new Promise((resolve) => job.signal.addEventListener('abort', resolve))
        job.signal.throwIfAborted()
      },
    })
    const jobs = await newJobs()
    const { id } = await jobs.enqueue(slow, null)
    const worker = jobs.work([slow])
    const page = await visit(await serve(jobs), `jobs/${id}`)
    await page.getByText('the first line').waitFor()
    said.resolve()
    await page.getByText('the second line').waitFor()
    await page.getByRole('button', { name: 'Cancel' }).click()
    await page.getByLabel('Reason').fill('too slow')
    await page.getByRole('button', { name: 'Cancel it' }).click()
    await page.getByRole('region', { name: 'Timeline' }).getByText('Cancelled').waitFor()
    await worker.stop()
  })
})

describe('queues and workers', () => {
  it('pauses, resumes and limits a queue, and shows its tasks', async () => {
    const jobs = await newJobs()
    await jobs.enqueue(later, { n: 1 })
    const page = await visit(await serve(jobs), 'queues')
    const row = page.locator('tr[data-queue=slow]')
    await row.getByRole('button', { name: 'Pause' }).click()
    await row.getByText('paused', { exact: true }).waitFor()
    expect(await jobs.stats()).toMatchObject([{ paused: true }])
    await row.getByRole('button', { name: 'Limits' }).click()
    await page.getByLabel('Running at a time').fill('0')
    await page.getByLabel('Running at a time').fill('3')
    await page.getByLabel('Priority among queues').fill('2')
    await page.getByRole('button', { name: 'Set' }).click()
    await row.getByText('of 3').waitFor()
    await row.getByRole('button', { name: 'Resume' }).click()
    await row.getByRole('button', { name: 'Pause' }).waitFor()
    expect(await jobs.stats()).toMatchObject([{ paused: false, concurrency: 3, priority: 2 }])
    await row.getByRole('button', { name: 'Tasks of slow' }).click()
    await page.locator('.queue-task', { hasText: 'later' }).waitFor()
  })

  it('shows the workers that are alive, with what they have in hand', async () => {
    const held = Promise.withResolvers<void>()
    const hold = task<null>({ name: 'hold', handler: () => held.promise })
    const jobs = await newJobs()
    await jobs.enqueue(hold, null)
    const worker = jobs.work([hold], { concurrency: 3, presence: '300ms' })
    const page = await visit(await serve(jobs), 'workers')
    const card = page.getByRole('region', { name: /^Worker / })
    await card.getByText('1 of 3 in hand').waitFor({ timeout: 15_000 })
    await card.getByRole('link', { name: 'hold' }).click()
    await page.getByText('Attempt 1 runs').waitFor()
    held.resolve()
    await worker.stop()
  })
})

describe('enqueueing by hand', () => {
  it('says what a schema finds, where, and then enqueues', async () => {
    const jobs = await newJobs()
    const page = await visit(await serve(jobs, { authorize: () => 'full', tasks: [mail] }), 'enqueue', {
      expected: /400|422/,
    })
    await page.getByLabel('Task').fill('mail')
    await page.getByText('Its payload is checked').waitFor()
    await page.getByRole('textbox', { name: 'Payload' }).fill('{"to":"nobody","nested":{"deep":["a"]}}')
    await page.getByRole('button', { name: 'Enqueue', exact: true }).click()
    await page.getByText('nested.deep.0', { exact: true }).waitFor()

    await page.getByRole('textbox', { name: 'Payload' }).fill('{"to":"ada@example.com"}')
    await page.getByLabel('When').selectOption('in')
    await page.getByLabel('How long').fill('2')
    await page.getByLabel('Unit').selectOption('hours')
    await page.getByLabel('Priority').fill('-1')
    await page.getByLabel('Unique key').fill('k')
    await page.getByRole('button', { name: 'Enqueue', exact: true }).click()
    await page.getByRole('heading', { name: 'mail' }).waitFor()
    const [job] = await jobs.list()
    expect(job).toMatchObject({ task: 'mail', queue: 'post', payload: { to: 'ada@example.com' }, priority: -1 })

    await page.getByRole('link', { name: 'Enqueue another' }).click()
    await page.getByLabel('Unique key').fill('k')
    await page.getByRole('button', { name: 'Enqueue', exact: true }).click()
    await page.getByText('Nothing was added').waitFor()
    expect(await jobs.list()).toHaveLength(1)
  })
})

it('a run that snoozes is pending again, and says when', async () => {
  const sleepy = task<null>({ name: 'sleepy', handler: () => snooze('1h') })
  const jobs = await newJobs()
  const { id } = await jobs.enqueue(sleepy, null)
  const worker = jobs.work([sleepy])
  const page = await visit(await serve(jobs), `jobs/${id}`)
  await page.getByText('in 1 h').waitFor()
  await worker.stop()
})
