/** Mutations of how a certificate is signed. */
import { bitString, context, integer, nullValue, oid, sequence } from './der-writer.js'
import { encodeName, flipBit, type SignatureName, signatureIdentifier } from './mint.js'
import { elementsOf, EVERY, keyFor, type Mutation, set, sets, SHOWN } from './mutation.js'

const RSA = '1.2.840.113549.1.1'
const SHA_256 = '2.16.840.1.101.3.4.2.1'
const SHA_512 = '2.16.840.1.101.3.4.2.3'

/** An AlgorithmIdentifier to write at both places, whatever signed. */
function written(name: string, identifier: Buffer): Mutation {
  return sets(name, () => ({ innerSignature: identifier, outerSignature: identifier }))
}

/** Signed by an issuer with an RSA key (a root by itself), and perhaps written otherwise. */
function signedByRsa(signature: SignatureName, how = '', identifier = signatureIdentifier(signature)): Mutation {
  return {
    name: `signed by ${signature}${how}`,
    on: EVERY,
    apply: (plan, role) => {
      const issuer = role === 'leaf' ? 'intermediate' : 'root'
      set(plan, issuer, { key: keyFor(issuer, 'rsa-2048') })
      set(plan, role, { signature, innerSignature: identifier, outerSignature: identifier })
    },
  }
}

export const signatureMutations: readonly Mutation[] = [
  sets('signature altered', () => ({ tamperSignature: (bits) => flipBit(bits, -1) })),
  sets('signature empty', () => ({ tamperSignature: () => Buffer.alloc(0) })),
  sets('signature with bytes after it', () => ({ tamperSignature: (bits) => Buffer.concat([bits, Buffer.from([0])]) })),
  sets('signature of zeros', () => ({ tamperSignature: (bits) => Buffer.alloc(bits.length) })),
  sets('signature that ends inside an octet', () => ({
    tamper: (der) => {
      const [tbs = nullValue(), algorithm = nullValue()] = elementsOf(der)
      return sequence(tbs, algorithm, bitString(Buffer.alloc(8), 3))
    },
  })),
  sets('altered after it was signed', () => ({
    // The last byte of the signed part belongs to a value, not to a length.
    tamper: (der) => {
      const [tbs = nullValue(), ...rest] = elementsOf(der)
      return sequence(flipBit(tbs, -1), ...rest)
    },
  })),
  {
    name: 'signed with another key',
    on: SHOWN,
    apply: (plan, role) => {
      const subject = encodeName(role === 'leaf' ? 'Intermediate' : 'Root')
      set(plan, role, { issuer: { key: keyFor('stranger'), subject } })
    },
  },
  sets('algorithms disagree', () => ({ innerSignature: 'ecdsa-sha384' })),
  written('signature algorithm unknown', sequence(oid('1.3.6.1.4.1.99999.7'))),
  written('signature algorithm with NULL where nothing belongs', sequence(oid('1.2.840.10045.4.3.2'), nullValue())),
  sets('signed by ecdsa-sha1', () => ({ signature: 'ecdsa-sha1' })),
  sets('signed by ecdsa-sha512', () => ({ signature: 'ecdsa-sha512' })),
  signedByRsa('rsa-md5'),
  signedByRsa('rsa-sha1'),
  signedByRsa('rsa-sha224'),
  signedByRsa('rsa-sha512'),
  signedByRsa('rsa-pss-sha256'),
  signedByRsa('rsa-pss-sha256-salt-20'),
  signedByRsa('rsa-pss-sha512'),
  signedByRsa('rsa-sha256', ' without NULL', sequence(oid(`${RSA}.11`))),
  signedByRsa('rsa-pss-sha256', ' that says its defaults, SHA-1', sequence(oid(`${RSA}.10`), sequence())),
  signedByRsa('rsa-pss-sha256', ' that says another digest for MGF1', sequence(oid(`${RSA}.10`), pssParameters())),
]

function pssParameters(): Buffer {
  return sequence(
    context(0, sequence(oid(SHA_256), nullValue())),
    context(1, sequence(oid(`${RSA}.8`), sequence(oid(SHA_512), nullValue()))),
    context(2, integer(32)),
  )
}
