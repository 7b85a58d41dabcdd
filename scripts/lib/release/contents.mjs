/** What is published: the tarball, its files, and the versions that documents name. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { must } from '../process.mjs'

/** Packs what `npm run build` wrote, and returns the path of the tarball. */
export async function pack(root, folder, { signal }) {
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder]
  const { stdout } = await must('npm', args, { cwd: root, signal })
  const [{ filename }] = Object.values(JSON.parse(stdout))
  return join(folder, filename)
}

/** The same tarball with another version, and with other files. */
export async function packAs(tarball, version, folder, { signal, change = () => undefined }) {
  await must('tar', ['-xzf', tarball, '-C', folder], { signal })
  const home = join(folder, 'package')
  const manifest = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'))
  writeFileSync(join(home, 'package.json'), JSON.stringify({ ...manifest, version }, null, 2))
  change(home)
  const packed = await pack(home, folder, { signal })
  rmSync(home, { recursive: true })
  return packed
}

/** The files of a tarball in which the list does not name one, or that the list names and the tarball lacks. */
export async function unexpectedFiles(root, tarball, { signal }) {
  const { stdout } = await must('tar', ['-tzf', tarball], { signal })
  const packed = new Set(
    stdout
      .trim()
      .split('\n')
      .map((path) => path.replace(/^package\//, '')),
  )
  const listed = new Set(readFileSync(join(root, 'test/surface/files.txt'), 'utf8').trim().split('\n'))
  const only = (some, others, words) =>
    [...some].filter((path) => !others.has(path)).map((path) => `${path} is ${words}`)
  return [
    ...only(packed, listed, 'in the package, and not in test/surface/files.txt'),
    ...only(listed, packed, 'in test/surface/files.txt, and not in the package'),
  ]
}

/** The pages and the action, which name versions of the package. */
export function documents(root) {
  const pages = readdirSync(join(root, 'docs'), { recursive: true }).map((name) => join(root, 'docs', name))
  return [...pages, join(root, 'README.md'), join(root, 'action.yml')].filter((file) => /\.(?:md|ya?ml)$/.test(file))
}

/** Our versions, as documents name them: `etcd-mtls@1.2.3`, `etcd-mtls/etcd-mtls@v1.2.3`, `rev: v1.2.3`, `etcd-mtls-1.2.3.tgz`. */
const NAMED = /\betcd-mtls@v?(\d+\.\d+\.\d+[-\w.]*)|\brev: v(\d+\.\d+\.\d+)|\betcd-mtls-(\d+\.\d+\.\d+)\.tgz/g

/**
 * The versions in a document that are neither the one of package.json nor a heading of the changelog.
 *
 * @param {string} text
 * @param {{ version: string, changelog: string }} known
 * @returns {string[]}
 */
export function unknownVersions(text, { version, changelog }) {
  const released = [...changelog.matchAll(/^## \[?(\d+\.\d+\.\d+)/gm)].map(([, each]) => each)
  const named = [...text.matchAll(NAMED)].map(([, ...versions]) => versions.find((each) => each !== undefined))
  return named.filter((each) => each !== version && !released.includes(each))
}

/** The codes of deprecated names in src that docs/upgrading.md has no row for. */
export function undocumentedDeprecations(root) {
  const rows = readFileSync(join(root, 'docs/upgrading.md'), 'utf8')
  const sources = readdirSync(join(root, 'src'), { recursive: true }).filter((name) => name.endsWith('.ts'))
  const codes = sources.flatMap((name) => {
    const calls = readFileSync(join(root, 'src', name), 'utf8').matchAll(/\bdeprecate\([^)]*?'(ETCD_MTLS_[A-Z_]+)'/g)
    return [...calls].map(([, code]) => code)
  })
  return codes.filter((code) => !rows.includes(`| \`${code}\` |`))
}
