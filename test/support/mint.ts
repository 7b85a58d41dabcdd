/**
 * A certificate minter for tests: it makes any certificate, also one that nobody should. Everything is synchronous and
 * built on node:crypto and a DER writer of its own; nothing of src/ is used, so that it is an independent oracle.
 *
 * @example A usual chain: a root, an intermediate, a server certificate.
 * ```ts
 * const root = mintCa({ subject: 'Root' })
 * const intermediate = mintCa({ subject: 'Intermediate', issuer: root, pathLength: 0 })
 * const server = mintLeaf({ issuer: intermediate, subject: 'etcd-0', names: [dns('etcd-0.etcd'), ip('10.0.0.1')] })
 * server.pem                // the certificate; server.keyPem its key as PKCS#8
 * chainPem(server, intermediate)
 * ```
 *
 * @example A broken one: `mintLeaf` and `mintCa` set the usual extensions and dates, then `without` takes some away and
 * `extensions` replaces those of the same OID or adds to them. `mint` sets none at all.
 * ```ts
 * const serverAuthOnly = mintLeaf({ issuer: root, subject: 'etcd-0', names: [dns('localhost')], usages: ['serverAuth'] })
 * const critical = mintLeaf({ issuer: root, subject: 'x', extensions: [unknownExtension(true)] })
 * const noBasicConstraints = mintCa({ subject: 'Root', without: [EXTENSION.basicConstraints] })
 * const negative = mint({ subject: 'x', issuer: root, serial: -1n, notAfter: rawTime(TAG.utcTime, '500101000000Z') })
 * const mismatch = mintLeaf({ issuer: root, subject: 'x', outerSignature: 'ecdsa-sha384', tamper: (der) => flipBit(der, -1) })
 * ```
 */
export * from './mint-certificate.js'
export * from './mint-extensions.js'
export * from './mint-keys.js'
export * from './mint-lists.js'
export * from './mint-names.js'
export { TAG } from './der-writer.js'
