/** The one way in which this room fails: an etcd that could not be brought to serve. */
import { EtcdMtlsError } from '../report/errors.js'

/** Log lines that stand in the error's message; `details.logs` has all of them. */
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

/** The last complaints of the worst kind in a log; where there are none, its last lines. */
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
    return { level: '', text: line }
  }
  if (entry === null || typeof entry !== 'object' || !('msg' in entry) || !('level' in entry)) {
    return { level: '', text: line }
  }
  const level = String(entry.level)
  const error = 'error' in entry ? `: ${String(entry.error)}` : ''
  return { level, text: `${level}: ${String(entry.msg)}${error}` }
}
