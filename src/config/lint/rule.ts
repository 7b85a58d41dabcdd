/** Rules of the lint: a rule is a code and a check that returns the details of each finding. */
import type { ConfigPlace } from '../../report/catalogue/place.js'
import type { Finding, FindingDetails } from '../../report/finding.js'
import { type Code, finding } from '../finding.js'

/** The details of a code. `at` is the option in the message; `place` is the place of the finding, if it differs. */
export type Found<C extends Code> = Placed<FindingDetails[C]>

type Placed<D> = D extends ConfigPlace
  ? Omit<D, keyof ConfigPlace> & { at: { place: ConfigPlace }; place?: ConfigPlace | undefined }
  : D & { place: ConfigPlace }

export type Rule<S> = (subject: S) => Finding[]

/** Returns a function that makes rules. Each rule checks every part of the subject. */
export function rulesAbout<S, P = S>(partsOf: (subject: S) => readonly P[]) {
  return <C extends Code>(
    code: C,
    check: (part: P) => Found<C> | readonly Found<C>[] | false | null | undefined,
  ): Rule<S> => {
    return (subject) =>
      partsOf(subject)
        .flatMap((part) => check(part) ?? [])
        .flatMap((found) => {
          if (found === false) return []
          const { at, place = at?.place, ...details } = found as Partial<Found<'config/url-invalid'>>
          return make(code, { ...at?.place, ...details }, place ?? null)
        })
  }
}

// The type of `check` guarantees that the details belong to the code.
const make = finding as (code: Code, details: object, place: ConfigPlace | null) => Finding

export function apply<S>(rules: readonly Rule<S>[], subject: S): Finding[] {
  return rules.flatMap((rule) => rule(subject))
}

/** Groups are in the order of their first elements. */
export function groupBy<T, K>(all: readonly T[], keyOf: (one: T) => K): [K, [T, ...T[]]][] {
  const groups = new Map<K, [T, ...T[]]>()
  for (const each of all) {
    const group = groups.get(keyOf(each))
    if (group === undefined) groups.set(keyOf(each), [each])
    else group.push(each)
  }
  return [...groups]
}
