/** Who signed a list, and with what. */
import {
  authorityKeyIdentifier,
  crlNumber,
  directoryName,
  EXTENSION,
  flipBit,
  mintCa,
  publicHalf,
  TAG,
  uri,
} from '../mint.js'
import { LISTS_AT, rsaKey, chainWith, list, beside, oneList, type ListScenario } from './build.js'

export const keys: readonly ListScenario[] = [
  {
    name: 'signature altered',
    lists: oneList({ tamperSignature: (bits) => flipBit(bits, -1) }),
    found: ['revocation/crl-signer-differs@1'],
  },
  {
    name: 'signed by another CA of the name',
    lists: beside(() => [list(mintCa({ subject: 'Test Intermediate' }))]),
    found: ['revocation/crl-signer-differs@1'],
  },
  {
    name: 'signed by another CA of the name, beside the true list',
    lists: beside(({ intermediate }) => [list(intermediate), list(mintCa({ subject: 'Test Intermediate' }))]),
    found: ['revocation/crl-unused'],
  },
  {
    name: 'forged with the key identifier of the CA, beside the true list',
    lists: beside(({ intermediate }) => [
      list(intermediate),
      list(mintCa({ subject: 'Test Intermediate' }), {
        extensions: [authorityKeyIdentifier(publicHalf(intermediate.key)), crlNumber(2)],
      }),
    ]),
    found: ['revocation/crl-signer-differs@1'],
  },
  {
    name: 'signed with RSA-PSS',
    chain: chainWith({ intermediate: { key: rsaKey } }),
    lists: oneList({ signature: 'rsa-pss-sha256' }),
    found: [],
  },
  {
    name: 'signed with SHA-1',
    lists: oneList({ signature: 'ecdsa-sha1' }),
    found: ['revocation/crl-algorithm-refused'],
  },
  {
    name: 'signed with MD5',
    chain: chainWith({ intermediate: { key: rsaKey } }),
    lists: oneList({ signature: 'rsa-md5' }),
    found: ['revocation/crl-algorithm-refused'],
  },
  {
    name: 'signed with Ed448',
    lists: beside(({ intermediate }) => [list(intermediate, { outerSignature: 'ed448', innerSignature: 'ed448' })]),
    found: ['revocation/crl-algorithm-refused'],
  },
  {
    name: 'algorithms disagree',
    lists: oneList({ innerSignature: 'ecdsa-sha384' }),
    found: ['revocation/crl-algorithm-refused'],
  },
  {
    name: 'a CA that may not sign lists',
    chain: chainWith({ intermediate: { keyUsages: ['keyCertSign'] } }),
    lists: oneList({}),
    found: ['revocation/crl-sign-missing@1'],
  },
  {
    name: 'an anchor that may not sign lists',
    chain: chainWith({ root: { keyUsages: ['keyCertSign'] } }),
    lists: oneList({}),
    found: ['revocation/crl-sign-missing@2'],
  },
  {
    name: 'a CA without key usage',
    chain: chainWith({ intermediate: { without: [EXTENSION.keyUsage] } }),
    lists: oneList({}),
    found: ['usage/extension-absent@1'],
  },
  {
    name: 'authority key identifier of another key',
    lists: oneList({ extensions: [authorityKeyIdentifier(Buffer.alloc(20, 7)), crlNumber(1)] }),
    found: ['revocation/crl-signer-differs@1'],
  },
  {
    name: 'authority certificate serial of another one',
    lists: beside(({ intermediate }) => [
      list(intermediate, {
        extensions: [
          authorityKeyIdentifier(publicHalf(intermediate.key), { issuer: [directoryName('Test Root')], serial: 99n }),
          crlNumber(1),
        ],
      }),
    ]),
    found: ['revocation/crl-signer-differs@1'],
  },
  {
    name: 'authority certificate of another issuer',
    lists: beside(({ intermediate: ca }) => [
      list(ca, {
        extensions: [
          authorityKeyIdentifier(publicHalf(ca.key), { issuer: [directoryName('Other')], serial: ca.serial }),
          crlNumber(1),
        ],
      }),
    ]),
    found: ['revocation/crl-signer-differs@1'],
  },
  {
    name: 'authority certificate by issuer and serial',
    lists: beside(({ intermediate: ca }) => [
      list(ca, {
        extensions: [
          authorityKeyIdentifier(publicHalf(ca.key), { issuer: [directoryName('Test Root')], serial: ca.serial }),
          crlNumber(1),
        ],
      }),
    ]),
    found: [],
  },
  {
    name: 'authority certificate by issuer and serial, without a key identifier',
    lists: beside(({ intermediate: ca }) => [
      list(ca, {
        extensions: [
          authorityKeyIdentifier(null, { issuer: [directoryName('Test Root')], serial: ca.serial }),
          crlNumber(1),
        ],
      }),
    ]),
    found: [],
  },
  {
    name: 'authority certificate by two issuers, of which the first is another',
    lists: beside(({ intermediate: ca }) => [
      list(ca, {
        extensions: [
          authorityKeyIdentifier(null, {
            issuer: [uri(LISTS_AT), directoryName('Other'), directoryName('Test Root')],
            serial: ca.serial,
          }),
          crlNumber(1),
        ],
      }),
    ]),
    found: ['revocation/crl-signer-differs@1'],
  },
  {
    name: 'altered, with the authority’s serial, beside the true list',
    lists: beside(({ intermediate: ca }) => [
      list(ca),
      list(ca, {
        extensions: [
          authorityKeyIdentifier(null, { issuer: [directoryName('Test Root')], serial: ca.serial }),
          crlNumber(1),
        ],
        tamperSignature: (bits) => flipBit(bits, -1),
      }),
    ]),
    found: ['revocation/crl-signer-differs@1'],
  },
  {
    name: 'signed by another CA of the name, without a key identifier, beside the true list',
    lists: beside(({ intermediate: ca }) => [
      list(ca),
      list(mintCa({ subject: 'Test Intermediate' }), { extensions: [crlNumber(2)] }),
    ]),
    found: ['revocation/crl-unused'],
  },
  {
    name: 'issuer name in other case and another kind of string',
    lists: oneList({ issuerName: [['CN', 'TEST  intermediate', TAG.printableString]] }),
    found: [],
  },
  {
    name: 'issuer name of another CA, signed by this one',
    lists: oneList({ issuerName: 'Other' }),
    found: ['revocation/no-crl@0', 'revocation/crl-unused'],
  },
]
