/** Dates of lists. */
import { rawTime, TAG } from '../mint.js'
import { ago, ahead, list, beside, oneList, type ListScenario } from './build.js'

export const dates: readonly ListScenario[] = [
  {
    name: 'out of date',
    lists: oneList({ thisUpdate: ago(48), nextUpdate: ago(24) }),
    found: ['revocation/crl-not-current'],
  },
  {
    name: 'out of date, and names the leaf',
    lists: beside(({ intermediate, leaf }) => [
      list(intermediate, { thisUpdate: ago(48), nextUpdate: ago(24), revoked: [{ serial: leaf.serial }] }),
    ]),
    found: ['revocation/crl-not-current', 'revocation/revoked@0'],
  },
  { name: 'of the future', lists: oneList({ thisUpdate: ahead(1) }), found: ['revocation/crl-not-current'] },
  {
    name: 'ends before it begins',
    lists: oneList({ thisUpdate: ago(1), nextUpdate: ago(2) }),
    found: ['revocation/crl-not-current'],
  },
  {
    name: 'of one second that is past',
    lists: oneList({ thisUpdate: ago(1), nextUpdate: ago(1) }),
    found: ['revocation/crl-not-current'],
  },
  { name: 'no next update', lists: oneList({ nextUpdate: null }), found: ['revocation/crl-unusual'] },
  {
    name: 'a date of this century as GeneralizedTime',
    lists: oneList({ thisUpdate: rawTime(TAG.generalizedTime, '20240101000000Z') }),
    found: ['revocation/crl-unusual'],
  },
  {
    name: 'next update after 2050',
    lists: oneList({ nextUpdate: new Date('2060-01-01T00:00:00Z') }),
    found: [],
  },
]
