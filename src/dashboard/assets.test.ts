import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'

import { noPage, pageAt, readAssets } from './assets.ts'

const html = (text: string) => ({ body: new Uint8Array(Buffer.from(text)), type: 'text/html; charset=utf-8' })
const shown = (text: string, base: string) => Buffer.from(pageAt(html(text), base).body).toString()

it('reads what is below the folder and of a kind that it knows, once and for all', () => {
  const dir = mkdtempSync(join(tmpdir(), 'jobferry-assets-'))
  onTestFinished(() => rmSync(dir, { recursive: true }))
  mkdirSync(join(dir, 'page/assets'), { recursive: true })
  writeFileSync(join(dir, 'page/index.html'), '<head>')
  writeFileSync(join(dir, 'page/assets/main-1.js'), 'main')
  writeFileSync(join(dir, 'page/licenses.md'), 'text')
  writeFileSync(join(dir, 'secret.txt'), 'secret')
  symlinkSync(join(dir, 'secret.txt'), join(dir, 'page/secret.txt'))
  const assets = readAssets(join(dir, 'page'))
  rmSync(join(dir, 'page/assets'), { recursive: true })
  expect([...assets.keys()].toSorted()).toEqual(['assets/main-1.js', 'index.html'])
  expect(assets.get('assets/main-1.js')).toMatchObject({ type: 'text/javascript; charset=utf-8' })
})

it('has nothing where nothing was built', () => {
  expect(readAssets(join(tmpdir(), 'jobferry-not-there')).size).toBe(0)
  expect(Buffer.from(noPage.body).toString()).toContain('npm run build')
})

it.each([
  ['<html><head><title>x</title>', '<html><head><base href="/jobs/"><title>x</title>'],
  ['<head lang="en">', '<head lang="en"><base href="/jobs/">'],
  ['<head><base href="/"><script>', '<head><base href="/jobs/"><script>'],
])('tells the page where it is mounted: %s', (text, told) => {
  expect(shown(text, '/jobs/')).toBe(told)
})

it('writes the mount path as text, whatever is in it', () => {
  expect(shown('<head>', '/"><script>$&</script>/')).toBe(
    '<head><base href="/&quot;&gt;&lt;script&gt;$&amp;&lt;/script&gt;/">',
  )
})
