import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { type Plan, planCheck, STEPS, TOOLS } from '../../../scripts/lib/check-plan.mjs'

const root = new URL('../../../', import.meta.url)
const found = { missingVectors: null }

function stepsOf(plan: Plan): string[] {
  return 'tool' in plan ? [] : [...plan.lanes.flat(), ...plan.alone].map(({ name }) => name)
}

describe('planCheck', () => {
  it('chooses every step if no argument is given', () => {
    expect(stepsOf(planCheck([], found))).toEqual(STEPS)
    expect(STEPS).toContain('conformance')
  })

  it('chooses the named steps', () => {
    expect(stepsOf(planCheck(['types', 'tests'], found))).toEqual(['types', 'tests'])
  })

  it('passes all other arguments to a tool that is named first', () => {
    const plan = planCheck(['matrix', 'node24', '--unit', 'lint'], found)
    expect(plan).toEqual({ tool: [process.execPath, 'scripts/matrix.mjs', 'node24', '--unit', 'lint'] })
  })

  it('gives the reason if the conformance vectors are missing, and runs the step if it is named', () => {
    const missing = { missingVectors: 'its vectors are not in /vectors' }
    const conformance = (args: string[]) => {
      const plan = planCheck(args, missing)
      return 'tool' in plan ? undefined : plan.alone.find(({ name }) => name === 'conformance')
    }
    expect(conformance([])).toMatchObject({ missing: 'its vectors are not in /vectors' })
    expect(conformance(['conformance'])).not.toHaveProperty('missing')
  })

  it.each([[['speed']], [['lint', 'matrix']], [['--seed', '1']]])('refuses the arguments %j', (args) => {
    expect(() => planCheck(args, found)).toThrow(
      /^There is no step .*The steps are build, .*The tools.* are differential, /,
    )
  })

  it('names scripts that exist', () => {
    const plan = planCheck([], found)
    const commands = 'tool' in plan ? [] : [...plan.lanes.flat(), ...plan.alone].flatMap((step) => step.commands)
    const scripts = [...commands, ...Object.values(TOOLS)].flat().filter((each) => each.startsWith('scripts/'))
    expect(scripts.filter((path) => !existsSync(fileURLToPath(new URL(path, root))))).toEqual([])
  })
})
