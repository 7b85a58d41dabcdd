/** The text of docs/findings.md, made from the rows of the catalogue and from the Markdown next to them. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { severityText } from './severities.mjs'

/**
 * What src/report/catalogue says about each code in Markdown: a heading `## code`, the explanation, a line `Fix: …` if
 * lines of logs lead to the code, and last a line `Source: …`. The remedy of a finding is exact; this one is for a reader without a report.
 *
 * @param {string} root
 * @returns {Map<string, { meaning: string, fix?: string, source: string }>}
 */
export function readExplanations(root) {
  const folder = join(root, 'src/report/catalogue')
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.md'))
  const explanations = new Map()
  for (const file of files) {
    for (const section of readFileSync(join(folder, file), 'utf8').split(/^## /m).slice(1)) {
      const [, code, meaning, fix, source] =
        /^(\S+)\n\n(.+?)(?:\n\nFix: (.+?))?\n\nSource: (.+)$/s.exec(section.trimEnd()) ?? []
      if (code === undefined) throw new Error(`${file}: a section is not a code, an explanation and a line "Source: …"`)
      if (explanations.has(code)) throw new Error(`${file}: ${code} is explained twice`)
      explanations.set(code, { meaning, ...(fix === undefined ? {} : { fix }), source })
    }
  }
  return explanations
}

/**
 * @param {Readonly<Record<string, object>>} catalogue
 * @param {{ refusalsOf: (row: any) => readonly { by: string, words: string }[], anchorOf: (code: string) => string }} functions of src/report
 * @param {ReadonlyMap<string, { meaning: string, fix?: string, source: string }>} explanations
 * @returns {string}
 */
export function renderFindings(catalogue, { refusalsOf, anchorOf }, explanations) {
  const codes = Object.keys(catalogue).sort()
  const areas = groupByArea(codes)
  const contents = [...areas].map(
    ([area, members]) =>
      `- [${area}](#${area}): ${members.map((code) => `[${factOf(code)}](#${anchorOf(code)})`).join(', ')}`,
  )
  const sections = [...areas].map(([area, members]) =>
    [
      `## ${area}`,
      ...members.map((code) =>
        entry({ code, anchor: anchorOf(code) }, catalogue[code], refusalsOf(catalogue[code]), explanations.get(code)),
      ),
    ].join('\n\n'),
  )
  return `${[INTRODUCTION, contents.join('\n'), ...sections].join('\n\n')}\n`
}

const INTRODUCTION = `# Findings

<!-- Generated from src/report/catalogue (rows and Markdown) by \`npm run docs\`: edit there. -->

This page explains every finding that a report can contain. Search it for a code, or for a line of a log. Codes and \`details\`
are stable. The \`message\` and the \`remedy\` of a finding are in the report, and may change in any release. "Fix" is the remedy for
a reader without a report. \`npx etcd-mtls explain CODE\` prints an entry.

- **error**: a real etcd or a real Node client refuses it, or it is a security hole. The report is not \`ok\`.
- **warning**: it works for most uses today, and fails later or for some peers.
- **info**: useful to know.

"Refused as" lists the messages of other programs for the same fault. Go's are in etcd's log (field \`error\`) and in etcdctl's
warnings. Node's are the \`code\` of the error, or its message if the code is UNSPECIFIED. OpenSSL's are the output of its tools.
\`…\` stands for text that varies.`

function entry({ code, anchor }, rows, refusals, explanation) {
  if (explanation === undefined)
    throw new Error(`${code} has no explanation: add a section "## ${code}" to a Markdown file in src/report/catalogue`)
  const { meaning, fix, source } = explanation
  const lines = [`<a id="${anchor}"></a>`, `### ${code}`, `${severityText(rows)}: ${prose(meaning)}`]
  if (fix !== undefined) lines.push(`Fix: ${prose(fix)}`)
  // Several kinds of a code can have the same words.
  const words = [...new Set(refusals.map(refusal))]
  if (words.length > 0) lines.push(`Refused as:\n\n${words.join('\n')}`)
  return [...lines, `Source: ${prose(source)}`].join('\n\n')
}

/** The words as code, so that a search finds them letter for letter. */
function refusal({ by, words }) {
  return `- ${by}: \`${words}\``
}

/** Angle brackets are text here, except between backticks, where Markdown leaves them alone. */
function prose(text) {
  return text
    .split('`')
    .map((piece, index) => (index % 2 === 0 ? piece.replaceAll('<', '&lt;') : piece))
    .join('`')
}

function groupByArea(codes) {
  const areas = new Map()
  for (const code of codes) areas.set(areaOf(code), [...(areas.get(areaOf(code)) ?? []), code])
  return areas
}

const areaOf = (code) => code.slice(0, code.indexOf('/'))
const factOf = (code) => code.slice(code.indexOf('/') + 1)
