import { globSync, lstatSync, readFileSync } from 'node:fs'
import { extname, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/** One file of the page, in memory. */
export interface Asset {
  readonly body: Uint8Array<ArrayBuffer>
  readonly type: string
}

/** What the page is made of, by path. Nothing else is ever served, so no path can lead out of it. */
export type Assets = ReadonlyMap<string, Asset>

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
  '.json': 'application/json',
}

let own: Assets | undefined

/** Those that `npm run build` has put beside this file's own folder, read once in a process. Empty if they were never built. */
export function ownAssets(): Assets {
  return (own ??= readAssets(fileURLToPath(new URL('../../dist/dashboard/page/', import.meta.url))))
}

/** Every file below the folder whose kind is known, but no links; without the folder, none. */
export function readAssets(folder: string): Assets {
  const files = globSync('**/*', { cwd: folder }).filter((path) => lstatSync(join(folder, path)).isFile())
  return new Map(
    files.flatMap((path) => {
      const type = types[extname(path)]
      return type === undefined
        ? []
        : [[path.replaceAll(sep, '/'), { body: new Uint8Array(readFileSync(join(folder, path))), type }] as const]
    }),
  )
}

/** The page, told where it is mounted. Its own links are relative. */
export function pageAt(html: Asset, base: string): Asset {
  const text = Buffer.from(html.body).toString('utf8')
  const tag = `<base href="${escaped(base)}">`
  const placed = /<base\b[^>]*>/i.test(text)
    ? text.replace(/<base\b[^>]*>/i, () => tag)
    : text.replace(/<head[^>]*>/i, (head) => `${head}${tag}`)
  return { ...html, body: new Uint8Array(Buffer.from(placed)) }
}

/** In place of the page, where it was not built. */
export const noPage: Asset = {
  body: new Uint8Array(
    Buffer.from(
      '<!doctype html><html lang="en"><head><title>jobferry</title></head><body><p>The page was not built; the API is at <a href="api/openapi.json">api/openapi.json</a>. Run npm run build.</p></body></html>',
    ),
  ),
  type: types['.html'] ?? '',
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
