/** Hashes that show whether credentials or their inputs have changed. */
import { createHash, type Hash } from 'node:crypto'
import type { Inputs } from './assemble.js'
import type { Credentials } from './credentials.js'
import type { Input } from './parse-input.js'

/**
 * SHA-256, in base64, of the chain as it is sent, the public key, and the sets of anchors, client anchors and CRLs. Equal for
 * credentials with the same effect, from whichever files.
 */
export function fingerprintOf({ chain, key, trustAnchors, clientAnchors = [], crls }: Credentials): string {
  const hash = createHash('sha256')
  addAll(hash, [key.spki])
  addAll(
    hash,
    chain.map(({ raw }) => raw),
  )
  // Order and duplicates of anchors and CRLs have no effect.
  addSet(hash, trustAnchors)
  addSet(hash, clientAnchors)
  addSet(hash, crls)
  return hash.digest('base64')
}

/** SHA-256, in base64, of all inputs or their errors. It includes the private key, so it must never be shown. */
export function inputsHash({ ca, clientCa = null, cert, key, crl }: Omit<Inputs, 'passphrase'>): string {
  const hash = createHash('sha256')
  for (const input of [ca, clientCa, cert, key, crl]) addInput(hash, input)
  return hash.digest('base64')
}

/** {@link inputsHash} with the permissions and the passphrase: equal for inputs whose reading is equal. */
export function readingHash(inputs: Inputs): string {
  const { ca, clientCa = null, cert, key, crl, passphrase } = inputs
  const places = [ca, clientCa, cert, key, crl].map((each) => each && [each.place, each.exposure, each.findings])
  const hash = createHash('sha256')
  // The same string as text and as bytes is the same passphrase.
  addAll(hash, [
    Buffer.from(inputsHash(inputs)),
    Buffer.from(JSON.stringify(places)),
    ...(passphrase === null ? [] : [Buffer.from(passphrase)]),
  ])
  return hash.digest('base64')
}

function addInput(hash: Hash, input: Input | null): void {
  // With the origin, because an environment variable may name another file later.
  const seen = input === null ? null : [input.place.origin, input.findings.map(({ code }) => code)]
  const bytes = input === null ? null : input.bytes
  addAll(hash, [Buffer.from(JSON.stringify(seen)), ...(bytes === null ? [] : [bytes])])
}

function addSet(hash: Hash, members: readonly { raw: Uint8Array }[]): void {
  const digests = members.map(({ raw }) => createHash('sha256').update(raw).digest('hex'))
  addAll(
    hash,
    [...new Set(digests)].sort().map((each) => Buffer.from(each)),
  )
}

/** Adds their number and lengths, so that different lists have different hashes. */
function addAll(hash: Hash, items: readonly Uint8Array[]): void {
  hash.update(`${String(items.length)}:`)
  for (const item of items) hash.update(`${String(item.length)}:`).update(item)
}
