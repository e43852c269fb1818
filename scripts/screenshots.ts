// Photographs every page of the dashboard, light, dark and narrow, into screenshots/: `npm run build && npm run screenshots`.
// `-- NAME …` takes only these pages; `-- docs` takes those that the documentation shows, into docs/images/.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

import type { Page } from 'playwright-core'

import { open } from '../src/index.ts'
import { scene } from '../test/dashboard-page/scene.ts'
import { newStage } from '../test/dashboard-page/stage.ts'
import { startBrowser } from '../test/servers/browser.ts'

const folder = join(import.meta.dirname, '../screenshots')
const looks = [
  { name: 'light', colorScheme: 'light', viewport: { width: 1280, height: 800 } },
  { name: 'dark', colorScheme: 'dark', viewport: { width: 1280, height: 800 } },
  { name: 'narrow', colorScheme: 'light', viewport: { width: 390, height: 844 } },
] as const

const only = process.argv.slice(2)
const forDocs = only[0] === 'docs'
const docsFolder = join(import.meta.dirname, '../docs/images')
/** Small enough for a README. */
const docsLooks = [
  { shot: 'overview', file: 'dashboard-overview.png', colorScheme: 'light' },
  { shot: 'chosen', file: 'dashboard-jobs.png', colorScheme: 'dark' },
  { shot: 'job-failed', file: 'dashboard-job.png', colorScheme: 'light' },
] as const
const data = mkdtempSync(join(tmpdir(), 'jobferry-screenshots-'))
for (const one of [folder, docsFolder]) mkdirSync(one, { recursive: true })
try {
  await using jobs = await open(`sqlite:${join(data, 'jobs.db')}`, { logger: false })
  const played = await scene(jobs)
  await using stage = await newStage(jobs, { authorize: () => 'full', tasks: played.tasks })
  await using browser = await startBrowser()

  const shots: Readonly<Record<string, (page: Page) => Promise<void>>> = {
    overview: async (page) => {
      await page.goto(stage.url)
      await page.locator('.uplot').first().waitFor()
    },
    jobs: async (page) => goTo(page, 'jobs'),
    failed: async (page) => goTo(page, 'jobs?state=failed'),
    chosen: async (page) => {
      await goTo(page, 'jobs?state=failed')
      await page
        .getByLabel('Choose all on this page')
        .setChecked(true, { force: true })
        .catch(() => undefined)
      await wait(300)
    },
    search: async (page) => goTo(page, 'jobs?text=nothing-like-this'),
    queues: async (page) => goTo(page, 'queues'),
    workers: async (page) => goTo(page, 'workers'),
    'job-failed': async (page) => goTo(page, `jobs/${played.failed}`),
    'job-running': async (page) => goTo(page, `jobs/${played.running}`),
    'job-completed': async (page) => goTo(page, `jobs/${played.completed}`),
    edit: async (page) => {
      await goTo(page, `jobs/${played.pending}`)
      await page.getByRole('button', { name: 'Edit' }).click()
    },
    enqueue: async (page) => goTo(page, `enqueue?like=${played.completed}`),
    help: async (page) => {
      await goTo(page, 'queues')
      await page.keyboard.press('?')
    },
    delete: async (page) => {
      await goTo(page, `jobs/${played.failed}`)
      await page.getByRole('button', { name: 'Delete' }).click()
    },
  }
  const goTo = async (page: Page, to: string): Promise<void> => {
    await page.goto(stage.url + to)
    await page.waitForLoadState('load')
    await wait(500)
  }

  const watcher = await browser.newPage() // somebody watches: the series is sampled
  await watcher.goto(stage.url)
  await wait(Number(process.env['WATCH_MS'] ?? 20_000))
  for (const { shot, file, colorScheme } of forDocs ? docsLooks : []) {
    const context = await browser.newContext({ colorScheme, viewport: { width: 1200, height: 740 }, locale: 'en-GB' })
    const page = await context.newPage()
    await shots[shot]?.(page)
    await wait(400)
    await page.screenshot({ path: join(docsFolder, file) })
    await context.close()
  }
  for (const { name, ...options } of forDocs ? [] : looks) {
    const context = await browser.newContext({ ...options, deviceScaleFactor: 1, locale: 'en-GB' })
    const page = await context.newPage()
    page.on('console', (message) => console.log(message.type(), message.text()))
    page.on('pageerror', (error) => console.log(error))
    for (const [title, visit] of Object.entries(shots)) {
      if (only.length > 0 && !only.includes(title)) continue
      await visit(page)
      await wait(400)
      await page.screenshot({
        path: join(folder, `${title}-${name}.png`),
        fullPage: name === 'narrow' && title !== 'chosen',
      })
    }
    await context.close()
  }
  await played.end()
} finally {
  rmSync(data, { recursive: true, force: true })
}
