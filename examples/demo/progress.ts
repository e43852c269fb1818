import { styleText } from 'node:util'

const out = process.stdout
const barWidth = 32
const number = new Intl.NumberFormat('en')

/** A whole number with thousands apart: `12,345`. */
export function count(n: number): string {
  return number.format(Math.round(n))
}

/** Coloured on a terminal, unless NO_COLOR is set. */
export function paint(style: Parameters<typeof styleText>[0], text: string): string {
  return styleText(style, text, { stream: out })
}

/** Shows how far a number of files has come: one moving line on a terminal, a line for every tenth elsewhere. */
export class Progress {
  readonly #total: number
  readonly #startedAt = performance.now()
  #done = -1

  constructor(total: number) {
    this.#total = total
  }

  show(done: number): void {
    if (done === this.#done) return
    const tenthPassed = Math.floor((done / this.#total) * 10) > Math.floor((this.#done / this.#total) * 10)
    this.#done = done
    if (out.isTTY) out.write(`\r\x1b[2K  ${this.#bar()} ${this.#figures()}`)
    else if (tenthPassed && done > 0) out.write(`  ${this.#figures()}\n`)
  }

  /** A line of its own, above the bar. */
  note(text: string): void {
    out.write(out.isTTY ? `\r\x1b[2K  ${text}\n` : `  ${text}\n`)
  }

  end(): void {
    out.write(out.isTTY ? '\n\n' : '\n')
  }

  #bar(): string {
    const filled = Math.round((this.#done / this.#total) * barWidth)
    return paint('cyan', '█'.repeat(filled)) + paint('dim', '░'.repeat(barWidth - filled))
  }

  #figures(): string {
    const percent = Math.floor((this.#done / this.#total) * 100)
    const perSecond = (this.#done / (performance.now() - this.#startedAt)) * 1_000
    return `${String(percent).padStart(3)} %  ${count(this.#done)} of ${count(this.#total)} files  ${count(perSecond)}/s`
  }
}
