/** The etcd on PATH, which `npm test` chooses; another one with `ETCD_MTLS_ETCD`. */
import { execFileSync } from 'node:child_process'
import { formAvailability, passthroughOptions, rowOfFlag, rowOfPath } from '../../src/config/tables/options.js'
import { type EtcdVersion, readVersion } from '../../src/config/tables/version.js'

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

const version = readVersion(INSTALLED, 'INSTALLED')

/** Whether it is a release of 3.4: another logger by default, and fewer options in files. */
export const IS_3_4 = version.minor === 4

/** Options for the environment that make its log what that of later lines is: 3.4 has another form by default. */
export const LOGGED_AS_LATER: Readonly<Record<string, string>> = IS_3_4 ? { ETCD_LOGGER: 'zap' } : {}

/** The flags that it does not have, without their dashes. */
export function missingFlags(args: readonly string[]): string[] {
  return args
    .map((arg) => /^--([\w-]+)/.exec(arg)?.[1] ?? '')
    .filter((name) => {
      const row = rowOfFlag(name)
      if (row !== undefined) return formAvailability(row, 'flags', version) !== 'all'
      const others = passthroughOptions.filter(({ flag }) => flag?.name === name)
      return others.length > 0 && others.every((each) => formAvailability(each, 'flags', version) !== 'all')
    })
}

/** Whether it has a key in its file. */
export function hasKey(path: readonly string[]): boolean {
  const row = rowOfPath(path)
  return row !== undefined && formAvailability(row, 'yaml', version) === 'all'
}
