/** A plan as text for people, to be printed and ticked off. */
import { checkReturned, optionInvalid } from '../../report/option-error.js'
import { printable } from '../../report/printable.js'
import { wrapText } from '../../report/wrap.js'
import type { CaRollAction, CaRollPlan, CaRollStep } from './plan-types.js'

/** How {@link formatPlan} prints. */
export interface FormatPlanOptions {
  /** Columns to wrap at, at least 40. Default: 80; `Infinity` does not wrap. */
  width?: number | undefined
}

/** Files of one action that are shown; the plan itself has all of them. */
const MOST_FILES = 12

/**
 * Prints a plan: the CAs, then each step with what must be true before it, what to do, and how to see that it is done.
 * There is no newline at the end. The text may change in any release; programs read `plan.steps`.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function formatPlan(plan: CaRollPlan, { width: asked = 80 }: FormatPlanOptions = {}): string {
  checkReturned('plan', plan, 'steps', 'a plan, such as planCaRoll returns')
  if (typeof asked !== 'number' || Number.isNaN(asked)) throw optionInvalid('width', 'must be a number')
  const width = Math.max(40, Math.floor(asked))
  const wrap = (first: string, text: string): string[] =>
    wrapText(printable(text), { width, first, rest: ' '.repeat(first.length) })
  const head = [
    ...wrap('', `Roll of the CA "${plan.from.subject}" to "${plan.to.subject}"`),
    ...wrap('  from: ', plan.from.fingerprint256),
    ...wrap('  to:   ', plan.to.fingerprint256),
    ...plan.notes.flatMap((note) => wrap('  - ', note)),
  ]
  const blocks = plan.steps.map((step, index) => stepLines(step, `${String(index + 1)}. `, wrap))
  return [head, ...blocks].map((lines) => lines.join('\n')).join('\n\n')
}

type Wrap = (first: string, text: string) => string[]

function stepLines(step: CaRollStep, number: string, wrap: Wrap): string[] {
  return [
    ...wrap(number, `${step.title} (${step.id})`),
    ...wrap('   ', step.why),
    '   Before:',
    ...step.before.flatMap((each) => wrap('   - ', each)),
    '   Do:',
    ...step.do.flatMap((each) => actionLines(each, wrap)),
    '   Check:',
    ...step.check.flatMap((each) => wrap('   - ', each)),
  ]
}

function actionLines({ text, call, files }: CaRollAction, wrap: Wrap): string[] {
  const shown = files.slice(0, MOST_FILES)
  const more = files.length - shown.length
  return [
    ...wrap('   - ', text),
    ...(call === null ? [] : wrap('     ', call)),
    ...shown.flatMap((file) => wrap('       ', file)),
    ...(more > 0 ? [`       and ${String(more)} more`] : []),
  ]
}
