/** What an etcd has written, line by line, and the wait for a line that is still to come. */
import { abortable } from '../client/timing.js'
import { EtcdMtlsError } from '../report/errors.js'

/** Lines kept; an etcd that is left running for hours must not fill the memory of its test. */
const MAX_LINES = 5_000

export class LogBuffer {
  readonly #lines: string[] = []
  readonly #waiters = new Set<(line: string) => void>()
  #rest = ''

  /** Takes the next piece of output; it may end in the middle of a line. */
  write(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) this.#add(line)
  }

  /** Ends a line that has no line break, as the last output of a process may. */
  end(): void {
    if (this.#rest !== '') this.#add(this.#rest)
    this.#rest = ''
  }

  /** Every line so far, oldest first. */
  lines(): string[] {
    return [...this.#lines]
  }

  /** Forgets the lines so far, so that a later wait sees only what comes after. */
  clear(): void {
    this.#lines.length = 0
    this.#rest = ''
  }

  /** Resolves with the first line that matches, also one that was written before. Rejects with the reason of `signal`. */
  async waitFor(pattern: RegExp, signal: AbortSignal): Promise<string> {
    signal.throwIfAborted()
    // A pattern with the flags g or y remembers where it stopped; it would miss every other line.
    const stateless = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''))
    const seen = this.#lines.find((line) => stateless.test(line))
    if (seen !== undefined) return seen
    let resolve: (line: string) => void = () => undefined
    const found = new Promise<string>((settle) => (resolve = settle))
    const waiter = (line: string): void => {
      if (stateless.test(line)) resolve(line)
    }
    this.#waiters.add(waiter)
    try {
      return await abortable(signal, found)
    } finally {
      this.#waiters.delete(waiter)
    }
  }

  #add(raw: string): void {
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw
    this.#lines.push(line)
    if (this.#lines.length > MAX_LINES) this.#lines.shift()
    for (const waiter of this.#waiters) waiter(line)
  }
}

/** Log lines in the error's message; `details.logs` has all of them. */
const LINES_SHOWN = 6
/** Names of zap's levels, the worse ones first. */
const LEVELS = [['error', 'dpanic', 'panic', 'fatal'], ['warn']]

/** The error for an etcd that was not started: the reason, and the last that it wrote. */
export function notStarted(
  reason: string,
  logs: readonly string[],
  cause?: unknown,
): EtcdMtlsError<'ERR_ETCD_NOT_STARTED'> {
  const shown = tellingLines(logs)
  const message = shown.length === 0 ? reason : `${reason} The last lines of its log: ${shown.join(' | ')}`
  return new EtcdMtlsError('ERR_ETCD_NOT_STARTED', message, { reason, logs: [...logs] }, { cause })
}

/** The last complaints of the worst kind in a log; if there are none, its last lines. */
export function tellingLines(logs: readonly string[]): string[] {
  const lines = logs.filter((line) => line.trim() !== '').map(readLine)
  const kinds = LEVELS.map((levels) => lines.filter((line) => levels.includes(line.level)))
  // To a flag that it does not know etcd answers with one line of reason and many of usage.
  const usage = lines.findIndex((line) => line.text.startsWith('Usage:'))
  const shown = kinds.find((kind) => kind.length > 0) ?? (usage > 0 ? lines.slice(0, usage) : lines)
  return shown.slice(-LINES_SHOWN).map((line) => line.text)
}

/** etcd writes JSON with a stack; a person needs the level, the message and the error. Other lines pass as they are. */
function readLine(line: string): { level: string; text: string } {
  let entry: unknown
  try {
    entry = JSON.parse(line)
  } catch {
    // No JSON.
  }
  const { level, msg, error } = Object(entry) as Partial<Record<'level' | 'msg' | 'error', unknown>>
  if (typeof level !== 'string' || typeof msg !== 'string') return { level: '', text: line }
  return { level, text: `${level}: ${msg}${typeof error === 'string' ? `: ${error}` : ''}` }
}
