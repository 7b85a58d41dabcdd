/** Findings about PEM that do not depend on the expected contents. */
import { pem } from '../../report/catalogue/pem.js'
import type { MaterialRole, Place } from '../../report/catalogue/place.js'
import type { CrlForm } from '../crl/crl.js'
import { type Finding, findingMaker } from '../../report/finding.js'
import type { PemDamageProblem, PemScan } from './pem.js'

const finding = findingMaker(pem)

export function damageFinding({ damage, label, line, endLabel }: PemDamageProblem, place: Place): Finding {
  return finding('pem/damaged', { ...place, damage, label, line, endLabel })
}

interface ReadPem {
  readonly scan: PemScan
  readonly role: MaterialRole
  readonly input: string | Uint8Array
  /** `text` for a CRL after other text, which `revocation/crl-form` reports: not every reader accepts that. */
  readonly form?: CrlForm
}

export function layoutFindings(
  { scan: { layout, blocks }, role, input, form = 'pem' }: ReadPem,
  place: Place,
): Finding[] {
  return layout
    .filter((each) => form !== 'text' || each.layout !== 'text outside the blocks')
    .map((each) => {
      const isFound = role === 'crl' || !HIDING.has(each.layout) ? [] : areFoundByGo(input)
      const skipped = blocks[isFound.indexOf(false)]?.label ?? null
      const isEnough = role === 'ca' ? isFound.includes(true) : isFound[0] === true
      const unfound = role === 'crl' || role === 'request' || skipped === null || isEnough ? null : role
      return finding('pem/layout-unusual', { ...place, ...each, skipped, unfound })
    })
}

const HIDING: ReadonlySet<string> = new Set(['byte order mark', 'indented', 'CR line ends'])

/** Whether Go finds each block: its boundaries must start lines, which end with a line feed (encoding/pem Decode). */
function areFoundByGo(input: string | Uint8Array): boolean[] {
  const text = typeof input === 'string' ? input : Buffer.from(input).toString('latin1')
  const starts = Array.from(text.matchAll(/(^(?:\ufeff|\xef\xbb\xbf)?|[\r\n])([ \t]*)-----(BEGIN|END) /g))
  const isAtStart = starts.map(([, before = '', spaces]) => spaces === '' && (before === '' || before === '\n'))
  return starts.flatMap(([, , , kind], i) =>
    kind === 'BEGIN' ? isAtStart[i] === true && isAtStart[i + 1] === true : [],
  )
}

/** The finding for a certificate of this use: etcd does not start if Go skips the only block. */
export function forUsage(given: Finding, usage: 'client' | 'server' | 'peer' | 'any'): Finding {
  return given.code === 'pem/layout-unusual' ? finding('pem/layout-unusual', { ...given.details, usage }) : given
}
