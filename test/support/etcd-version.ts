/** The etcd on PATH, which `npm test` chooses; another one with `ETCD_MTLS_ETCD`. */
import { execFileSync } from 'node:child_process'
import type { EtcdVersion } from '../../src/config/version.js'

const text = execFileSync('etcd', ['--version'], { encoding: 'utf8' })

/** The version of etcd, such as `3.5.16`. */
export const INSTALLED = /etcd Version: (3\.\d+\.\d+)/.exec(text)?.[1] as EtcdVersion

/** The minor version of the Go that built it, such as 24. */
export const GO_MINOR = Number(/Go Version: go1\.(\d+)/.exec(text)?.[1])

/** The alert that it sends in TLS 1.2 to a client without a certificate. */
export const NO_CERTIFICATE_ALERT = GO_MINOR < 25 ? 42 : 40
