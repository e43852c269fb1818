import { UsageError } from '../core/errors.ts'

/** The stores to open: those of `--url`, otherwise that of `JOBFERRY_URL`. @throws UsageError when there is none */
export function storeUrls(
  urls: readonly string[] | undefined,
  env: Readonly<Record<string, string | undefined>>,
): readonly string[] {
  if (urls !== undefined) return urls
  const url = env['JOBFERRY_URL']
  if (url !== undefined && url !== '') return [url]
  throw new UsageError('Expected a store: give --url sqlite:app.db, or set JOBFERRY_URL')
}
