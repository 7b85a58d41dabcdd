/** A member whose flags the lint checks and a real etcd is started with: what is said of one is done by the other. */
import { join } from 'node:path'
import { expect } from 'vitest'
import { lintEtcdConfig } from '../../src/config/lint/lint.js'
import type { ConfigInput } from '../../src/config/read/input.js'
import type { Credentials } from '../../src/credentials/credentials.js'
import type { Finding, FindingCode } from '../../src/report/finding.js'
import { INSTALLED } from './etcd-version.js'
import { type EtcdProcess, saying } from './etcd-process.js'
import { isSaid } from './refusal-words.js'

/** Flags that differ from those of a member in order; null leaves one out. */
export type Changes = Readonly<Record<string, string | null>>

/** Flags of a member that serves by TLS and asks for certificates; names of files are those of the folder. */
export function memberFlags(folder: string, ports: { client: number; peer: number }, changes: Changes = {}): string[] {
  const url = (port: number): string => `https://127.0.0.1:${String(port)}`
  const flags: Changes = {
    name: 'a',
    'data-dir': join(folder, `data-${String(ports.client)}`),
    'listen-client-urls': url(ports.client),
    'advertise-client-urls': url(ports.client),
    'listen-peer-urls': url(ports.peer),
    'initial-advertise-peer-urls': url(ports.peer),
    'initial-cluster': `a=${url(ports.peer)}`,
    'cert-file': 'server.crt',
    'key-file': 'server.key',
    'trusted-ca-file': 'ca.crt',
    'client-cert-auth': 'true',
    'peer-cert-file': 'server.crt',
    'peer-key-file': 'server.key',
    'peer-trusted-ca-file': 'ca.crt',
    'peer-client-cert-auth': 'true',
    ...changes,
  }
  return Object.entries(flags).flatMap(([name, value]) =>
    value === null ? [] : [`--${name}=${value.replace(/^[\w-]+\.(?:crt|key|crl)$/, (each) => join(folder, each))}`],
  )
}

/** The finding of that code; throws if the lint does not give it. */
export async function found(config: ConfigInput, code: FindingCode): Promise<Finding> {
  const { findings } = await lintEtcdConfig(config, { version: INSTALLED })
  const one = findings.find((each) => each.code === code)
  if (one === undefined) throw new Error(`No ${code} among ${findings.map((each) => each.code).join(', ')}`)
  return one
}

/** Waits until etcd has said one of the row's words. */
export async function refusing(etcd: EtcdProcess, { refusals }: Finding): Promise<void> {
  expect(refusals).not.toEqual([])
  await saying(etcd, (log) => refusals.some(({ words }) => isSaid(words, log)))
}

/** What a client shows, in PEM. */
export function shown({ chain, key }: Credentials): { cert: string; key: string } {
  return { cert: chain.map((each) => each.toPem()).join(''), key: key.exportPem() }
}
