import { toProblem } from './problem.ts'

/**
 * On every answer. The page may load and ask for nothing but its own; nobody may frame it, and nothing in it is guessed to be of another type
 * than it says. Styles set by script are no inline styles to a policy, so charts need no exception.
 */
export const securityHeaders: Readonly<Record<string, string>> = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "font-src 'self'",
    "connect-src 'self'",
    "base-uri 'self'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
}

export function respond(
  status: number,
  body: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(body, { status, headers: { 'cache-control': 'no-store', ...securityHeaders, ...headers } })
}

export function json(document: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Response {
  return respond(status, JSON.stringify(document), { 'content-type': 'application/json', ...headers })
}

/** Whatever was thrown, as RFC 9457 has it. */
export function problemResponse(thrown: unknown): Response {
  const { headers, ...problem } = toProblem(thrown)
  return respond(problem.status, JSON.stringify(problem), { 'content-type': 'application/problem+json', ...headers })
}
