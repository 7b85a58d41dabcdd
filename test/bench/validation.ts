/**
 * How fast a chain is validated, from DER to verdict: a P-256 server certificate, its intermediate and its root. The
 * floor is what no validator gets around: three certificates parsed and two signatures verified by node:crypto.
 */
import 'reflect-metadata'
import { X509Certificate } from 'node:crypto'
import * as peculiar from '@peculiar/x509'
import * as pkijs from 'pkijs'
import { validateChain } from '../../src/validate/index.js'
import { dns, mintCa, mintLeaf } from '../support/mint.js'
import type { Bench, Contender } from './harness.js'

const HOST = 'etcd-0.etcd.svc'

interface Chain {
  leaf: Uint8Array
  intermediate: Uint8Array
  root: Uint8Array
}

export const bench: Bench = {
  title: 'Validating a chain of three certificates',
  about: 'A P-256 server certificate with its intermediate and root, from DER to verdict, parsed anew each time.',
  unit: 'chain',
  base: 'node:crypto alone',
  promises: [
    {
      says: 'etcd-mtls takes at most 2 × the time of node:crypto alone',
      holds: (measured) => measured('etcd-mtls').ratio <= 2,
    },
  ],
  prepare() {
    const chain = mintChain()
    return { contenders: [floor(chain), ours(chain), pkiJs(chain), peculiarX509(chain)] }
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
    name: 'node:crypto alone',
    run() {
      const [a, b, c] = [new X509Certificate(leaf), new X509Certificate(intermediate), new X509Certificate(root)]
      const signed = a.verify(b.publicKey) && b.verify(c.publicKey)
      must(signed && a.checkHost(HOST) !== undefined && b.ca && c.ca)
    },
  }
}

function ours({ leaf, intermediate, root }: Chain): Contender {
  return {
    name: 'etcd-mtls',
    run() {
      const chain = { leaf, intermediates: [intermediate], trustAnchors: [root] }
      must(validateChain(chain, { usage: 'server', hosts: [HOST] }).ok)
    },
  }
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

/** A contender that refused the chain would be fast for the wrong reason. */
function must(accepted: boolean): void {
  if (!accepted) throw new Error('The chain was refused')
}
