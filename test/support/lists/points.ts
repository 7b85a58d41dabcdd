/** Distribution points in lists and certificates. */
import { directoryName, issuingDistributionPoint, uri } from '../mint.js'
import { leafAt, LISTS_AT, OTHER_PLACE, list, beside, oneList, type ListScenario } from './build.js'

export const points: readonly ListScenario[] = [
  {
    name: 'the distribution point of the certificate',
    chain: leafAt({ name: [uri(OTHER_PLACE)] }, { name: [uri(LISTS_AT)] }),
    lists: oneList({}, issuingDistributionPoint({ name: [uri(LISTS_AT)] })),
    found: [],
  },
  {
    name: 'another distribution point than the certificate’s',
    chain: leafAt({ name: [uri(OTHER_PLACE)] }),
    lists: oneList({}, issuingDistributionPoint({ name: [uri(LISTS_AT)] })),
    found: ['revocation/crl-scope@0'],
  },
  {
    name: 'a distribution point, where the certificate names none',
    lists: oneList({}, issuingDistributionPoint({ name: [uri(LISTS_AT)] })),
    found: ['revocation/crl-scope@0'],
  },
  {
    name: 'the issuer’s name as the distribution point, where the certificate names none',
    lists: oneList({}, issuingDistributionPoint({ name: [directoryName('Test Intermediate')] })),
    found: [],
  },
  {
    name: 'one of several names of the distribution point',
    chain: leafAt({ name: [uri(LISTS_AT), directoryName('Lists')] }),
    lists: oneList({}, issuingDistributionPoint({ name: [directoryName('LISTS')] })),
    found: [],
  },
  {
    name: 'a distribution point by a relative name on both sides',
    chain: leafAt({ name: { relative: ['CN', 'Lists'] } }),
    lists: oneList({}, issuingDistributionPoint({ name: { relative: ['CN', 'lists'] } })),
    found: ['certificate/extension-refused@0'],
  },
  {
    name: 'a distribution point by a relative name here and in full there',
    chain: leafAt({
      name: [
        directoryName([
          ['CN', 'Test Intermediate'],
          ['CN', 'Lists'],
        ]),
      ],
    }),
    lists: oneList({}, issuingDistributionPoint({ name: { relative: ['CN', 'Lists'] } })),
    found: [],
  },
  {
    name: 'a distribution point by another relative name',
    chain: leafAt({ name: { relative: ['CN', 'Lists'] } }),
    lists: oneList({}, issuingDistributionPoint({ name: { relative: ['CN', 'Others'] } })),
    found: ['revocation/crl-scope@0', 'certificate/extension-refused@0'],
  },
  {
    name: 'distribution points of the certificate, and a full list without one',
    chain: leafAt({ name: [uri(OTHER_PLACE)] }),
    lists: oneList({}),
    found: [],
  },
  {
    name: 'a distribution point for some reasons',
    chain: leafAt({ name: [uri(LISTS_AT)], reasons: [1] }),
    lists: oneList({}, issuingDistributionPoint({ name: [uri(LISTS_AT)] })),
    found: ['revocation/crl-scope@0'],
  },
  {
    name: 'distribution points for all reasons together',
    chain: leafAt(
      { name: [uri(LISTS_AT)], reasons: [1, 2] },
      { name: [uri(OTHER_PLACE)], reasons: [3, 4, 5, 6, 7, 8] },
    ),
    lists: beside(({ intermediate }) => [
      list(intermediate, {}, issuingDistributionPoint({ name: [uri(LISTS_AT)] })),
      list(intermediate, {}, issuingDistributionPoint({ name: [uri(OTHER_PLACE)] })),
    ]),
    found: [],
  },
  {
    name: 'a distribution point for other reasons than the list',
    chain: leafAt({ name: [uri(LISTS_AT)], reasons: [1] }),
    lists: oneList({}, issuingDistributionPoint({ name: [uri(LISTS_AT)], onlySomeReasons: [2] })),
    found: ['revocation/crl-scope@0'],
  },
  {
    name: 'a distribution point where another CA issues the list',
    chain: leafAt({ name: [uri(LISTS_AT)], crlIssuer: 'Lister' }),
    lists: oneList({}, issuingDistributionPoint({ name: [uri(LISTS_AT)] })),
    found: ['revocation/crl-scope@0'],
  },
  {
    name: 'a distribution point that names its own issuer as that of the list',
    chain: leafAt({ name: [uri(LISTS_AT)], crlIssuer: 'Test Intermediate' }),
    lists: oneList({}, issuingDistributionPoint({ name: [uri(LISTS_AT)] })),
    found: [],
  },
  {
    name: 'a distribution point known by one of the names of the issuer of the list',
    chain: leafAt({ crlIssuer: { names: [uri(LISTS_AT), directoryName('Test Intermediate')] } }),
    lists: oneList({}, issuingDistributionPoint({ name: [uri(LISTS_AT)] })),
    found: [],
  },
  {
    name: 'a distribution point known by the issuer of the list alone',
    chain: leafAt({ crlIssuer: 'Test Intermediate' }),
    lists: oneList({}, issuingDistributionPoint({ name: [directoryName('Test Intermediate')] })),
    found: [],
  },
]
