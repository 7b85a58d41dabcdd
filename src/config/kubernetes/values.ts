/** Values that manifests hold: paths, URLs, durations. */
import { isAbsolute, normalize } from 'node:path/posix'
import { optionInvalid, valueInvalid } from '../../report/option-error.js'
import { parseDuration } from '../../report/duration.js'
import { readPlainUrl } from '../url.js'

/** Longest path that Linux takes, PATH_MAX less its zero. */
const MAX_PATH = 4095

/** An absolute path of Linux, as it stands there without `..`; a colon would end it where a volume is mounted. */
export function checkPath(option: string, path: unknown): string {
  if (typeof path !== 'string' || !isAbsolute(path) || path.length > MAX_PATH || /[\p{Cc}:]/u.test(path)) {
    throw valueInvalid(option, path, 'an absolute path without control characters and colons')
  }
  if (path.split('/').includes('..')) throw optionInvalid(option, 'must not hold ".."')
  const plain = normalize(path)
  return plain.length > 1 ? plain.replace(/\/$/, '') : plain
}

/** The https URLs of etcd, one at least. */
export function checkEndpoints(option: string, endpoints: unknown): string[] {
  if (!Array.isArray(endpoints) || endpoints.length === 0)
    throw valueInvalid(option, endpoints, 'an array of at least one URL')
  return endpoints.map((endpoint: unknown, index) => {
    const at = `${option}[${String(index)}]`
    if (typeof endpoint !== 'string') throw valueInvalid(at, endpoint, 'a string')
    const reading = readPlainUrl(endpoint, 'advertise')
    if ('refused' in reading) throw optionInvalid(at, `must be a URL of etcd, and ${reading.refused}`)
    if (!reading.url.isTls) throw optionInvalid(at, 'must begin with "https://": certificates need TLS')
    return endpoint
  })
}

const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000
/** Go counts in nanoseconds, in 64 bits: some 292 years (package time, Duration). */
const MAX_GO_MS = 9_223_372_036_854

/** A duration as Go prints it, `2160h0m0s`, which is how the API server hands it back. */
export function goDuration(option: string, text: unknown): { text: string; ms: number } {
  const ms = parseDuration(text, option)
  if (ms % 1000 !== 0) throw optionInvalid(option, 'must be whole seconds')
  if (ms > MAX_GO_MS) throw optionInvalid(option, 'must be shorter than 106751 days, the longest duration of Go')
  const hours = Math.floor(ms / HOUR_MS)
  const minutes = Math.floor((ms % HOUR_MS) / MINUTE_MS)
  const seconds = (ms % MINUTE_MS) / 1000
  return { text: `${String(hours)}h${String(minutes)}m${String(seconds)}s`, ms }
}
