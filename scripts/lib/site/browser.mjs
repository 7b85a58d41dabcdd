/** The site in Chromium, under a content security policy that refuses inline scripts and other hosts: no page is wider than a telephone, and the search finds lines of logs. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { extname, join, normalize } from 'node:path'
import { killGroup, which } from '../process.mjs'

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self'; base-uri 'none'; form-action 'none'"
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' }
const WIDTH = 360

/** The program, or null: Debian's name and Google's. */
export const chromium = () => which('chromium') ?? which('google-chrome')

/**
 * @param {string} out the site
 * @param {readonly string[]} pages such as `connecting.html`
 * @param {readonly { line: string, page: string }[]} lines lines of logs, with the page to which the first result must lead
 * @returns {Promise<string[]>} what is wrong
 */
export async function faultsInBrowser(out, pages, lines) {
  const server = createServer((request, response) => serve(out, request, response)).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const site = `http://127.0.0.1:${server.address().port}`
  const browser = startBrowser()
  const faults = []
  try {
    const { call, messages } = await browser.openPage()
    const metrics = { width: WIDTH, height: 800, deviceScaleFactor: 1, mobile: true }
    await call('Emulation.setDeviceMetricsOverride', metrics)
    await call('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: 'dark' }] })
    const evaluate = async (expression) => {
      const answer = await call('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true })
      if (answer.exceptionDetails !== undefined) throw new Error(answer.exceptionDetails.exception.description)
      return answer.result.value
    }
    for (const page of pages) {
      await browser.load(`${site}/${page}`)
      const [width, background] = await evaluate(LAYOUT)
      if (width > WIDTH) faults.push(`${page} is ${width} pixels wide on a screen of ${WIDTH}`)
      if (!isDark(background)) faults.push(`${page} has the background ${background} in dark mode`)
    }
    await browser.load(`${site}/index.html`)
    for (const { line, page } of lines) {
      const first = await evaluate(`(${SEARCH})(${JSON.stringify(line)})`)
      if (first !== page) faults.push(`the search for ${JSON.stringify(line)} leads to ${first}, not to ${page}`)
    }
    faults.push(...messages)
  } finally {
    await browser.close()
    server.close()
  }
  return faults
}

const LAYOUT = `[document.documentElement.scrollWidth, getComputedStyle(document.body).backgroundColor]`

/** In the page: pastes a line into the search, and waits for the first result. */
const SEARCH = `async (line) => {
  document.querySelector('#tsd-search-trigger').click()
  const input = document.querySelector('#tsd-search-input')
  input.value = line
  input.dispatchEvent(new Event('input', { bubbles: true }))
  for (const end = Date.now() + 5000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 20))) {
    const link = document.querySelector('#tsd-search-results a')
    if (link !== null && input.value === line) {
      const href = new URL(link.href)
      document.querySelector('#tsd-search-results').replaceChildren()
      return href.pathname.slice(1) + href.hash
    }
  }
  return null
}`

function isDark(color) {
  return (color.match(/\d+/g) ?? []).slice(0, 3).every((part) => Number(part) < 96)
}

function serve(out, { url }, response) {
  const path = join(out, normalize(new URL(url, 'http://a').pathname))
  try {
    const content = readFileSync(path)
    response.writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'text/plain', 'content-security-policy': POLICY })
    response.end(content)
  } catch (error) {
    response.writeHead(error.code === 'ENOENT' || error.code === 'EISDIR' ? 404 : 500).end()
  }
}

/** A browser that is called by the DevTools protocol over two pipes. */
function startBrowser() {
  const profile = mkdtempSync(join(tmpdir(), 'etcd-mtls-browser-'))
  const args = ['--headless', '--no-sandbox', '--disable-gpu', '--remote-debugging-pipe', `--user-data-dir=${profile}`]
  const child = spawn(chromium(), args, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'], detached: true })
  const waiting = new Map()
  const listeners = new Set()
  let id = 0
  let rest = ''
  child.once('exit', () => {
    for (const answer of waiting.values()) answer({ error: { message: 'Chromium ended' } })
  })
  child.stdio[4].setEncoding('utf8').on('data', (text) => {
    const parts = (rest + text).split('\0')
    rest = parts.pop()
    for (const message of parts.map((each) => JSON.parse(each))) {
      waiting.get(message.id)?.(message)
      for (const listen of listeners) listen(message)
    }
  })
  const send = (method, params, sessionId) =>
    new Promise((resolve, reject) => {
      const number = ++id
      waiting.set(number, ({ result, error }) => {
        waiting.delete(number)
        if (error === undefined) resolve(result)
        else reject(new Error(`${method}: ${error.message}`))
      })
      child.stdio[3].write(`${JSON.stringify({ id: number, method, params, sessionId })}\0`)
    })
  let call
  return {
    async openPage() {
      const { targetId } = await send('Target.createTarget', { url: 'about:blank' })
      const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true })
      call = (method, params = {}) => send(method, params, sessionId)
      const messages = []
      listeners.add(({ method, params }) => {
        if (method === 'Log.entryAdded' && params.entry.level === 'error')
          messages.push(`${params.entry.text} ${params.entry.url ?? ''}`)
        if (method === 'Runtime.exceptionThrown') messages.push(params.exceptionDetails.exception?.description ?? '?')
      })
      for (const domain of ['Page', 'Runtime', 'Log']) await call(`${domain}.enable`)
      return { call, messages }
    },
    async load(url) {
      const loaded = new Promise((resolve) => {
        const listen = ({ method }) => {
          if (method !== 'Page.loadEventFired') return
          listeners.delete(listen)
          resolve()
        }
        listeners.add(listen)
      })
      await call('Page.navigate', { url })
      await loaded
    },
    async close() {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      killGroup(child, 'SIGKILL')
      await ended
      rmSync(profile, { recursive: true, force: true, maxRetries: 10 })
    },
  }
}
