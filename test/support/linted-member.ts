/** A member that the lint checks and that a real etcd is started with: what is reported of one is done by the other. */
import { expect } from 'vitest'
import { lintEtcdConfig } from '../../src/config/lint/lint.js'
import type { ConfigInput } from '../../src/config/read/input.js'
import type { Credentials } from '../../src/credentials/credentials.js'
import type { Finding, FindingCode } from '../../src/report/finding.js'
import { type EtcdProcess, saying } from './etcd-process.js'
import { INSTALLED } from './etcd-version.js'
import { findingOf } from './refused.js'
import { isSaid } from './refusal-words.js'

/** The finding of that code for the etcd that is installed; throws if the lint does not give it. */
export async function found(config: ConfigInput, code: FindingCode): Promise<Finding> {
  const { findings } = await lintEtcdConfig(config, { version: INSTALLED })
  // Of several findings of one code, an error counts.
  return findingOf(
    findings.toSorted((a, b) => Number(b.severity === 'error') - Number(a.severity === 'error')),
    code,
  )
}

/** Waits until etcd has said one of the words of the row. */
export async function refusing(etcd: EtcdProcess, { refusals }: Finding): Promise<void> {
  expect(refusals).not.toEqual([])
  await saying(etcd, (log) => refusals.some(({ words }) => isSaid(words, log)))
}

/** What a client presents, in PEM. */
export function shown({ chain, key }: Credentials): { cert: string; key: string } {
  return { cert: chain.map((each) => each.toPem()).join(''), key: key.exportPem() }
}
