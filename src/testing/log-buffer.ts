/** The log lines of one etcd. */
import { abortable } from '../client/internal.js'
import { EtcdMtlsError } from '../report/index.js'

/** Lines kept, so that an etcd that runs for hours does not fill the memory of its test. */
const MAX_LINES = 5_000

export class LogBuffer {
  readonly #lines: string[] = []
  readonly #waiters = new Set<(line: string) => void>()
  #rest = ''

  /** @param text Output that may end in the middle of a line. */
  write(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) this.#add(line)
  }

  /** Adds the last line, which may lack a line break. */
  end(): void {
    if (this.#rest !== '') this.#add(this.#rest)
    this.#rest = ''
  }

  lines(): string[] {
    return [...this.#lines]
  }

  clear(): void {
    this.#lines.length = 0
    this.#rest = ''
  }

  /** Resolves to the first line that matches, earlier lines included. Rejects with the reason of `signal`. */
  async waitFor(pattern: RegExp, signal: AbortSignal): Promise<string> {
    signal.throwIfAborted()
    // With the flag g or y, test() starts where the last match ended.
    const stateless = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''))
    const earlier = this.#lines.find((line) => stateless.test(line))
    if (earlier !== undefined) return earlier
    let resolve: (line: string) => void = () => undefined
    const found = new Promise<string>((onFound) => (resolve = onFound))
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

/** Lines in an error message; `details.logs` has all of them. */
const LINES_SHOWN = 6
/** zap's levels, the most severe first. */
const LEVELS = [['error', 'dpanic', 'panic', 'fatal'], ['warn']]

export function notStarted(
  reason: string,
  logs: readonly string[],
  cause?: unknown,
): EtcdMtlsError<'ERR_ETCD_NOT_STARTED'> {
  const shown = mostSevereLines(logs)
  const message = shown.length === 0 ? reason : `${reason} The last lines of its log: ${shown.join(' | ')}`
  return new EtcdMtlsError('ERR_ETCD_NOT_STARTED', message, { reason, logs: [...logs] }, { cause })
}

/** The last lines of the most severe level in a log; its last lines if it has no errors and warnings. */
export function mostSevereLines(logs: readonly string[]): string[] {
  const lines = logs.filter((line) => line.trim() !== '').map(readLine)
  const bySeverity = LEVELS.map((levels) => lines.filter((line) => levels.includes(line.level)))
  // For an unknown flag, etcd writes the reason in one line, then its usage in many.
  const usage = lines.findIndex((line) => line.text.startsWith('Usage:'))
  const shown = bySeverity.find((group) => group.length > 0) ?? (usage > 0 ? lines.slice(0, usage) : lines)
  return shown.slice(-LINES_SHOWN).map((line) => line.text)
}

/** Reduces a JSON line of etcd to level, message and error. Other lines stay unchanged. */
function readLine(line: string): { level: string; text: string } {
  let entry: unknown
  try {
    entry = JSON.parse(line)
  } catch {
    // Not JSON.
  }
  const { level, msg, error } = Object(entry) as Partial<Record<'level' | 'msg' | 'error', unknown>>
  if (typeof level !== 'string' || typeof msg !== 'string') return { level: '', text: line }
  return { level, text: `${level}: ${msg}${typeof error === 'string' ? `: ${error}` : ''}` }
}
