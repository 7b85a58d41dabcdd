/** The steps and tools of `npm run check`, and those that its arguments choose. */
import { Stop } from './lifecycle.mjs'

/**
 * @typedef {[program: string, ...args: string[]]} Command
 * @typedef {{ name: string, commands: Command[], missing?: string }} Step a step with `missing` is not run, for that reason
 * @typedef {{ lanes: Step[][], alone: Step[] } | { tool: Command }} Plan
 */

/** @returns {Command} */
const script = (name, ...args) => [process.execPath, `scripts/${name}.mjs`, ...args]
/** @returns {Command} */
const bin = (name, ...args) => [`node_modules/.bin/${name}`, ...args]
/** @returns {Step} */
const step = (name, ...commands) => ({ name, commands })

/** Lanes run at the same time, for two cores; the steps of a lane one after another. `package` checks what `build` wrote. */
const LANES = [
  [
    step('build', script('build')),
    step(
      'package',
      bin('publint', '--strict'),
      bin('attw', '--pack', '.', '--profile', 'node16', '--ignore-rules', 'cjs-resolves-to-esm'),
    ),
    step('format', bin('prettier', '--config', '.config/prettier.json', '--check', '.')),
    step('regexes', script('regexes')),
  ],
  [
    step('lint', ['npm', 'run', '--silent', 'lint']),
    step('types', ['npm', 'run', '--silent', 'types']),
    step('docs', script('docs', '--check')),
  ],
]

const CONFORMANCE = step('conformance', script('test', '--conformance'))

/** The tests and the benchmarks measure time, so nothing runs at the same time. */
const ALONE = [
  step('tests', script('test')),
  CONFORMANCE,
  step('promises', script('promises')),
  step('bench', script('bench', '--check')),
]

/**
 * Programs that are not part of a check without names.
 *
 * @type {Record<string, Command>}
 */
export const TOOLS = {
  differential: ['nice', ...script('test', '--long', 'test/differential/')],
  matrix: script('matrix'),
  'matrix-types': script('matrix-types'),
  fuzz: script('fuzz'),
  chaos: script('chaos'),
  mutation: script('mutation'),
  sbom: ['npm', 'sbom', '--sbom-format', 'cyclonedx', '--omit', 'dev'],
  licences: script('licences'),
  release: script('release'),
  releases: script('releases'),
}

/** The names of all steps, in the order in which they are listed. */
export const STEPS = [...LANES.flat(), ...ALONE].map(({ name }) => name)

/**
 * Without arguments, every step. The name of a tool comes first and alone: the other arguments are its own. Otherwise each
 * argument is the name of a step.
 *
 * @param {string[]} args
 * @param {{ missingVectors: string | null }} found why the conformance vectors cannot run; null if they can
 * @returns {Plan}
 */
export function planCheck(args, { missingVectors }) {
  const [first = '', ...rest] = args
  if (Object.hasOwn(TOOLS, first)) return { tool: [...TOOLS[first], ...rest] }
  const unknown = args.filter((name) => !STEPS.includes(name))
  if (unknown.length > 0) {
    throw new Stop(
      `There is no step ${unknown.join(', ')}. The steps are ${STEPS.join(', ')}. ` +
        `The tools, one at a time and before their arguments, are ${Object.keys(TOOLS).join(', ')}.`,
    )
  }
  const isChosen = ({ name }) => args.length === 0 || args.includes(name)
  // The step fails without its vectors if it is named.
  const conformance =
    args.length === 0 && missingVectors !== null ? { ...CONFORMANCE, missing: missingVectors } : CONFORMANCE
  return {
    lanes: LANES.map((lane) => lane.filter(isChosen)),
    alone: ALONE.map((each) => (each === CONFORMANCE ? conformance : each)).filter(isChosen),
  }
}
