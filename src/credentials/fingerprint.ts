/** Whether credentials, or the inputs they are read from, have changed. */
import { createHash, type Hash } from 'node:crypto'
import type { Inputs } from './assemble.js'
import type { Credentials } from './credentials.js'
import type { Input } from './parse-input.js'

/**
 * SHA-256, in base64, of the chain as it is sent, the public half of the key, and the sets of anchors of both kinds and of CRLs.
 * Equal for credentials that do the same, whatever files they came from.
 */
export function fingerprintOf({ chain, key, trustAnchors, clientAnchors = [], crls }: Credentials): string {
  const hash = createHash('sha256')
  addAll(hash, [key.spki])
  addAll(
    hash,
    chain.map(({ raw }) => raw),
  )
  // The order of anchors and lists means nothing, nor does a second copy.
  addSet(hash, trustAnchors)
  addSet(hash, clientAnchors)
  addSet(hash, crls)
  return hash.digest('base64')
}

/** SHA-256, in base64, of what was read, or why it was not. It includes the private key, and is never shown. */
export function contentsOf({ ca, clientCa = null, cert, key, crl }: Omit<Inputs, 'passphrase'>): string {
  const hash = createHash('sha256')
  for (const input of [ca, clientCa, cert, key, crl]) addInput(hash, input)
  return hash.digest('base64')
}

function addInput(hash: Hash, input: Input | null): void {
  // The origin too: an environment variable can come to name another file.
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

/** With their number and lengths, so that no two lists give the same bytes. */
function addAll(hash: Hash, items: readonly Uint8Array[]): void {
  hash.update(`${String(items.length)}:`)
  for (const item of items) hash.update(`${String(item.length)}:`).update(item)
}
