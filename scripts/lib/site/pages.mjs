/** The pages of the site as Markdown for TypeDoc: the guides, a page for each code of a finding, and the lines of logs. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, posix, relative } from 'node:path'
import { renderLogLines } from '../log-lines-page.mjs'

const REPOSITORY = 'https://github.com/etcd-mtls/etcd-mtls/blob/main'
/** Pages that are not in docs, by the path that links to them have. */
const OTHERS = {
  'CONTRIBUTING.md': 'contributing.md',
  'CHANGELOG.md': 'changelog.md',
  '.github/SECURITY.md': 'security.md',
}

/**
 * Writes the pages into a folder, with links among themselves, and returns what TypeDoc gets: the page of the index and the documents.
 *
 * @param {string} root
 * @param {string} folder it is emptied
 * @param {{ findings: string, logLines: import('../../../src/log-lines/log-line.js').LogLine[], anchorOf: (code: string) => string }} tables
 */
export function writePages(root, folder, { findings, logLines, anchorOf }) {
  const guides = guidesOf(root)
  const codes = findingPages(findings, logLines, anchorOf)
  rmSync(folder, { recursive: true, force: true })
  const write = (path, { title, group, children = [], text, from }) => {
    const front = [`title: ${JSON.stringify(title)}`, `address: ${path.replace(/\.md$/, '')}`]
    if (group !== undefined) front.push(`group: ${JSON.stringify(group)}`)
    if (children.length > 0) front.push(`children:\n${children.map((each) => `  - ./${each}`).join('\n')}`)
    const linked = withLinks(text, from, path, { root, folder })
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), path === 'index.md' ? linked : `---\n${front.join('\n')}\n---\n\n${linked}`)
  }
  for (const [from, { group, path }] of guides) {
    const text = readFileSync(join(root, from), 'utf8')
    const title = /^# (.+)$/m.exec(text)[1].replaceAll('`', '')
    if (from === 'docs/findings.md') {
      const children = codes.map((each) => `findings/${each.name}.md`)
      write(path, { title, group, children, text: contentsOf(findings, codes), from })
    } else if (from === 'docs/log-lines.md') {
      const whole = renderLogLines(logLines, {
        anchorOf: lineAnchor,
        findingUrl: (code) => `findings.md#${anchorOf(code)}`,
      })
      const text = whole.replace(/^---\n.*?\n---\n\n/s, '').replaceAll(/^<a id="[\w-]+"><\/a>\n\n/gm, '')
      write(path, { title, group, text, from })
    } else write(path, { title, group, text, from })
  }
  for (const { name, code, text } of codes)
    write(`findings/${name}.md`, { title: code, text, from: 'docs/findings.md' })
  write('index.md', { title: 'etcd-mtls', text: readFileSync(join(root, 'README.md'), 'utf8'), from: 'README.md' })
  return { readme: join(folder, 'index.md'), documents: [...guides.values()].map(({ path }) => join(folder, path)) }
}

/** The pages that docs/README.md lists, each with the heading above it, and docs/README.md itself. */
function guidesOf(root) {
  const index = readFileSync(join(root, 'docs/README.md'), 'utf8')
  const guides = new Map([['docs/README.md', { group: 'Start', path: 'all-pages.md' }]])
  for (const section of index.split(/^## /m).slice(1)) {
    const group = section.slice(0, section.indexOf('\n'))
    for (const [, link] of section.matchAll(/\]\(([^)#]+\.md)(?:#[^)]*)?\)/g)) {
      const from = posix.join('docs', link)
      if (!guides.has(from)) guides.set(from, { group, path: pathOf(from) })
    }
  }
  for (const name of readdirSync(join(root, 'docs')).filter((each) => each.endsWith('.md')))
    if (!guides.has(`docs/${name}`)) guides.set(`docs/${name}`, { group: 'Other pages', path: name })
  return guides
}

function pathOf(file) {
  return OTHERS[file] ?? (file === 'docs/README.md' ? 'all-pages.md' : posix.relative('docs', file))
}

/** The entries of docs/findings.md, each with the lines of logs that lead to it. */
function findingPages(findings, logLines, anchorOf) {
  const [, ...parts] = findings.split(/\n<a id="[\w-]+"><\/a>\n\n### (\S+)\n/)
  return parts.flatMap((code, i) => {
    if (i % 2 === 1) return []
    const entry = parts[i + 1].replace(/\n## [\w-]+\n*$/, '').trim()
    const lines = logLines.filter(({ codes }) => codes[0] === code)
    const list = lines.map(({ id, example }) => `- [${id}](log-lines.md#${lineAnchor(id)}): ${quoted(example)}`)
    const below = list.length === 0 ? '' : `\n\n## Lines of logs\n\n${list.join('\n')}`
    return [{ code, name: anchorOf(code), text: `# ${code}\n\n${entry}${below}\n` }]
  })
}

function contentsOf(findings, codes) {
  const introduction = findings.slice(0, findings.indexOf('\n- [')).replace(/<!--.*?-->\n\n/s, '')
  const areas = new Set(codes.map(({ code }) => code.split('/')[0]))
  const lists = [...areas].map((area) => {
    const members = codes.filter(({ code }) => code.startsWith(`${area}/`))
    return `## ${area}\n\n${members.map(({ code, name }) => `- [${code}](findings.md#${name})`).join('\n')}`
  })
  return `${introduction}\n${lists.join('\n\n')}\n`
}

/** The anchor of a row on the page of the lines: TypeDoc makes it of the heading. */
export function lineAnchor(id) {
  return id.replace('/', '')
}

function quoted(line) {
  const text = line.replaceAll(/\s+/g, ' ').slice(0, 160).replace(/\\+$/, '')
  return text.includes('`') ? `\`\` ${text} \`\`` : `\`${text}\``
}

/** Links of a page of the repository, as links between the pages of the site; others lead to the repository. TypeDoc copies images. */
function withLinks(text, from, path, { root, folder }) {
  const here = dirname(from)
  const pattern = /(!?\[[^\]]*\]\()(?!https?:|#|mailto:)([^)\s#]+)(#[^)\s]+)?\)/g
  return text.replaceAll(pattern, (_, start, link, anchor = '') => {
    const target = posix.join(here, link)
    if (start.startsWith('!')) return `${start}${relative(dirname(join(folder, path)), join(root, target))})`
    if (!target.endsWith('.md')) return `${start}${REPOSITORY}/${target}${anchor})`
    const code = target === 'docs/findings.md' && anchor.includes('-') ? `findings/${anchor.slice(1)}.md` : null
    const to = posix.relative(dirname(path), code ?? pathOf(target))
    return `${start}${to.startsWith('.') ? to : `./${to}`}${code === null ? anchor : ''})`
  })
}
