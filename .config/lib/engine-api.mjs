/** The few calls that the scripts make to a container engine, over its socket: no docker command is needed. */
import { readFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** How long a request of a killed client may be under way in the engine, in milliseconds. */
const SETTLE = 500

/** A container engine at an address such as `unix:///var/run/docker.sock` or `tcp://127.0.0.1:2375`. */
export class EngineApi {
  constructor(host, env = process.env) {
    this.host = host
    this.target = target(host, env)
  }

  /** True when an engine answers within `timeout` milliseconds. */
  async answers(timeout = 5_000) {
    try {
      const { status } = await this.call('GET', '/_ping', { timeout })
      return status === 200
    } catch {
      return false // whatever the reason: nothing here can be used
    }
  }

  async hasImage(name) {
    const { status } = await this.call('GET', `/images/${encodeURIComponent(name)}/json`)
    return status === 200
  }

  /**
   * Pulls an image. Gives up when the registry has sent nothing for `silence` milliseconds.
   *
   * @throws with the engine's words when the image cannot be had.
   */
  async pullImage(image, tag, { signal, silence }) {
    await this.stream('POST', `/images/create?${new URLSearchParams({ fromImage: image, tag })}`, { signal, silence })
  }

  /** Makes an image of one layer from a tar stream. `changes` are Dockerfile lines. */
  async importImage(repo, tag, changes, tar, { signal }) {
    const query = new URLSearchParams({ fromSrc: '-', repo, tag })
    for (const change of changes) query.append('changes', change)
    await this.stream('POST', `/images/create?${query}`, { signal, silence: 60_000, body: tar })
  }

  async tagImage(name, repo, tag) {
    await this.expect('POST', `/images/${encodeURIComponent(name)}/tag?${new URLSearchParams({ repo, tag })}`)
  }

  /**
   * Removes every container and network that carries the label `name=value`. With `settle`, looks again until nothing
   * new appears: a request of a client that was killed may still be under way in the engine.
   */
  async removeLabelled(label, { settle = false } = {}) {
    let found
    do {
      found = await this.removeLabelledOnce(label)
      if (settle) await sleep(SETTLE)
    } while (settle && found > 0)
    if (settle) await this.removeLabelledOnce(label)
  }

  async removeLabelledOnce(label) {
    const filters = encodeURIComponent(JSON.stringify({ label: [label] }))
    const containers = await this.json('GET', `/containers/json?all=true&filters=${filters}`)
    await Promise.all(containers.map((each) => this.remove(`/containers/${each.Id}?force=true&v=true`)))
    const networks = await this.json('GET', `/networks?filters=${filters}`)
    await Promise.all(networks.map((each) => this.remove(`/networks/${each.Id ?? each.id}`)))
    return containers.length + networks.length
  }

  async remove(path) {
    const { status, body } = await this.call('DELETE', path)
    // 404: it has gone by itself; 409: another removal of it is under way.
    if (status >= 400 && status !== 404 && status !== 409) throw new Error(words(status, body))
  }

  async json(method, path) {
    return JSON.parse(await this.expect(method, path))
  }

  async expect(method, path) {
    const { status, body } = await this.call(method, path)
    if (status >= 400) throw new Error(words(status, body))
    return body
  }

  async call(method, path, { timeout = 30_000 } = {}) {
    const response = await this.send(method, path, { signal: AbortSignal.timeout(timeout) })
    const chunks = []
    for await (const chunk of response) chunks.push(chunk)
    return { status: response.statusCode, body: Buffer.concat(chunks).toString('utf8') }
  }

  /** A call that reports progress as JSON lines; a line with `error` is the engine's way to say that it failed. */
  async stream(method, path, { signal, silence, body }) {
    const quiet = new AbortController()
    const giveUp = () => quiet.abort(new Error(`no answer within ${silence / 1000} s`))
    let timer = setTimeout(giveUp, silence)
    try {
      const abort = signal === undefined ? quiet.signal : AbortSignal.any([quiet.signal, signal])
      const response = await this.send(method, path, { signal: abort, body })
      response.setEncoding('utf8')
      let text = ''
      for await (const chunk of response) {
        clearTimeout(timer)
        timer = setTimeout(giveUp, silence)
        text += chunk
      }
      if (response.statusCode >= 400) throw new Error(words(response.statusCode, text))
      const fault = text
        .split('\n')
        .map((line) => parseLine(line)?.error)
        .find((error) => error !== undefined)
      if (fault !== undefined) throw new Error(fault)
    } catch (error) {
      throw quiet.signal.aborted ? quiet.signal.reason : error
    } finally {
      clearTimeout(timer)
    }
  }

  send(method, path, { signal, body }) {
    const { secure, ...where } = this.target
    return new Promise((resolve, reject) => {
      const headers = body === undefined ? {} : { 'content-type': 'application/x-tar' }
      const options = { ...where, method, path, headers, signal, agent: false }
      const request = (secure ? httpsRequest : httpRequest)(options, resolve)
      request.on('error', reject)
      if (body === undefined) {
        request.end()
      } else {
        body.on('error', (error) => request.destroy(error))
        body.pipe(request)
      }
    })
  }
}

/** Where Node has to connect to for a DOCKER_HOST. */
export function target(host, env = {}) {
  const url = new URL(host)
  if (url.protocol === 'unix:') return { socketPath: url.pathname }
  if (url.protocol === 'npipe:') return { socketPath: host.slice('npipe://'.length) } // URL would drop the dot
  if (!['tcp:', 'http:', 'https:'].includes(url.protocol)) {
    throw new Error(`DOCKER_HOST "${host}" cannot be used: only unix://, npipe:// and tcp:// addresses can`)
  }
  const secure = url.protocol === 'https:' || env.DOCKER_TLS_VERIFY === '1'
  const where = { host: url.hostname, port: Number(url.port || (secure ? 2376 : 2375)), secure }
  if (!secure || env.DOCKER_CERT_PATH === undefined) return where
  const read = (file) => readFileSync(join(env.DOCKER_CERT_PATH, file))
  return { ...where, ca: read('ca.pem'), cert: read('cert.pem'), key: read('key.pem') }
}

function parseLine(line) {
  try {
    return JSON.parse(line)
  } catch {
    return null // progress is for people; only a well-formed error line matters
  }
}

function words(status, body) {
  const message = parseLine(body)?.message ?? body.trim()
  return message === '' ? `the container engine answered ${status}` : message
}
