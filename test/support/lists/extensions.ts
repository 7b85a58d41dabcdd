/** Versions and extensions of lists. */
import {
  authorityKeyIdentifier,
  crlNumber,
  EXTENSION,
  freshestCrl,
  mintCrl,
  publicHalf,
  unknownExtension,
  uri,
} from '../mint.js'
import { OTHER_PLACE, list, beside, oneList, raw, type ListScenario } from './build.js'

export const extensions: readonly ListScenario[] = [
  {
    name: 'version 1',
    lists: oneList({ version: null, extensions: [] }),
    found: ['revocation/crl-form'],
  },
  {
    name: 'no CRL number',
    lists: beside(({ intermediate: ca }) => [
      mintCrl({ issuer: ca, extensions: [authorityKeyIdentifier(publicHalf(ca.key))] }),
    ]),
    found: ['revocation/crl-unusual'],
  },
  {
    name: 'no authority key identifier',
    lists: oneList({ extensions: [crlNumber(1)] }),
    found: ['revocation/crl-unusual'],
  },
  {
    name: 'critical authority key identifier',
    lists: beside(({ intermediate: ca }) => [
      list(ca, { extensions: [authorityKeyIdentifier(publicHalf(ca.key), {}, true), crlNumber(1)] }),
    ]),
    found: ['revocation/crl-extension-refused'],
  },
  {
    name: 'critical CRL number',
    lists: oneList({}, crlNumber(1, true)),
    found: ['revocation/crl-extension-refused'],
  },
  {
    name: 'unknown critical extension',
    lists: oneList({}, unknownExtension(true)),
    found: ['revocation/crl-extension-refused'],
  },
  { name: 'unknown extension', lists: oneList({}, unknownExtension(false)), found: [] },
  {
    name: 'unknown extension twice',
    lists: oneList({}, unknownExtension(false), unknownExtension(false)),
    found: ['revocation/crl-extension-refused'],
  },
  {
    name: 'negative CRL number',
    lists: oneList({}, crlNumber(-1)),
    found: ['revocation/crl-extension-refused'],
  },
  {
    name: 'CRL number that is no INTEGER',
    lists: oneList({}, raw(EXTENSION.crlNumber, '040101')),
    found: ['revocation/crl-extension-refused'],
  },
  {
    name: 'CRL number with something behind it',
    lists: oneList({}, raw(EXTENSION.crlNumber, '0201010500')),
    found: ['revocation/crl-extension-refused'],
  },
  { name: 'CRL number of 20 octets', lists: oneList({}, crlNumber(2n ** 159n - 1n)), found: [] },
  {
    name: 'CRL number of 21 octets',
    lists: oneList({}, crlNumber(2n ** 159n)),
    found: ['revocation/crl-unusual'],
  },
  {
    name: 'authority key identifier that cannot be read',
    lists: oneList({ extensions: [raw(EXTENSION.authorityKeyIdentifier, '0400'), crlNumber(1)] }),
    found: ['revocation/crl-extension-refused'],
  },
  {
    name: 'freshest CRL',
    lists: oneList({}, freshestCrl([{ name: [uri(OTHER_PLACE)] }])),
    found: ['revocation/crl-delta'],
  },
  {
    name: 'critical freshest CRL',
    lists: oneList({}, freshestCrl([{ name: [uri(OTHER_PLACE)] }], true)),
    found: ['revocation/crl-extension-refused', 'revocation/crl-delta'],
  },
  {
    name: 'freshest CRL that cannot be read',
    lists: oneList({}, raw('2.5.29.46', '3000')),
    found: ['revocation/crl-extension-refused', 'revocation/crl-delta'],
  },
]
