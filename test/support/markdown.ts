/** As much of Markdown as the tests of the documentation need: code blocks, headings, anchors and links. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

export interface CodeBlock {
  /** The word after the fence, such as `ts`; empty if there is none. */
  language: string
  code: string
  /** Line of its first line of code, counted from 1. */
  line: number
}

export interface Page {
  blocks: CodeBlock[]
  /** What `#…` can lead to. */
  anchors: Set<string>
  /** Targets of links and images, as they are written. */
  links: string[]
  /** Texts between single backticks. */
  codes: string[]
}

/** The pages of the repository, as paths from its root. */
export function markdownFiles(root: string): string[] {
  return ['.', '.github', 'docs'].flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((file) => file.endsWith('.md'))
      .map((file) => join(folder, file))
      .sort(),
  )
}

export function readPage(text: string): Page {
  const blocks: CodeBlock[] = []
  const prose: string[] = []
  let open: (CodeBlock & { fence: string; indent: number; lines: string[] }) | null = null
  for (const [index, line] of text.split('\n').entries()) {
    const [, indent = '', fence = '', language = ''] = /^( *)(`{3,}|~{3,})\s*(\S*)/.exec(line) ?? []
    if (open === null && fence === '') prose.push(line)
    else if (open === null) open = { language, code: '', line: index + 2, fence, indent: indent.length, lines: [] }
    else if (fence.startsWith(open.fence) && language === '') {
      blocks.push({ language: open.language, code: open.lines.join('\n'), line: open.line })
      open = null
    } else open.lines.push(line.slice(open.indent))
  }
  if (open !== null) throw new Error(`The code block at line ${String(open.line)} has no end`)
  return { blocks, ...readProse(prose.join('\n')) }
}

function readProse(prose: string): Omit<Page, 'blocks'> {
  const codes = [...prose.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code)
  const withoutCode = prose.replaceAll(/`[^`\n]+`/g, '')
  const targets = [
    ...withoutCode.matchAll(/\]\(\s*<?([^)>\s]+)>?[^)]*\)/g),
    ...withoutCode.matchAll(/^\[[^\]]+\]:\s*(\S+)/gm),
  ]
  const ids = [...withoutCode.matchAll(/<a\s+(?:id|name)="([^"]+)"/g)]
  const headings = [...prose.matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)].map(([, heading = '']) => heading)
  return {
    codes,
    links: targets.map(([, target = '']) => target),
    anchors: new Set([...ids.map(([, id = '']) => id), ...slugs(headings)]),
  }
}

/** The anchors that GitHub makes of headings; a heading that comes again is numbered. */
function slugs(headings: readonly string[]): string[] {
  const seen = new Map<string, number>()
  return headings.map((heading) => {
    const slug = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\p{M}\p{Pc}\- ]/gu, '')
      .replaceAll(' ', '-')
    const times = seen.get(slug) ?? 0
    seen.set(slug, times + 1)
    return times === 0 ? slug : `${slug}-${String(times)}`
  })
}
