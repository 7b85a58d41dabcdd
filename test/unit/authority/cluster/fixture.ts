/** Sets of files that fit together, and what a reader makes of a directory. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import type { CaMaterial, Cluster } from '../../../../src/authority/cluster/cluster-credentials.js'
import type { Credentials } from '../../../../src/credentials/credentials.js'
import type { Change } from '../../../../src/files/publish.js'
import { Certificate } from '../../../../src/x509/certificate.js'
import { PrivateKey } from '../../../../src/x509/keys/keys.js'
import { dns, mintCa, type Minted, mintLeaf } from '../../../support/mint.js'

export const root = mintCa({ subject: 'etcd-ca' })
export const otherRoot = mintCa({ subject: 'other-ca' })

/** Credentials as an authority issues them. */
export function issue(subject: string, ca: Minted = root): Credentials {
  const leaf = mintLeaf({ issuer: ca, subject, names: [dns('localhost')] })
  return {
    trustAnchors: [Certificate.parse(ca.der)],
    chain: [Certificate.parse(leaf.der)],
    key: PrivateKey.fromKeyObject(createPrivateKey(leaf.keyPem)),
    crls: [],
    origin: subject,
  }
}

/** The files of credentials, as `<name>.crt` and `<name>.key`. */
export function pair(name: string, credentials: Credentials): [string, { content: string; mode: number }][] {
  return [
    [`${name}.crt`, { content: credentials.chain.map((each) => each.toPem()).join(''), mode: 0o644 }],
    [`${name}.key`, { content: credentials.key.exportPem(), mode: 0o600 }],
  ]
}

export function ca(credentials: Credentials): [string, { content: string; mode: number }] {
  return ['ca.crt', { content: credentials.trustAnchors.map((each) => each.toPem()).join(''), mode: 0o644 }]
}

export function change(...files: [string, { content: string; mode: number }][]): Change {
  return { files: new Map(files) }
}

/** What a reader finds in a directory: every visible file with its content. Hidden names are not looked at. */
export function read(directory: string): Map<string, string> {
  const names = readdirSync(directory).filter((name) => !name.startsWith('.'))
  const files = names.filter((name) => statSync(join(directory, name)).isFile()).sort()
  return new Map(files.map((name) => [name, readFileSync(join(directory, name), 'utf8')]))
}

/** The same few pairs are looked at again and again. */
const results = new Map<string, boolean>()

function fit(cert: string, key: string, ca: string | undefined): boolean {
  if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) return false
  createSecureContext({ cert, key, ca })
  return true
}

/** Everything that is wrong with a directory for an etcd that starts now. */
export function faultsOf(directory: string): string[] {
  const files = read(directory)
  const faults: string[] = []
  for (const [name, key] of files) {
    if (!name.endsWith('.key')) continue
    const cert = files.get(name.replace(/key$/, 'crt'))
    if (cert === undefined) {
      faults.push(`${name} without its certificate`)
      continue
    }
    const fits = results.get(cert + key) ?? fit(cert, key, files.get('ca.crt'))
    results.set(cert + key, fits)
    if (!fits) faults.push(`${name} of another certificate`)
  }
  return faults
}

/** Names of a directory that are there for a moment only, at any depth; the generation in use is none of them. */
export function leftOvers(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((path) => /etcd-mtls[.-]|\.lock/.test(path))
    .concat(unusedGenerations(directory))
}

function unusedGenerations(directory: string): string[] {
  const all = readdirSync(directory, { recursive: true, encoding: 'utf8' })
  const generations = all.filter((path) => /(^|\/)\.\.\d{8}T[^/]*$/.test(path))
  return generations.filter((path) => {
    const link = join(directory, path, '../..data')
    return !all.includes(join(path, '../..data')) || statSync(link).ino !== lstatSync(join(directory, path)).ino
  })
}

/** Permission bits in octal. */
export function mode(path: string): string {
  return (statSync(path).mode & 0o7777).toString(8)
}

/** A cluster as `issueCluster` gives it. */
export function cluster<const M extends string, const C extends string = never>(
  members: readonly M[],
  clients: readonly C[] = [],
  cas: { client: Minted; peer: Minted } = { client: root, peer: root },
): Cluster<M, C> & { members: Record<M, { server: Credentials; peer: Credentials }> } {
  const all = <K extends string, V>(names: readonly K[], make: (name: K) => V): Record<K, V> =>
    Object.fromEntries(names.map((name) => [name, make(name)])) as Record<K, V>
  return {
    members: all(members, (name) => ({ server: issue(name, cas.client), peer: issue(name, cas.peer) })),
    clients: all(clients, (name) => issue(name, cas.client)),
    kubeadm: all(members, () => ({
      healthcheckClient: issue('kube-etcd-healthcheck-client', cas.client),
      apiserverClient: issue('kube-apiserver-etcd-client', cas.client),
    })),
    authorities: { client: material(cas.client), peer: material(cas.peer) },
  }
}

function material(ca: Minted): CaMaterial {
  return { certificate: Certificate.parse(ca.der), export: () => ({ key: ca.keyPem }) }
}

/** The files below a directory that readers see, with their modes, as a tree of lines. */
export function tree(directory: string): string[] {
  const walk = (path: string, prefix: string): string[] =>
    readdirSync(path)
      .filter((name) => !name.startsWith('.'))
      .sort()
      .flatMap((name) => {
        const at = join(path, name)
        const line = `${prefix}${name} ${mode(at)}`
        return statSync(at).isDirectory() ? [line, ...walk(at, `${prefix}${name}/`)] : [line]
      })
  return walk(directory, '')
}
