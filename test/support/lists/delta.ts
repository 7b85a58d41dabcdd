/** Delta lists, alone and next to full ones. */
import {
  authorityKeyIdentifier,
  crlNumber,
  deltaCrlIndicator,
  EXTENSION,
  freshestCrl,
  issuingDistributionPoint,
  mintCa,
  mintCrl,
  publicHalf,
  unknownExtension,
  uri,
} from '../mint.js'
import { ago, ahead, delta, OTHER_PLACE, list, beside, oneList, raw, base, type ListScenario } from './build.js'

export const deltaLists: readonly ListScenario[] = [
  {
    name: 'a delta list alone',
    lists: oneList({}, ...delta(2, 1)),
    found: ['revocation/crl-delta'],
  },
  {
    name: 'a delta list alone that names the leaf',
    lists: beside(({ intermediate, leaf }) => [
      list(intermediate, { revoked: [{ serial: leaf.serial, reason: 1 }] }, ...delta(2, 1)),
    ]),
    found: ['revocation/crl-delta', 'revocation/revoked@0'],
  },
  {
    name: 'a delta list that is not marked as critical, alone',
    lists: oneList({}, crlNumber(2), deltaCrlIndicator(1, false)),
    found: ['revocation/crl-delta', 'revocation/crl-unusual'],
  },
  {
    name: 'a delta list beside its base',
    lists: beside(({ intermediate }) => [base(intermediate), list(intermediate, {}, ...delta(2, 1))]),
    found: ['revocation/crl-delta'],
  },
  {
    name: 'a delta list beside a list after its base',
    lists: beside(({ intermediate }) => [base(intermediate, {}, crlNumber(5)), list(intermediate, {}, ...delta(6, 1))]),
    found: ['revocation/crl-delta'],
  },
  {
    name: 'revoked by a delta list',
    lists: beside(({ intermediate, leaf }) => [
      base(intermediate),
      list(intermediate, { revoked: [{ serial: leaf.serial, reason: 1 }] }, ...delta(2, 1)),
    ]),
    found: ['revocation/revoked@0', 'revocation/crl-delta'],
  },
  {
    name: 'revoked in the base of a delta list',
    lists: beside(({ intermediate, leaf }) => [
      base(intermediate, { revoked: [{ serial: leaf.serial, reason: 1 }] }),
      list(intermediate, {}, ...delta(2, 1)),
    ]),
    found: ['revocation/revoked@0', 'revocation/crl-delta'],
  },
  {
    name: 'a hold lifted by a delta list',
    lists: beside(({ intermediate, leaf: { serial } }) => [
      base(intermediate, { revoked: [{ serial, reason: 6 }] }),
      list(intermediate, { revoked: [{ serial, reason: 8 }] }, ...delta(2, 1)),
    ]),
    found: ['revocation/serial-listed@0', 'revocation/crl-delta'],
  },
  {
    name: 'a hold of which the delta list says nothing',
    lists: beside(({ intermediate, leaf: { serial } }) => [
      base(intermediate, { revoked: [{ serial, reason: 6 }] }),
      list(intermediate, { revoked: [{ serial: serial + 1n, reason: 8 }] }, ...delta(2, 1)),
    ]),
    found: ['revocation/revoked@0', 'revocation/crl-delta'],
  },
  {
    name: 'a delta list alone that removes the leaf',
    lists: beside(({ intermediate, leaf: { serial } }) => [
      list(intermediate, { revoked: [{ serial, reason: 8 }] }, ...delta(2, 1)),
    ]),
    found: ['revocation/crl-delta', 'revocation/serial-listed@0'],
  },
  {
    name: 'a delta list of the same number as the full one',
    lists: beside(({ intermediate }) => {
      const thisUpdate = ago(2)
      return [base(intermediate, { thisUpdate }, crlNumber(2)), list(intermediate, { thisUpdate }, ...delta(2, 1))]
    }),
    found: ['revocation/crl-unused'],
  },
  {
    name: 'a delta list that starts after a full list that is out of date',
    lists: beside(({ intermediate }) => [
      base(intermediate, { thisUpdate: ago(48), nextUpdate: ago(24) }),
      list(intermediate, {}, ...delta(3, 2)),
    ]),
    found: ['revocation/crl-delta', 'revocation/crl-not-current'],
  },
  {
    name: 'a delta list that removes what was not on hold',
    lists: beside(({ intermediate, leaf: { serial } }) => [
      base(intermediate, { revoked: [{ serial, reason: 1 }] }),
      list(intermediate, { revoked: [{ serial, reason: 8 }] }, ...delta(2, 1)),
    ]),
    found: ['revocation/revoked@0', 'revocation/crl-delta'],
  },
  {
    name: 'a delta list that removes what its base does not list',
    lists: beside(({ intermediate, leaf: { serial } }) => [
      base(intermediate),
      list(intermediate, { revoked: [{ serial, reason: 8 }] }, ...delta(2, 1)),
    ]),
    found: ['revocation/serial-listed@0', 'revocation/crl-delta'],
  },
  {
    name: 'a base that is out of date, beside a delta list that is current',
    lists: beside(({ intermediate }) => [
      base(intermediate, { thisUpdate: ago(48), nextUpdate: ago(24) }),
      list(intermediate, {}, ...delta(2, 1)),
    ]),
    found: ['revocation/crl-delta'],
  },
  {
    name: 'a delta list that is out of date, beside its base',
    lists: beside(({ intermediate }) => [
      base(intermediate, { thisUpdate: ago(72) }),
      list(intermediate, { thisUpdate: ago(48), nextUpdate: ago(24) }, ...delta(2, 1)),
    ]),
    found: ['revocation/crl-not-current', 'revocation/crl-delta'],
  },
  {
    name: 'a delta list with an unknown critical extension',
    lists: beside(({ intermediate }) => [
      base(intermediate),
      list(intermediate, {}, ...delta(2, 1), unknownExtension(true)),
    ]),
    found: ['revocation/crl-extension-refused', 'revocation/crl-delta'],
  },
  {
    name: 'a delta list that starts after the full list',
    lists: beside(({ intermediate }) => [base(intermediate), list(intermediate, {}, ...delta(3, 2))]),
    found: ['revocation/crl-delta'],
  },
  {
    name: 'a delta list of another scope',
    lists: beside(({ intermediate }) => [
      base(intermediate),
      list(intermediate, {}, ...delta(2, 1), issuingDistributionPoint({ onlyUserCerts: true })),
    ]),
    found: ['revocation/crl-delta', 'revocation/crl-delta'],
  },
  {
    name: 'a delta list of the same scope',
    lists: beside(({ intermediate }) => [
      base(intermediate, {}, issuingDistributionPoint({ onlyUserCerts: true })),
      list(intermediate, {}, ...delta(2, 1), issuingDistributionPoint({ onlyUserCerts: true })),
    ]),
    found: ['revocation/crl-delta'],
  },
  {
    name: 'a delta list that is older than the full list',
    lists: beside(({ intermediate, leaf }) => [
      base(intermediate, {}, crlNumber(3)),
      list(intermediate, { thisUpdate: ago(5), revoked: [{ serial: leaf.serial, reason: 6 }] }, ...delta(2, 1)),
    ]),
    found: ['revocation/serial-listed@0', 'revocation/crl-unused'],
  },
  {
    name: 'two delta lists, of which the newer counts',
    lists: beside(({ intermediate, leaf }) => [
      base(intermediate, { thisUpdate: ago(10) }),
      list(intermediate, { revoked: [{ serial: leaf.serial, reason: 8 }] }, ...delta(3, 1)),
      list(intermediate, { thisUpdate: ago(5), revoked: [{ serial: leaf.serial, reason: 6 }] }, ...delta(2, 1)),
    ]),
    found: ['revocation/serial-listed@0', 'revocation/crl-delta', 'revocation/crl-unused'],
  },
  {
    name: 'a delta list without a number of its own',
    lists: beside(({ intermediate: ca }) => [
      base(ca),
      list(ca, { extensions: [authorityKeyIdentifier(publicHalf(ca.key)), deltaCrlIndicator(1)] }),
    ]),
    found: ['revocation/crl-delta', 'revocation/crl-unusual'],
  },
  {
    name: 'a delta list beside a full one without a number',
    lists: beside(({ intermediate: ca }) => [
      mintCrl({ issuer: ca, extensions: [authorityKeyIdentifier(publicHalf(ca.key))] }),
      list(ca, {}, ...delta(2, 1)),
    ]),
    found: ['revocation/crl-delta', 'revocation/crl-unusual'],
  },
  {
    name: 'a delta list whose base number cannot be read, alone',
    lists: oneList({}, crlNumber(2), raw(EXTENSION.deltaCrlIndicator, '0500', true)),
    found: ['revocation/crl-delta', 'revocation/crl-extension-refused'],
  },
  {
    name: 'a delta list signed by another key',
    lists: beside(({ intermediate }) => [
      base(intermediate),
      list(mintCa({ subject: 'Test Intermediate' }), {}, ...delta(2, 1)),
    ]),
    found: ['revocation/crl-delta', 'revocation/crl-unused'],
  },
  {
    name: 'a delta list that announces others',
    lists: beside(({ intermediate }) => [
      base(intermediate),
      list(intermediate, {}, ...delta(2, 1), freshestCrl([{ name: [uri(OTHER_PLACE)] }])),
    ]),
    found: ['revocation/crl-unusual', 'revocation/crl-delta'],
  },
  {
    name: 'the delta list of tomorrow beside a full list that is out of date',
    lists: beside(({ intermediate }) => [
      base(intermediate, { thisUpdate: ago(48), nextUpdate: ago(24) }),
      list(intermediate, { thisUpdate: ahead(12), nextUpdate: ahead(48) }, ...delta(2, 1)),
    ]),
    found: ['revocation/crl-not-current', 'revocation/crl-unused'],
  },
  {
    name: 'a delta list beside two full ones to which it belongs',
    lists: beside(({ intermediate }) => {
      const thisUpdate = ago(2)
      return [
        base(intermediate, { thisUpdate }),
        base(intermediate, { thisUpdate, revoked: [{ serial: 5 }] }),
        list(intermediate, {}, ...delta(2, 1), freshestCrl([{ name: [uri(OTHER_PLACE)] }])),
      ]
    }),
    found: ['revocation/crl-unusual', 'revocation/crl-delta', 'revocation/crl-delta'],
  },
  {
    name: 'the delta list of tomorrow',
    lists: beside(({ intermediate }) => [
      base(intermediate),
      list(intermediate, { thisUpdate: ahead(12), nextUpdate: ahead(48) }, ...delta(2, 1)),
    ]),
    found: ['revocation/crl-unused'],
  },
]
