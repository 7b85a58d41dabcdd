/** Findings about private keys: encryption, passphrases, kinds that cannot be used. */
import { rowByKind } from '../row.js'
import { inShell, type Place, the } from './place.js'

export const key = {
  'key/passphrase-refused': rowByKind<
    Place &
      (
        | { kind: 'missing'; encryption: string }
        | { kind: 'wrong'; encryption: string; passphrase: 'empty' | 'ends with a line break' | 'given' }
        | { kind: 'unneeded' }
      )
  >({
    kinds: {
      missing: {
        message: ({ encryption, ...place }) =>
          `${the(place)} holds an encrypted private key (${encryption}) and no passphrase was given.`,
        remedy: (place) =>
          `Set the option "passphrase", or decrypt the key: "openssl pkey -in ${inShell(place)} -out new.key" (etcd and etcdctl read no encrypted keys).`,
      },
      wrong: {
        message: ({ encryption, passphrase, ...place }) =>
          `${the(place)} holds an encrypted private key (${encryption}) that the passphrase does not decrypt${passphrase === 'given' ? '' : `; the passphrase ${passphrase === 'empty' ? 'is empty' : passphrase}`}.`,
        remedy: ({ passphrase, ...place }) =>
          passphrase === 'ends with a line break'
            ? 'Remove the line break from the end of the passphrase: call .trimEnd() after reading it from a file.'
            : `Check the passphrase: "openssl pkey -noout -in ${inShell(place)}" prompts for it. If it is right, the file is damaged.`,
      },
      unneeded: {
        severity: 'warning',
        message: (place) => `${the(place)} holds a private key that is not encrypted, though a passphrase was given.`,
        remedy: (place) =>
          `Encrypt the key ("openssl pkcs8 -topk8 -v2 aes256 -in ${inShell(place)} -out new.key"), or omit the passphrase.`,
      },
    },
  }),
  'key/encryption-refused': rowByKind<
    Place & { encryption: string } & ({ kind: 'unsupported' | 'weak' } | { kind: 'too costly'; excess: string })
  >({
    kinds: {
      unsupported: {
        message: ({ encryption, ...place }) =>
          `${the(place)} holds a private key encrypted with ${encryption}, which Node does not decrypt.`,
        remedy: (place) =>
          `Encrypt it again: "openssl pkcs8 -topk8 -v2 aes256 -provider legacy -provider default -in ${inShell(place)} -out new.key".`,
      },
      'too costly': {
        message: ({ encryption, excess, ...place }) =>
          `${the(place)} holds a private key encrypted with ${encryption}, which requires ${excess}.`,
        remedy: (place) =>
          `Encrypt it again: "openssl pkcs8 -topk8 -v2 aes256 -iter 600000 -in ${inShell(place)} -out new.key".`,
      },
      weak: {
        severity: 'warning',
        message: ({ encryption, ...place }) =>
          `${the(place)} holds a private key in an old, weak encryption (${encryption}).`,
        remedy: (place) => `Encrypt it again: "openssl pkcs8 -topk8 -v2 aes256 -in ${inShell(place)} -out new.key".`,
      },
    },
  }),
  'key/malformed': rowByKind<
    Place & ({ kind: 'damaged'; line: number; reason: string } | { kind: 'inconsistent'; algorithm: string })
  >({
    kinds: {
      damaged: {
        message: ({ line, reason, ...place }) =>
          `${the(place)} holds a damaged private key (line ${String(line)}): ${reason}.`,
        remedy: (place) =>
          `Restore the key from a backup or generate a new one. "openssl pkey -noout -in ${inShell(place)}" must accept it.`,
      },
      inconsistent: {
        message: ({ algorithm, ...place }) =>
          `${the(place)} holds a key whose private and public halves do not belong together (${algorithm}).`,
        remedy: (place) =>
          `Restore the key from a backup or generate a new one. "openssl pkey -check -noout -in ${inShell(place)}" must accept it.`,
      },
    },
  }),
}
