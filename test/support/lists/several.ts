/** Several lists of one CA. */
import { authorityKeyIdentifier, crlNumber, mintCrl, publicHalf } from '../mint.js'
import { ago, ahead, list, beside, type ListScenario } from './build.js'

export const several: readonly ListScenario[] = [
  {
    name: 'an older list beside the new one',
    lists: beside(({ intermediate }) => [
      list(intermediate, { thisUpdate: ago(30) }),
      list(intermediate, {}, crlNumber(2)),
    ]),
    found: ['revocation/crl-unused'],
  },
  {
    name: 'an older list that is out of date beside the new one',
    lists: beside(({ intermediate }) => [
      list(intermediate, {}, crlNumber(2)),
      list(intermediate, { thisUpdate: ago(48), nextUpdate: ago(24) }),
    ]),
    found: ['revocation/crl-unused'],
  },
  {
    name: 'an older list without number beside the new one',
    lists: beside(({ intermediate: ca }) => [
      mintCrl({ issuer: ca, thisUpdate: ago(30), extensions: [authorityKeyIdentifier(publicHalf(ca.key))] }),
      list(ca),
    ]),
    found: ['revocation/crl-unused'],
  },
  {
    name: 'the new list is out of date, the older one is not',
    lists: beside(({ intermediate }) => [
      list(intermediate, { thisUpdate: ago(48), nextUpdate: ago(24) }, crlNumber(2)),
      list(intermediate, { thisUpdate: ago(72) }),
    ]),
    found: ['revocation/crl-not-current', 'revocation/crl-unused'],
  },
  {
    name: 'two lists of one date, of which the second has the higher number',
    lists: beside(({ intermediate }) => {
      const thisUpdate = ago(2)
      return [list(intermediate, { thisUpdate }), list(intermediate, { thisUpdate }, crlNumber(2))]
    }),
    found: ['revocation/crl-unused'],
  },
  {
    name: 'two lists of one number, of which the second is later',
    lists: beside(({ intermediate }) => [list(intermediate, { thisUpdate: ago(3) }), list(intermediate)]),
    found: ['revocation/crl-unused'],
  },
  {
    name: 'revoked by a list without number, beside a numbered one of the same date',
    lists: beside(({ intermediate: ca, leaf }) => {
      const thisUpdate = ago(2)
      const extensions = [authorityKeyIdentifier(publicHalf(ca.key))]
      return [list(ca, { thisUpdate }), list(ca, { thisUpdate, extensions, revoked: [{ serial: leaf.serial }] })]
    }),
    found: ['revocation/revoked@0', 'revocation/crl-unusual'],
  },
  {
    name: 'a hold that was lifted',
    lists: beside(({ intermediate, leaf }) => [
      list(intermediate, { thisUpdate: ago(30), revoked: [{ serial: leaf.serial, reason: 6 }] }),
      list(intermediate, {}, crlNumber(2)),
    ]),
    found: ['revocation/serial-listed@0', 'revocation/crl-unused'],
  },
  {
    name: 'revoked since the older list',
    lists: beside(({ intermediate, leaf }) => [
      list(intermediate, { revoked: [{ serial: leaf.serial }] }, crlNumber(2)),
      list(intermediate, { thisUpdate: ago(30) }),
    ]),
    found: ['revocation/revoked@0', 'revocation/crl-unused'],
  },
  {
    name: 'a lower number in the later list, which does not name what the other does',
    lists: beside(({ intermediate, leaf }) => [
      list(intermediate, { thisUpdate: ago(30), revoked: [{ serial: leaf.serial }] }, crlNumber(50)),
      list(intermediate),
    ]),
    found: ['revocation/revoked@0'],
  },
  {
    name: 'two lists of the same number and date',
    lists: beside(({ intermediate, leaf }) => {
      const thisUpdate = ago(2)
      return [
        list(intermediate, { thisUpdate }),
        list(intermediate, { thisUpdate, revoked: [{ serial: leaf.serial }] }),
      ]
    }),
    found: ['revocation/revoked@0'],
  },
  {
    name: 'the list of tomorrow beside that of today',
    lists: beside(({ intermediate }) => [
      list(intermediate),
      list(intermediate, { thisUpdate: ahead(12), nextUpdate: ahead(48) }, crlNumber(2)),
    ]),
    found: ['revocation/crl-unused'],
  },
  {
    name: 'revoked by the list of tomorrow',
    lists: beside(({ intermediate, leaf }) => [
      list(intermediate),
      list(
        intermediate,
        { thisUpdate: ahead(12), nextUpdate: ahead(48), revoked: [{ serial: leaf.serial }] },
        crlNumber(2),
      ),
    ]),
    found: ['revocation/revoked@0', 'revocation/crl-unused'],
  },
]
