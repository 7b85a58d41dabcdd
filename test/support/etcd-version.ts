/** The etcd on PATH, which `npm test` chooses; another one with `ETCD_MTLS_ETCD`. */
import { execFileSync } from 'node:child_process'
import type { EtcdVersion } from '../../src/config/version.js'

const text = execFileSync('etcd', ['--version'], { encoding: 'utf8' })

/** The version of etcd, such as `3.5.16`. */
export const INSTALLED = /etcd Version: (3\.\d+\.\d+)/.exec(text)?.[1] as EtcdVersion

/** The minor version of the Go that built it, such as 24. */
export const GO_MINOR = Number(/Go Version: go1\.(\d+)/.exec(text)?.[1])

/** Whether its alerts tell one reason from another: before Go 1.21 each is 42, bad_certificate. */
export const ALERTS_SAY_WHY = GO_MINOR >= 21

/** The alert that it sends to a client without a certificate. */
export function noCertificateAlert(version: 'TLSv1.2' | 'TLSv1.3'): number {
  if (version === 'TLSv1.3') return ALERTS_SAY_WHY ? 116 : 42
  return GO_MINOR < 25 ? 42 : 40
}
