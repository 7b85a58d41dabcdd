/** What is fuzzed: the seeds that are broken, what reads them, and what has to hold whatever comes. */
import { generateKeyPairSync } from 'node:crypto'
import { scanPem } from '../../src/x509/pem.js'
import { fromPem } from '../../src/credentials/index.js'
import {
  Certificate,
  Crl,
  formatReport,
  inspectCredentials,
  validateChain,
  type Report,
} from '../../src/validate/index.js'
import { DerError } from '../../src/x509/der.js'
import { HOST, inputOf, mintChain } from '../support/judge-chain.js'
import {
  directoryName,
  dns,
  email,
  ip,
  ipRange,
  mintCa,
  mintCrl,
  mintLeaf,
  nameConstraints,
  uri,
} from '../support/mint.js'

/** One reader under fuzz. */
export interface Target {
  readonly seeds: readonly Buffer[]
  /** Reads the input; throws where something does not hold. */
  run(input: Buffer, seed: Buffer): Promise<void> | void
}

export type TargetName = 'certificate' | 'chain' | 'crl' | 'pem' | 'key'

/** Every target, with seeds that are minted anew. */
export function makeTargets(): Readonly<Record<TargetName, Target>> {
  const chain = mintChain({
    root: {
      extensions: [
        nameConstraints({
          permitted: [dns('svc'), ipRange('127.0.0.0/8'), email('example.com'), uri('example.com')],
          excluded: [directoryName('Nobody')],
        }),
      ],
    },
    leaf: { names: [dns(HOST), ip('127.0.0.1'), uri('spiffe://example.com/etcd'), email('etcd@example.com')] },
  })
  const healthy = inputOf(chain)
  const rsa = mintLeaf({
    subject: [
      ['CN', 'rsa'],
      ['O', 'Example'],
      ['emailAddress', 'a@b.c'],
    ],
    key: 'rsa-2048',
  })
  const lists = [
    mintCrl({
      issuer: chain.intermediate,
      revoked: [
        { serial: 7n, reason: 1 },
        { serial: 9n, reason: 6 },
      ],
    }).der,
    mintCrl({ issuer: chain.root }).der,
  ]
  const certificates = [chain.leaf.der, chain.intermediate.der, chain.root.der, rsa.der, mintCa({ subject: 'x' }).der]
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const keys = [
    privateKey.export({ type: 'pkcs8', format: 'pem' }),
    privateKey.export({ type: 'sec1', format: 'pem' }),
    privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }),
  ].map((pem) => Buffer.from(pem))
  const texts = [chain.leaf.pem + chain.intermediate.pem, `${chain.root.pem}\nsome text\n${chain.root.pem}`, ...keys]

  return {
    certificate: {
      seeds: certificates,
      run: (input) => {
        readsOrRefuses(() => exercise(Certificate.parse(input)))
      },
    },
    crl: {
      seeds: lists,
      run: (input, seed) => {
        readsOrRefuses(() => Crl.parse(input).find(Buffer.from([7])))
        const report = validateChain({ ...healthy, crls: [input] }, { usage: 'server', hosts: [HOST] })
        isPlain(report)
        // A list whose issuer's name was altered is another CA's, and none of ours.
        const unused = report.findings.some(({ code }) => code === 'revocation/crl-unused')
        if (report.ok && !unused && !input.equals(seed)) throw new Error('A list that was altered was taken for good')
      },
    },
    chain: {
      seeds: [chain.leaf.der],
      run: (input, seed) => {
        const asLeaf = validateChain({ ...healthy, leaf: input }, { usage: 'server', hosts: [HOST] })
        isPlain(asLeaf)
        if (asLeaf.ok && !input.equals(seed)) throw new Error('A certificate that was altered was taken for good')
        for (const place of ['intermediates', 'trustAnchors'] as const) {
          isPlain(validateChain({ ...healthy, [place]: [input, chain.leaf.der] }, { usage: 'any' }))
        }
      },
    },
    pem: {
      seeds: texts.map((text) => Buffer.from(text)),
      run: (input) => {
        scanPem(input)
        isPlain(validateChain({ leaf: input, trustAnchors: input.toString('latin1') }, { usage: 'any' }))
      },
    },
    key: {
      seeds: keys,
      run: async (input) => {
        const source = fromPem({ ca: chain.root.pem, cert: chain.leaf.pem, key: input, passphrase: 'x' })
        isPlain(await inspectCredentials(source, { usage: 'any' }))
      },
    },
  }
}

/** Touches everything that is read on first use. */
function exercise(certificate: Certificate): unknown {
  const { fingerprint256, extensions, isSelfIssued, subject, hasReadableKey } = certificate
  const signed = certificate.isSignedBy(certificate)
  return [fingerprint256, extensions, isSelfIssued, subject.key, hasReadableKey, signed, String(certificate)]
}

function readsOrRefuses(read: () => unknown): void {
  try {
    read()
  } catch (error) {
    if (!(error instanceof DerError)) throw error
  }
}

/** No control character but line breaks of our own, no bidirectional override, and a bounded length. */
function isPlain(report: Report): void {
  const text = formatReport(report)
  // eslint's no-control-regex is for typos; here the controls are what is looked for.
  if (/[^\P{Cc}\n]|[\u202a-\u202e\u2066-\u2069]/u.test(text)) throw new Error('The report holds a control character')
  if (text.length > 1_000_000) throw new Error(`The report has ${String(text.length)} characters`)
}
