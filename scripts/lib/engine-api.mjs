/** What the scripts ask of a container engine, by dockerode, as testcontainers does: no docker command is needed. */
import { setTimeout as sleep } from 'node:timers/promises'

/** How long a request of a killed client may be under way in the engine, in milliseconds. */
const SETTLE = 500

/** An engine at an address such as `unix:///var/run/docker.sock`, or at that of DOCKER_HOST. */
export async function dockerAt(host) {
  // It is among the packages that may just have been fetched.
  const { default: Docker } = await import('dockerode')
  return host.startsWith('unix://') ? new Docker({ host: undefined, socketPath: host.slice(7) }) : new Docker()
}

/** Whether the engine answers within `timeout` milliseconds. */
export async function answers(docker, timeout = 5_000) {
  return docker.ping({ abortSignal: AbortSignal.timeout(timeout) }).then(
    () => true,
    () => false,
  )
}

export async function hasImage(docker, name) {
  return docker
    .getImage(name)
    .inspect()
    .then(
      () => true,
      () => false,
    )
}

/** Pulls an image. Fails when the registry has sent nothing for `silence` milliseconds, or with the engine's message. */
export async function pullImage(docker, name, { signal, silence }) {
  const quiet = new AbortController()
  const giveUp = () => quiet.abort(new Error(`no answer within ${silence / 1000} s`))
  let timer = setTimeout(giveUp, silence)
  try {
    await readToEnd(await docker.pull(name, { abortSignal: AbortSignal.any([quiet.signal, signal]) }), () => {
      clearTimeout(timer)
      timer = setTimeout(giveUp, silence)
    })
  } catch (error) {
    throw quiet.signal.aborted ? quiet.signal.reason : error
  } finally {
    clearTimeout(timer)
  }
}

/** Makes an image of one layer from a tar stream. `changes` are Dockerfile lines. */
export async function importImage(docker, { repo, tag }, changes, tar, { signal }) {
  await readToEnd(await docker.importImage(tar, { repo, tag, changes, abortSignal: signal }))
}

/** Reads what the engine reports, as lines of JSON; one with `error` is how it says that the work failed. */
async function readToEnd(stream, onProgress = () => undefined) {
  let text = ''
  for await (const chunk of stream) {
    onProgress()
    text += chunk
  }
  const fault = text
    .split('\n')
    .flatMap((line) => (line.includes('"error"') ? JSON.parse(line).error : []))
    .at(0)
  if (fault !== undefined) throw new Error(fault)
}

/**
 * Removes every container and network that carries the label `name=value`. With `settle`, looks again until nothing new appears:
 * a request of a client that was killed may still be under way in the engine.
 */
export async function removeLabelled(docker, label, { settle = false } = {}) {
  const once = async () => {
    const filters = { label: [label] }
    const containers = await docker.listContainers({ all: true, filters })
    await Promise.all(containers.map(({ Id }) => removed(docker.getContainer(Id).remove({ force: true, v: true }))))
    const networks = await docker.listNetworks({ filters })
    await Promise.all(networks.map(({ Id, id }) => removed(docker.getNetwork(Id ?? id).remove())))
    return containers.length + networks.length
  }
  for (let found = 1; found > 0;) {
    found = await once()
    if (!settle) return
    await sleep(SETTLE)
  }
  await once()
}

/** 404: it has gone by itself; 409: another removal of it is under way. */
async function removed(removal) {
  await removal.catch((error) => {
    if (error.statusCode !== 404 && error.statusCode !== 409) throw error
  })
}
