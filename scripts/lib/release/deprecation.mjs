/**
 * How a name goes, as docs/stability.md promises it, with one name as the case: a version that deprecates `observeServer`, and the next
 * major version, which has its successor alone. Both are built from changed copies of the sources.
 */
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { must, run } from '../process.mjs'
import { pack, undocumentedDeprecations } from './contents.mjs'
import { installVersion } from './strangers.mjs'

const OLD = 'observeServer'
const NEW = 'inspectServer'
const CODE = 'ETCD_MTLS_OBSERVE_SERVER'
const ROW = `| \`${CODE}\` | NEXT | Write \`${NEW}\` in place of \`${OLD}\` |`

const DEPRECATED = `
/**
 * As {@link ${NEW}}.
 * @deprecated Write \`${NEW}\` in its place.
 * @function
 */
export const ${OLD}: typeof ${NEW} = /* @__PURE__ */ deprecate(
  ${NEW},
  '${OLD} is deprecated: write ${NEW} in its place',
  '${CODE}',
)
`

/** Two calls, which print one warning: this port refuses connections. */
const program = (name) =>
  `import { ${name} } from 'etcd-mtls'\nfor (const _ of [1, 2]) await ${name}('https://127.0.0.1:1')\nconsole.log('done')\n`

/** A name is deprecated, and goes: the versions are published, and a project of a user goes through them and back. */
export async function goesThroughDeprecation(stage, publish) {
  const major = Number(stage.version.split('.')[0]) + 1
  const [minor, next] = [`${major - 1}.900.0`, `${major}.900.0`]
  await publish(await packChanged(stage, minor, { isGone: false }))
  await publish(await packChanged(stage, next, { isGone: true }))
  const { project, env, signal } = { ...stage, project: join(stage.folder, 'with-npm') }
  const runs = async (version, name) => {
    await installVersion(stage, project, version)
    writeFileSync(join(project, 'old.mjs'), program(name))
    return run(process.execPath, ['old.mjs'], { cwd: project, env, signal })
  }
  for (const [version, name] of [
    [stage.version, OLD],
    [minor, NEW],
    [next, NEW],
  ])
    expectResult(await runs(version, name), { code: 0, stderr: /^$/ })
  expectResult(await runs(minor, OLD), {
    code: 0,
    stderr: new RegExp(`^(?:(?!${CODE})[^])*${CODE}(?:(?!${CODE})[^])*$`),
  })
  await strikesOut(project)
  expectResult(await runs(next, OLD), { code: 1, stderr: new RegExp(`does not provide an export named '${OLD}'`) })
  expectResult(await runs(stage.version, OLD), { code: 0, stderr: /^$/ })
}

function expectResult({ code, stdout, stderr }, expected) {
  const isDone = code !== 0 || stdout === 'done\n'
  if (code !== expected.code || !isDone || !expected.stderr.test(stderr))
    throw new Error(`exit code ${code}, and it prints: ${stdout}${stderr}`)
}

/** Editors strike a name out by this tag of its declaration. */
async function strikesOut(project) {
  const home = join(project, 'node_modules/etcd-mtls/dist')
  const { stdout } = await must('grep', ['-rh', '-B3', `${OLD}: typeof ${NEW}`, '--include=*.d.ts', home])
  if (!stdout.includes('@deprecated')) throw new Error(`The declaration has no @deprecated: ${stdout}`)
}

async function packChanged(stage, version, { isGone }) {
  const copy = join(stage.folder, `source-${version}`)
  copySources(stage.root, copy)
  const change = (file, edit) => {
    const before = readFileSync(join(copy, file), 'utf8')
    const after = edit(before)
    if (after === before) throw new Error(`${file} is not as the rehearsal expects it`)
    writeFileSync(join(copy, file), after)
  }
  change('src/client/deferred.ts', (text) => text.replace(`export const ${OLD} =`, `export const ${NEW} =`))
  change('src/client/index.ts', (text) => {
    const renamed = text.replace(`createSecureClient, ${OLD}`, `createSecureClient, ${NEW}`)
    if (isGone) return renamed
    const imports = `import { deprecate } from 'node:util'\nimport { ${NEW} } from './deferred.js'\n`
    return `${renamed.replace("export * from '../report/index.js'", (line) => imports + line)}${DEPRECATED}`
  })
  const names = isGone ? NEW : `${NEW}, ${OLD}`
  change('src/index.ts', (text) => text.replace(`mirror, ${OLD}`, `mirror, ${names}`))
  for (const file of ['src/doctor/process.ts', 'src/cli/targets.ts']) change(file, (text) => text.replaceAll(OLD, NEW))
  expectUndocumented(copy, isGone ? [] : [CODE])
  change('docs/upgrading.md', (text) => `${text}\n${ROW}\n`)
  expectUndocumented(copy, [])
  change('package.json', (text) => JSON.stringify({ ...JSON.parse(text), version }))
  await must(process.execPath, [join(copy, 'scripts/build.mjs')], { cwd: copy, signal: stage.signal })
  return pack(copy, stage.folder, stage)
}

function expectUndocumented(copy, codes) {
  const found = undocumentedDeprecations(copy)
  if (found.join() !== codes.join()) throw new Error(`docs/upgrading.md lacks ${found.join(', ') || 'nothing'}`)
}

const LEFT_OUT = new Set(['node_modules', '.git', '.cache', 'dist', 'coverage', 'test'])

function copySources(root, copy) {
  mkdirSync(copy)
  const isSource = (path) =>
    !LEFT_OUT.has(relative(root, path).split('/')[0] ?? '') || basename(path) === basename(root)
  cpSync(root, copy, { recursive: true, filter: isSource })
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
}
