/** Rules about the text of every file of the repository. */
import { describe, expect, it } from 'vitest'
import { STEPS, TOOLS } from '../scripts/lib/check-plan.mjs'
import manifest from '../package.json' with { type: 'json' }
import { repositoryFiles } from './support/repository-files.js'

const files = repositoryFiles()

describe('the text of the repository', () => {
  it('names npm scripts that exist', () => {
    const wrong = files.flatMap(({ path, text }) =>
      [...text.matchAll(/\bnpm run (?:--silent )?([a-z]+(?::[a-z]+)*)(?: -- ([a-z][\w-]*))?/g)]
        .filter(([, script = '', name]) => !isScript(script, name))
        .map(([command]) => `${path}: ${command}`),
    )
    expect(wrong).toEqual([])
  })

  it('uses the straight apostrophe only', () => {
    expect(linesWith(/[\u2018\u2019]/)).toEqual([])
  })

  it('writes the name of etcd in lower case, also at the beginning of a sentence', () => {
    // A value of its own in quotes is data of a test.
    expect(linesWith(/\b[E]tcd\b(?!'(?!s))/)).toEqual([])
  })
})

function linesWith(pattern: RegExp): string[] {
  return files.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, index) => (pattern.test(line) ? [`${path}:${String(index + 1)}: ${line}`] : [])),
  )
}

function isScript(script: string, name: string | undefined): boolean {
  if (!Object.hasOwn(manifest.scripts, script)) return false
  return script !== 'check' || name === undefined || STEPS.includes(name) || Object.hasOwn(TOOLS, name)
}
