/** Whether OpenSSL, and so Node, finds the path that was found here. */
import { bytesEqual } from '../x509/der.js'
import type { Certificate } from '../x509/certificate.js'
import type { Budget } from './budget.js'
import type { Context } from './context.js'
import { keyIdentifiers, linkOf, namesOtherAuthority } from './link.js'
import type { Notebook, Place } from './place.js'

/** What OpenSSL chooses from, and what it costs us to follow it. */
interface Choices {
  /** In the order in which they were sent. */
  readonly intermediates: readonly Certificate[]
  readonly anchors: readonly Certificate[]
  readonly context: Context
  readonly budget: Budget
}

/**
 * OpenSSL does not turn back (crypto/x509/x509_vfy.c, build_chain). Of several certificates that fit as an issuer by
 * name, key identifier and key usage it takes a trusted one, else the first that was sent and is within its validity;
 * signatures come later. Where that way leads nowhere, it refuses what is accepted here.
 *
 * @param path A path that is valid.
 */
export function checkDetour(path: readonly Place[], choices: Choices, notes: Notebook): void {
  // Without a certificate too many there is nothing to take instead.
  if (choices.intermediates.length <= path.length - 2) return
  for (const [i, place] of path.entries()) {
    const { certificate } = place
    const next = path[i + 1]?.certificate
    if (next === undefined || choices.anchors.some((anchor) => fits(certificate, anchor))) return
    const choice = firstChoice(certificate, [], choices)
    if (choice === undefined) return
    if (choice.equals(next)) continue
    if (!leadsToAnchor(certificate, choice, choices)) {
      notes.add(place, 'chain/detour', { issuer: certificate.issuer.toString() })
    }
    return
  }
}

/** True, too, where the budget does not allow to tell. */
function leadsToAnchor(child: Certificate, choice: Certificate, choices: Choices): boolean {
  const taken = [child]
  let from = child
  for (let to: Certificate | undefined = choice; to !== undefined; to = firstChoice(from, taken, choices)) {
    const link = linkOf(from, to, choices.budget)
    if (link !== 'signed') return link === null
    from = to
    taken.push(to)
    const reached = to
    if (choices.anchors.some((anchor) => fits(reached, anchor))) return true
  }
  return false
}

function firstChoice(
  child: Certificate,
  taken: readonly Certificate[],
  { intermediates, context: { at } }: Choices,
): Certificate | undefined {
  const candidates = intermediates.filter((each) => fits(child, each) && !taken.includes(each))
  return candidates.find(({ notBefore, notAfter }) => notBefore <= at && at <= notAfter) ?? candidates[0]
}

/** As X509_check_issued does it, names byte for byte. */
function fits(child: Certificate, issuer: Certificate): boolean {
  if (!bytesEqual(child.issuer.raw, issuer.subject.raw) || namesOtherAuthority(child, issuer)) return false
  const { keyUsage } = issuer.extensions
  return keyIdentifiers(child, issuer).relation !== 'different' && (keyUsage === null || keyUsage.has('keyCertSign'))
}
