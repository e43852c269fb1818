/** This API, described. */
export function openapi(version: string): object {
  return { openapi: '3.1.0', info: { title: 'jobferry dashboard', version }, paths: {} }
}
