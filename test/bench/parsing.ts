/** How fast one certificate is read, from DER to what a caller asks of it first. */
import 'reflect-metadata'
import { X509Certificate } from 'node:crypto'
import * as peculiar from '@peculiar/x509'
import * as pkijs from 'pkijs'
import { Certificate } from '../../src/validate/index.js'
import { dns, ip, mintCa, mintLeaf } from '../support/mint.js'
import type { Bench } from './harness.js'

const OURS = 'etcd-mtls'
const PECULIAR = '@peculiar/x509'

export const bench: Bench = {
  title: 'Reading a certificate',
  about:
    'A P-256 server certificate with three names, from DER to its subject, its names and whether it is a CA. ' +
    'node:crypto also creates the public key; the others do that only when needed.',
  unit: 'certificate',
  base: PECULIAR,
  promises: [{ says: 'at least 5 × as fast as @peculiar/x509', holds: (measured) => measured(OURS).ratio <= 1 / 5 }],
  prepare() {
    const issuer = mintCa({ subject: 'Bench root' })
    const names = [dns('etcd-0.etcd.svc'), dns('localhost'), ip('127.0.0.1')]
    const { der } = mintLeaf({ subject: 'etcd-0', issuer, names })
    return {
      contenders: [
        { name: PECULIAR, run: () => readByPeculiar(der) },
        { name: 'PKI.js', run: () => readByPkiJs(der) },
        { name: 'node:crypto', run: () => readByNode(der) },
        { name: OURS, run: () => readByUs(der) },
      ],
    }
  },
}

function readByUs(der: Uint8Array): boolean {
  const certificate = Certificate.parse(der)
  return must(
    certificate.subject.toString() === 'CN=etcd-0' && certificate.subjectAltNames.length === 3 && !certificate.isCa,
  )
}

function readByNode(der: Uint8Array): boolean {
  const { subject, subjectAltName = '', ca } = new X509Certificate(der)
  return must(subject === 'CN=etcd-0' && subjectAltName.split(', ').length === 3 && !ca)
}

function readByPeculiar(der: Uint8Array): boolean {
  const certificate = new peculiar.X509Certificate(der)
  const names = certificate.getExtension(peculiar.SubjectAlternativeNameExtension)?.names.items ?? []
  const isCa = certificate.getExtension(peculiar.BasicConstraintsExtension)?.ca ?? false
  return must(certificate.subject === 'CN=etcd-0' && names.length === 3 && !isCa)
}

function readByPkiJs(der: Uint8Array): boolean {
  const { subject, extensions = [] } = pkijs.Certificate.fromBER(der)
  const parsed = (oid: string): unknown => extensions.find(({ extnID }) => extnID === oid)?.parsedValue
  const names = parsed('2.5.29.17')
  const constraints = parsed('2.5.29.19')
  const commonName: unknown = subject.typesAndValues[0]?.value.valueBlock.value
  const isCa = constraints instanceof pkijs.BasicConstraints && constraints.cA
  return must(commonName === 'etcd-0' && names instanceof pkijs.AltName && names.altNames.length === 3 && !isCa)
}

/** A reader that did not find what is there would be fast for the wrong reason. */
function must(found: boolean): boolean {
  if (!found) throw new Error('The certificate was read wrongly')
  return found
}
