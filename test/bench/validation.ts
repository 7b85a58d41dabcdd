/**
 * How fast a chain is validated, from DER to the result: a P-256 server certificate, its intermediate and its root. The
 * floor is what node:crypto alone takes to parse three certificates and verify two signatures.
 */
import 'reflect-metadata'
import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as peculiar from '@peculiar/x509'
import * as pkijs from 'pkijs'
import { Certificate, type ChainInput, type Report, validateChain } from '../../src/validate/index.js'
import { dns, mintCa, mintLeaf } from '../support/mint.js'
import type { Bench, Contender } from './harness.js'

const HOST = 'etcd-0.etcd.svc'

const FLOOR = 'node:crypto alone'
const OURS = 'etcd-mtls'
const AGAIN = 'etcd-mtls, the same again'

interface Chain {
  leaf: Uint8Array
  intermediate: Uint8Array
  root: Uint8Array
}

export const bench: Bench = {
  title: 'Validating a chain of three certificates',
  about:
    'A P-256 server certificate with its intermediate and root, from DER to the result, parsed again each time; and ' +
    'again with certificates that were parsed and validated before. node:crypto parses, verifies two signatures, and ' +
    "checks the host and the CA flags. OpenSSL's command is a new process each time, measured in wall-clock time.",
  unit: 'chain',
  base: FLOOR,
  promises: [
    {
      says: 'etcd-mtls takes at most 1.2 × the time of node:crypto alone',
      holds: (measured) => measured(OURS).ratio <= 1.2,
    },
    {
      says: 'the same chain again takes at most a quarter of that time',
      holds: (measured) => measured(AGAIN).ratio <= 0.25,
    },
  ],
  prepare() {
    const chain = mintChain()
    const openssl = opensslVerify(chain)
    const contenders = [floor(chain), ours(chain), oursAgain(chain), pkiJs(chain), peculiarX509(chain), openssl]
    return { contenders, dispose: openssl.dispose }
  },
}

function mintChain(): Chain {
  const root = mintCa({ subject: 'Bench root' })
  const intermediate = mintCa({ subject: 'Bench issuer', issuer: root, pathLength: 0 })
  const leaf = mintLeaf({ subject: 'etcd-0', issuer: intermediate, names: [dns(HOST)] })
  return { leaf: leaf.der, intermediate: intermediate.der, root: root.der }
}

/** Parsing, signatures, dates, the CA flag and the name, and nothing that takes a second look. */
function floor({ leaf, intermediate, root }: Chain): Contender {
  return {
    name: FLOOR,
    run() {
      const [a, b, c] = [new X509Certificate(leaf), new X509Certificate(intermediate), new X509Certificate(root)]
      const signed = a.verify(b.publicKey) && b.verify(c.publicKey)
      must(signed && a.checkHost(HOST) !== undefined && b.ca && c.ca)
    },
  }
}

function ours({ leaf, intermediate, root }: Chain): Contender {
  return { name: OURS, run: () => validate({ leaf, intermediates: [intermediate], trustAnchors: [root] }) }
}

function oursAgain({ leaf, intermediate, root }: Chain): Contender {
  const kept = {
    leaf: Certificate.parse(leaf),
    intermediates: [Certificate.parse(intermediate)],
    trustAnchors: [Certificate.parse(root)],
  }
  return { name: AGAIN, run: () => validate(kept) }
}

function validate(chain: ChainInput): Report {
  const report = validateChain(chain, { usage: 'server', hosts: [HOST] })
  must(report.ok)
  return report
}

function pkiJs({ leaf, intermediate, root }: Chain): Contender {
  return {
    name: 'PKI.js',
    async run() {
      const certs = [intermediate, leaf].map((der) => pkijs.Certificate.fromBER(der))
      const engine = new pkijs.CertificateChainValidationEngine({
        trustedCerts: [pkijs.Certificate.fromBER(root)],
        certs,
      })
      must((await engine.verify()).result)
    },
  }
}

function peculiarX509({ leaf, intermediate, root }: Chain): Contender {
  return {
    name: '@peculiar/x509',
    async run() {
      const [a, b, c] = [leaf, intermediate, root].map((der) => new peculiar.X509Certificate(der))
      if (a === undefined || b === undefined || c === undefined) throw new Error('Unreachable: three are made above')
      const builder = new peculiar.X509ChainBuilder({ certificates: [b, c] })
      must((await builder.build(a)).length === 3)
    },
  }
}

function opensslVerify(chain: Chain): Contender & { dispose: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  const file = (name: keyof Chain): string => {
    const path = join(folder, `${name}.pem`)
    writeFileSync(path, Certificate.parse(chain[name]).toPem())
    return path
  }
  const trust = ['-CAfile', file('root'), '-untrusted', file('intermediate')]
  const args = ['verify', ...trust, '-purpose', 'sslserver', '-verify_hostname', HOST, file('leaf')]
  return {
    name: 'openssl verify, a process',
    clock: 'wall',
    run: () => execFileSync('openssl', args), // throws where the chain is refused
    dispose: () => {
      rmSync(folder, { recursive: true })
    },
  }
}

/** A contender that refused the chain would be fast for the wrong reason. */
function must(accepted: boolean): void {
  if (!accepted) throw new Error('The chain was refused')
}
