import { show } from './core/expect.ts'

/** A password between user and host; as far as the last `@`, since people forget to encode theirs. */
const inAuthority = /^((?:[a-z]+:)?[a-z][a-z0-9+.-]*:\/\/[^:/?#@]*):(.*)@/i

const inQuery = /([?&](?:[a-z_-]*(?:password|passwd|pwd|secret|token)|pass)=)([^&#]*)/gi

/** Secrets shorter than this hide only where they stand in their URL: elsewhere they are as likely a common word. */
const shortestSecret = 4

/** The URL as it may be printed: passwords and tokens in it are `***`. */
export function masked(url: string): string {
  return url.replace(inAuthority, '$1:***@').replace(inQuery, '$1***')
}

/** Whether there is something in the URL that must not be printed. */
export function hasSecret(url: string): boolean {
  return masked(url) !== url
}

/** The text without the secrets of these URLs, wherever it quotes them. */
export function hideSecrets(text: string, urls: readonly string[]): string {
  let hidden = text
  for (const url of urls) {
    hidden = hidden.replaceAll(show(url), show(masked(url))).replaceAll(url, masked(url))
    for (const secret of secretsOf(url)) hidden = hidden.replaceAll(secret, '***')
  }
  return hidden
}

/** As written, as decoded, and as they stand in JSON; the longest first, so that none is left half hidden. */
function secretsOf(url: string): readonly string[] {
  const raw = [inAuthority.exec(url)?.[2] ?? '', ...[...url.matchAll(inQuery)].map(([, , value]) => value ?? '')]
  const all = raw.flatMap((secret) => [secret, decoded(secret), JSON.stringify(secret).slice(1, -1)])
  return [...new Set(all)].filter((secret) => secret.length >= shortestSecret).toSorted((a, b) => b.length - a.length)
}

function decoded(secret: string): string {
  try {
    return decodeURIComponent(secret)
  } catch {
    return secret // a stray %: then it stands for itself
  }
}
