/** etcd in a container that a command line starts. */
import { describe, expect, it } from 'vitest'
import { lintEtcdConfig } from '../../../../src/config/lint/lint.js'
import { type ConfigInput, type ReadMember, readMember } from '../../../../src/config/read/input.js'
import { temporaryFolder } from '../../../support/openssl.js'

const folder = temporaryFolder()
const read = (config: ConfigInput): Promise<ReadMember> => readMember(config, { readFiles: true, root: null })
const unit = (command: string, more = ''): ConfigInput => ({ unit: `[Service]\n${more}ExecStart=${command}\n` })
const options = ({ settings }: ReadMember): Record<string, string> =>
  Object.fromEntries(settings.all().map(({ place, text }) => [place.option, text]))

const RUN = '/usr/bin/docker run --rm -it --net=host --name etcd'

describe('a unit', () => {
  it.each([
    `${RUN} -v /etc/etcd/ssl:/pki:ro IMAGE /usr/local/bin/etcd --cert-file=/pki/a.pem`,
    `${RUN} --volume=/etc/etcd/ssl:/pki example.com/etcd:v3.5.16 --cert-file=/pki/a.pem`,
    `${RUN} -dv /etc/etcd/ssl:/pki quay.io/coreos/etcd:v3.5.16 etcd --cert-file=/pki/a.pem`,
    `${RUN} --mount type=bind,source=/etc/etcd/ssl,target=/pki,readonly IMAGE /bin/sh -c "exec etcd --cert-file=/pki/a.pem"`,
    `/usr/bin/podman run --replace --entrypoint etcd -v /etc/etcd/ssl:/pki IMAGE --cert-file /pki/a.pem`,
  ])('%s', async (command) => {
    const member = await read(unit(command))
    expect(options(member)).toEqual({ '--cert-file': '/pki/a.pem' })
    expect(member.hostPath('/pki/a.pem')).toBe('/etc/etcd/ssl/a.pem')
    expect(member.hostPath('/elsewhere')).toBeNull()
    expect(member.findings).toEqual([])
  })

  it('has variables, which are given by name or value', async () => {
    const environment = 'Environment=ETCD_NAME=a ETCD_DATA_DIR=b\n'
    const given = '-e ETCD_NAME --env ETCD_WAL_DIR=c -eETCD_CERT_FILE=/d'
    const member = await read(
      unit(`/usr/bin/podman run ${given} -u 1000:1 -w /w quay.io/coreos/etcd:v3.5.16`, environment),
    )
    expect(options(member)).toEqual({ ETCD_NAME: 'a', ETCD_CERT_FILE: '/d' })
    expect(member.context).toMatchObject({
      user: '1000',
      directory: '/w',
      version: { minor: 5, patch: 16 },
      mounts: [],
    })
  })

  it('has folders that are not known', async () => {
    const member = await read(
      unit(`${RUN} --env-file=$X --volumes-from y -v data:/d IMAGE /usr/bin/etcd --cert-file=/c`),
    )
    expect(member.isWhole).toBe(false)
    expect(member.findings.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^--env-file \(line 2:.*the file \$X/),
    ])
    expect(member.context.mounts).toEqual([
      { inside: '/d', outside: null },
      { inside: '/', outside: null },
    ])
  })
})

it('files of variables are read, and docker keeps quotes', async () => {
  const file = folder.file('kv.env', '# ours\nETCD_NAME="a"\n  ETCD_DATA_DIR=b # c\nOTHER\n')
  const run = `docker run --env-file ${file} quay.io/coreos/etcd:v3.5.16`
  const words = run.split(' ')
  for (const config of [unit(`/usr/bin/${run}`), { flags: run }, { flags: words }, { flags: Buffer.from(words.join('\0')) }]) {
    const member = await read(config)
    expect(options(member)).toEqual({ ETCD_NAME: 'a', ETCD_DATA_DIR: 'b # c' })
    expect(member.settings.server('dataDir').place).toMatchObject({ file, line: 3, column: 3 })
    expect([member.isWhole, member.findings.map(({ code }) => code)]).toEqual([true, ['config/quotes-in-value']])
  }
  for (const [path, code] of [[file, 'config/not-checked'], ['/no/such.env', 'file/missing']]) {
    const { findings } = await read({ flags: run.replace('docker', 'podman').replace(file, path ?? '') })
    expect(findings.map((each) => each.code)).toContain(code)
  }
}) // prettier-ignore

it('paths of the container are not looked for on its host', async () => {
  const codes = async (volume: string): Promise<string[]> => {
    const flags = `docker run ${volume} IMAGE etcd --cert-file=/etc/hostname --key-file=/etc/hostname`
    return (await lintEtcdConfig({ flags })).findings.map(({ code }) => code)
  }
  expect(await codes('-v /no/such:/etc')).toContain('file/missing')
  expect(await codes('-v /no/such:/pki')).toContain('config/volume-invalid')
  expect(await codes('-v certs:/etc')).toContain('config/not-checked')
})

it.each([
  'docker exec member etcdctl get a',
  'docker run --rm busybox sleep 1',
  'docker run -v /a:/b',
  'docker run IMAGE etcdctl get a',
])('%s starts no etcd', async (flags) => {
  expect((await read({ flags })).findings.map(({ code }) => code)).toEqual(['config/no-etcd'])
})
