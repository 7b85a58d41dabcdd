/** Flaws of a text that is taken apart into words, as findings. */
import type { ConfigPlace } from '../../report/catalogue/config-place.js'
import type { Finding } from '../../report/finding.js'
import { finding } from './finding.js'
import type { Flaw } from './words.js'

/** @param text What the offsets are of. */
export function flawFindings(flaws: readonly Flaw[], text: string, place: (offset: number) => ConfigPlace): Finding[] {
  return flaws.map(({ kind, offset }) =>
    kind === 'quote'
      ? finding('config/quote-open', { ...place(offset), quote: text.charAt(offset) })
      : finding('config/line-not-continued', { ...place(offset), why: kind }),
  )
}
