/** What TypeDoc does not do: a site without inline scripts, and a search that accepts lines of logs. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { build } from 'esbuild'
import { lineAnchor } from './pages.mjs'

const INLINE = /<script>([^<]*)<\/script>/g

/** Moves the inline script of each page to a file, and the inline styles to attributes. */
export function withoutInlineCode(out) {
  let start = null
  for (const file of filesOf(out, /\.html$/)) {
    const html = readFileSync(file, 'utf8')
    const assets = relative(dirname(file), join(out, 'assets')).replaceAll('\\', '/')
    const changed = html.replaceAll(INLINE, (_, script) => {
      if (start !== null && start !== script) throw new Error(`${file} has another inline script than the other pages`)
      start = script
      return `<script src="${assets}/start.js"></script>`
    })
    writeFileSync(file, changed.replaceAll(/ style="text-align:(\w+)"/g, ' align="$1"'))
  }
  if (start === null) throw new Error('TypeDoc writes no inline script any more: withoutInlineCode can go')
  writeFileSync(join(out, 'assets/start.js'), start)
}

/** lunr throws on `a:b` and reads `+`, `-`, `^` and `~` as operators. The lines of logs come from `lines.js`. */
export function withSafeSearch(out) {
  const file = join(out, 'assets/main.js')
  const before = readFileSync(file, 'utf8')
  const query = /(\.split\(" "\)\.map\(\w+=>\w+\.length\?`\*\$\{\w+\}\*`:""\)\.join\(" "\))/
  const results = /(function \w+\((\w+),(\w+),\w+,\w+\)\{if\(!\w+\.index\|\|!\w+\.data\)return;\2\.innerHTML="")/
  const after = before
    .replace(query, '.replace(/[:^~+*\\\\-]+/g," ")$1')
    .replace(results, '$1,window.etcdMtlsLines?.($2,$3.value)')
  if (after.split('etcdMtlsLines').length !== 2 || !after.includes('[:^~+*\\\\-]+'))
    throw new Error('The search of this TypeDoc is not as scripts/lib/site expects it')
  writeFileSync(file, after)
}

/** `lines.js`, which finds the entry of a pasted line as `etcd-mtls explain` does. */
export async function bundleLines(root, file, { logLines, anchorOf }) {
  const rows = logLines.map(({ id, pattern, contains, meaning, codes }) => {
    return {
      id,
      pattern,
      contains,
      meaning,
      anchor: lineAnchor(id),
      causes: codes.map((code) => [code, anchorOf(code)]),
    }
  })
  await build({
    entryPoints: [join(root, 'scripts/lib/site/lines.mjs')],
    outfile: file,
    bundle: true,
    minify: true,
    format: 'iife',
    target: 'es2022',
    define: { ROWS: JSON.stringify(rows) },
    logLevel: 'error',
  })
}

export function filesOf(out, pattern) {
  const names = readdirSync(out, { recursive: true, encoding: 'utf8' }).filter((name) => pattern.test(name))
  return names.map((name) => join(out, name))
}
