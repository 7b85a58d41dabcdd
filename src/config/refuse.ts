import { EtcdMtlsError } from '../report/errors.js'
import type { Finding } from '../report/finding.js'
import { printable } from '../report/printable.js'

/** Findings whose texts the message holds; the rest are counted. */
const SHOWN = 3

/** The error for what cannot be written, or read. `what` begins a sentence, as `The configuration of the member "etcd-0"`. */
export function configInvalid(
  what: string,
  findings: readonly Finding[],
  done: 'written' | 'read' = 'written',
): EtcdMtlsError<'ERR_CONFIG_INVALID'> {
  const shown = findings.slice(0, SHOWN).map(({ message }) => message)
  const more = findings.length > SHOWN ? [`(${String(findings.length - SHOWN)} more in details.findings.)`] : []
  const reason = printable(`${what} cannot be ${done}: ${[...shown, ...more].join(' ')}`)
  return new EtcdMtlsError('ERR_CONFIG_INVALID', reason, { reason, findings: [...findings] })
}
