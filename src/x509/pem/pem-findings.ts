/** Findings about PEM that do not depend on the expected contents. */
import { pem } from '../../report/catalogue/pem.js'
import type { Place } from '../../report/catalogue/place.js'
import { type Finding, findingMaker } from '../../report/finding.js'
import type { PemDamageProblem, UnusualLayout } from './pem.js'

const finding = findingMaker(pem)

export function damageFinding({ damage, label, line, endLabel }: PemDamageProblem, place: Place): Finding {
  return finding('pem/damaged', { ...place, damage, label, line, endLabel })
}

export function layoutFindings(layout: readonly UnusualLayout[], place: Place): Finding[] {
  return layout.map((each) => finding('pem/layout-unusual', { ...place, ...each }))
}
