/** Findings about PEM that do not depend on the expected contents. */
import { pem } from '../../report/catalogue/pem.js'
import type { Place } from '../../report/catalogue/place.js'
import type { CrlForm } from '../crl/crl.js'
import { type Finding, findingMaker } from '../../report/finding.js'
import type { PemDamageProblem, UnusualLayout } from './pem.js'

const finding = findingMaker(pem)

export function damageFinding({ damage, label, line, endLabel }: PemDamageProblem, place: Place): Finding {
  return finding('pem/damaged', { ...place, damage, label, line, endLabel })
}

/** @param form `text` for a CRL after other text, which `revocation/crl-form` reports: not every reader accepts that. */
export function layoutFindings(layout: readonly UnusualLayout[], place: Place, form: CrlForm = 'pem'): Finding[] {
  return layout
    .filter((each) => form !== 'text' || each.layout !== 'text outside the blocks')
    .map((each) => finding('pem/layout-unusual', { ...place, ...each }))
}
