/** A member that the lint checks and that a real etcd is started with: what is reported of one is done by the other. */
import { dirname } from 'node:path'
import { beforeAll, beforeEach, expect } from 'vitest'
import { lintOne } from './lint-one.js'
import type { ConfigInput } from '../../src/config/read/input.js'
import type { Credentials } from '../../src/credentials/credentials.js'
import type { Finding, FindingCode } from '../../src/report/finding.js'
import { mintedCredentials, pemsOf } from './etcd.js'
import { type EtcdProcess, startEtcdProcess } from './etcd-process.js'
import { INSTALLED } from './etcd-version.js'
import { pkiFolder } from './member-flags.js'
import { dns, ip, mintCa, type Minted, type MintLeafOptions } from './mint.js'
import { heldPorts } from './ports.js'
import { findingOf } from './refused.js'
import { isSaid } from './refusal-words.js'

/** Findings for the etcd that is installed; of several of one code, an error counts. */
export async function lint(config: ConfigInput): Promise<Finding[]> {
  const { findings } = await lintOne(config, { version: INSTALLED })
  return findings.toSorted((a, b) => Number(b.severity === 'error') - Number(a.severity === 'error'))
}

/** The finding of that code; throws if the lint does not give it. */
export async function found(config: ConfigInput, code: FindingCode): Promise<Finding> {
  return findingOf(await lint(config), code)
}

/** Waits until etcd has said one of the words of the row. */
export async function refusing(etcd: EtcdProcess, { refusals }: Finding): Promise<void> {
  expect(refusals).not.toEqual([])
  await etcd.says((log) => refusals.some(({ words }) => isSaid(words, log)))
}

/** What a client presents, in PEM. */
export function shown(credentials: Credentials): { cert: string; key: string } {
  const { cert, key } = pemsOf(credentials)
  return { cert, key }
}

interface LintedMember {
  readonly root: Minted
  /** A path in the folder of its files. */
  readonly file: (name: string) => string
  readonly write: (name: string, content: string | Uint8Array) => string
  /** Writes a certificate of `root` and its key, and returns both for a client to present. */
  readonly issue: (name: string, options?: Partial<MintLeafOptions>) => Credentials
  readonly port: (of: Port) => number
  readonly url: (of: Port) => string
  /** Flags of a member that serves by TLS and requires certificates, with changes; {client}, {peer} and {third} are its ports. */
  readonly flags: (changes?: string) => string[]
  readonly start: (
    flags: readonly string[],
    options?: { env?: Readonly<Record<string, string>>; uid?: number },
  ) => EtcdProcess
  /** etcd ends with an error, and its log has the text. */
  readonly ends: (flags: readonly string[], text: string) => Promise<void>
}

type Port = 'client' | 'peer' | 'third'

/** A folder with certificates, and for each test ports and a folder for the data. Call it at the top level of a test file. */
export function lintedMember(): LintedMember {
  const root = mintCa({ subject: 'Root' })
  const pki = pkiFolder({ issuer: root, names: [ip('127.0.0.1'), dns('localhost')] })
  const { freePort } = heldPorts()
  let ports = { client: 0, peer: 0, third: 0 }
  let runs = 0
  beforeAll(() => {
    pki.write('ca.crt', root.pem)
    for (const name of ['server', 'peer']) pki.issue(name, { subject: 'server', serial: 11n })
  })
  beforeEach(async () => {
    ports = { client: await freePort(), peer: await freePort(), third: await freePort() }
  })
  const url = (of: Port): string => `https://127.0.0.1:${String(ports[of])}`
  const start: LintedMember['start'] = (flags, options) =>
    startEtcdProcess(flags, { cwd: dirname(pki.path('ca.crt')), ...options })
  return {
    root,
    file: (name) => pki.path(name),
    write: (name, content) => pki.write(name, content),
    issue: (name, options = {}) =>
      mintedCredentials({ leaf: pki.issue(name, options), trust: [(options.issuer as Minted | undefined) ?? root] }),
    port: (of) => ports[of],
    url,
    flags: (changes = '') => {
      const filled = changes.replaceAll(/\{(client|peer|third)\}/g, (_, of: Port) => String(ports[of]))
      const urls = { name: 'a', client: url('client'), peer: url('peer') }
      return pki.flags(`data-dir=${pki.path(`data-${String(runs++)}`)} ${filled}`, urls)
    },
    start,
    ends: async (flags, text) => {
      await using etcd = start(flags)
      expect(await etcd.code).not.toBe(0)
      expect(etcd.log()).toContain(text)
    },
  }
}
