/** Encrypts a private key under a passphrase: EncryptedPrivateKeyInfo (RFC 5958 section 3) with PBES2 (RFC 8018 section 6.2). */
import { createCipheriv, pbkdf2Sync, randomBytes, scryptSync } from 'node:crypto'
import { NULL, octetString, oid, sequence, unsignedInteger } from '../der-writer.js'

/** How a passphrase becomes the key of the encryption. */
type KeyDerivation = 'pbkdf2' | 'scrypt'

const SALT_OCTETS = 16
const KEY_OCTETS = 32
/** As OWASP recommends for PBKDF2 with HMAC-SHA-256. OpenSSL's default, and that of Node's `KeyObject.export`, is 2,048. */
const ROUNDS = 600_000
/** As OWASP recommends, with 16 MiB of memory: OpenSSL refuses 32 MiB (crypto/evp/pbe_scrypt.c, SCRYPT_MAX_MEM). */
const SCRYPT = { cost: 2 ** 14, blockSize: 8, parallelization: 5 } as const

const PBES2 = oid('1.2.840.113549.1.5.13')
const PBKDF2 = oid('1.2.840.113549.1.5.12')
const SCRYPT_ID = oid('1.3.6.1.4.1.11591.4.11')
const HMAC_SHA256 = sequence(oid('1.2.840.113549.2.9'), NULL)
const AES_256_CBC = oid('2.16.840.1.101.3.4.1.42')

type Derive = (passphrase: string, salt: Uint8Array) => { identifier: Uint8Array; key: Buffer }

/** The derived key, and the AlgorithmIdentifier from which a reader derives it. */
const DERIVATIONS: Readonly<Record<KeyDerivation, Derive>> = {
  pbkdf2: (passphrase, salt) => ({
    identifier: sequence(PBKDF2, sequence(octetString(salt), whole(ROUNDS), HMAC_SHA256)),
    key: pbkdf2Sync(passphrase, salt, ROUNDS, KEY_OCTETS, 'sha256'),
  }),
  scrypt: (passphrase, salt) => ({
    identifier: sequence(
      SCRYPT_ID,
      sequence(octetString(salt), whole(SCRYPT.cost), whole(SCRYPT.blockSize), whole(SCRYPT.parallelization)),
    ),
    key: scryptSync(passphrase, salt, KEY_OCTETS, SCRYPT),
  }),
}

export const KEY_DERIVATIONS = Object.keys(DERIVATIONS)

export function isKeyDerivation(value: unknown): value is KeyDerivation {
  return typeof value === 'string' && Object.hasOwn(DERIVATIONS, value)
}

/** The EncryptedPrivateKeyInfo around a PrivateKeyInfo, both in DER. Takes some tenths of a second, by intent. */
export function encryptKey(pkcs8: Uint8Array, passphrase: string, derivation: KeyDerivation): Uint8Array {
  const { identifier, key } = DERIVATIONS[derivation](passphrase, randomBytes(SALT_OCTETS))
  const iv = randomBytes(16)
  const cipher = createCipheriv('aes-256-cbc', key, iv)
  const encrypted = Buffer.concat([cipher.update(pkcs8), cipher.final()])
  key.fill(0)
  const scheme = sequence(AES_256_CBC, octetString(iv))
  return sequence(sequence(PBES2, sequence(identifier, scheme)), octetString(encrypted))
}

function whole(value: number): Uint8Array {
  const octets = Buffer.alloc(4)
  octets.writeUInt32BE(value)
  return unsignedInteger(octets)
}
