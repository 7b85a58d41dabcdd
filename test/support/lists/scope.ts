/** Which certificates and reasons a list covers. */
import { issuingDistributionPoint } from '../mint.js'
import { ago, idp, list, beside, oneList, type ListScenario } from './build.js'

export const scope: readonly ListScenario[] = [
  { name: 'for end entities', lists: oneList({}, issuingDistributionPoint({ onlyUserCerts: true })), found: [] },
  {
    name: 'for CAs, asked about an end entity',
    lists: oneList({}, issuingDistributionPoint({ onlyCaCerts: true })),
    found: ['revocation/crl-scope@0'],
  },
  {
    name: 'for end entities, asked about a CA',
    lists: ({ root, intermediate }) => [
      list(root, {}, issuingDistributionPoint({ onlyUserCerts: true })),
      list(intermediate),
    ],
    found: ['revocation/crl-scope@1'],
  },
  {
    name: 'for CAs, asked about a CA',
    lists: ({ root, intermediate }) => [
      list(root, {}, issuingDistributionPoint({ onlyCaCerts: true })),
      list(intermediate),
    ],
    found: [],
  },
  {
    name: 'for attribute certificates',
    lists: oneList({}, issuingDistributionPoint({ onlyAttributeCerts: true })),
    found: ['revocation/crl-scope@0'],
  },
  {
    name: 'for attribute certificates, of which one has the leaf’s serial number',
    lists: beside(({ intermediate, leaf }) => [
      list(intermediate),
      list(
        intermediate,
        { revoked: [{ serial: leaf.serial }] },
        issuingDistributionPoint({ onlyAttributeCerts: true }),
      ),
    ]),
    found: ['revocation/serial-listed@0'],
  },
  {
    name: 'two lists that together cover all certificates',
    lists: beside(({ intermediate }) => [
      list(intermediate, {}, issuingDistributionPoint({ onlyCaCerts: true })),
      list(intermediate, {}, issuingDistributionPoint({ onlyUserCerts: true })),
    ]),
    found: [],
  },
  {
    name: 'revoked by one of two scoped lists',
    lists: beside(({ intermediate, leaf }) => [
      list(intermediate, {}, issuingDistributionPoint({ onlyCaCerts: true })),
      list(intermediate, { revoked: [{ serial: leaf.serial }] }, issuingDistributionPoint({ onlyUserCerts: true })),
    ]),
    found: ['revocation/revoked@0'],
  },
  {
    name: 'revoked by a list for CAs, beside the one for end entities',
    lists: beside(({ intermediate, leaf }) => [
      list(intermediate, { revoked: [{ serial: leaf.serial }] }, issuingDistributionPoint({ onlyCaCerts: true })),
      list(intermediate, {}, issuingDistributionPoint({ onlyUserCerts: true })),
    ]),
    found: ['revocation/revoked@0'],
  },
  {
    name: 'a full list beside one for end entities that is out of date',
    lists: beside(({ intermediate }) => [
      list(intermediate),
      list(
        intermediate,
        { thisUpdate: ago(48), nextUpdate: ago(24) },
        issuingDistributionPoint({ onlyUserCerts: true }),
      ),
    ]),
    found: ['revocation/crl-unused'],
  },
  {
    name: 'some reasons only',
    lists: oneList({}, issuingDistributionPoint({ onlySomeReasons: [1, 2] })),
    found: ['revocation/crl-scope@0'],
  },
  {
    name: 'some reasons only, and revoked for one of them',
    lists: beside(({ intermediate, leaf }) => [
      list(
        intermediate,
        { revoked: [{ serial: leaf.serial, reason: 1 }] },
        issuingDistributionPoint({ onlySomeReasons: [1, 2] }),
      ),
    ]),
    found: ['revocation/revoked@0'],
  },
  {
    name: 'two lists that together cover all reasons',
    lists: beside(({ intermediate }) => [
      list(intermediate, {}, issuingDistributionPoint({ onlySomeReasons: [1, 2] })),
      list(intermediate, {}, issuingDistributionPoint({ onlySomeReasons: [3, 4, 5, 6, 7, 8] })),
    ]),
    found: [],
  },
  {
    name: 'two lists that together cover all reasons but one',
    lists: beside(({ intermediate }) => [
      list(intermediate, {}, issuingDistributionPoint({ onlySomeReasons: [1, 2, 8] })),
      list(intermediate, {}, issuingDistributionPoint({ onlySomeReasons: [3, 4, 5, 7] })),
    ]),
    found: ['revocation/crl-scope@0'],
  },
  {
    name: 'scope that is not marked as critical',
    lists: oneList({}, issuingDistributionPoint({ onlyUserCerts: true }, false)),
    found: ['revocation/crl-unusual'],
  },
  {
    name: 'empty scope',
    lists: oneList({}, issuingDistributionPoint({})),
    found: ['revocation/crl-extension-refused'],
  },
  {
    name: 'a written-out FALSE in the scope',
    lists: oneList({}, idp('3006810100820 1ff'.replace(' ', ''))),
    found: ['revocation/crl-extension-refused'],
  },
  {
    name: 'a TRUE of 01 in the scope',
    lists: oneList({}, idp('3003810101')),
    found: ['revocation/crl-extension-refused'],
  },
  {
    name: 'a TRUE of two octets in the scope',
    lists: oneList({}, idp('30048102ffff')),
    found: ['revocation/crl-extension-refused'],
  },
  {
    name: 'two kinds of certificate in the scope',
    lists: oneList({}, issuingDistributionPoint({ onlyUserCerts: true, onlyCaCerts: true })),
    found: ['revocation/crl-extension-refused'],
  },
  {
    name: 'no reason in the scope',
    lists: oneList({}, issuingDistributionPoint({ onlySomeReasons: [] })),
    found: ['revocation/crl-extension-refused'],
  },
  {
    name: 'something unknown in the scope',
    lists: oneList({}, idp('30068101ff8601ff')),
    found: ['revocation/crl-extension-refused'],
  },
  {
    name: 'fields of the scope in the wrong order',
    lists: oneList({}, idp('30068401ff8101ff')),
    found: ['revocation/crl-extension-refused'],
  },
]
