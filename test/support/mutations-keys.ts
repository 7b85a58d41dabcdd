/** Mutations of a certificate's public key. */
import { bitString, integer, nullValue, oid, sequence } from './der-writer.js'
import { type KeyKind, publicHalf, spkiOf } from './mint.js'
import { CAS, EVERY, keyFor, type Mutation, type Role, set } from './mutation.js'

/** A key of another kind; a CA signs with it, in the usual way. */
function kind(name: string, of: KeyKind, on: readonly Role[] = EVERY): Mutation {
  return {
    name,
    on,
    apply: (plan, role) => {
      set(plan, role, { key: keyFor(role, of) })
    },
  }
}

/** Another SubjectPublicKeyInfo than that of the key at hand. */
function written(name: string, spki: (role: Role) => Buffer, on: readonly Role[] = EVERY): Mutation {
  return {
    name,
    on,
    apply: (plan, role) => {
      set(plan, role, { spki: spki(role) })
    },
  }
}

const EC_PUBLIC_KEY = '1.2.840.10045.2.1'
const P_256 = '1.2.840.10045.3.1.7'

/** `04 || X || Y` of the usual key of a certificate. */
function point(role: Role): Buffer {
  return spkiOf(keyFor(role)).subarray(-65)
}

function ecSpki(parameters: Buffer, bits: Buffer): Buffer {
  return sequence(sequence(oid(EC_PUBLIC_KEY), parameters), bitString(bits))
}

function rsaSpki(modulus: Buffer, exponent: bigint, parameters = nullValue()): Buffer {
  return sequence(
    sequence(oid('1.2.840.113549.1.1.1'), parameters),
    bitString(sequence(integer(modulus), integer(exponent))),
  )
}

/** An odd number of this many bytes, positive. */
function modulus(octets: number): Buffer {
  const { n = '' } = publicHalf(keyFor('modulus', 'rsa-2048')).export({ format: 'jwk' })
  const digits = Buffer.from(n, 'base64url')
  const repeated = Buffer.concat(Array.from({ length: Math.ceil(octets / digits.length) }, () => digits))
  return Buffer.concat([Buffer.from([0]), repeated.subarray(0, octets - 1), Buffer.from([1])])
}

/** P-256 with its parameters written out (RFC 3279 section 2.3.5), which RFC 5480 forbids. */
function explicitParameters(): Buffer {
  const p = 'ffffffff00000001000000000000000000000000ffffffffffffffffffffffff'
  const a = 'ffffffff00000001000000000000000000000000fffffffffffffffffffffffc'
  const b = '5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b'
  const g =
    '046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296' +
    '4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5'
  const n = 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551'
  const hex = (text: string): Buffer => Buffer.from(text, 'hex')
  const octets = (text: string): Buffer => Buffer.concat([Buffer.from([4, text.length / 2]), hex(text)])
  return sequence(
    integer(1),
    sequence(oid('1.2.840.10045.1.1'), integer(BigInt(`0x${p}`))),
    sequence(octets(a), octets(b)),
    octets(g),
    integer(BigInt(`0x${n}`)),
    integer(1),
  )
}

export const keyMutations: readonly Mutation[] = [
  kind('key of RSA 512', 'rsa-512'),
  kind('key of RSA 1024', 'rsa-1024'),
  kind('key of RSA 2048', 'rsa-2048'),
  kind('key of RSA 2052', 'rsa-2052'),
  written('key of RSA with exponent 1', () => rsaSpki(modulus(256), 1n)),
  written('key of RSA with an even exponent', () => rsaSpki(modulus(256), 65538n)),
  written('key of RSA with an exponent of 40 bits', () => rsaSpki(modulus(256), (1n << 40n) + 1n)),
  written('key of RSA 16384', () => rsaSpki(modulus(2048), 65537n)),
  written('key of RSA with a modulus below zero', () => rsaSpki(modulus(256).subarray(1), 65537n)),
  written('key of RSA without its NULL', () => rsaSpki(modulus(256), 65537n, Buffer.alloc(0))),
  kind('key of P-224', 'p224'),
  kind('key of P-384', 'p384'),
  kind('key of P-521', 'p521'),
  kind('key of secp256k1', 'secp256k1'),
  kind('key of Ed25519', 'ed25519'),
  kind('key of Ed448', 'ed448'),
  kind('key of RSA-PSS', 'rsa-pss-2048'),
  written('key with its curve written out', (role) => ecSpki(explicitParameters(), point(role))),
  written('key whose point is not on the curve', (role) =>
    ecSpki(oid(P_256), Buffer.concat([point(role).subarray(0, 64), Buffer.from([7])])),
  ),
  written('key whose point is compressed', (role) =>
    ecSpki(oid(P_256), Buffer.concat([Buffer.from([2 + ((point(role)[64] ?? 0) & 1)]), point(role).subarray(1, 33)])),
  ),
  written('key that is no point', () => ecSpki(oid(P_256), Buffer.from('nothing'))),
  written('key of X25519', () => sequence(sequence(oid('1.3.101.110')), bitString(Buffer.alloc(32, 9)))),
  written('key of an algorithm that nobody knows', () =>
    sequence(sequence(oid('1.3.6.1.4.1.99999.8')), bitString(Buffer.alloc(32, 9))),
  ),
  written('key of another key pair', () => spkiOf(keyFor('stranger')), CAS),
]
