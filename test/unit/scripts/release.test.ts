/** The rehearsal of a release: scripts/release.mjs and scripts/lib/release. */
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { documents, unknownVersions } from '../../../scripts/lib/release/contents.mjs'
import { planRelease } from '../../../scripts/lib/release/plan.mjs'
import { root } from '../../support/compiled.js'

const STEPS = ['pnpm', 'check']
const known = { version: '1.2.3', changelog: '# Changelog\n\n## 1.2.3\n\n## 1.0.0 (2026-01-01)\n' }

it('runs every step if no argument is given, and the named steps otherwise', () => {
  const all = planRelease([], STEPS)
  expect([all.publish, ...STEPS.map(all.isChosen)]).toEqual([false, true, true])
  expect(STEPS.map(planRelease(['pnpm'], STEPS).isChosen)).toEqual([true, false])
})

it('refuses to publish after some steps only, and a step that does not exist', () => {
  expect(planRelease(['--publish'], STEPS)).toMatchObject({ publish: true })
  expect(() => planRelease(['--publish', 'pnpm'], STEPS)).toThrow(/--publish takes no names/)
  expect(() => planRelease(['npm'], STEPS)).toThrow('There is no step npm. The steps are pnpm, check.')
})

it.each([
  ['npx etcd-mtls@1.2.3 doctor, and uses: etcd-mtls/etcd-mtls@v1.0.0', []],
  ['npm install etcd-mtls@1.2.4', ['1.2.4']],
  ['uses: etcd-mtls/etcd-mtls@v1.1.0', ['1.1.0']],
  ['    rev: v2.0.0', ['2.0.0']],
  ['npm install ./etcd-mtls-1.2.2.tgz', ['1.2.2']],
  ['etcd v3.5.16, testcontainers@12.0.0', []],
])('finds the versions that do not exist in %j', (text, unknown) => {
  expect(unknownVersions(text, known)).toEqual(unknown)
})

it('no document names a version of the package that does not exist', () => {
  const { version } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8')) as { version: string }
  const changelog = readFileSync(`${root}/CHANGELOG.md`, 'utf8')
  const wrong = documents(root).flatMap((file) =>
    unknownVersions(readFileSync(file, 'utf8'), { version, changelog }).map((each) => `${file}: ${each}`),
  )
  expect(wrong).toEqual([])
})

it('the release workflow publishes by the script of the rehearsal alone', () => {
  const workflow = parse(readFileSync(`${root}/.github/workflows/release.yml`, 'utf8')) as {
    jobs: Record<string, { permissions: Record<string, string>; steps: { run?: string }[] }>
  }
  const lines = Object.values(workflow.jobs).flatMap(({ steps }) => steps.flatMap(({ run }) => run ?? []))
  expect(lines.filter((line) => line.includes('check -- release --publish'))).toHaveLength(1)
  expect(lines.filter((line) => line.includes('npm publish'))).toEqual([])
  expect(workflow.jobs['publish']?.permissions).toEqual({ contents: 'read', 'id-token': 'write' })
})
