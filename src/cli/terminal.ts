/** The two streams of a command: answers on stdout, progress and hints on stderr. */
import { printable, type PrintOptions } from '../report/internal.js'

/** Milliseconds before progress is shown: a quick command shows none. */
const PROGRESS_DELAY = 1000
/** Least columns of a line. */
const MIN_COLUMNS = 80
const ERASE_LINE = '\r\u001b[K'

export type ColorChoice = 'auto' | 'always' | 'never'

/** What of a stream is used. */
export interface OutputStream {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  write(text: string): unknown
}

export class Terminal {
  readonly #out: OutputStream
  readonly #err: OutputStream
  #progress = ''
  #shown = false
  #timer: NodeJS.Timeout | null = null

  constructor(out: OutputStream, err: OutputStream) {
    this.#out = out
    this.#err = err
  }

  answer(text: string): void {
    this.endProgress()
    this.#out.write(text.endsWith('\n') || text === '' ? text : `${text}\n`)
  }

  readonly hint = (line: string): void => {
    this.endProgress()
    this.#err.write(`${line}\n`)
  }

  readonly progress = (text: string): void => {
    if (this.#err.isTTY !== true) return
    this.#progress = printable(text)
    if (this.#shown) this.#show()
    this.#timer ??= setTimeout(this.#show, PROGRESS_DELAY).unref()
  }

  endProgress(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    if (this.#shown) this.#err.write(ERASE_LINE)
    this.#shown = false
  }

  /** How reports are printed here. */
  async print(color: ColorChoice): Promise<PrintOptions> {
    const { resolvePrint } = await import('../report/internal.js')
    const choice = color === 'auto' ? color : color === 'always'
    const print = resolvePrint({ color: choice, width: 'auto', stream: this.#out })
    return { ...print, width: Math.max(MIN_COLUMNS, print.width) }
  }

  readonly #show = (): void => {
    this.#shown = true
    this.#err.write(`${ERASE_LINE}${this.#progress.slice(0, MIN_COLUMNS - 1)}`)
  }
}
