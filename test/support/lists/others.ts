/** Lists of CAs that have nothing to do with the path. */
import { mintCa } from '../mint.js'
import { list, beside, type ListScenario } from './build.js'

export const others: readonly ListScenario[] = [
  {
    name: 'the list of another CA',
    lists: beside(({ intermediate }) => [list(intermediate), list(mintCa({ subject: 'Other' }))]),
    found: ['revocation/crl-unused'],
  },
  {
    name: 'the list of another CA with the leaf’s serial number',
    lists: beside(({ intermediate, leaf }) => [
      list(intermediate),
      list(mintCa({ subject: 'Other' }), { revoked: [{ serial: leaf.serial }] }),
    ]),
    found: ['revocation/serial-listed@0', 'revocation/crl-unused'],
  },
  {
    name: 'a damaged list of another CA',
    lists: beside(({ intermediate }) => [
      list(intermediate),
      list(mintCa({ subject: 'Other' }), { rawEntries: Buffer.from('0500', 'hex') }),
    ]),
    found: ['revocation/crl-malformed'],
  },
]
